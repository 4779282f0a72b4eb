/**
 * Decodes one sequence token by token, for showing text while it is drawn. What `push` and `finish` return, joined,
 * is what `Tokenizer.decode` returns for the whole; a character comes out once all of its bytes are there, so there
 * is never half of one, nor U+FFFD for bytes that may still become one. Constant time per token (amortised).
 */
import { AhaError } from '../errors.ts';
import type { Decoding } from './decoder.ts';
import type { DecodeOptions, Tokenizer } from './tokenizer.ts';

export class StreamingDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #options: DecodeOptions;
  readonly #decoding: Decoding;
  #finished = false;

  constructor(tokenizer: Tokenizer, options: DecodeOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#decoding = tokenizer.startDecoding();
  }

  /** The text that became certain with this token; often empty. */
  push(id: number): string {
    if (this.#finished) {
      throw new AhaError({
        code: 'decoder-finished',
        boundary: 'text',
        what: 'A token came after the end of the sequence',
        fix: 'Make a new StreamingDecoder for each sequence.',
      });
    }
    const token = this.#tokenizer.decodedToken(id, this.#options);
    return token === undefined ? '' : this.#decoding.push(token);
  }

  /** The rest: what was held back. Bytes that never became a character come out as U+FFFD. */
  finish(): string {
    if (this.#finished) return '';
    this.#finished = true;
    return this.#decoding.finish();
  }
}
