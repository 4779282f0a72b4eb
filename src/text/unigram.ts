/**
 * The unigram language model of SentencePiece (Kudo 2018): the segmentation of a piece whose tokens' scores
 * (log-probabilities) have the largest sum, found by Viterbi. As in Rust's `tokenizers`: a character that begins
 * no single-character token may be unknown at the lowest score minus 10, unknown neighbours are one, and with
 * byte fallback an unknown stretch becomes the tokens of its bytes.
 */
import { AhaError } from '../errors.ts';
import type { IdBuffer } from './id-buffer.ts';
import { byteToken } from './bpe.ts';
import { characterUnknown, type EncodingModel } from './encoding-model.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface UnigramOptions {
  readonly vocabulary: Vocabulary;
  /** Score of the token with each id. */
  readonly scores: Float64Array;
  readonly unknownId?: number | undefined;
  readonly byteFallback?: boolean;
}

const UNKNOWN_PENALTY = 10;

export class UnigramModel implements EncodingModel {
  readonly #vocabulary: Vocabulary;
  readonly #scores: Float64Array;
  readonly #unknownId: number;
  readonly #unknownScore: number;
  readonly #byteIds: Int32Array | undefined;
  /** (node · 65536 + UTF-16 unit) → child node. Node 0 is the root. */
  readonly #children = new Map<number, number>();
  /** Node → id of the token that ends there, -1 for none. */
  readonly #nodeIds: number[] = [-1];

  constructor(options: UnigramOptions) {
    this.#vocabulary = options.vocabulary;
    this.#scores = options.scores;
    this.#unknownId = options.unknownId ?? -1;
    this.#unknownScore =
      options.scores.reduce((low, score) => Math.min(low, score), Infinity) - UNKNOWN_PENALTY;
    if (options.byteFallback === true) {
      this.#byteIds = new Int32Array(256);
      for (let byte = 0; byte < 256; byte++) {
        this.#byteIds[byte] = options.vocabulary.idOf(byteToken(byte)) ?? -1;
      }
    }
    for (const [token, id] of options.vocabulary.entries()) this.#insert(token, id);
  }

  encode(piece: string, out: IdBuffer): void {
    const length = piece.length;
    if (length === 0) return;
    const bestScore = new Float64Array(length + 1);
    const bestStart = new Int32Array(length + 1).fill(-1);
    const bestId = new Int32Array(length + 1);
    for (let start = 0; start < length;) {
      const score = bestScore[start]!;
      const characterEnd = start + (piece.codePointAt(start)! > 0xffff ? 2 : 1);
      let hasSingle = false;
      let node: number | undefined = 0;
      for (let end = start; end < length;) {
        node = this.#children.get(node * 65_536 + piece.charCodeAt(end));
        if (node === undefined) break;
        end++;
        const id = this.#nodeIds[node]!;
        if (id < 0) continue;
        const candidate = score + this.#scores[id]!;
        if (bestStart[end]! < 0 || candidate > bestScore[end]!) {
          bestScore[end] = candidate;
          bestStart[end] = start;
          bestId[end] = id;
        }
        if (end === characterEnd) hasSingle = true;
      }
      if (!hasSingle) {
        const candidate = score + this.#unknownScore;
        if (bestStart[characterEnd]! < 0 || candidate > bestScore[characterEnd]!) {
          bestScore[characterEnd] = candidate;
          bestStart[characterEnd] = start;
          bestId[characterEnd] = this.#unknownId;
        }
      }
      start = characterEnd;
    }
    this.#emit(piece, bestStart, bestId, out);
  }

  #emit(piece: string, bestStart: Int32Array, bestId: Int32Array, out: IdBuffer): void {
    const ends: number[] = [];
    for (let end = piece.length; end > 0; end = bestStart[end]!) ends.push(end);
    let start = 0;
    for (let i = ends.length - 1; i >= 0; i--) {
      let end = ends[i]!;
      const id = bestId[end]!;
      if (id !== this.#unknownId) out.push(id);
      else {
        while (i > 0 && bestId[ends[i - 1]!] === this.#unknownId) end = ends[--i]!;
        this.#emitUnknown(piece.slice(start, end), out);
      }
      start = end;
    }
  }

  #emitUnknown(text: string, out: IdBuffer): void {
    // The unknown token's own text, and neighbours that are a token together, are what they are.
    const whole = this.#vocabulary.idOf(text);
    if (whole !== undefined) {
      out.push(whole);
      return;
    }
    const bytes = this.#byteIds === undefined ? undefined : new TextEncoder().encode(text);
    if (bytes !== undefined && bytes.every((byte) => this.#byteIds![byte]! >= 0)) {
      for (const byte of bytes) out.push(this.#byteIds![byte]!);
      return;
    }
    if (this.#unknownId < 0) throw characterUnknown(text, String.fromCodePoint(text.codePointAt(0)!));
    out.push(this.#unknownId);
  }

  #insert(token: string, id: number): void {
    let node = 0;
    for (let i = 0; i < token.length; i++) {
      const key = node * 65_536 + token.charCodeAt(i);
      let child = this.#children.get(key);
      if (child === undefined) {
        child = this.#nodeIds.length;
        // One map holds at most 2^24 entries.
        if (child >= 2 ** 24) throw vocabularyTooLarge();
        this.#nodeIds.push(-1);
        this.#children.set(key, child);
      }
      node = child;
    }
    if (token !== '') this.#nodeIds[node] = id;
  }
}

function vocabularyTooLarge(): AhaError {
  return new AhaError({
    code: 'tokenizer-unsupported',
    boundary: 'text',
    what: 'The tokens of the unigram vocabulary are too long in sum',
    expected: 'at most 16 million characters',
    fix: 'Check that tokenizer.json is not damaged.',
  });
}
