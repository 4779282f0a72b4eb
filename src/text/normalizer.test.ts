import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createNormalizer, normalizerSchema } from './normalizer.ts';

interface Golden {
  readonly config: { readonly type: string };
  readonly cases: readonly { text: string; normalized: string }[];
}

// Goldens by test/fixtures/text/make-tokenizers.py: Python's tokenizers 0.23, and a table by SentencePiece.
const path = new URL('../../test/fixtures/text/normalizers.json', import.meta.url);
const goldens = JSON.parse(readFileSync(path, 'utf8')) as Golden[];

describe('normalizers normalize as those of Python', () => {
  test.each(goldens.map((golden) => [JSON.stringify(golden.config).slice(0, 100), golden] as const))(
    '%s',
    (_, { config, cases }) => {
      const normalizer = createNormalizer(normalizerSchema.parse(config))!;
      expect(cases.map(({ text }) => ({ text, normalized: normalizer.normalize(text) }))).toEqual(cases);
    },
  );

  test.each(['AAAA', 'not base64!', 'gAAAAA==', Buffer.from([255, 255, 255, 127, 0]).toString('base64')])(
    'a damaged table is an error: %s',
    (charsmap) => {
      expect(() => createNormalizer({ type: 'Precompiled', precompiled_charsmap: charsmap })).toThrow(
        expect.objectContaining({ name: 'AhaError', boundary: 'text', code: 'tokenizer-malformed' }),
      );
    },
  );
});
