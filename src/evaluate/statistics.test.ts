import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import {
  accuracyInterval,
  mcnemarExact,
  meanInterval,
  pairedBootstrap,
  passAtK,
  passAtKInterval,
  quantileOf,
  wilsonInterval,
} from './statistics.ts';

describe('wilsonInterval', () => {
  // statsmodels 0.15.0, proportion_confint(method='wilson')
  it.each([
    [0, 10, 0.95, 0, 0.2775327998628892],
    [10, 10, 0.95, 0.7224672001371107, 1],
    [1, 10, 0.95, 0.017876213095072896, 0.4041500267952385],
    [7, 20, 0.95, 0.18119182410108206, 0.5671457233147638],
    [263, 512, 0.95, 0.47043814338260587, 0.5567019783749716],
    [480, 500, 0.99, 0.9307556402490643, 0.9771960288643512],
    [3, 4, 0.8, 0.43254145036907754, 0.9219192523148821],
  ])('%d of %d at %d', (successes, trials, confidence, low, high) => {
    const interval = wilsonInterval(successes, trials, confidence);
    expect(interval.mean).toBe(successes / trials);
    expect(interval.low).toBeCloseTo(low, 12);
    expect(interval.high).toBeCloseTo(high, 12);
  });

  it.each([
    [1, 0, 0.95],
    [-1, 5, 0.95],
    [6, 5, 0.95],
    [Number.NaN, 5, 0.95],
    [1, Number.POSITIVE_INFINITY, 0.95],
    [1, 5, 0],
    [1, 5, 95],
  ])('refuses %d of %d at %d', (successes, trials, confidence) => {
    expect(() => wilsonInterval(successes, trials, confidence)).toThrow(/cannot be/);
  });
});

describe('meanInterval', () => {
  it('is Student’s (scipy.stats.t.interval)', () => {
    const values = [0.1, 0.4, 0.35, 0.8, 0.9, 0.2];
    const at95 = meanInterval(values);
    expect(at95.mean).toBeCloseTo(0.4583333333333333, 14);
    expect(at95.low).toBeCloseTo(0.1192232358795074, 10);
    expect(at95.high).toBeCloseTo(0.7974434307871592, 10);
    const at90 = meanInterval(values, 0.9);
    expect([at90.low, at90.high]).toEqual([
      expect.closeTo(0.19250898151456014, 10),
      expect.closeTo(0.7241576851521063, 10),
    ]);
  });

  it('knows that one value says nothing about the spread', () => {
    expect(meanInterval([3])).toEqual({ mean: 3, low: -Infinity, high: Infinity, count: 1 });
    expect(() => meanInterval([])).toThrow(/found no values/);
    expect(() => meanInterval([1, Number.NaN])).toThrow(/found NaN/);
  });
});

describe('accuracyInterval', () => {
  it('is Wilson’s for one sample a problem', () => {
    const samples = Array.from({ length: 20 }, (_, i) => [i < 7 ? 1 : 0]);
    expect(accuracyInterval(samples)).toEqual({ ...wilsonInterval(7, 20), count: 20 });
  });

  it('counts problems, not samples', () => {
    // Repeating each sample adds no evidence: 20 problems stay 20 problems.
    const once = accuracyInterval(Array.from({ length: 20 }, (_, i) => [i < 7 ? 1 : 0]));
    const often = accuracyInterval(
      Array.from({ length: 20 }, (_, i) => Array.from({ length: 64 }, () => (i < 7 ? 1 : 0))),
    );
    expect(often.mean).toBe(once.mean);
    expect(often.high - often.low).toBeGreaterThan(0.9 * (once.high - once.low));
    expect(often.high - often.low).toBeLessThan(1.2 * (once.high - once.low));
  });

  it('does not claim certainty when everything is right', () => {
    const all = accuracyInterval(Array.from({ length: 10 }, () => [1, 1, 1, 1]));
    expect(all).toMatchObject({ mean: 1, high: 1, count: 10 });
    expect(all.low).toBeCloseTo(0.7224672001371107, 12);
    expect(accuracyInterval([[1, 0, 1]])).toMatchObject({ mean: 2 / 3, count: 1 });
  });

  it('weighs problems equally whatever their number of samples', () => {
    expect(accuracyInterval([[1, 1, 1, 1, 1, 1], [0]]).mean).toBe(0.5);
  });

  // Simulation with known truth: problems differ in difficulty, several samples each.
  it.each([
    ['mixed difficulty', (u: number) => u, 0.5],
    ['mostly solved', (u: number) => 1 - u ** 9, 0.9],
    ['all or nothing', (u: number) => (u < 0.3 ? 0.02 : 0.98), 0.3 * 0.02 + 0.7 * 0.98],
  ])('covers the truth about as often as it says: %s', (name, difficulty, truth) => {
    let covered = 0;
    const runs = 1500;
    for (let run = 0; run < runs; run++) {
      const random = randomStream('coverage', name, run);
      const samples = Array.from({ length: 40 }, () => {
        const p = difficulty(random.next());
        return Array.from({ length: 4 }, () => (random.next() < p ? 1 : 0));
      });
      const { low, high } = accuracyInterval(samples);
      if (low <= truth && truth <= high) covered++;
    }
    // 95 % nominal; three standard errors of the simulation are 1.7 points.
    expect(covered / runs).toBeGreaterThan(0.93);
    expect(covered / runs).toBeLessThan(0.985);
  });

  it.each([[[]], [[[]]], [[[1], []]], [[[2]]], [[[-0.1]]], [[[Number.NaN]]]])('refuses %j', (samples) => {
    expect(() => accuracyInterval(samples)).toThrow(/cannot be estimated/);
  });
});

describe('passAtK', () => {
  // 1 - comb(n-c, k)/comb(n, k) in exact integers (Python).
  it.each([
    [10, 3, 1, 0.3],
    [10, 3, 2, 0.5333333333333333],
    [10, 3, 5, 0.9166666666666666],
    [10, 3, 8, 1],
    [200, 1, 100, 0.5],
    [200, 37, 10, 0.8773745673794602],
    [5, 0, 3, 0],
    [5, 5, 1, 1],
    [1000, 3, 100, 0.27124338767625344],
  ])('n=%d, c=%d, k=%d', (drawn, correct, k, expected) => {
    expect(passAtK(drawn, correct, k)).toBeCloseTo(expected, 13);
  });

  it('is unbiased: its mean over draws is 1 − (1 − p)^k', () => {
    const random = randomStream('pass');
    const p = 0.15;
    let sum = 0;
    const runs = 20_000;
    for (let run = 0; run < runs; run++) {
      let correct = 0;
      for (let i = 0; i < 12; i++) if (random.next() < p) correct++;
      sum += passAtK(12, correct, 4);
    }
    expect(Math.abs(sum / runs - (1 - (1 - p) ** 4))).toBeLessThan(0.01);
  });

  it.each([
    [3, 1, 4],
    [3, 4, 1],
    [3, -1, 1],
    [3, 1, 0],
    [3, 1, 1.5],
    [Number.NaN, 1, 1],
  ])('refuses n=%d, c=%d, k=%d', (drawn, correct, k) => {
    expect(() => passAtK(drawn, correct, k)).toThrow(/cannot be estimated/);
  });

  it('over problems is their mean', () => {
    const problems = [
      { drawn: 10, correct: 3 },
      { drawn: 10, correct: 0 },
      { drawn: 4, correct: 4 },
    ];
    const estimate = passAtKInterval(problems, 2);
    expect(estimate.mean).toBeCloseTo((0.5333333333333333 + 0 + 1) / 3, 12);
    expect(estimate).toMatchObject({ count: 3 });
    expect(estimate.low).toBeGreaterThanOrEqual(0);
    expect(estimate.high).toBeLessThanOrEqual(1);
  });
});

describe('mcnemarExact', () => {
  const results = (onlyFirst: number, onlySecond: number, both: number) => ({
    first: [
      ...Array<boolean>(onlyFirst).fill(true),
      ...Array<boolean>(onlySecond).fill(false),
      ...Array<boolean>(both).fill(true),
    ],
    second: [
      ...Array<boolean>(onlyFirst).fill(false),
      ...Array<boolean>(onlySecond).fill(true),
      ...Array<boolean>(both).fill(true),
    ],
  });

  // statsmodels 0.15.0, mcnemar(exact=True)
  it.each([
    [5, 1, 0.21875],
    [10, 10, 1],
    [0, 6, 0.03125],
    [12, 3, 0.03515625],
    [40, 20, 0.01348929373119186],
    [0, 0, 1],
    [1, 0, 1],
  ])('%d only the first, %d only the second', (onlyFirst, onlySecond, pValue) => {
    const { first, second } = results(onlyFirst, onlySecond, 7);
    const test = mcnemarExact(first, second);
    expect(test).toMatchObject({ onlyFirst, onlySecond });
    expect(test.pValue).toBeCloseTo(pValue, 12);
    expect(mcnemarExact(second, first).pValue).toBeCloseTo(pValue, 12);
  });

  it('wants the same problems', () => {
    expect(() => mcnemarExact([true], [true, false])).toThrow(/found 1 and 2 results/);
    expect(() => mcnemarExact([], [])).toThrow(/cannot be compared/);
  });
});

describe('pairedBootstrap', () => {
  it('agrees with scipy’s percentile bootstrap', () => {
    const differences = [0.2, -0.1, 0.5, 0, 0.3, 0.1, 0.4, -0.2];
    const first = differences.map(() => 0.3);
    const second = differences.map((difference) => 0.3 + difference);
    const result = pairedBootstrap(first, second, { random: randomStream('boot'), resamples: 20_000 });
    // scipy 1.17.1, 200 000 resamples: [-0.0125, 0.3125]; the means lie on a grid of 0.0125.
    expect(result.difference).toBeCloseTo(0.15, 12);
    expect(Math.abs(result.low - -0.0125)).toBeLessThanOrEqual(0.0126);
    expect(Math.abs(result.high - 0.3125)).toBeLessThanOrEqual(0.0126);
    expect(result.pValue).toBeGreaterThan(0.04);
    expect(result.pValue).toBeLessThan(0.12);
  });

  it('is the same for the same stream, and sees no difference where there is none', () => {
    const scores = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const run = () => pairedBootstrap(scores, scores, { random: randomStream(1), resamples: 500 });
    expect(run()).toEqual(run());
    expect(run()).toEqual({ difference: 0, low: 0, high: 0, pValue: 1 });
  });

  it('sees a clear difference, and its p-value is never 0', () => {
    const worse = Array.from({ length: 50 }, () => 0);
    const better = Array.from({ length: 50 }, (_, i) => (i < 40 ? 1 : 0));
    const { low, pValue } = pairedBootstrap(worse, better, { random: randomStream(2), resamples: 999 });
    expect(low).toBeGreaterThan(0.6);
    expect(pValue).toBeCloseTo(2 / 1000, 12);
  });

  it.each([
    [[1], [1, 2], {}],
    [[], [], {}],
    [[Number.NaN], [1], {}],
    [[1], [1], { resamples: 0 }],
    [[1], [1], { confidence: 1 }],
  ])('refuses %j against %j with %j', (first, second, options) => {
    expect(() => pairedBootstrap(first, second, { random: randomStream(1), ...options })).toThrow(
      /cannot be/,
    );
  });
});

it('quantileOf interpolates like NumPy', () => {
  const values = [1, 2, 4, 8, 16];
  expect([0, 0.1, 0.5, 0.9, 1].map((p) => quantileOf(values, p))).toEqual([
    1,
    expect.closeTo(1.4, 12),
    4,
    expect.closeTo(12.8, 12),
    16,
  ]);
});
