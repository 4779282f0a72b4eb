import { describe, expect, it } from 'vitest';
import { createCharacterTokenizer } from '../text/character-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { checkSameTokenizer } from './same-tokenizer.ts';

type Comparable = Pick<Tokenizer, 'vocabularySize' | 'idToToken' | 'encode'>;

function check(teacher: Comparable, student: Comparable): void {
  checkSameTokenizer(
    { tokenizer: teacher, source: './teacher' },
    { tokenizer: student, source: './student' },
  );
}

const refusal = (found: string) =>
  expect.objectContaining({
    code: 'tokenizers-differ',
    message: expect.stringContaining(found) as string,
    fix: expect.stringContaining('text') as string,
  }) as Error;

describe('checkSameTokenizer', () => {
  const abc = createCharacterTokenizer({ alphabet: 'abc' });

  it('accepts two of the same make', () => {
    expect(() => check(abc, createCharacterTokenizer({ alphabet: 'abc' }))).not.toThrow();
  });

  it('names what differs', () => {
    expect(() => check(abc, createCharacterTokenizer({ alphabet: 'abcd' }))).toThrow(
      refusal('6 and 7 tokens'),
    );
    expect(() => check(abc, createCharacterTokenizer({ alphabet: 'acb' }))).toThrow(
      refusal('token 4 is "b" and "c"'),
    );
  });

  it('refuses tokenizers that have the same tokens and cut text otherwise', () => {
    const backwards: Comparable = {
      vocabularySize: abc.vocabularySize,
      idToToken: (id) => abc.idToToken(id),
      encode: () => Int32Array.of(3),
    };
    expect(() => check(abc, backwards)).toThrow(refusal('becomes an error and 3'));
  });
});
