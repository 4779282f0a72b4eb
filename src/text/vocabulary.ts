/** Tokens ↔ ids. Ids need not be dense; no two tokens have the same id and no token has two. */
import { AhaError } from '../errors.ts';

/** Ids above this are refused: no model has an embedding that large, and arrays are sized by the largest id. */
export const MAXIMUM_ID = 2 ** 24 - 1;

export class Vocabulary {
  readonly #ids: Map<string, number>;
  readonly #tokens: (string | undefined)[] = [];

  constructor(entries: Iterable<readonly [string, number]>) {
    this.#ids = new Map();
    for (const [token, id] of entries) this.add(token, id);
  }

  /** The largest id plus one. */
  get size(): number {
    return this.#tokens.length;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  entries(): Iterable<[string, number]> {
    return this.#ids.entries();
  }

  /** The id of a token that must exist; `role` says what for. */
  require(token: string, role: string): number {
    const id = this.#ids.get(token);
    if (id !== undefined) return id;
    throw new AhaError({
      code: 'tokenizer-inconsistent',
      boundary: 'text',
      what: `The ${role} of the tokenizer is not in its vocabulary`,
      found: token,
      expected: `one of its ${this.#ids.size} tokens`,
      fix: 'Add the token to tokenizer.json (added_tokens), or correct its name in tokenizer_config.json.',
      fields: { token },
    });
  }

  add(token: string, id: number): void {
    if (!Number.isInteger(id) || id < 0 || id > MAXIMUM_ID) {
      throw inconsistent(
        `The token ${JSON.stringify(token)} has an id that cannot be`,
        id,
        `0 to ${MAXIMUM_ID}`,
      );
    }
    const known = this.#ids.get(token);
    if (known !== undefined && known !== id) {
      throw inconsistent(`The token ${JSON.stringify(token)} has two ids`, `${known} and ${id}`, 'one id');
    }
    const other = this.#tokens[id];
    if (other !== undefined && other !== token) {
      throw inconsistent(
        `Two tokens have the id ${id}`,
        `${JSON.stringify(other)} and ${JSON.stringify(token)}`,
        'one token an id',
      );
    }
    if (/\p{Cs}/u.test(token)) {
      throw inconsistent(
        `The token with id ${id} has half a surrogate pair`,
        JSON.stringify(token),
        'valid Unicode',
      );
    }
    while (this.#tokens.length < id) this.#tokens.push(undefined);
    this.#tokens[id] = token;
    this.#ids.set(token, id);
  }
}

function inconsistent(what: string, found: unknown, expected: unknown): AhaError {
  return new AhaError({
    code: 'tokenizer-inconsistent',
    boundary: 'text',
    what,
    found,
    expected,
    fix: 'Download tokenizer.json again, or export it anew from the tool that made it.',
  });
}
