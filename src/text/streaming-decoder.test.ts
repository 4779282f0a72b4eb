import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { randomStream, type RandomStream } from '../util/random.ts';
import { StreamingDecoder } from './streaming-decoder.ts';
import { Tokenizer } from './tokenizer.ts';

const folder = fileURLToPath(new URL('../../test/fixtures/text/tokenizers/', import.meta.url));

function open(name: string): Tokenizer {
  const { tokenizer } = JSON.parse(readFileSync(`${folder}${name}`, 'utf8')) as { tokenizer: unknown };
  return new Tokenizer({ tokenizer, source: name });
}

/** Ids that are mostly valid text, with random ones (bytes that are no character, special tokens) between. */
function drawIds(tokenizer: Tokenizer, random: RandomStream): number[] {
  const texts = ['héllo ', '中文 字', '😀👩‍👩‍👧‍👦', ' a  b ', '\ufeff', 'x', '▁', '<|im_end|>', '\n'];
  const ids: number[] = [];
  const parts = random.integer(6);
  for (let i = 0; i < parts; i++) {
    if (random.next() < 0.5) {
      const text = random.pick(texts);
      const whole = [...tokenizer.encode(text, { addSpecialTokens: false })];
      // Sometimes cut, so that characters are left without their last bytes.
      ids.push(...whole.slice(0, 1 + random.integer(whole.length)));
    } else ids.push(random.integer(tokenizer.vocabularySize + 3));
  }
  return ids;
}

describe.each(readdirSync(folder))('streamed decoding with %s', (name) => {
  const tokenizer = open(name);

  test('is decoding', () => {
    const random = randomStream(3, 'streaming', name);
    let multibyte = 0;
    for (let trial = 0; trial < 400; trial++) {
      const ids = drawIds(tokenizer, random);
      const options = { skipSpecialTokens: trial % 2 === 0 };
      const decoder = new StreamingDecoder(tokenizer, options);
      const pieces = ids.map((id) => decoder.push(id));
      const rest = decoder.finish();
      const whole = tokenizer.decode(ids, options);
      expect({ ids, text: pieces.join('') + rest }).toEqual({ ids, text: whole });
      // No piece ends inside of a character.
      for (const piece of pieces) expect(piece).not.toMatch(/\p{Cs}/u);
      if (/[\u0100-\uffff]/.test(whole)) multibyte++;
    }
    expect(multibyte).toBeGreaterThan(50);
  });
});

describe('StreamingDecoder', () => {
  test('holds a character back until its last byte', () => {
    const tokenizer = open('gpt2.json');
    const ids = [...tokenizer.encode('😀')];
    expect(ids.length).toBeGreaterThan(1);
    const decoder = new StreamingDecoder(tokenizer);
    const pieces = ids.map((id) => decoder.push(id));
    expect(pieces.slice(0, -1).join('')).toBe('');
    expect(pieces.at(-1)).toBe('😀');
    expect(decoder.finish()).toBe('');
  });

  test('bytes that never became a character come out at the end', () => {
    const tokenizer = open('llama2.json');
    const byte = (value: string): number => tokenizer.tokenToId(`<0x${value}>`)!;
    const decoder = new StreamingDecoder(tokenizer);
    expect([byte('E4'), byte('BD')].map((id) => decoder.push(id))).toEqual(['', '']);
    expect(decoder.finish()).toBe('\ufffd\ufffd');
  });

  test('strips the space at the beginning and no other', () => {
    const tokenizer = open('llama2.json');
    const ids = tokenizer.encode('the the', { addSpecialTokens: false });
    const decoder = new StreamingDecoder(tokenizer);
    expect([...ids].map((id) => decoder.push(id)).join('') + decoder.finish()).toBe('the the');
  });

  test('is over after finish', () => {
    const decoder = new StreamingDecoder(open('gpt2.json'));
    decoder.push(300);
    decoder.finish();
    expect(decoder.finish()).toBe('');
    expect(() => decoder.push(300)).toThrow(expect.objectContaining({ code: 'decoder-finished' }));
  });

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('%s is no token id', (id) => {
    const tokenizer = open('gpt2.json');
    const error = expect.objectContaining({ name: 'AhaError', boundary: 'text', code: 'token-id-invalid' });
    expect(() => new StreamingDecoder(tokenizer).push(id)).toThrow(error);
    expect(() => tokenizer.decode([id])).toThrow(error);
  });

  test('a million tokens take linear time and memory', () => {
    const tokenizer = open('llama2.json');
    const ids = tokenizer.encode('the quick brown fox 😀 ', { addSpecialTokens: false });
    const decoder = new StreamingDecoder(tokenizer);
    let length = 0;
    for (let i = 0; i < 1_000_000; i++) length += decoder.push(ids[i % ids.length]!).length;
    expect(length + decoder.finish().length).toBeGreaterThan(1_000_000);
  });
});
