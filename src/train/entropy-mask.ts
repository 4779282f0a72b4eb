/** Learning only from the tokens of the highest entropy (Wang et al. 2025, arXiv 2506.01939). */

/**
 * Which tokens are among the `share` of highest entropy of all active tokens of the batch: those whose entropy is at
 * least the (1 − share) quantile, interpolated linearly as in NumPy and PyTorch. Tokens that are not active are
 * never chosen.
 */
export function highEntropyMask(
  entropies: readonly ArrayLike<number>[],
  active: readonly ArrayLike<number>[],
  share: number,
): Float32Array[] {
  const values: number[] = [];
  for (const [index, row] of entropies.entries()) {
    for (let t = 0; t < row.length; t++) if (active[index]![t] !== 0) values.push(row[t]!);
  }
  const threshold = quantile(values, 1 - share);
  return entropies.map((row, index) =>
    Float32Array.from({ length: row.length }, (_, t) =>
      active[index]![t] !== 0 && row[t]! >= threshold ? 1 : 0,
    ),
  );
}

/** The q-quantile of `values`, interpolated linearly; NaN of none. */
function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}
