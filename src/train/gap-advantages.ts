/** From the gaps of log-probabilities to advantages, as MiniLLM (arXiv 2306.08543) has them in TRL. */

export interface GapOptions {
  /** γ: 0 takes each token's own gap, 1 all gaps to the end. */
  readonly discount: number;
  readonly lengthNormalised: boolean;
}

/** What a position outside the mask adds to the length that is divided by (TRL's constant). */
const maskedLength = 1e-4;

/**
 * Advantages [T] of gaps r_t = log p_teacher − log p_student [T]. With γ > 0
 *
 *   A_t = Σ_{t' ≥ t} γ^t' r_t',        normalised: divided by Σ_{t' ≥ t} γ^t'
 *
 * Without normalisation the discount counts from the beginning of the completion, as TRL 1.13 does. `mask` is false
 * where there is no token; default: true everywhere.
 */
export function discountedGaps(
  gaps: readonly number[],
  { discount, lengthNormalised }: GapOptions,
  mask?: readonly boolean[],
): Float64Array {
  const isToken = (t: number) => mask?.[t] ?? true;
  const advantages = new Float64Array(gaps.length);
  let sum = 0;
  let length = 0;
  for (let t = gaps.length - 1; t >= 0; t--) {
    if (discount === 0) {
      advantages[t] = isToken(t) ? gaps[t]! : 0;
      continue;
    }
    const power = discount ** t;
    sum += isToken(t) ? power * gaps[t]! : 0;
    length += power * (isToken(t) ? 1 : maskedLength);
    advantages[t] = lengthNormalised ? sum / length : sum;
  }
  return advantages;
}
