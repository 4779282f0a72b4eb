/**
 * The statistics of evaluations: how well a model does, how sure that is, and whether one model is better than
 * another on the same problems. Pure functions; what is random takes its stream.
 *
 * The unit of evidence is the problem, not the sample: several samples of one problem say little more about other
 * problems than one does, so intervals are over problems.
 */
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';
import { binomialCumulative, normalQuantile, studentQuantile } from './distributions.ts';

export interface Estimate {
  readonly mean: number;
  /** The ends of the confidence interval. */
  readonly low: number;
  readonly high: number;
  /** How many problems (or values) it rests on. */
  readonly count: number;
}

/**
 * A proportion with Wilson's score interval (Wilson 1927; without continuity correction): right at 0 and 1 and for
 * few trials, where the usual ±1.96 standard errors is not. `trials` may be fractional (an effective number).
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Estimate {
  checkConfidence(confidence);
  if (!(trials > 0) || !Number.isFinite(trials) || !(successes >= 0 && successes <= trials)) {
    throw invalid(
      'A proportion cannot be estimated',
      `${successes} of ${trials}`,
      'from 0 to all of at least one trial',
    );
  }
  const mean = successes / trials;
  const z = normalQuantile(1 - (1 - confidence) / 2);
  const shrink = 1 + (z * z) / trials;
  const centre = (mean + (z * z) / (2 * trials)) / shrink;
  const half = (z / shrink) * Math.sqrt((mean * (1 - mean)) / trials + (z * z) / (4 * trials * trials));
  // Rounding must not put an end on the wrong side of the mean.
  const low = successes === 0 ? 0 : Math.min(mean, Math.max(0, centre - half));
  const high = successes === trials ? 1 : Math.max(mean, Math.min(1, centre + half));
  return { mean, low, high, count: trials };
}

/** The mean of independent values with Student's t interval; without a second value the interval is infinite. */
export function meanInterval(values: readonly number[], confidence = 0.95): Estimate {
  checkConfidence(confidence);
  checkValues('A mean cannot be estimated', values);
  const { mean, variance } = momentsOf(values);
  const count = values.length;
  if (count === 1) return { mean, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, count };
  const half = studentQuantile(1 - (1 - confidence) / 2, count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half, count };
}

/**
 * Accuracy over problems with any number of samples each: `samples[i]` are the scores, in [0, 1], of problem i.
 * The mean is the mean over problems. With one sample of 0 or 1 each the interval is Wilson's; otherwise it is
 * Wilson's with the effective number of trials mean·(1 − mean) / Var(mean) (Korn & Graubard 1998), where Var comes
 * from the spread of the problems' means, and t instead of z allows for that spread being estimated.
 */
export function accuracyInterval(samples: readonly (readonly number[])[], confidence = 0.95): Estimate {
  checkConfidence(confidence);
  if (samples.length === 0) throw invalid('An accuracy cannot be estimated', 'no problems', 'at least one');
  for (const scores of samples) {
    checkValues('An accuracy cannot be estimated', scores);
    const outside = scores.find((score) => !(score >= 0 && score <= 1));
    if (outside !== undefined)
      throw invalid('An accuracy cannot be estimated', outside, 'scores from 0 to 1');
  }
  const problems = samples.length;
  const means = samples.map((scores) => momentsOf(scores).mean);
  const { mean, variance } = momentsOf(means);
  const sum = means.reduce((total, one) => total + one, 0);
  const single = samples.every((scores) => scores.length === 1 && (scores[0] === 0 || scores[0] === 1));
  if (single || variance === 0 || problems === 1) {
    return { ...wilsonInterval(Math.min(sum, problems), problems, confidence), count: problems };
  }
  const p = 1 - (1 - confidence) / 2;
  const adjustment = (normalQuantile(p) / studentQuantile(p, problems - 1)) ** 2;
  const effective = ((mean * (1 - mean) * problems) / variance) * adjustment;
  return { ...wilsonInterval(mean * effective, effective, confidence), mean, count: problems };
}

/**
 * Unbiased pass@k (Chen et al. 2021, equation 1): the probability that at least one of k samples is right, from
 * `correct` right ones among `drawn` ≥ k: 1 − C(drawn − correct, k) / C(drawn, k).
 */
export function passAtK(drawn: number, correct: number, k: number): number {
  const whole = [drawn, correct, k].every(Number.isSafeInteger);
  if (!whole || k < 1 || drawn < k || correct < 0 || correct > drawn) {
    throw invalid(
      `pass@${k} cannot be estimated`,
      `${correct} correct of ${drawn} samples`,
      'at least k samples, of which 0 to all are correct',
    );
  }
  if (drawn - correct < k) return 1;
  let none = 1;
  for (let i = drawn - correct + 1; i <= drawn; i++) none *= 1 - k / i;
  return 1 - none;
}

/** pass@k over problems, each with its samples drawn and correct, with an interval over the problems. */
export function passAtKInterval(
  problems: readonly { readonly drawn: number; readonly correct: number }[],
  k: number,
  confidence = 0.95,
): Estimate {
  return accuracyInterval(
    problems.map(({ drawn, correct }) => [passAtK(drawn, correct, k)]),
    confidence,
  );
}

export interface PairedTest {
  /** Problems that only the first got right, and only the second. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided: how likely so uneven a split is when both are equally good. */
  readonly pValue: number;
}

/** McNemar's exact test of two models on the same problems, `true` where the answer was right. */
export function mcnemarExact(first: readonly boolean[], second: readonly boolean[]): PairedTest {
  checkPaired(first, second);
  let onlyFirst = 0;
  let onlySecond = 0;
  for (const [i, right] of first.entries()) {
    if (right && !second[i]!) onlyFirst++;
    else if (!right && second[i]!) onlySecond++;
  }
  const discordant = onlyFirst + onlySecond;
  const smaller = Math.min(onlyFirst, onlySecond);
  return { onlyFirst, onlySecond, pValue: Math.min(1, 2 * binomialCumulative(smaller, discordant, 0.5)) };
}

export interface PairedDifference {
  /** Mean of second − first. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** Two-sided, from the share of resamples on the other side of 0. */
  readonly pValue: number;
}

/**
 * The difference of two models on the same problems (`second` − `first`, any scores, a mean over samples where
 * there are several), with a percentile bootstrap over problems (Efron & Tibshirani 1993).
 */
export function pairedBootstrap(
  first: readonly number[],
  second: readonly number[],
  options: { readonly random: RandomStream; readonly resamples?: number; readonly confidence?: number },
): PairedDifference {
  checkPaired(first, second);
  const { random, resamples = 10_000, confidence = 0.95 } = options;
  checkConfidence(confidence);
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw invalid('A bootstrap cannot be run', `${resamples} resamples`, 'at least 1');
  }
  const differences = second.map((score, i) => score - first[i]!);
  checkValues('A difference cannot be estimated', differences);
  const count = differences.length;
  const means = new Float64Array(resamples);
  let below = 0;
  let above = 0;
  for (let b = 0; b < resamples; b++) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += differences[random.integer(count)]!;
    means[b] = sum / count;
    if (sum <= 0) below++;
    if (sum >= 0) above++;
  }
  means.sort();
  const tail = (1 - confidence) / 2;
  return {
    difference: momentsOf(differences).mean,
    low: quantileOf(means, tail),
    high: quantileOf(means, 1 - tail),
    // The resample that was observed counts, so that the p-value is never 0 (Davison & Hinkley 1997).
    pValue: Math.min(1, (2 * (Math.min(below, above) + 1)) / (resamples + 1)),
  };
}

/** The quantile of ascending values by linear interpolation (R's type 7, NumPy's default). */
export function quantileOf(ascending: ArrayLike<number>, p: number): number {
  const position = (ascending.length - 1) * p;
  const below = Math.floor(position);
  const a = ascending[below]!;
  const b = ascending[Math.min(below + 1, ascending.length - 1)]!;
  return a + (b - a) * (position - below);
}

/** Mean and unbiased variance (0 for one value). */
function momentsOf(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, variance: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (values.length - 1) };
}

function checkConfidence(confidence: number): void {
  if (!(confidence > 0 && confidence < 1)) {
    throw invalid('A confidence level cannot be used', confidence, 'a number between 0 and 1, such as 0.95');
  }
}

function checkValues(what: string, values: readonly number[]): void {
  if (values.length === 0) throw invalid(what, 'no values', 'at least one');
  const odd = values.find((value) => !Number.isFinite(value));
  if (odd !== undefined) throw invalid(what, odd, 'finite numbers');
}

function checkPaired(first: readonly unknown[], second: readonly unknown[]): void {
  if (first.length !== second.length || first.length === 0) {
    throw invalid(
      'Two models cannot be compared',
      `${first.length} and ${second.length} results`,
      'one result of each for the same problems, at least one',
    );
  }
}

function invalid(what: string, found: unknown, expected: string): AhaError {
  return new AhaError({
    code: 'invalid-statistics',
    boundary: 'data',
    what,
    found: typeof found === 'number' ? String(found) : found,
    expected,
  });
}
