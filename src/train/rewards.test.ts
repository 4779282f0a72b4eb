import { describe, expect, it } from 'vitest';
import { failed, scored } from '../verify/verdict.ts';
import { afterGroups, nextProblem, startOfData } from './problem-order.ts';
import { overlongPenalty } from '../verify/format/length.ts';
import { rewardComponents, rewardShape } from './rewards.ts';

describe('overlongPenalty', () => {
  // DAPO, equation 13, with a limit of 20 480 tokens of which 4 096 are the window.
  it.each([
    [0, 0],
    [16_384, 0],
    [17_408, -0.25],
    [18_432, -0.5],
    [20_480, -1],
    [20_481, -1],
  ])('of %d tokens is %d', (tokens, expected) => {
    expect(overlongPenalty(tokens, 20_480, { window: 4096, penalty: 1 })).toBeCloseTo(expected, 12);
    expect(overlongPenalty(tokens, 20_480, { window: 4096, penalty: 0.5 })).toBeCloseTo(expected / 2, 12);
  });
});

describe('rewardComponents', () => {
  const shape = rewardShape({ score: 1, format: 0.5 }, { window: 4, penalty: 1 });
  const length = { tokens: 10, limit: 10, overlong: { window: 4, penalty: 1 } };

  it('are in the order of the shape', () => {
    expect(shape).toEqual({ names: ['score', 'format', 'overlong'], weights: [1, 0.5, 1] });
    const verdict = scored(0.75, { parts: { accuracy: 1, format: 0.5 } });
    expect(rewardComponents(shape, verdict, length)).toEqual([0.75, 0.5, -1]);
  });

  it('are missing, and not 0, where the verdict failed or has no such part', () => {
    expect(rewardComponents(shape, failed('sandbox', 'gone'), length)).toEqual([null, null, null]);
    expect(rewardComponents(shape, scored(1), length)).toEqual([1, null, -1]);
    const names = rewardShape({ toString: 1 }, undefined);
    expect(rewardComponents(names, scored(1), { ...length, overlong: undefined })).toEqual([null]);
  });
});

describe('nextProblem', () => {
  const at = { seed: 1, step: 0, progress: 0 };

  it('walks through each level in its own order', () => {
    const curriculum = { kind: 'staged', from: 1, to: 3, until: 0.5, review: 0.5 } as const;
    let position = startOfData(curriculum);
    const seen = new Map<number, number[]>();
    for (let step = 0; step < 90; step++) {
      const next = nextProblem(curriculum, position, { seed: 1, step, progress: step / 90 });
      position = next.position;
      const level = next.address.level!;
      seen.set(level, [...(seen.get(level) ?? []), next.address.index]);
    }
    expect(new Set(seen.keys())).toEqual(new Set([1, 2, 3]));
    for (const indices of seen.values()) expect(indices).toEqual(indices.map((_, index) => index));
  });

  it('takes all levels together when the curriculum mixes them', () => {
    const mixed = { kind: 'mixed' } as const;
    const first = nextProblem(mixed, startOfData(mixed), at);
    expect(first.address).toEqual({ split: 'train', index: 0 });
    expect(nextProblem(mixed, first.position, at).address).toEqual({ split: 'train', index: 1 });
  });

  it('draws by its place alone: the same from a stored position', () => {
    const curriculum = {
      kind: 'adaptive',
      from: 1,
      to: 5,
      raiseAt: 0.8,
      lowerAt: 0.2,
      window: 1,
      review: 0.5,
    } as const;
    let position = startOfData(curriculum);
    for (let i = 0; i < 4; i++) position = afterGroups(curriculum, position, [{ level: i + 1, success: 1 }]);
    expect(position.curriculum.level).toBe(5);
    const stored = JSON.parse(JSON.stringify(position)) as typeof position;
    for (let step = 0; step < 50; step++) {
      const options = { ...at, step };
      expect(nextProblem(curriculum, stored, options)).toEqual(nextProblem(curriculum, position, options));
    }
  });

  it('does not let groups without any verdict move the curriculum', () => {
    const curriculum = {
      kind: 'adaptive',
      from: 1,
      to: 2,
      raiseAt: 0.8,
      lowerAt: 0.2,
      window: 1,
      review: 0,
    } as const;
    const position = startOfData(curriculum);
    expect(afterGroups(curriculum, position, [{ level: 1, success: Number.NaN }])).toEqual(position);
    expect(afterGroups(curriculum, position, [{ level: undefined, success: 1 }])).toEqual(position);
  });
});
