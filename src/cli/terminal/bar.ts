/** Bars: how far something is, and how something is divided. */

/** A bar of `width` characters of which `share` in [0, 1] is full. */
export function progressBar(share: number, width: number, unicode = true): string {
  const size = Math.max(0, Math.floor(width));
  const clipped = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
  // Only what is finished looks finished.
  const full = clipped === 1 ? size : Math.min(size - 1, Math.round(clipped * size));
  const filled = Math.max(0, full);
  return (unicode ? '█' : '#').repeat(filled) + (unicode ? '░' : '.').repeat(size - filled);
}

/**
 * `width` characters divided among `shares` (which need not add up to 1), part k drawn with its own character.
 * Largest remainders are rounded up, so that the parts always fill the bar.
 */
export function divide(shares: readonly number[], width: number): number[] {
  const total = shares.reduce((sum, share) => sum + Math.max(0, share), 0);
  if (total <= 0) return shares.map(() => 0);
  const exact = shares.map((share) => (Math.max(0, share) / total) * width);
  const sizes = exact.map((size) => Math.floor(size));
  const order = exact
    .map((size, index) => ({ index, remainder: size - Math.floor(size) }))
    .sort((a, b) => b.remainder - a.remainder);
  let rest = width - sizes.reduce((sum, size) => sum + size, 0);
  for (const { index } of order) {
    if (rest <= 0) break;
    sizes[index]!++;
    rest--;
  }
  return sizes;
}
