import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createCharacterTokenizer, type CharacterTokenizerOptions } from './character-tokenizer.ts';
import { loadTokenizer } from './tokenizer-folder.ts';
import type { Tokenizer } from './tokenizer.ts';

interface Golden {
  readonly special: { bos: number; eos: number; pad: number; size: number };
  readonly cases: readonly { text: string; ids: number[]; decoded: string; skipped: string }[];
}

const folder = fileURLToPath(new URL('../../test/fixtures/text/character', import.meta.url));
// By test/fixtures/text/make-character-cases.py: tokenizers and transformers of Python.
const golden = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Golden;
const options: CharacterTokenizerOptions = {
  alphabet: ' \n0123456789+-*/=()abcdefghijklmnopqrstuvwxyz:.,<>中é😀',
  addedTokens: ['<think>', '</think>'],
  chatTemplate: '{{ messages[0].content }}{{ eos_token }}',
};

function expectGolden(tokenizer: Tokenizer): void {
  const { special, cases } = golden;
  expect(tokenizer.bosId).toBe(special.bos);
  expect(tokenizer.eosIds).toEqual([special.eos]);
  expect(tokenizer.padId).toBe(special.pad);
  expect(tokenizer.vocabularySize).toBe(special.size);
  const actual = cases.map(({ text, ids }) => ({
    text,
    ids: [...tokenizer.encode(text)],
    decoded: tokenizer.decode(ids),
    skipped: tokenizer.decode(ids, { skipSpecialTokens: true }),
  }));
  expect(actual).toEqual(cases);
}

describe('createCharacterTokenizer', () => {
  test('writes the documents that Python was asked about', () => {
    const { files } = createCharacterTokenizer(options);
    expect([...files.keys()]).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    for (const [name, content] of files) {
      expect(Buffer.from(content).toString()).toBe(readFileSync(join(folder, name), 'utf8'));
    }
  });

  test('encodes and decodes as Python does', () => {
    expectGolden(createCharacterTokenizer(options));
  });

  test('is the same when loaded from its files', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'aha-text-'));
    try {
      for (const [name, content] of createCharacterTokenizer(options).files) {
        await writeFile(join(temporary, name), content);
      }
      const loaded = await loadTokenizer(temporary);
      expectGolden(loaded);
      expect(loaded.chatTemplate).toBe(options.chatTemplate);
      expect(() => loaded.encode('Z')).toThrow(expect.objectContaining({ code: 'character-unknown' }));
    } finally {
      await rm(temporary, { recursive: true });
    }
  });

  test('ids: pad, bos, eos, added tokens, then the alphabet in order', () => {
    const tokenizer = createCharacterTokenizer({ alphabet: 'ba c', addedTokens: ['<t>'] });
    expect([...tokenizer.encode('<pad><bos><eos><t>ba c')]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test.each(['Z', '▁', '\ufffd', 'A\u0301', '👍🏽'])(
    'a character outside of the alphabet is an error: %s',
    (text) => {
      const tokenizer = createCharacterTokenizer({ alphabet: 'abc ' });
      expect(() => tokenizer.encode(`a ${text}`)).toThrow(
        expect.objectContaining({ name: 'AhaError', boundary: 'text', code: 'character-unknown' }),
      );
    },
  );

  test('the error names the character', () => {
    expect(() => createCharacterTokenizer({ alphabet: 'abc ' }).encode('ab中')).toThrow(/"中" \(U\+4E2D\)/);
  });

  test('an unknown token stands for each unknown character', () => {
    const tokenizer = createCharacterTokenizer({ alphabet: 'abc ', unknownToken: '<unk>' });
    expect(tokenizer.unknownId).toBe(3);
    expect([...tokenizer.encode('aZ▁😀b')]).toEqual([4, 3, 3, 3, 5]);
    expect(tokenizer.decode([4, 3, 5])).toBe('a<unk>b');
    expect(tokenizer.decode([4, 3, 5], { skipSpecialTokens: true })).toBe('ab');
  });

  test.each<[string, CharacterTokenizerOptions, RegExp]>([
    ['nothing', { alphabet: '' }, /empty/],
    ['a character twice', { alphabet: 'abca' }, /occurs twice in the alphabet: found "a"/],
    ['the stand-in for a space', { alphabet: 'a▁' }, /U\+2581/],
    ['the replacement character', { alphabet: 'a\ufffd' }, /U\+FFFD/],
    ['half a surrogate pair', { alphabet: 'a\ud83d' }, /U\+D83D/],
    ['a token twice', { alphabet: 'a', padToken: '<eos>' }, /occurs twice: found "<eos>"/],
    ['a token that is a character', { alphabet: 'a', addedTokens: ['a'] }, /occurs twice: found "a"/],
    ['an empty token', { alphabet: 'a', addedTokens: [''] }, /empty/],
  ])('refuses an alphabet with %s', (_, broken, message) => {
    expect(() => createCharacterTokenizer(broken)).toThrow(
      expect.objectContaining({
        name: 'AhaError',
        code: 'alphabet-invalid',
        message: expect.stringMatching(message),
      }),
    );
  });
});
