import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { planMicroBatches } from './micro-batches.ts';

function paddingShare(lengths: readonly number[], budget: number): number {
  const plan = planMicroBatches(lengths, budget);
  const positions = plan.reduce((total, { members, length }) => total + members.length * length, 0);
  return 1 - lengths.reduce((a, b) => a + b, 0) / positions;
}

describe('planMicroBatches', () => {
  it('uses every sequence once, each batch as long as its longest member and within the budget', () => {
    const random = randomStream(1, 'lengths');
    for (let trial = 0; trial < 50; trial++) {
      const lengths = Array.from({ length: random.integer(80) }, () => 1 + random.integer(600));
      const plan = planMicroBatches(lengths, 512);
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
      const plan = planMicroBatches(lengths, 400).map(({ members }) => members.map((m) => lengths[m]!));
      expect(cost(plan)).toBe(least);
    }
  });
});
