/**
 * From scored groups to what a policy learns from: which completions take part, what is computed before the first
 * update, and the batches of each optimizer step with the averaging folded into their weights.
 */
import type { Policy, TokenSequence } from '../engine/policy.ts';
import { randomStream } from '../util/random.ts';
import type { Advantages } from './advantages.ts';
import type { GrpoConfig } from './config.ts';
import { highEntropyMask } from './entropy-mask.ts';
import type { GrpoLossOptions } from './grpo-loss.ts';
import type { PreparedTokens, Rollout } from './rollout-file.ts';
import type { Group } from './rollout.ts';
import { tokenWeights } from './token-weights.ts';

/** One completion that takes part in the averages of the loss. */
export interface LearnedSequence {
  readonly group: number;
  readonly completion: number;
  readonly promptLength: number;
  /** Prompt and completion [T]. */
  readonly tokens: Int32Array;
  /** log p of each token when it was sampled [T]; 0 in the prompt. */
  readonly sampledLogprobs: Float32Array;
  readonly advantage: number;
  /** Tokens in the loss: those of the completion, or 0 where it is masked. */
  readonly length: number;
  /** Whether the loss depends on it at all, so that it has to be computed. */
  readonly computed: boolean;
}

/** The loss that a configuration asks for. */
export function lossOptions(config: GrpoConfig): GrpoLossOptions {
  const { loss, kl } = config;
  return {
    type: loss.type,
    ratio: loss.ratio,
    ...(loss.type === 'cispo'
      ? { cispoMaxRatio: loss.cispoMaxRatio }
      : { clipLow: loss.clipLow, clipHigh: loss.clipHigh, maxNegativeRatio: loss.maxNegativeRatio }),
    offPolicyThreshold: loss.offPolicyThreshold,
    ...(kl.beta === 0
      ? {}
      : { kl: { beta: kl.beta, estimator: kl.estimator, biasCorrected: kl.biasCorrected } }),
    policyScale: scalesPolicy(config),
    entropyBonus: loss.entropyBonus > 0,
  };
}

/**
 * The completions that take part. Left out: those without a verdict, groups that another replaced, and (as asked)
 * groups without variance. Truncated completions that are masked stay in the number of sequences, as in TRL, with
 * no tokens.
 */
export function learnedSequences(
  config: GrpoConfig,
  { groups, replaced }: Pick<Rollout, 'groups' | 'replaced'>,
  { advantages, rewards, zeroVariance }: Advantages,
): LearnedSequence[] {
  const gone = new Set(replaced);
  const others = config.kl.beta > 0 || config.loss.entropyBonus > 0;
  const sequences: LearnedSequence[] = [];
  for (const [g, { prompt, completions }] of groups.entries()) {
    if (gone.has(g) || (config.dropZeroVariance && zeroVariance[g])) continue;
    for (const [c, completion] of completions.entries()) {
      const n = g * config.groupSize + c;
      if (Number.isNaN(rewards[n]!) || completion.tokens.length === 0) continue;
      const masked = config.truncated === 'mask' && completion.finish === 'length';
      const promptLength = prompt.tokens.length;
      const tokens = new Int32Array(promptLength + completion.tokens.length);
      tokens.set(prompt.tokens);
      tokens.set(completion.tokens, promptLength);
      const sampledLogprobs = new Float32Array(tokens.length);
      sampledLogprobs.set(completion.logprobs, promptLength);
      const advantage = advantages[n]!;
      sequences.push({
        group: g,
        completion: c,
        promptLength,
        tokens,
        sampledLogprobs,
        advantage,
        length: masked ? 0 : completion.tokens.length,
        computed: !masked && (advantage !== 0 || others),
      });
    }
  }
  return sequences;
}

/**
 * What has to be computed once per rollout, before the weights change: log-probabilities under the reference, and,
 * where samples come from another distribution or only tokens of high entropy are learned from, under the policy.
 */
export async function prepareLearning(
  policy: Policy,
  config: GrpoConfig,
  groups: readonly Group[],
  sequences: readonly LearnedSequence[],
): Promise<PreparedTokens[][]> {
  const temperature = config.sampling.temperature;
  const forward = (of: readonly LearnedSequence[], model: 'current' | 'reference') =>
    policy.forward(
      of.map((sequence) => scoring(sequence)),
      { temperature, model },
    );
  const prepared: Record<keyof PreparedTokens, Float32Array | undefined>[] = sequences.map(() => ({
    oldLogprobs: undefined,
    referenceLogprobs: undefined,
    policyScale: undefined,
  }));

  if (scalesPolicy(config)) {
    // The quantile of entropies is over all tokens in the averages, learned from or not.
    const scored = [...sequences.keys()].filter((i) => sequences[i]!.length > 0);
    const active = scored.map((i) => sequences[i]!);
    const { logprobs, entropies } = await forward(active, 'current');
    const masks = active.map((sequence) => scoring(sequence).weights);
    const scales =
      config.loss.topEntropyShare < 1
        ? highEntropyMask(entropies, masks, config.loss.topEntropyShare)
        : masks;
    for (const [at, i] of scored.entries()) {
      const scale = scales[at]!;
      if (config.importance.correction !== 'none') {
        prepared[i]!.oldLogprobs = logprobs[at]!;
        const ratios = importanceRatios(config.importance, sequences[i]!, logprobs[at]!);
        for (let t = 0; t < scale.length; t++) scale[t]! *= ratios[t]!;
      }
      prepared[i]!.policyScale = scale;
    }
  }
  if (config.kl.beta > 0) {
    const scored = [...sequences.keys()].filter((i) => sequences[i]!.computed);
    const { logprobs } = await forward(
      scored.map((i) => sequences[i]!),
      'reference',
    );
    for (const [at, i] of scored.entries()) prepared[i]!.referenceLogprobs = logprobs[at]!;
  }

  const table: PreparedTokens[][] = groups.map(({ completions }) => completions.map(() => ({})));
  for (const [i, { group, completion }] of sequences.entries()) {
    const present = Object.entries(prepared[i]!).filter(([, value]) => value !== undefined);
    table[group]![completion] = Object.fromEntries(present);
  }
  return table;
}

/**
 * The mini-batches of one pass over the rollout: all sequences in a random order, cut into `config.miniBatches` parts
 * of equal size (one more or less); in the order of sampling when there is only one.
 */
export function miniBatches(
  config: GrpoConfig,
  sequences: readonly LearnedSequence[],
  at: { readonly step: number; readonly epoch: number },
): LearnedSequence[][] {
  const parts = config.miniBatches;
  if (parts === 1) return [[...sequences]];
  const order = randomStream(config.seed, 'mini-batches', at.step, at.epoch).shuffle(sequences);
  return Array.from({ length: parts }, (_, part) =>
    order.slice(Math.floor((part * order.length) / parts), Math.floor(((part + 1) * order.length) / parts)),
  );
}

/**
 * A mini-batch as the policy takes it, without the sequences that need not be computed. `asDrawn`: the weights are
 * those that the completions were drawn with.
 */
export function learningBatch(
  config: GrpoConfig,
  batch: readonly LearnedSequence[],
  prepared: readonly (readonly PreparedTokens[])[],
  { rolloutTokens, asDrawn }: { readonly rolloutTokens: number; readonly asDrawn: boolean },
): TokenSequence[] {
  const averages = tokenWeights(config.loss.type, {
    lengths: batch.map(({ length }) => length),
    maxCompletionTokens: config.maxCompletionTokens,
    rolloutTokens,
    batchesPerRollout: config.miniBatches,
  });
  const bonus = config.loss.entropyBonus;
  const entropyTokens = bonus === 0 ? 0 : countEntropyTokens(batch, prepared);
  return batch.flatMap((sequence, index) => {
    if (!sequence.computed) return [];
    const { tokens, promptLength, advantage } = sequence;
    const own = prepared[sequence.group]![sequence.completion]!;
    const filled = (value: number) => new Float32Array(tokens.length).fill(value, promptLength);
    const mask = filled(1);
    const { policyScale } = own;
    const entropyShare = bonus / Math.max(1, entropyTokens);
    return [
      {
        tokens,
        weights: filled(averages[index]!),
        ...(asDrawn ? { drawnFrom: promptLength } : {}),
        inputs: {
          oldLogprobs: own.oldLogprobs ?? sequence.sampledLogprobs,
          advantages: filled(advantage),
          ...(own.referenceLogprobs === undefined ? {} : { referenceLogprobs: own.referenceLogprobs }),
          ...(policyScale === undefined ? {} : { policyScale }),
          ...(bonus === 0
            ? {}
            : { entropyWeights: mask.map((m, t) => (m !== 0 && chosen(policyScale, t) ? entropyShare : 0)) }),
        },
      },
    ];
  });
}

/** Whether `prepareLearning` has anything to compute. */
export function needsPreparation(config: GrpoConfig): boolean {
  return config.kl.beta > 0 || scalesPolicy(config);
}

/** Whether the policy term needs `policyScale`. */
function scalesPolicy({ importance, loss }: GrpoConfig): boolean {
  return importance.correction !== 'none' || loss.topEntropyShare < 1;
}

/** Every token of the completion scored with weight 1. */
function scoring({ tokens, promptLength }: LearnedSequence): TokenSequence {
  return { tokens, weights: new Float32Array(tokens.length).fill(1, promptLength) };
}

/** min(p / q, cap) at each token [T], or of the whole sequence. */
function importanceRatios(
  { correction, cap }: GrpoConfig['importance'],
  { sampledLogprobs, promptLength }: LearnedSequence,
  logprobs: Float32Array,
): Float32Array {
  const logRatios = logprobs.map((value, t) => (t < promptLength ? 0 : value - sampledLogprobs[t]!));
  if (correction === 'token') return logRatios.map((value) => Math.min(Math.exp(value), cap));
  const ofSequence = logRatios.reduce((total, value) => total + value, 0);
  return logRatios.fill(Math.min(Math.exp(ofSequence), cap));
}

/** The bonus acts on the tokens that the policy term acts on. */
function countEntropyTokens(
  batch: readonly LearnedSequence[],
  prepared: readonly (readonly PreparedTokens[])[],
): number {
  let count = 0;
  for (const { group, completion, tokens, promptLength, length } of batch) {
    if (length === 0) continue;
    const { policyScale } = prepared[group]![completion]!;
    for (let t = promptLength; t < tokens.length; t++) if (chosen(policyScale, t)) count++;
  }
  return count;
}

function chosen(policyScale: Float32Array | undefined, t: number): boolean {
  return policyScale === undefined || policyScale[t] !== 0;
}
