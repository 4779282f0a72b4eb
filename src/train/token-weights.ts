/**
 * What a loss averages over. Every loss of the engine is a plain sum over tokens; this is the one place where the
 * averaging of each loss type is turned into the weights of that sum.
 */
import type { LossType } from './grpo-loss.ts';

export interface AveragingOptions {
  /** Tokens of each sequence that take part in the loss; 0 for a sequence that is masked as a whole. */
  readonly lengths: readonly number[];
  /** The limit of completions: dr_grpo's constant. */
  readonly maxCompletionTokens: number;
  /**
   * Tokens in the loss of the whole rollout, of which this batch is one of `batchesPerRollout`: what dapo and cispo
   * average over. Default: those of this batch.
   */
  readonly rolloutTokens?: number;
  /** Default 1. */
  readonly batchesPerRollout?: number;
  /** Batches whose gradients are added before an optimizer step. Default 1. */
  readonly accumulatedBatches?: number;
  /** Processes that average their gradients, where `rolloutTokens` counts the tokens of all. Default 1. */
  readonly processes?: number;
}

/**
 * The weight of each token of each sequence [S]: all tokens of a sequence weigh the same.
 *
 * | type | the loss is |
 * |---|---|
 * | grpo | mean over sequences of the mean over their tokens; masked sequences count as 0 |
 * | bnpo | mean over the tokens of the batch |
 * | dr_grpo | sum over tokens / (sequences × maxCompletionTokens) |
 * | dapo, cispo | sum over tokens / tokens of the rollout per batch, the same constant for every batch of it |
 *
 * All are divided by `accumulatedBatches`.
 */
export function tokenWeights(type: LossType, options: AveragingOptions): Float64Array {
  const { lengths, accumulatedBatches = 1, batchesPerRollout = 1, processes = 1 } = options;
  const tokens = lengths.reduce((total, length) => total + length, 0);
  return Float64Array.from(lengths, (length) => {
    if (length === 0) return 0;
    switch (type) {
      case 'grpo':
        return 1 / (lengths.length * length * accumulatedBatches);
      case 'bnpo':
        return 1 / (tokens * accumulatedBatches);
      case 'dr_grpo':
        return 1 / (lengths.length * options.maxCompletionTokens * accumulatedBatches);
      case 'dapo':
      case 'cispo': {
        const rolloutTokens = Math.max(1, options.rolloutTokens ?? tokens * batchesPerRollout);
        return (processes * batchesPerRollout) / (rolloutTokens * accumulatedBatches);
      }
    }
  });
}
