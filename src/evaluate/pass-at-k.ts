/** pass@k: how likely at least one of k responses is right, estimated from n ≥ k responses to each problem. */

/**
 * The unbiased estimate 1 − C(n − c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374, equation 1) for one problem
 * with `correct` right responses among `samples`. NaN where k exceeds the samples: nothing is known then.
 */
export function passAtK(samples: number, correct: number, k: number): number {
  if (k > samples || k < 1) return Number.NaN;
  if (samples - correct < k) return 1;
  // Π (1 − k / i) for i in (n − c, n]: no binomial overflows.
  let miss = 1;
  for (let i = samples - correct + 1; i <= samples; i++) miss *= 1 - k / i;
  return 1 - miss;
}

/** The powers of two up to `samples`, and `samples` itself: the k that are worth a line. */
export function usualK(samples: number): number[] {
  const ks: number[] = [];
  for (let k = 1; k < samples; k *= 2) ks.push(k);
  return [...ks, samples];
}

/** Mean of `passAtK` over problems that have at least k samples; NaN when there is none. */
export function meanPassAtK(
  problems: readonly { readonly samples: number; readonly correct: number }[],
  k: number,
): number {
  const values = problems
    .filter(({ samples }) => samples >= k)
    .map(({ samples, correct }) => passAtK(samples, correct, k));
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
