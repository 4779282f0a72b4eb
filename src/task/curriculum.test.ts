import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import {
  checkCurriculum,
  curriculumSchema,
  drawLevel,
  observeSuccess,
  parseCurriculumState,
  startCurriculum,
  type Curriculum,
  type CurriculumState,
} from './curriculum.ts';

const parse = (value: unknown): Curriculum => curriculumSchema.parse(value);
const draw = (curriculum: Curriculum, state: CurriculumState, progress: number, n = 0) =>
  drawLevel(curriculum, state, { progress, random: randomStream('test', n) });

describe('mixed and fixed', () => {
  it('do not change', () => {
    const mixed = parse({ kind: 'mixed' });
    expect(draw(mixed, startCurriculum(mixed), 0.5)).toBeUndefined();
    const fixed = parse({ kind: 'fixed', level: 3 });
    const state = startCurriculum(fixed);
    expect(draw(fixed, state, 0)).toBe(3);
    expect(observeSuccess(fixed, state, { level: 3, success: 1 })).toEqual(state);
  });
});

describe('staged', () => {
  const curriculum = parse({ kind: 'staged', from: 2, to: 5, until: 0.75, review: 0 });
  const state = startCurriculum(curriculum);

  it.each([
    [-1, 2],
    [0, 2],
    [0.24, 2],
    [0.25, 3],
    [0.49, 3],
    [0.5, 4],
    [0.74, 4],
    [0.75, 5],
    [1, 5],
    [7, 5],
  ])('at %d of training: level %d', (progress, level) => {
    expect(draw(curriculum, state, progress)).toBe(level);
  });

  it('comes back to each lower level equally often', () => {
    const reviewing = parse({ kind: 'staged', from: 1, to: 3, review: 0.4 });
    const counts = new Map<number, number>();
    for (let i = 0; i < 5000; i++) {
      const level = draw(reviewing, state, 1, i)!;
      counts.set(level, (counts.get(level) ?? 0) + 1);
    }
    // 0.6, 0.2, 0.2 ± 5 standard errors.
    expect(Math.abs(counts.get(3)! / 5000 - 0.6)).toBeLessThan(0.035);
    expect(Math.abs(counts.get(2)! / 5000 - 0.2)).toBeLessThan(0.03);
    expect(Math.abs(counts.get(1)! / 5000 - 0.2)).toBeLessThan(0.03);
    expect(counts.size).toBe(3);
  });

  it('takes the same number of draws at every level', () => {
    const positions = [0, 0.5, 1].map((progress) => {
      const random = randomStream(1);
      drawLevel(curriculum, state, { progress, random });
      return random.position;
    });
    expect(new Set(positions).size).toBe(1);
  });
});

describe('adaptive', () => {
  const curriculum = parse({
    kind: 'adaptive',
    from: 1,
    to: 3,
    raiseAt: 0.75,
    lowerAt: 0.25,
    window: 4,
    review: 0,
  });
  const after = (state: CurriculumState, successes: readonly number[]) =>
    successes.reduce((s, success) => observeSuccess(curriculum, s, { level: s.level, success }), state);

  it('rises after a full window of success, and not before', () => {
    const start = startCurriculum(curriculum);
    expect(after(start, [1, 1, 1]).level).toBe(1);
    expect(after(start, [1, 1, 1, 0])).toEqual({ level: 2, recent: [] });
    expect(after(start, [1, 1, 0, 0.9]).level).toBe(1);
    expect(after(start, [0, 0, 1, 1, 1, 0]).level).toBe(2);
  });

  it('falls after a window of failure, and stays within its bounds', () => {
    const start = startCurriculum(curriculum);
    expect(after({ level: 3, recent: [] }, [0, 0, 0, 1])).toEqual({ level: 2, recent: [] });
    expect(after(start, [0, 0, 0, 0]).level).toBe(1);
    expect(after({ level: 3, recent: [] }, [1, 1, 1, 1]).level).toBe(3);
    expect(
      after(
        start,
        Array.from({ length: 100 }, () => 0.5),
      ).recent,
    ).toHaveLength(4);
  });

  it('does not count reviewed problems', () => {
    const state = { level: 2, recent: [1, 1, 1] };
    expect(observeSuccess(curriculum, state, { level: 1, success: 1 })).toEqual(state);
  });

  it('goes on from a stored state as if never stopped', () => {
    const successes = Array.from({ length: 40 }, (_, i) => randomStream(i).next());
    const whole = after(startCurriculum(curriculum), successes);
    const half = after(startCurriculum(curriculum), successes.slice(0, 17));
    const resumed = parseCurriculumState(JSON.parse(JSON.stringify(half)));
    expect(after(resumed, successes.slice(17))).toEqual(whole);
  });

  it.each([
    [{ level: 0, recent: [] }],
    [{ level: 1 }],
    [{ level: 1, recent: [2] }],
    [{ level: 1, recent: ['x'] }],
    [null],
  ])('refuses the stored state %j', (state) => {
    expect(() => parseCurriculumState(state)).toThrow(/The stored state of the curriculum/);
  });
});

describe('checkCurriculum', () => {
  it.each([
    [{ kind: 'fixed', level: 4 }, /does not have: found 4, expected 1, 2, 3/],
    [{ kind: 'staged', from: 1, to: 4 }, /does not have: found 4/],
    [{ kind: 'staged', from: 3, to: 1 }, /ends below its beginning/],
    [{ kind: 'adaptive', from: 1, to: 3, raiseAt: 0.5, lowerAt: 0.5 }, /up and down at once/],
  ])('refuses %j', (value, message) => {
    expect(() => checkCurriculum(parse(value), [1, 2, 3])).toThrow(message);
  });

  it('accepts what fits', () => {
    for (const value of [
      { kind: 'mixed' },
      { kind: 'fixed', level: 2 },
      { kind: 'adaptive', from: 1, to: 3 },
    ]) {
      checkCurriculum(parse(value), [1, 2, 3]);
    }
    expect(() => parse({ kind: 'staged', from: 1, to: 2, util: 1 })).toThrow(/util/);
  });
});
