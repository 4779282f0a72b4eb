import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gated, weighted, type VerifyContext } from '../verdict.ts';
import { formatVerifier } from '../format.ts';
import { jsonVerifier } from './json-schema.ts';
import { lengthVerifier } from './length.ts';
import { repetition, repetitionVerifier } from './repetition.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/verify/format-rewards.json', import.meta.url), 'utf8'),
) as { repetition: { text: string; size: number; reward: number }[] };

describe('repetition', () => {
  it('is the negative of TRL’s and Open-R1’s reward with a max_penalty of -1', () => {
    expect(golden.repetition.length).toBeGreaterThan(40);
    for (const { text, size, reward } of golden.repetition) {
      expect(repetition(text, { size })).toBeCloseTo(-reward, 12);
    }
  });

  it('counts characters of text without blanks', () => {
    expect(repetition('我们来看看我们来看看', { size: 3 })).toBeCloseTo(3 / 8, 12);
    expect(repetition('ababab', { size: 2 })).toBe(0);
    expect(repetition('ababab', { size: 2, units: 'characters' })).toBeCloseTo(3 / 5, 12);
  });

  it('takes a megabyte, and long runs, at once', () => {
    expect(repetition('a '.repeat(500_000), { size: 1000 })).toBeGreaterThan(0.99);
    expect(repetition('x'.repeat(1_000_000))).toBe(0);
  });

  it('refuses sizes that are none', () => {
    for (const size of [0, -1, 1.5, Number.NaN, 1001]) {
      expect(() => repetitionVerifier({ size })).toThrow(/runs of 1 to 1000 words/);
    }
  });

  it('composes with the others, each part logged by name', async () => {
    const context = (response: string): VerifyContext => ({ response, signal: new AbortController().signal });
    const style = weighted({
      repetition: { weight: 1, verify: repetitionVerifier({ size: 2 }) },
      length: { weight: 3, verify: lengthVerifier('words', { maximum: 9, slope: 10 }) },
    });
    const verify = gated(
      { name: 'format', verify: formatVerifier() },
      {
        name: 'rest',
        verify: weighted({
          style: { weight: 1, verify: style },
          json: { weight: 1, verify: jsonVerifier({ type: 'number' }) },
        }),
      },
    );
    const response = '<think>so so so so</think> <answer>7</answer>';
    expect(await verify({}, '7', context(response))).toMatchObject({
      outcome: 'scored',
      parts: {
        format: 1,
        'rest/json': 1,
        'rest/style/length': 1,
        // Its words are <think>so, so, so, so</think> and <answer>7</answer>: no two pairs are equal.
        'rest/style/repetition': 1,
      },
    });
    expect(await verify({}, '7', context('7'))).toMatchObject({
      score: 0,
      parts: { format: 0 },
      evidence: { closed: 'format' },
    });
  });
});
