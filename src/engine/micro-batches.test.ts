import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { type Extent, planMicroBatches, positionsOf, type Prefix } from './micro-batches.ts';

const extents = (lengths: readonly number[]): Extent[] => lengths.map((length) => ({ length }));

function paddingShare(lengths: readonly number[], budget: number): number {
  const plan = planMicroBatches(extents(lengths), budget);
  const positions = plan.reduce((total, batch) => total + positionsOf(batch), 0);
  return 1 - lengths.reduce((a, b) => a + b, 0) / positions;
}

describe('planMicroBatches', () => {
  it('uses every sequence once, each batch as long as its longest member and within the budget', () => {
    const random = randomStream(1, 'lengths');
    for (let trial = 0; trial < 50; trial++) {
      const lengths = Array.from({ length: random.integer(80) }, () => 1 + random.integer(600));
      const plan = planMicroBatches(extents(lengths), 512);
      expect(plan.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual([...lengths.keys()]);
      for (const { members, length } of plan) {
        expect(length).toBe(Math.max(...members.map((member) => lengths[member]!)));
        expect(members.length === 1 || members.length * length <= 512).toBe(true);
      }
    }
  });

  it.each([
    ['uniform', (u: number) => 16 + Math.floor(u * 500)],
    ['skewed', (u: number) => 16 + Math.floor(u ** 4 * 1000)],
    ['two kinds', (u: number) => (u < 0.5 ? 40 : 700)],
  ])('pads under 10 %% of positions on 64 sequences of %s lengths', (_, lengthOf) => {
    for (let seed = 0; seed < 20; seed++) {
      const random = randomStream(seed, 'lengths');
      const lengths = Array.from({ length: 64 }, () => lengthOf(random.next()));
      expect(paddingShare(lengths, 2048)).toBeLessThan(0.1);
    }
  });

  describe('with shared beginnings', () => {
    /** `completions` of random lengths for each of some prompts. */
    const groups = (seed: number, prompts: number, completions: number, promptLength: number): Extent[] => {
      const random = randomStream(seed, 'groups');
      return Array.from({ length: prompts }, () => {
        const prefix: Prefix = { length: Math.ceil(promptLength * (0.5 + random.next())) };
        return Array.from({ length: completions }, () => ({ length: 1 + random.integer(100), prefix }));
      }).flat();
    };

    it('uses every sequence once, names each beginning once, and keeps to the budget', () => {
      for (let seed = 0; seed < 30; seed++) {
        const sequences = [...groups(seed, 5, 6, 80), ...extents([3, 90, 40])];
        const plan = planMicroBatches(sequences, 700);
        expect(plan.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual([...sequences.keys()]);
        for (const batch of plan) {
          const own = batch.members.map((member) => sequences[member]!);
          expect(batch.length).toBe(Math.max(...own.map(({ length }) => length)));
          expect(new Set(batch.prefixes)).toEqual(new Set(own.flatMap(({ prefix }) => prefix ?? [])));
          expect(batch.prefixes.length).toBe(new Set(batch.prefixes).size);
          expect(own.every(({ prefix }) => (prefix === undefined) === (batch.prefixes.length === 0))).toBe(
            true,
          );
          expect(batch.members.length === 1 || positionsOf(batch) <= 700).toBe(true);
        }
      }
    });

    it('computes a long prompt about once, and mixes prompts where they are short', () => {
      const computed = (sequences: readonly Extent[]) =>
        planMicroBatches(sequences, 2048).reduce((sum, batch) => sum + positionsOf(batch), 0);
      const own = (sequences: readonly Extent[]) => sequences.reduce((sum, { length }) => sum + length, 0);
      for (let seed = 0; seed < 10; seed++) {
        const long = groups(seed, 8, 8, 400);
        const prompts = [...new Set(long.map(({ prefix }) => prefix!))];
        const once = prompts.reduce((sum, { length }) => sum + length, 0);
        // 64 times the prompts would be 8 times as much.
        expect(computed(long)).toBeLessThan(2 * (once + own(long)));
        const short = groups(seed, 8, 8, 4);
        expect(computed(short)).toBeLessThan(1.25 * own(short));
      }
    });
  });

  it('finds the grouping of least cost that an exhaustive search finds', () => {
    const cost = (groups: readonly (readonly number[])[]) =>
      groups.reduce((total, group) => total + group.length * Math.max(...group) + 48, 0);
    const partitions = (items: readonly number[]): number[][][] => {
      if (items.length === 0) return [[]];
      const [first, ...rest] = items as [number, ...number[]];
      return partitions(rest).flatMap((groups) => [
        [[first], ...groups],
        ...groups.map((group, at) => groups.with(at, [first, ...group])),
      ]);
    };
    const random = randomStream(3, 'lengths');
    for (let trial = 0; trial < 20; trial++) {
      const lengths = Array.from({ length: 6 }, () => 1 + random.integer(200));
      const allowed = partitions(lengths).filter((groups) =>
        groups.every((group) => group.length === 1 || group.length * Math.max(...group) <= 400),
      );
      const least = Math.min(...allowed.map(cost));
      const plan = planMicroBatches(extents(lengths), 400).map(({ members }) =>
        members.map((m) => lengths[m]!),
      );
      expect(cost(plan)).toBe(least);
    }
  });
});
