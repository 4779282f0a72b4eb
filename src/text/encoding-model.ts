/** What turns a piece of text into token ids: byte-pair encoding, a unigram model, or whole words. */
import { AhaError } from '../errors.ts';
import type { IdBuffer } from './id-buffer.ts';

export interface EncodingModel {
  /** Appends the ids of `piece`. Throws an `AhaError` (`character-unknown`) for what it cannot represent. */
  encode(piece: string, out: IdBuffer): void;
}

/** Losing part of a text silently is worse than stopping: Rust's `tokenizers` drops such characters. */
export function characterUnknown(piece: string, character: string): AhaError {
  const codePoint = character.codePointAt(0) ?? 0;
  const shown =
    character === String.fromCodePoint(codePoint)
      ? ` (U+${codePoint.toString(16).toUpperCase().padStart(4, '0')})`
      : '';
  return new AhaError({
    code: 'character-unknown',
    boundary: 'text',
    what: 'The text has something that the tokenizer has no token for',
    found: `${JSON.stringify(character)}${shown} in ${JSON.stringify(piece.slice(0, 60))}`,
    expected: 'characters of its vocabulary (it has no unknown token)',
    fix: 'Remove the character from the text, or use a tokenizer that covers it.',
    fields: { character },
  });
}
