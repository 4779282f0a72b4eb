import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Tokenizer } from './tokenizer.ts';

interface Golden {
  readonly tokenizer: unknown;
  readonly cases: readonly { text: string; ids: number[]; plain: number[] }[];
  readonly decodes: readonly { ids: number[]; text: string; skipped: string }[];
}

const folder = fileURLToPath(new URL('../../test/fixtures/text/tokenizers/', import.meta.url));
const names = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));

// Goldens by test/fixtures/text/make-tokenizers.py: Python's tokenizers 0.23.
describe.each(names)('%s, as the tokenizers of Python', (name) => {
  const golden = JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as Golden;
  const tokenizer = new Tokenizer({ tokenizer: golden.tokenizer, source: name });

  test('encodes', () => {
    expect(golden.cases.length).toBeGreaterThan(50);
    const actual = golden.cases.map(({ text }) => ({
      text,
      ids: [...tokenizer.encode(text)],
      plain: [...tokenizer.encode(text, { addSpecialTokens: false })],
    }));
    expect(actual).toEqual(golden.cases);
  });

  test('decodes', () => {
    expect(golden.decodes.length).toBeGreaterThan(80);
    const actual = golden.decodes.map(({ ids }) => ({
      ids,
      text: tokenizer.decode(ids),
      skipped: tokenizer.decode(Int32Array.from(ids), { skipSpecialTokens: true }),
    }));
    expect(actual).toEqual(golden.decodes);
  });
});
