import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { judge, type VerifyContext } from '../verdict.ts';
import { lengthOf, lengthScore, lengthVerifier, overlongPenalty, overlongVerifier } from './length.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/verify/format-rewards.json', import.meta.url), 'utf8'),
) as { overlong: { tokens: number; limit: number; window: number; reward: number }[] };

const context = (response: string, tokens?: number): VerifyContext => ({
  response,
  signal: new AbortController().signal,
  ...(tokens === undefined ? {} : { tokens }),
});

describe('overlongPenalty', () => {
  it('is TRL’s soft overlong punishment', () => {
    expect(golden.overlong.length).toBeGreaterThan(40);
    for (const { tokens, limit, window, reward } of golden.overlong) {
      expect(overlongPenalty(tokens, limit, { window, penalty: 1 })).toBeCloseTo(reward, 12);
    }
  });

  it('as a score is the penalty plus 1', async () => {
    const verify = overlongVerifier('tokens', { limit: 100, window: 20 });
    for (const [tokens, score] of [
      [0, 1],
      [80, 1],
      [90, 0.5],
      [100, 0],
      [1e9, 0],
    ] as const) {
      expect(await verify({}, '', context('', tokens))).toMatchObject({ score });
    }
    expect(await verify({}, '', context('text'))).toMatchObject({ outcome: 'failed', boundary: 'verifier' });
    expect(() => overlongVerifier('tokens', { limit: 10, window: 20 })).toThrow(/window ≤ limit/);
    expect(() => overlongVerifier('tokens', { limit: 10, window: 0 })).toThrow(/window ≤ limit/);
  });
});

describe('lengthScore', () => {
  it.each([
    [{ target: 100, slope: 50 }, [100, 1], [75, 0.5], [125, 0.5], [50, 0], [151, 0]],
    [{ target: 100, tolerance: 10, slope: 10 }, [90, 1], [110, 1], [115, 0.5], [85, 0.5], [121, 0]],
    [{ maximum: 40 }, [0, 1], [40, 1], [41, 0]],
    [{ minimum: 10, maximum: 40, slope: 10 }, [9, 0.9], [5, 0.5], [0, 0], [45, 0.5], [1e12, 0]],
    [{ minimum: 3 }, [2, 0], [3, 1], [1e12, 1]],
  ])('%j', (target, ...cases) => {
    for (const [length, score] of cases as [number, number][]) {
      expect(lengthScore(length, target)).toBeCloseTo(score, 12);
    }
  });

  it.each([[{}], [{ minimum: 5, maximum: 4 }], [{ maximum: Number.NaN }], [{ target: 5, slope: -1 }]])(
    'refuses %j',
    (target) => {
      expect(() => lengthVerifier('words', target as never)).toThrow(/A length target cannot be used/);
    },
  );
});

describe('lengthOf', () => {
  it.each([
    ['', 0, 0],
    ["Don't re-read it twice.", 4, 23],
    ['x + 1 = 2', 3, 9],
    ['你好，世界', 4, 5],
    ['ab 你好 cd', 4, 8],
    ['𝒳𝒴 é', 2, 4],
    ['\ud800x', 1, 2],
    ['…—!', 0, 3],
  ])('%j: %d words, %d characters', (text, words, characters) => {
    expect(lengthOf(text, 'words')).toBe(words);
    expect(lengthOf(text, 'characters')).toBe(characters);
  });

  it('counts tokens only where they are known', async () => {
    const verify = lengthVerifier('tokens', { maximum: 5 });
    expect(await judge(() => verify({}, '', context('a b c d e f g h', 5)))).toMatchObject({
      score: 1,
      evidence: { length: 5, unit: 'tokens' },
    });
    expect(await judge(() => verify({}, '', context('a')))).toMatchObject({ outcome: 'failed' });
  });

  it('takes a megabyte at once', () => {
    expect(lengthOf('a-'.repeat(500_000), 'words')).toBe(1);
    expect(lengthOf("'".repeat(1_000_000), 'words')).toBe(0);
    expect(lengthOf('字'.repeat(1_000_000), 'words')).toBe(1_000_000);
  });
});
