/**
 * From the rewards of groups of completions to advantages: pure functions, in the conventions of TRL 1.13 (which are
 * those of the papers where these say anything). Standard deviations divide by n − 1; 10⁻⁴ is added to them.
 */
import { AhaError } from '../errors.ts';

/** Added to a standard deviation before dividing by it. */
const epsilon = 1e-4;

export interface AdvantageOptions {
  /** Divide by the standard deviation of the group, of the whole batch, or not (Dr. GRPO). */
  readonly scale: 'group' | 'batch' | 'none';
  /**
   * With several components: sum them, weighted, and normalise the sum; or normalise each in its group, sum, and
   * normalise the sums over the batch (GDPO, arXiv 2601.05242; `scale` then plays no part).
   */
  readonly combine?: 'sum_then_normalize' | 'normalize_then_sum';
  /** Of each component. Default: 1 each. */
  readonly weights?: readonly number[];
}

export interface Advantages {
  /** [N]; 0 for a completion without any component. */
  readonly advantages: Float64Array;
  /** Weighted sums [N]; NaN for a completion without any component. */
  readonly rewards: Float64Array;
  /** Per group: whether all rewards (each component, if they are normalised first) are equal: it teaches nothing. */
  readonly zeroVariance: readonly boolean[];
}

/**
 * Advantages of N = groups · groupSize completions, group by group. `components` [N][K] are the rewards by component;
 * null or NaN is missing: it counts as nothing in a sum, and a completion with nothing but missing components is left
 * out of means and deviations.
 * @throws AhaError `advantages-shape`
 */
export function computeAdvantages(
  components: readonly (readonly (number | null)[])[],
  groupSize: number,
  options: AdvantageOptions,
): Advantages {
  checkShape(components, groupSize, options.weights);
  const weights = options.weights ?? components[0]?.map(() => 1) ?? [];
  const present = components.map((row) => row.map((value) => value ?? Number.NaN));
  const rewards = Float64Array.from(present, (row) => weightedSum(row, weights));
  const groups = chunk(rewards, groupSize);
  const first = options.combine === 'normalize_then_sum';
  const advantages = first
    ? normalizeThenSum(present, groupSize, weights)
    : sumThenNormalize(groups, rewards, options.scale);
  const compared = first ? weights.map((_, k) => chunk(column(present, k), groupSize)) : [groups];
  const zeroVariance = groups.map((_, g) => compared.every((of) => isZeroVariance(of[g]!)));
  return {
    // Exactly 0 where there is nothing to learn, whatever rounding made of it.
    advantages: advantages.map((a, n) =>
      Number.isNaN(a) || zeroVariance[Math.floor(n / groupSize)] ? 0 : a,
    ),
    rewards,
    zeroVariance,
  };
}

function sumThenNormalize(
  groups: readonly Float64Array[],
  rewards: Float64Array,
  scale: AdvantageOptions['scale'],
): Float64Array {
  const ofBatch = standardDeviation(rewards);
  return Float64Array.from(
    groups.flatMap((group) => {
      const centre = mean(group);
      const deviation = scale === 'group' ? standardDeviation(group) : ofBatch;
      const divisor = scale === 'none' ? 1 : deviation + epsilon;
      return Array.from(group, (reward) => (reward - centre) / divisor);
    }),
  );
}

function normalizeThenSum(
  components: readonly (readonly number[])[],
  groupSize: number,
  weights: readonly number[],
): Float64Array {
  const normalized = components.map((row) => row.slice());
  for (const k of weights.keys()) {
    for (const [g, group] of chunk(column(components, k), groupSize).entries()) {
      const [centre, deviation] = [mean(group), standardDeviation(group)];
      for (const [at, value] of group.entries()) {
        normalized[g * groupSize + at]![k] = (value - centre) / (deviation + epsilon);
      }
    }
  }
  const sums = Float64Array.from(normalized, (row) => weightedSum(row, weights));
  const [centre, deviation] = [mean(sums), standardDeviation(sums)];
  return sums.map((sum) => (sum - centre) / (deviation + epsilon));
}

function column(rows: readonly (readonly number[])[], k: number): Float64Array {
  return Float64Array.from(rows, (row) => row[k]!);
}

/** NaN only if every component is missing. */
function weightedSum(row: readonly number[], weights: readonly number[]): number {
  if (row.every((value) => Number.isNaN(value))) return Number.NaN;
  return row.reduce((total, value, k) => total + (Number.isNaN(value) ? 0 : value * weights[k]!), 0);
}

/** Whether a group has no two different rewards (fewer than two rewards included). */
function isZeroVariance(group: Float64Array): boolean {
  // PyTorch's isclose to zero with its default tolerance.
  return !(standardDeviation(group) > 1e-8);
}

/** Of the values that are not missing; NaN of none. */
export function mean(values: ArrayLike<number>): number {
  const present = Array.from(values).filter((value) => !Number.isNaN(value));
  return present.reduce((total, value) => total + value, 0) / present.length;
}

/** √(Σ(x − mean)² / (n − 1)) of the values that are not missing; 0 of fewer than two. */
export function standardDeviation(values: ArrayLike<number>): number {
  const present = Array.from(values).filter((value) => !Number.isNaN(value));
  if (present.length < 2) return 0;
  const centre = mean(present);
  const squares = present.reduce((total, value) => total + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (present.length - 1));
}

function chunk(values: Float64Array, size: number): Float64Array[] {
  return Array.from({ length: values.length / size }, (_, g) => values.subarray(g * size, (g + 1) * size));
}

function checkShape(
  components: readonly (readonly (number | null)[])[],
  groupSize: number,
  weights: readonly number[] | undefined,
): void {
  const width = weights?.length ?? components[0]?.length ?? 0;
  const odd = components.find((row) => row.length !== width);
  if (
    Number.isInteger(groupSize) &&
    groupSize >= 1 &&
    components.length % groupSize === 0 &&
    odd === undefined
  )
    return;
  throw new AhaError({
    code: 'advantages-shape',
    boundary: 'data',
    what: 'The rewards do not form groups',
    found: `${components.length} completions${odd === undefined ? '' : `, one of them with ${odd.length} components`}`,
    expected: `a multiple of ${groupSize}, with ${width} components each`,
  });
}
