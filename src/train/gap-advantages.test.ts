import { describe, expect, it } from 'vitest';
import { distill } from '../../test/support/distill-cases.ts';
import { discountedGaps } from './gap-advantages.ts';

const {
  student_logps: student,
  teacher_logps: teacher,
  mask,
} = distill.minillm_advantage as Record<string, number[][]>;
const cases = Object.entries(distill.minillm_advantage).flatMap(([name, expected]) => {
  const match = /^gamma=([\d.]+),length_norm=(True|False)$/.exec(name);
  if (match === null) return [];
  return [{ name, discount: Number(match[1]), lengthNormalised: match[2] === 'True', expected }];
});

describe('discountedGaps', () => {
  it.each(cases)(
    'gives the advantages of MiniLLM in TRL: $name',
    ({ discount, lengthNormalised, expected }) => {
      for (const [s, row] of expected.entries()) {
        const gaps = student![s]!.map((value, t) => teacher![s]![t]! - value);
        const tokens = mask![s]!.map((flag) => flag === 1);
        const found = discountedGaps(gaps, { discount, lengthNormalised }, tokens);
        // The fixture is in float32.
        for (const [t, value] of row.entries()) expect(found[t]).toBeCloseTo(value, 6);
      }
    },
  );
});
