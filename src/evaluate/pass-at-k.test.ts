import { describe, expect, it } from 'vitest';
import { meanPassAtK, passAtK, usualK } from './pass-at-k.ts';

/** By enumeration: the share of the k-subsets of n responses that hold a right one. */
function enumerated(samples: number, correct: number, k: number): number {
  let hits = 0;
  let all = 0;
  for (let subset = 0; subset < 1 << samples; subset++) {
    const members = Array.from({ length: samples }, (_, i) => i).filter((i) => (subset >> i) & 1);
    if (members.length !== k) continue;
    all++;
    if (members.some((i) => i < correct)) hits++;
  }
  return hits / all;
}

describe('passAtK', () => {
  it('agrees with counting every subset', () => {
    for (let n = 1; n <= 8; n++) {
      for (let c = 0; c <= n; c++) {
        for (let k = 1; k <= n; k++) expect(passAtK(n, c, k)).toBeCloseTo(enumerated(n, c, k), 12);
      }
    }
  });

  it('does not overflow with many samples', () => {
    expect(passAtK(10_000, 10, 1)).toBeCloseTo(0.001, 12);
    expect(passAtK(10_000, 5000, 5000)).toBe(1);
  });

  it('says nothing where k exceeds the samples', () => {
    expect(passAtK(4, 2, 5)).toBeNaN();
    expect(passAtK(4, 2, 0)).toBeNaN();
  });
});

describe('meanPassAtK', () => {
  it('averages over the problems that have enough samples', () => {
    const problems = [
      { samples: 4, correct: 4 },
      { samples: 4, correct: 0 },
      { samples: 1, correct: 1 },
    ];
    expect(meanPassAtK(problems, 4)).toBe(0.5);
    expect(meanPassAtK(problems, 1)).toBeCloseTo(2 / 3, 12);
    expect(meanPassAtK(problems, 8)).toBeNaN();
  });
});

describe('usualK', () => {
  it.each([
    [1, [1]],
    [2, [1, 2]],
    [8, [1, 2, 4, 8]],
    [10, [1, 2, 4, 8, 10]],
  ])('%d', (samples, ks) => {
    expect(usualK(samples)).toEqual(ks);
  });
});
