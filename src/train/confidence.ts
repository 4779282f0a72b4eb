/** Confidence intervals of mean scores. */

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The 97.5 % point of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * The 95 % interval of the mean of independent scores in [0, 1]: Wilson's (1927) with the variance that was observed,
 * which for scores of 0 and 1 is his own, is never empty, and never leaves [0, 1]. All of [0, 1] without scores.
 */
export function meanInterval(scores: readonly number[]): Interval {
  const n = scores.length;
  if (n === 0) return { mean: 0, low: 0, high: 1 };
  const mean = scores.reduce((total, score) => total + score, 0) / n;
  // Scores between 0 and 1 vary less than a coin of the same mean: as if there were more of them.
  const coin = mean * (1 - mean);
  const variance = scores.reduce((total, score) => total + (score - mean) ** 2, 0) / n;
  const effective = coin > 0 && variance > 0 ? n * Math.max(1, coin / variance) : n;
  const centre = (mean + z ** 2 / (2 * effective)) / (1 + z ** 2 / effective);
  const half = (z / (1 + z ** 2 / effective)) * Math.sqrt(coin / effective + z ** 2 / (4 * effective ** 2));
  return { mean, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
