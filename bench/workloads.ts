/**
 * What is measured, on one model each: decoding, forward and backward, the optimizer, a whole step of GRPO, one of
 * fine-tuning. A workload brings its amount of work, so that a rate and a share of the machine's peak follow from its time.
 */
import { createLocalPolicy, type LocalPolicy } from '../src/engine/local-policy.ts';
import type { TokenLoss, TokenSequence } from '../src/engine/policy.ts';
import { mul, neg } from '../src/graph/ops/elementwise.ts';
import { sum } from '../src/graph/ops/reduce.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { computeAdvantages } from '../src/train/advantages.ts';
import { grpoLoss } from '../src/train/grpo-loss.ts';
import { negativeLogLikelihood } from '../src/train/pretrain.ts';
import { weightedExamples } from '../src/train/sft.ts';
import { tokenWeights } from '../src/train/token-weights.ts';
import { randomStream, streamKey } from '../src/util/random.ts';
import { configOf, forwardOperations, type Shape, trainingOperations } from './shapes.ts';

export interface Workload {
  readonly name: string;
  /** Tokens that one run reads or writes; undefined where a rate makes no sense. */
  readonly tokens?: number;
  /** Floating-point operations that its mathematics needs; see `forwardOperations`. */
  readonly operations?: number;
  /** Share of the computed positions that is padding, known after a run. */
  padding?: number;
  run(): Promise<void>;
}

/** Tokens of a prompt, and new ones, in decoding and GRPO. */
export const promptTokens = 32;
export const newTokens = 64;

/** Prompts × completions of a GRPO step. */
export const prompts = 8;
export const completions = 8;

export const decodeBatches = [1, 16, 64] as const;

/** Lengths of the sequences of each batch for forward and backward. */
export const trainingBatches: Readonly<Record<string, readonly number[]>> = {
  '64x96': Array.from({ length: 64 }, () => 96),
  '16x256': Array.from({ length: 16 }, () => 256),
  '8x512': Array.from({ length: 8 }, () => 512),
  mixed: mixedLengths(64),
};

/** 16 to 160, most of them short, as completions are: log-uniform. */
function mixedLengths(count: number): number[] {
  const random = randomStream('bench', 'lengths');
  return Array.from({ length: count }, () => Math.round(16 * 10 ** random.next()));
}

/** Lengths of the examples of a step of fine-tuning: 32 to 512, log-uniform, the longest among them. */
export const exampleLengths: readonly number[] = Array.from({ length: 64 }, (_, index) =>
  index === 0 ? 512 : Math.round(32 * 16 ** randomStream('bench', 'examples', index).next()),
);

/** Share of an example that is its prompt, which is read and not learned. */
export const promptShare = 0.25;

export function openPolicy(runtime: Runtime, shape: Shape): Promise<LocalPolicy> {
  return createLocalPolicy({ runtime, config: configOf(shape), weights: { seed: 'bench' } });
}

/** `batch` prompts, each its own, 64 new tokens for each, drawn at temperature 1 from all tokens. */
export function decoding(policy: LocalPolicy, shape: Shape, batch: number): Workload {
  let run = 0;
  return {
    name: `decode ${batch}`,
    tokens: batch * newTokens,
    operations: batch * generationOperations(shape),
    async run() {
      run++;
      const requests = Array.from({ length: batch }, (_, index) => ({
        prompt: randomTokens(shape, promptTokens, index),
        streams: [streamKey('bench', 'decode', run, index)],
        maxTokens: newTokens,
      }));
      await policy.sample(requests);
    },
  };
}

/** The head is needed for the last token of the prompt, and for all new ones but the last. */
function generationOperations(shape: Shape): number {
  return forwardOperations(shape, promptTokens + newTokens - 1, newTokens);
}

/** The gradient of the summed cross-entropy of all tokens but the first of each sequence. */
export function forwardBackward(
  policy: LocalPolicy,
  shape: Shape,
  name: string,
  lengths: readonly number[],
): Workload {
  const batch: TokenSequence[] = lengths.map((length, index) => ({
    tokens: randomTokens(shape, length, index),
    weights: new Float32Array(length).fill(1).fill(0, 0, 1),
  }));
  // The last token of a sequence is predicted, not read.
  const read = lengths.map((length) => length - 1);
  return {
    name: `train ${name}`,
    tokens: read.reduce((a, b) => a + b),
    operations: read.reduce((total, length) => total + trainingOperations(shape, length, length), 0),
    async run() {
      const result = await policy.forwardBackward(batch, crossEntropy);
      this.padding = 1 - result.computedTokens / result.computedPositions;
    },
  };
}

/** Global norm, clipping, AdamW, clearing the gradient. */
export function optimizerStep(policy: LocalPolicy): Workload {
  return {
    name: 'optimizer',
    async run() {
      await policy.optimizerStep({ learningRate: 1e-5, weightDecay: 0.01, maxGradientNorm: 1 });
    },
  };
}

/**
 * One step of GRPO by the engine's verbs: 8 prompts, 8 completions of 64 tokens each, random rewards, advantages by
 * group, one update (clipped ratio, no reference, gradient norm at most 1).
 */
export function grpoStep(policy: LocalPolicy, shape: Shape): Workload {
  let step = 0;
  const loss = grpoLoss({ type: 'grpo', clipLow: 0.2, clipHigh: 0.2 });
  return {
    name: 'grpo step',
    tokens: prompts * completions * newTokens,
    operations:
      prompts *
      completions *
      (generationOperations(shape) + trainingOperations(shape, promptTokens + newTokens - 1, newTokens)),
    async run() {
      step++;
      const random = randomStream('bench', 'reward', step);
      const requests = Array.from({ length: prompts }, (_, problem) => ({
        prompt: randomTokens(shape, promptTokens, `${step}/${problem}`),
        streams: Array.from({ length: completions }, (_, sample) =>
          streamKey('bench', step, problem, sample),
        ),
        maxTokens: newTokens,
      }));
      const sampled = (await policy.sample(requests, { remember: `step ${step}` })).flat();
      const rewards = sampled.map(() => [random.next()]);
      const { advantages } = computeAdvantages(rewards, completions, { scale: 'group' });
      const weights = tokenWeights('grpo', {
        lengths: sampled.map(({ tokens }) => tokens.length),
        maxCompletionTokens: newTokens,
      });
      const batch = sampled.map(({ tokens, logprobs }, index): TokenSequence => {
        const { prompt } = requests[Math.floor(index / completions)]!;
        const start = prompt.length;
        const whole = new Int32Array(start + tokens.length);
        whole.set(prompt);
        whole.set(tokens, start);
        const fill = (value: number) => new Float32Array(whole.length).fill(value).fill(0, 0, start);
        const oldLogprobs = fill(0);
        oldLogprobs.set(logprobs, start);
        return {
          tokens: whole,
          weights: fill(weights[index]!),
          inputs: { oldLogprobs, advantages: fill(advantages[index]!) },
          drawnFrom: start,
        };
      });
      const result = await policy.forwardBackward(batch, loss);
      this.padding = 1 - result.computedTokens / result.computedPositions;
      await policy.optimizerStep({ learningRate: 1e-5, maxGradientNorm: 1 });
    },
  };
}

/**
 * One step of supervised fine-tuning by the engine's verbs: the gradient of the mean cross-entropy over the learned
 * tokens of 64 examples of mixed lengths, and the update. `packed`: in micro-batches by length, as `trainSft` has
 * them; otherwise each example is padded to the longest.
 */
export function sftStep(policy: LocalPolicy, shape: Shape, packed = true): Workload {
  const longest = Math.max(...exampleLengths);
  const examples = exampleLengths.map((length, index) => {
    const tokens = randomTokens(shape, length, index);
    const from = Math.max(1, Math.round(length * promptShare));
    return { tokens, learned: Uint8Array.from(tokens, (_, t) => Number(t >= from)), promptLength: from };
  });
  const batch = weightedExamples(examples, 'tokens').map((sequence): TokenSequence => {
    if (packed) return sequence;
    const tokens = new Int32Array(longest);
    tokens.set(sequence.tokens);
    const weights = new Float32Array(longest);
    weights.set(sequence.weights);
    // The engine leaves out what follows the last weighted token: as good as nothing, and yet a weight.
    if (weights[longest - 1] === 0) weights[longest - 1] = 1e-30;
    return { tokens, weights };
  });
  const read = exampleLengths.reduce((total, length) => total + length - 1, 0);
  return {
    name: packed ? 'sft step' : 'sft step, padded',
    tokens: read,
    operations: exampleLengths.reduce(
      (total, length) => total + trainingOperations(shape, length - 1, length * (1 - promptShare)),
      0,
    ),
    async run() {
      const { computedPositions } = await policy.forwardBackward(batch, negativeLogLikelihood);
      this.padding = 1 - read / computedPositions;
      await policy.optimizerStep({ learningRate: 1e-5, weightDecay: 0.01, maxGradientNorm: 1 });
    },
  };
}

const crossEntropy: TokenLoss = {
  key: 'bench/cross-entropy',
  inputs: [],
  build: ({ logprobs, weights }) => ({ loss: neg(sum(mul(weights, logprobs))) }),
};

function randomTokens({ vocabularySize }: Shape, length: number, name: string | number): Int32Array {
  const random = randomStream('bench', 'tokens', name);
  return Int32Array.from({ length }, () => 2 + random.integer(vocabularySize - 2));
}
