import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isAhaError } from '../errors.ts';
import { randomStream } from '../util/random.ts';
import { tokenizerFromGguf } from './gguf-tokenizer.ts';
import { Tokenizer } from './tokenizer.ts';

interface Group<Result> {
  readonly metadata: Record<string, unknown>;
  readonly results: readonly (Result & { ids: (number[] | null)[] })[];
}
interface Golden {
  readonly texts: readonly string[];
  readonly byteLevel: Group<{ pre: string }>;
  readonly sentencePiece: Group<{ addSpacePrefix: boolean }>;
}

// Goldens by test/fixtures/text/make-gguf.py: llama.cpp.
const path = new URL('../../test/fixtures/text/gguf-tokenizers.json', import.meta.url);
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden;

function encodeAll(tokenizer: Tokenizer): number[][] {
  return golden.texts.map((text) => [...tokenizer.encode(text)]);
}

describe('tokenizers from GGUF metadata cut as llama.cpp', () => {
  const { metadata, results } = golden.byteLevel;
  test.each(results.map((result) => [result.pre, result.ids] as const))('byte level, %s', (pre, ids) => {
    const tokenizer = tokenizerFromGguf({ ...metadata, 'tokenizer.ggml.pre': pre }, 'test.gguf');
    expect(encodeAll(tokenizer).filter((_, i) => ids[i] !== null)).toEqual(ids.filter((i) => i !== null));
  });

  test('the families differ on these texts', () => {
    const distinct = new Set(results.map((result) => JSON.stringify(result.ids)));
    expect(distinct.size).toBeGreaterThanOrEqual(9);
  });

  test.each(golden.sentencePiece.results.map((result) => [result.addSpacePrefix, result.ids] as const))(
    'SentencePiece, prefix space %s',
    (addSpacePrefix, ids) => {
      const flags = { 'tokenizer.ggml.add_space_prefix': addSpacePrefix };
      const tokenizer = tokenizerFromGguf({ ...golden.sentencePiece.metadata, ...flags }, 'test.gguf');
      expect(encodeAll(tokenizer)).toEqual(ids);
      const plain = 'Hello 世界 😀  x';
      expect(tokenizer.decode(tokenizer.encode(plain, { addSpecialTokens: false }))).toBe(plain);
    },
  );
});

describe('what a GGUF tokenizer brings along', () => {
  const bytes = {
    ...golden.byteLevel.metadata,
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.chat_template': '{{ messages }}',
  };

  test('special tokens, several end tokens, typed arrays and bigints', () => {
    const tokens = bytes as Record<string, unknown>;
    const names = tokens['tokenizer.ggml.tokens'] as string[];
    const end = names.indexOf('<|im_end|>');
    const bos = names.indexOf('<|bos|>');
    const tokenizer = tokenizerFromGguf(
      {
        ...bytes,
        'tokenizer.ggml.token_type': Int32Array.from(tokens['tokenizer.ggml.token_type'] as number[]),
        'tokenizer.ggml.eos_token_id': BigInt(end),
        'tokenizer.ggml.eot_token_id': bos,
        'tokenizer.ggml.padding_token_id': end,
        'tokenizer.ggml.add_eos_token': true,
      },
      'test.gguf',
    );
    expect(tokenizer.vocabularySize).toBe(names.length);
    expect(tokenizer.eosIds).toEqual([end, bos]);
    expect(tokenizer.bosId).toBe(bos);
    expect(tokenizer.padId).toBe(end);
    expect(tokenizer.chatTemplate).toBe('{{ messages }}');
    expect([...tokenizer.encode('')]).toEqual([end]);
    expect(tokenizer.decode([names.indexOf('<think>'), end], { skipSpecialTokens: true })).toBe('<think>');
  });

  test('its documents make the same tokenizer again', () => {
    const tokenizer = tokenizerFromGguf(bytes, 'test.gguf');
    const document = (name: string): unknown =>
      JSON.parse(Buffer.from(tokenizer.files.get(name)!).toString()) as unknown;
    const again = new Tokenizer({
      tokenizer: document('tokenizer.json'),
      config: document('tokenizer_config.json'),
      generationConfig: document('generation_config.json'),
      source: 'again',
    });
    expect(encodeAll(again)).toEqual(encodeAll(tokenizer));
    expect(again.eosIds).toEqual(tokenizer.eosIds);
    expect(again.bosId).toBe(tokenizer.bosId);
    expect(again.chatTemplate).toBe(tokenizer.chatTemplate);
  });
});

describe('GGUF metadata that cannot be used', () => {
  const bytes: Record<string, unknown> = { ...golden.byteLevel.metadata, 'tokenizer.ggml.pre': 'gpt-2' };
  const pieces = golden.sentencePiece.metadata;
  const without = (metadata: Record<string, unknown>, key: string): Record<string, unknown> =>
    Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== key));
  const tokens = bytes['tokenizer.ggml.tokens'] as string[];

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['nothing', {}, 'tokenizer-malformed', /x\.gguf.*tokenizer\.ggml\.model/],
    [
      'another kind',
      { ...bytes, 'tokenizer.ggml.model': 'bert' },
      'tokenizer-unsupported',
      /found bert, expected gpt2/,
    ],
    [
      'an unknown way to cut',
      { ...bytes, 'tokenizer.ggml.pre': 'llama-bbe' },
      'tokenizer-unsupported',
      /found llama-bbe.*"llama-bpe"/,
    ],
    [
      'a prototype name',
      { ...bytes, 'tokenizer.ggml.pre': 'constructor' },
      'tokenizer-unsupported',
      /constructor/,
    ],
    ['no tokens', without(bytes, 'tokenizer.ggml.tokens'), 'tokenizer-malformed', /tokenizer\.ggml\.tokens/],
    ['no merges', without(bytes, 'tokenizer.ggml.merges'), 'tokenizer-inconsistent', /merges are missing/],
    ['no scores', without(pieces, 'tokenizer.ggml.scores'), 'tokenizer-inconsistent', /scores are missing/],
    [
      'too few types',
      { ...bytes, 'tokenizer.ggml.token_type': [1, 1] },
      'tokenizer-inconsistent',
      /token_type.*found 2, expected/,
    ],
    [
      'numbers for tokens',
      { ...bytes, 'tokenizer.ggml.tokens': [1, 2] },
      'tokenizer-malformed',
      /tokenizer\.ggml\.tokens/,
    ],
    [
      'a token twice',
      { ...bytes, 'tokenizer.ggml.tokens': [...tokens.slice(0, -1), tokens[0]] },
      'tokenizer-inconsistent',
      /occurs twice: found ids 0 and/,
    ],
    [
      'a merge that is no pair',
      { ...bytes, 'tokenizer.ggml.merges': ['ab'] },
      'tokenizer-inconsistent',
      /not a pair of tokens: found ab/,
    ],
    [
      'a merge of unknown tokens',
      { ...bytes, 'tokenizer.ggml.merges': ['zzz yyy'] },
      'tokenizer-inconsistent',
      /Merge 0 .*found zzz/,
    ],
    [
      'an end token beyond the vocabulary',
      { ...bytes, 'tokenizer.ggml.eos_token_id': 99_999 },
      'tokenizer-inconsistent',
      /eos_token/,
    ],
    ['a negative id', { ...bytes, 'tokenizer.ggml.bos_token_id': -1 }, 'tokenizer-malformed', /bos_token_id/],
  ])('%s', (_, metadata, code, message) => {
    expect(() => tokenizerFromGguf(metadata, 'x.gguf')).toThrow(
      expect.objectContaining({
        name: 'AhaError',
        boundary: 'text',
        code,
        message: expect.stringMatching(message),
      }),
    );
  });

  test('any change anywhere makes an AhaError or a tokenizer, never another error', () => {
    const random = randomStream(6, 'gguf');
    const values: unknown[] = [null, true, -1, 1.5, 2n ** 63n, '', 'x', [], [null], {}, new Int32Array(3)];
    let refused = 0;
    for (let trial = 0; trial < 300; trial++) {
      const metadata: Record<string, unknown> = { ...random.pick([bytes, pieces]) };
      const key = random.pick(Object.keys(metadata));
      const list = metadata[key];
      if (Array.isArray(list) && random.next() < 0.7) {
        const copy = [...(list as unknown[])];
        copy[random.integer(copy.length)] = random.pick(values);
        metadata[key] = copy;
      } else metadata[key] = random.pick(values);
      let outcome: unknown = 'done';
      try {
        const tokenizer = tokenizerFromGguf(metadata, 'x.gguf');
        tokenizer.decode(tokenizer.encode('some text <think>'));
      } catch (error) {
        outcome = isAhaError(error) && error.boundary === 'text' ? 'refused' : error;
      }
      expect(['done', 'refused']).toContain(outcome);
      if (outcome === 'refused') refused++;
    }
    expect(refused).toBeGreaterThan(100);
  });
});
