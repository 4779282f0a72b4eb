import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createDecoder, decoderSchema } from './decoder.ts';

interface Golden {
  readonly config: { readonly type: string };
  readonly cases: readonly { tokens: string[]; text: string }[];
}

// Goldens by test/fixtures/text/make-tokenizers.py: Python's tokenizers 0.23.
const path = new URL('../../test/fixtures/text/decoders.json', import.meta.url);
const goldens = JSON.parse(readFileSync(path, 'utf8')) as Golden[];

describe('decoders decode as those of Python', () => {
  test.each(goldens.map((golden) => [JSON.stringify(golden.config), golden] as const))(
    '%s',
    (_, { config, cases }) => {
      expect(cases.length).toBeGreaterThan(30);
      const decoder = createDecoder(decoderSchema.parse(config));
      expect(cases.map(({ tokens }) => ({ tokens, text: decoder.decode(tokens) }))).toEqual(cases);
      const streamed = cases.map(({ tokens }) => {
        const decoding = decoder.start();
        let text = '';
        for (const token of tokens) text += decoding.push(token);
        return { tokens, text: text + decoding.finish() };
      });
      expect(streamed).toEqual(cases);
    },
  );
});
