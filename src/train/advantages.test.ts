import { describe, expect, it } from 'vitest';
import { trl } from '../../test/support/trl-cases.ts';
import { computeAdvantages, standardDeviation } from './advantages.ts';

describe('computeAdvantages against TRL', () => {
  const cases = Object.entries(trl.advantages).flatMap(([name, test]) => {
    const scales = (['group', 'batch', 'none'] as const).map((scale) => {
      return [`${name} ${scale}`, test, { scale, combine: 'sum_then_normalize' }, test[scale]] as const;
    });
    const both = test.normalize_then_sum;
    if (both === undefined) return scales;
    const options = { scale: 'group', combine: 'normalize_then_sum' } as const;
    return [...scales, [`${name} normalize_then_sum`, test, options, both] as const];
  });

  it.each(cases)('%s', (_, test, options, expected) => {
    const { advantages } = computeAdvantages(test.rewards, test.num_generations, {
      ...options,
      ...(test.weights === undefined ? {} : { weights: test.weights }),
    });
    // The fixture was computed in float32: 24 bits, and cancellation in the differences.
    for (const [index, value] of expected.entries()) {
      expect(Math.abs(advantages[index]! - value)).toBeLessThan(2e-6 * Math.max(1, Math.abs(value)));
    }
  });

  it('covers every expectation of the fixture', () => expect(cases).toHaveLength(7));
});

describe('computeAdvantages', () => {
  const options = { scale: 'group' } as const;

  it('finds groups without variance, also those with missing rewards', () => {
    const rewards = [[1], [1], [0], [1], [null], [1], [null], [null]];
    const { zeroVariance, advantages, rewards: totals } = computeAdvantages(rewards, 2, options);
    expect(zeroVariance).toEqual([true, false, true, true]);
    expect(Array.from(advantages).slice(4)).toEqual([0, 0, 0, 0]);
    expect([...totals]).toEqual([1, 1, 0, 1, Number.NaN, 1, Number.NaN, Number.NaN]);
  });

  it('gives exact zeros, not noise, for equal rewards that floats cannot hold', () => {
    const { advantages, zeroVariance } = computeAdvantages([[0.1], [0.1], [0.1]], 3, options);
    expect(zeroVariance).toEqual([true]);
    expect(Array.from(advantages)).toEqual([0, 0, 0]);
  });

  it('of components normalised first has variance where any component has', () => {
    // Equal sums, different components.
    const rewards = [
      [1, 0],
      [0, 1],
      [1, 1],
      [1, 1],
    ];
    const { zeroVariance, advantages } = computeAdvantages(rewards, 2, {
      scale: 'group',
      combine: 'normalize_then_sum',
      weights: [1, 0.5],
    });
    expect(zeroVariance).toEqual([false, true]);
    expect(advantages[0]).toBeGreaterThan(0.5);
    expect(Array.from(advantages).slice(2)).toEqual([0, 0]);
  });

  it('sums to zero in every group', () => {
    const { advantages } = computeAdvantages([[3], [-1], [0.5], [7]], 2, options);
    expect(advantages[0]! + advantages[1]!).toBeCloseTo(0, 12);
    expect(advantages[0]).toBeGreaterThan(0);
    expect(advantages[2]! + advantages[3]!).toBeCloseTo(0, 12);
  });

  it('refuses rewards that do not form groups', () => {
    expect(() => computeAdvantages([[1], [0], [1]], 2, options)).toThrow(
      'The rewards do not form groups: found 3 completions, expected a multiple of 2, with 1 components each.',
    );
    expect(() => computeAdvantages([[1], [0, 1]], 2, options)).toThrow('one of them with 2 components');
    expect(() => computeAdvantages([[1], [0]], 2, { ...options, weights: [1, 1] })).toThrow(
      '2 components each',
    );
  });

  it('has no completions', () => expect(computeAdvantages([], 4, options).advantages).toHaveLength(0));
});

describe('standardDeviation', () => {
  it.each<[number[], number]>([
    [[1, 3], Math.SQRT2],
    [[2, Number.NaN, 4, 6], 2],
    [[5], 0],
    [[], 0],
  ])('%j is %d', (values, expected) => expect(standardDeviation(values)).toBeCloseTo(expected, 14));
});
