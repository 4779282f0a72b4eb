import { describe, expect, it } from 'vitest';
import { findOverlap, wordsOf } from './contamination.ts';

async function* of(...texts: (readonly string[])[]): AsyncGenerator<readonly string[]> {
  for (const text of texts) yield await Promise.resolve(text);
}

const long =
  'A farmer has 12 sheep and 7 goats, and buys 5 more sheep on Monday: how many animals are there now?';

describe('wordsOf', () => {
  it('splits into runs of letters, numbers and signs, in lower case', () => {
    expect(wordsOf('Is 3+14=17, Éve?')).toEqual(['is', '3', '+', '14', '=', '17', ',', 'éve', '?']);
    expect(wordsOf('数学 ａ１')).toEqual(['数学', 'a', '1']);
  });
});

describe('findOverlap', () => {
  it('finds a prompt that stands in the data as it is, however short', async () => {
    const { overlaps, texts } = await findOverlap(
      ['7 + 5 =', '7 + 6 ='],
      of(['7 +  5 =', '12'], ['other', 'x']),
    );
    expect(overlaps).toEqual([
      { exact: true, share: 1 },
      { exact: false, share: 0 },
    ]);
    expect(texts).toBe(2);
  });

  it('does not take a short prompt inside a longer text for an overlap', async () => {
    const { overlaps } = await findOverlap(['7 + 5 ='], of(['we know that 7 + 5 = 12']));
    expect(overlaps).toEqual([{ exact: false, share: 0 }]);
  });

  it('finds runs of 13 words inside longer texts, in other case and spacing', async () => {
    const words = wordsOf(long);
    const runs = words.length - 13 + 1;
    const cases: [string, number][] = [
      [`Question: ${long.toUpperCase()} Answer: 24`, 1],
      // Exactly 13 words of it.
      [words.slice(2, 15).join('  '), 1 / runs],
      [words.slice(2, 16).join(' '), 2 / runs],
      // One word less is no run.
      [words.slice(2, 14).join(' '), 0],
      ['A farmer has 12 sheep and 8 goats', 0],
    ];
    for (const [text, share] of cases) {
      const { overlaps } = await findOverlap([long], of([text]));
      expect(overlaps[0]!.share).toBeCloseTo(share, 12);
      expect(overlaps[0]!.exact).toBe(false);
    }
  });

  it('adds up what is spread over several texts, each run once', async () => {
    const words = wordsOf(long);
    const half = of(
      [words.slice(0, 13).join(' ')],
      [words.slice(0, 13).join(' ')],
      [words.slice(5, 18).join(' ')],
    );
    const { overlaps } = await findOverlap([long], half);
    expect(overlaps[0]!.share).toBeCloseTo(2 / (words.length - 12), 12);
  });

  it('uses the whole prompt as the run where it has 8 to 12 words', async () => {
    const prompt = 'what is the sum of 3 and 14 ?';
    const { overlaps } = await findOverlap(
      [prompt, 'what is the sum of 3 and 15 ?'],
      of([`Hello! ${prompt} It is 17.`]),
    );
    expect(overlaps.map(({ share }) => share)).toEqual([1, 0]);
  });

  it('agrees with a plain search on random texts', async () => {
    const { randomStream } = await import('../util/random.ts');
    const random = randomStream(5, 'overlap');
    const text = (length: number) => Array.from({ length }, () => random.pick(['a', 'b'])).join(' ');
    const prompts = Array.from({ length: 30 }, (_, i) => text(9 + (i % 10)));
    const training = Array.from({ length: 40 }, () => text(40));
    const { overlaps } = await findOverlap(prompts, of(...training.map((one) => [one])));
    for (const [i, prompt] of prompts.entries()) {
      const words = prompt.split(' ');
      const size = Math.min(13, words.length);
      const runs = new Set(
        Array.from({ length: words.length - size + 1 }, (_, s) => words.slice(s, s + size).join(' ')),
      );
      const found = [...runs].filter((run) => training.some((one) => ` ${one} `.includes(` ${run} `)));
      expect(overlaps[i]!.share).toBeCloseTo(found.length / runs.size, 12);
    }
    expect(overlaps.some(({ share }) => share > 0 && share < 1)).toBe(true);
  });
});
