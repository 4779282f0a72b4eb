/**
 * The engine interface: what a recipe may ask of a model. Recipes speak in tokens, log-probabilities and weights,
 * never in tensors, so that a local engine and a remote cluster look the same.
 *
 * Token positions: entry t of a per-token array belongs to predicting token t from the tokens before it. Entry 0
 * is therefore never used. Log-probabilities are of `logits / temperature`.
 */
import type { Tensor } from '../graph/tensor.ts';
import type { StreamKey } from '../util/random.ts';

/** One sequence to score or to learn from. */
export interface TokenSequence {
  /** Token ids [T], T ≥ 2. */
  readonly tokens: Int32Array;
  /**
   * The weight of predicting each token [T]. Positions with weight 0 are not scored and get no gradient from
   * the loss; a sequence whose weights are all 0 is not computed at all.
   */
  readonly weights: Float32Array;
  /** Further per-token inputs [T] of the loss, by name: `oldLogprobs`, `advantages`. */
  readonly inputs?: Readonly<Record<string, Float32Array>>;
  /** What another model expects at each weighted token, for a loss that compares distributions. */
  readonly teacher?: TokenDistributions;
  /**
   * Tokens from here on were drawn by `sample`, and the weights are still those that they were drawn with: the engine
   * may take what it computed then instead of computing it again. Results agree to rounding, and do not depend on
   * whether the engine still has it. All weights before must be 0.
   */
  readonly drawnFrom?: number;
}

/** Distributions at the M weighted tokens of a sequence, one after the other, each by its K tokens. */
export interface TokenDistributions {
  /** K */
  readonly width: number;
  /** Which tokens [M·K]; absent: all of the vocabulary in order of their ids, K = V. */
  readonly ids?: Int32Array;
  /** log p of each under the whole distribution [M·K]. */
  readonly logprobs: Float32Array;
}

/** What a loss sees: the N weighted tokens of a micro-batch of S sequences, one after the other. */
export interface TokenLossArguments {
  /** log p(token) under the policy [N], differentiable. */
  readonly logprobs: Tensor;
  /** Entropy of the distribution that predicted the token, in nats [N], differentiable. */
  readonly entropies: Tensor;
  /** [N] */
  readonly weights: Tensor;
  /** Which sequence of the micro-batch a token belongs to: i64 [N], values in [0, S). */
  readonly sequence: Tensor;
  /** A tensor whose length is S: f32 [S] of zeros, to sum into. */
  readonly zerosPerSequence: Tensor;
  /** The sequences' `inputs`, by name, [N] each. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** For a loss that asks for it (`TokenLoss.distribution`). */
  readonly distribution?: DistributionArguments;
}

export interface DistributionArguments {
  /** log p of every token of the vocabulary under the policy [N, V], differentiable. */
  readonly logs: Tensor;
  /** The token itself: i64 [N]. */
  readonly targets: Tensor;
  /** The teacher's log p [N, K]; K = V in order of ids for `full`. */
  readonly teacher: Tensor;
  /** For `top-k`: the ids of the teacher's tokens, i64 [N, K], … */
  readonly ids?: Tensor;
  /** … and the log of the probability that it gives to all others, at least log 10⁻¹² [N]. */
  readonly tail?: Tensor;
}

/**
 * A loss over tokens, written once as a graph. **It is a plain sum over tokens**: averaging is folded into
 * `weights` by the caller. Two losses with the same `key` are the same graph.
 */
export interface TokenLoss {
  readonly key: string;
  /** Names of the per-token inputs that every sequence must bring. */
  readonly inputs: readonly string[];
  /** Compares the policy's distribution with `TokenSequence.teacher`, which must be of this form. */
  readonly distribution?: 'full' | 'top-k';
  build(tokens: TokenLossArguments): {
    /** f32 [] */
    readonly loss: Tensor;
    /** Per-token values [N] to hand back beside the log-probabilities (ratio, clipped, kl). No gradient. */
    readonly perToken?: Readonly<Record<string, Tensor>>;
  };
}

export interface ForwardOptions {
  /** Divides the logits. Default 1. */
  readonly temperature?: number;
  /** Which weights to use: the policy's own, or the reference's. Default `current`. */
  readonly model?: 'current' | 'reference';
  /** Also hand back the distribution at each weighted token: all of it, or its K most likely tokens. */
  readonly distribution?: 'full' | number;
}

/** Per sequence, arrays as long as its tokens, 0 where the weight is 0. */
export interface ForwardResult {
  readonly logprobs: readonly Float32Array[];
  readonly entropies: readonly Float32Array[];
  /** Per sequence, if asked for. */
  readonly distributions?: readonly TokenDistributions[];
}

export interface ForwardBackwardResult extends ForwardResult {
  readonly loss: number;
  readonly perToken: Readonly<Record<string, readonly Float32Array[]>>;
  /** Tokens that went through the model, padding not counted. */
  readonly computedTokens: number;
  /** Positions that were computed, padding counted. */
  readonly computedPositions: number;
}

export interface AdamParameters {
  readonly learningRate: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled weight decay (Loshchilov & Hutter 2019); not applied to norms and biases. */
  readonly weightDecay?: number;
  /** Gradients are scaled down so that their global norm is at most this. Not clipped when absent. */
  readonly maxGradientNorm?: number;
}

export interface OptimizerStepResult {
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** False when the gradient was not finite: the weights were then left as they are. */
  readonly applied: boolean;
}

export interface SampleRequest {
  readonly prompt: Int32Array;
  /** One completion is drawn per stream; the prompt is computed once. */
  readonly streams: readonly StreamKey[];
  readonly maxTokens: number;
  /** 0 means greedy. Default 1. */
  readonly temperature?: number;
  /** Keep the k most likely tokens. 0 or absent: all. */
  readonly topK?: number;
  /** Keep the smallest set of tokens whose probability reaches this. Default 1: all. */
  readonly topP?: number;
  /** Drop tokens less likely than this share of the most likely one. Default 0: none. */
  readonly minP?: number;
  /** Stop tokens cannot be drawn before this many tokens were. Default 0. */
  readonly minTokens?: number;
  /** A completion ends with the first of these tokens (which is part of it). */
  readonly stopTokens?: readonly number[];
  /** A completion ends as soon as its text contains one of these. */
  readonly stopStrings?: readonly string[];
}

export interface Completion {
  readonly tokens: Int32Array;
  /** log-probability of each token under exactly the distribution that it was drawn from. */
  readonly logprobs: Float32Array;
  /** `stop`: a stop token or string; `length`: `maxTokens` or the model's context was reached. */
  readonly finish: 'stop' | 'length';
  /** Whether top-k, top-p, min-p, minTokens or temperature 0 changed the distribution: not to be learned from as it is. */
  readonly truncatedDistribution: boolean;
}

export interface SampleOptions {
  /** Called as tokens are drawn, in order within a completion. */
  readonly onToken?: (token: { request: number; completion: number; token: number; logprob: number }) => void;
  /** Called when a completion ends, with what was drawn: long work is saved as it comes. */
  readonly onCompletion?: (completion: { request: number; completion: number; drawn: Completion }) => void;
  readonly signal?: AbortSignal;
  /**
   * The completions will be learned from (see `TokenSequence.drawnFrom`): what is computed for them is worth keeping
   * until the weights change. A name for all that is drawn to be learned together, at most
   * `Capabilities.rememberedTokens`: under another name, what was kept before is forgotten.
   */
  readonly remember?: string;
}

/** What an engine can honour; a recipe that asks for more is refused before it starts. */
export interface Capabilities {
  readonly training: boolean;
  /** Whether losses of one's own (graphs) are accepted, or only those the engine knows by key. */
  readonly customLoss: boolean;
  readonly referenceModel: boolean;
  /** Exact resume, bit for bit. */
  readonly exactResume: boolean;
  /** Longest sequence, prompt and completion together. */
  readonly contextLength: number;
  readonly truncatedSampling: boolean;
  /** For how many drawn tokens it can keep what it computed (`SampleOptions.remember`). */
  readonly rememberedTokens: number;
}

export interface PolicyDescription {
  readonly architecture: string;
  readonly parameters: number;
  readonly trainableParameters: number;
  readonly vocabularySize: number;
}

export interface Policy {
  readonly capabilities: Capabilities;
  readonly description: PolicyDescription;
  /** Adds the gradient of `loss` over the batch to the accumulated gradient. */
  forwardBackward(
    batch: readonly TokenSequence[],
    loss: TokenLoss,
    options?: Pick<ForwardOptions, 'temperature'>,
  ): Promise<ForwardBackwardResult>;
  forward(batch: readonly TokenSequence[], options?: ForwardOptions): Promise<ForwardResult>;
  /** Applies the accumulated gradient and clears it. */
  optimizerStep(adam: AdamParameters): Promise<OptimizerStepResult>;
  /** Per request, one completion per stream, in order. */
  sample(requests: readonly SampleRequest[], options?: SampleOptions): Promise<Completion[][]>;
  /** Makes the current weights the reference (with LoRA, the reference before the first call is the base). */
  refreshReference(): Promise<void>;
  /** Writes everything needed to go on as if nothing had happened into an existing, empty folder. */
  save(folder: string): Promise<void>;
  load(folder: string): Promise<void>;
  /** Writes a Hugging Face folder. `adapter` needs LoRA and writes the PEFT layout. */
  export(folder: string, options?: { readonly form?: 'merged' | 'adapter' }): Promise<void>;
  /** Frees native memory. The policy cannot be used afterwards. */
  dispose(): Promise<void>;
}
