import { describe, expect, it } from 'vitest';
import { highEntropyMask } from './entropy-mask.ts';
import { learningRateAt } from './schedules.ts';
import { tokenWeights } from './token-weights.ts';

const lengths = [4, 0, 1, 5];
const maxCompletionTokens = 8;

describe('tokenWeights', () => {
  it.each([
    ['grpo', [1 / 16, 0, 1 / 4, 1 / 20]],
    ['bnpo', [1 / 10, 0, 1 / 10, 1 / 10]],
    ['dr_grpo', [1 / 32, 0, 1 / 32, 1 / 32]],
    ['dapo', [1 / 10, 0, 1 / 10, 1 / 10]],
    ['cispo', [1 / 10, 0, 1 / 10, 1 / 10]],
  ] as const)('%s', (type, expected) => {
    const found = tokenWeights(type, { lengths, maxCompletionTokens });
    for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 15);
  });

  it('of dapo is one constant for all batches of a rollout, whatever their lengths', () => {
    const options = { maxCompletionTokens, rolloutTokens: 30, batchesPerRollout: 2 };
    const [first, second] = [
      [4, 6],
      [15, 5],
    ].map((own) => tokenWeights('dapo', { ...options, lengths: own }));
    expect([...first!, ...second!]).toEqual([1 / 15, 1 / 15, 1 / 15, 1 / 15]);
    const [a, b] = [
      [4, 6],
      [15, 5],
    ].map((own) => tokenWeights('bnpo', { ...options, lengths: own }));
    expect([a![0], b![0]]).toEqual([1 / 10, 1 / 20]);
  });

  it('divides by accumulated batches, and multiplies by the processes that average', () => {
    for (const type of ['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo'] as const) {
      const [one] = tokenWeights(type, { lengths, maxCompletionTokens });
      const [four] = tokenWeights(type, { lengths, maxCompletionTokens, accumulatedBatches: 4 });
      expect(four).toBeCloseTo(one! / 4, 15);
    }
    const [weight] = tokenWeights('dapo', { lengths, maxCompletionTokens, rolloutTokens: 20, processes: 2 });
    expect(weight).toBeCloseTo(1 / 10, 15);
  });

  it('has no infinity in it when nothing is learned from', () => {
    for (const type of ['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo'] as const) {
      expect([...tokenWeights(type, { lengths: [0, 0], maxCompletionTokens })]).toEqual([0, 0]);
    }
  });
});

describe('highEntropyMask', () => {
  it('chooses the share of highest entropy among active tokens, interpolating like NumPy', () => {
    const entropies = [
      [0, 1, 2, 99],
      [3, 4],
    ];
    const active = [
      [1, 1, 1, 0],
      [1, 1],
    ];
    const chosen = (share: number) => highEntropyMask(entropies, active, share).map((row) => [...row]);
    expect(chosen(1)).toEqual([
      [1, 1, 1, 0],
      [1, 1],
    ]);
    // numpy.quantile([0, 1, 2, 3, 4], 0.6) = 2.4
    expect(chosen(0.4)).toEqual([
      [0, 0, 0, 0],
      [1, 1],
    ]);
    expect(chosen(0.5)).toEqual([
      [0, 0, 1, 0],
      [1, 1],
    ]);
    expect(chosen(0.01)).toEqual([
      [0, 0, 0, 0],
      [0, 1],
    ]);
  });

  it('chooses nothing from nothing', () => {
    expect(highEntropyMask([[1, 2]], [[0, 0]], 0.5).map((row) => [...row])).toEqual([[0, 0]]);
  });
});

describe('learningRateAt', () => {
  const rates = (schedule: 'constant' | 'linear' | 'cosine', updates = 8, warmupSteps = 3) =>
    Array.from({ length: updates + 1 }, (_, update) =>
      learningRateAt(update, updates, { learningRate: 4, schedule, warmupSteps }),
    );

  it('warms up, then stays', () => expect(rates('constant')).toEqual([1, 2, 3, 4, 4, 4, 4, 4, 4]));

  it('warms up, then falls linearly to zero at the end', () => {
    const expected = [1, 2, 3, 4, 3.2, 2.4, 1.6, 0.8, 0];
    for (const [update, rate] of rates('linear').entries()) expect(rate).toBeCloseTo(expected[update]!, 12);
  });

  it('warms up, then falls as half a cosine', () => {
    const found = rates('cosine');
    for (const [update, rate] of found.slice(3).entries()) {
      expect(rate).toBeCloseTo(2 * (1 + Math.cos((Math.PI * update) / 5)), 12);
    }
    expect(found[8]).toBeCloseTo(0, 12);
  });

  it('stays finite where the warm-up is longer than the run', () => {
    expect(rates('cosine', 2, 5).every((rate) => rate > 0 && rate < 4)).toBe(true);
  });

  it('stays at its end beyond the run', () => {
    expect(learningRateAt(50, 8, { learningRate: 4, schedule: 'linear', warmupSteps: 0 })).toBe(0);
  });
});
