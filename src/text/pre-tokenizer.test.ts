import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createPreTokenizer, preTokenizerSchema } from './pre-tokenizer.ts';

interface Golden {
  readonly name: string;
  readonly config: unknown;
  readonly cases: readonly { text: string; pieces: string[] }[];
}

// Goldens by test/fixtures/text/make-tokenizers.py: Python's tokenizers 0.23.
const path = new URL('../../test/fixtures/text/pre-tokenizers.json', import.meta.url);
const goldens = JSON.parse(readFileSync(path, 'utf8')) as Golden[];

describe('pre-tokenizers cut as those of Python', () => {
  test.each(goldens.map((golden) => [golden.name, golden] as const))('%s', (_, { config, cases }) => {
    const preTokenizer = createPreTokenizer(preTokenizerSchema.parse(config));
    const actual = cases.map(({ text }) => {
      const pieces: string[] = [];
      preTokenizer.run(text, true, (piece) => pieces.push(piece));
      return { text, pieces };
    });
    expect(actual).toEqual(cases);
  });
});
