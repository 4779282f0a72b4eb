/** What the GRPO loss reports beside itself: entropy, KL, ratios and clipping, over one or several batches. */

/** One batch as it was computed: arrays per sequence and token, meaning only where the weight is not 0. */
export interface LossObservation {
  readonly weights: readonly ArrayLike<number>[];
  readonly entropies: readonly ArrayLike<number>[];
  readonly ratio: readonly ArrayLike<number>[];
  /** −1, 0, +1 as `grpoLoss` says. */
  readonly clipped: readonly ArrayLike<number>[];
  readonly kl?: readonly ArrayLike<number>[] | undefined;
}

export interface LossMetrics {
  /** Mean over tokens, nats. */
  readonly entropy: number;
  /** Mean over tokens; null without a reference. */
  readonly kl: number | null;
  /** Shares of tokens, or of sequences where ratios are of sequences. */
  readonly clipShare: number;
  readonly clipLowShare: number;
  readonly clipHighShare: number;
  /** The least share of tokens clipped from below of any sequence. */
  readonly clipLowMin: number;
  /** The largest share of tokens clipped from above of any sequence. */
  readonly clipHighMax: number;
  readonly ratioMean: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /** Tokens that were counted. */
  readonly tokens: number;
  readonly sequences: number;
}

/** Sums over batches: plain JSON, so that a step that was interrupted goes on counting. */
export interface LossTotals {
  entropy: number;
  kl: number | null;
  low: number;
  high: number;
  ratio: number;
  /** How many ratios were counted: tokens, or sequences. */
  ratios: number;
  ratioMin: number | null;
  ratioMax: number | null;
  lowMin: number | null;
  highMax: number | null;
  tokens: number;
  sequences: number;
}

export function emptyLossTotals(): LossTotals {
  return {
    entropy: 0,
    kl: null,
    low: 0,
    high: 0,
    ratio: 0,
    ratios: 0,
    ratioMin: null,
    ratioMax: null,
    lowMin: null,
    highMax: null,
    tokens: 0,
    sequences: 0,
  };
}

/**
 * Adds a batch to `totals`. `level` is what the ratio of the loss belongs to. Sequences without a weighted token are
 * not counted.
 */
export function addToLossTotals(
  totals: LossTotals,
  level: 'token' | 'sequence',
  { weights, entropies, ratio, clipped, kl }: LossObservation,
): void {
  for (const [index, row] of weights.entries()) {
    let tokens = 0;
    let low = 0;
    let high = 0;
    for (let t = 0; t < row.length; t++) {
      if (row[t] === 0) continue;
      tokens++;
      totals.entropy += entropies[index]![t]!;
      if (kl !== undefined) totals.kl = (totals.kl ?? 0) + kl[index]![t]!;
      // All tokens of a sequence have its ratio: count it once.
      if (level === 'sequence' && tokens > 1) continue;
      const r = ratio[index]![t]!;
      totals.ratio += r;
      totals.ratios++;
      totals.ratioMin = Math.min(totals.ratioMin ?? r, r);
      totals.ratioMax = Math.max(totals.ratioMax ?? r, r);
      if (clipped[index]![t]! < 0) low++;
      if (clipped[index]![t]! > 0) high++;
    }
    if (tokens === 0) continue;
    const counted = level === 'token' ? tokens : 1;
    totals.sequences++;
    totals.tokens += tokens;
    totals.low += low;
    totals.high += high;
    totals.lowMin = Math.min(totals.lowMin ?? 1, low / counted);
    totals.highMax = Math.max(totals.highMax ?? 0, high / counted);
  }
}

/** The means of what was added. Zeros, and ratios of 1, when nothing was. */
export function readLossTotals(totals: LossTotals): LossMetrics {
  const mean = (total: number, count: number) => (count === 0 ? 0 : total / count);
  return {
    entropy: mean(totals.entropy, totals.tokens),
    kl: totals.kl === null ? null : mean(totals.kl, totals.tokens),
    clipShare: mean(totals.low + totals.high, totals.ratios),
    clipLowShare: mean(totals.low, totals.ratios),
    clipHighShare: mean(totals.high, totals.ratios),
    clipLowMin: totals.lowMin ?? 0,
    clipHighMax: totals.highMax ?? 0,
    ratioMean: totals.ratios === 0 ? 1 : totals.ratio / totals.ratios,
    ratioMin: totals.ratioMin ?? 1,
    ratioMax: totals.ratioMax ?? 1,
    tokens: totals.tokens,
    sequences: totals.sequences,
  };
}
