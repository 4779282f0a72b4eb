/**
 * Byte-pair encoding (Sennrich et al. 2016) as Rust's `tokenizers` does it: the characters of a piece become
 * tokens (or bytes, or the unknown token), then the pair with the lowest rank is merged, the leftmost first, until
 * no pair can be.
 *
 * Time is O(n log n) in the length of a piece and memory a few numbers per character, so that a piece of ten
 * million characters ends: `@huggingface/tokenizers` 0.2 keeps an object per character and a JSON string per pair.
 */
import { AhaError } from '../errors.ts';
import type { IdBuffer } from './id-buffer.ts';
import { MergeTable } from './merge-table.ts';
import { characterUnknown, type EncodingModel } from './encoding-model.ts';
import type { Vocabulary } from './vocabulary.ts';
import { BYTE_TO_CHARACTER, toByteCharacters } from './byte-alphabet.ts';

export interface BpeOptions {
  readonly vocabulary: Vocabulary;
  /** Pairs of tokens in order of rank. */
  readonly merges: readonly (readonly [string, string])[];
  /** Stands for a character that has no token; without it such a character is an error. */
  readonly unknownToken?: string | undefined;
  /** A run of unknown characters becomes one unknown token. */
  readonly fuseUnknown?: boolean;
  /** A character that has no token becomes the tokens `<0xNN>` of its UTF-8 bytes. */
  readonly byteFallback?: boolean;
  /** A piece that is a token is that token, whatever the merges say. */
  readonly ignoreMerges?: boolean;
  /** Pieces stand for their UTF-8 bytes in GPT-2's alphabet. */
  readonly byteLevel?: boolean;
}

/** Pieces up to this length are merged by scanning, and remembered. */
const SHORT = 48;
const CACHE_SIZE = 20_000;

export class BpeModel implements EncodingModel {
  readonly #vocabulary: Vocabulary;
  readonly #merges: MergeTable;
  readonly #unknown: number;
  readonly #fuseUnknown: boolean;
  readonly #ignoreMerges: boolean;
  readonly #byteLevel: boolean;
  /** Byte → id in GPT-2's alphabet (byte level), or of `<0xNN>` (byte fallback); -1 where there is none. */
  readonly #byteIds = new Int32Array(256).fill(-1);
  readonly #byteFallback: boolean;
  /** UTF-16 unit → id of that character, for the characters that are one unit; -1 where there is none. */
  readonly #unitIds = new Int32Array(65_536).fill(-1);
  readonly #cache = new Map<string, Int32Array>();
  readonly #encoder = new TextEncoder();
  #symbols = new Int32Array(256);

  constructor(options: BpeOptions) {
    const { vocabulary } = options;
    this.#vocabulary = vocabulary;
    this.#merges = buildMerges(vocabulary, options.merges);
    this.#unknown =
      options.unknownToken === undefined ? -1 : vocabulary.require(options.unknownToken, 'unk_token');
    this.#fuseUnknown = options.fuseUnknown ?? false;
    this.#ignoreMerges = options.ignoreMerges ?? false;
    this.#byteLevel = options.byteLevel ?? false;
    for (const [token, id] of vocabulary.entries()) {
      if (token.length === 1) this.#unitIds[token.charCodeAt(0)] = id;
    }
    for (let byte = 0; byte < 256; byte++) {
      const token = this.#byteLevel ? BYTE_TO_CHARACTER[byte]! : byteToken(byte);
      this.#byteIds[byte] = vocabulary.idOf(token) ?? -1;
    }
    this.#byteFallback = options.byteFallback ?? false;
  }

  encode(piece: string, out: IdBuffer): void {
    // Without merges, looking up characters is faster than looking up pieces.
    if (piece.length > SHORT || this.#merges.size === 0) {
      this.#encodeUncached(piece, out);
      return;
    }
    let ids = this.#cache.get(piece);
    if (ids === undefined) {
      const start = out.length;
      this.#encodeUncached(piece, out);
      ids = out.toArray(start);
      if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
      this.#cache.set(piece, ids);
    } else out.append(ids);
  }

  #encodeUncached(piece: string, out: IdBuffer): void {
    this.#encodePiece(piece, out);
    // A piece of megabytes must not keep its memory.
    if (this.#symbols.length > 2 ** 20) this.#symbols = new Int32Array(256);
  }

  #encodePiece(piece: string, out: IdBuffer): void {
    if (this.#ignoreMerges) {
      const whole = this.#vocabulary.idOf(this.#byteLevel ? toByteCharacters(piece) : piece);
      if (whole !== undefined) {
        out.push(whole);
        return;
      }
    }
    const length = this.#toSymbols(piece);
    const ids = this.#symbols;
    if (this.#merges.size === 0) {
      for (let i = 0; i < length; i++) out.push(ids[i]!);
    } else if (length <= SHORT) mergeByScanning(ids, length, this.#merges, out);
    else mergeByHeap(ids.subarray(0, length), this.#merges, out);
  }

  /** Writes the ids of the characters (or bytes) of `piece` into `#symbols`; returns how many there are. */
  #toSymbols(piece: string): number {
    // A UTF-16 unit is at most three bytes of UTF-8.
    if (this.#symbols.length < piece.length * 3) this.#symbols = new Int32Array(piece.length * 4);
    return this.#byteLevel ? this.#bytesToSymbols(piece) : this.#charactersToSymbols(piece);
  }

  #bytesToSymbols(piece: string): number {
    const symbols = this.#symbols;
    let length = 0;
    let unknownRun = false;
    for (const byte of this.#encoder.encode(piece)) {
      const id = this.#byteIds[byte]!;
      if (id >= 0) {
        symbols[length++] = id;
        unknownRun = false;
        continue;
      }
      if (this.#unknown < 0) throw characterUnknown(piece, `the byte ${byteToken(byte)}`);
      if (!(unknownRun && this.#fuseUnknown)) symbols[length++] = this.#unknown;
      unknownRun = true;
    }
    return length;
  }

  #charactersToSymbols(piece: string): number {
    const symbols = this.#symbols;
    let length = 0;
    let unknownRun = false;
    for (let i = 0; i < piece.length; i++) {
      let id = this.#unitIds[piece.charCodeAt(i)]!;
      let character: string | undefined;
      if (id < 0) {
        character = String.fromCodePoint(piece.codePointAt(i)!);
        if (character.length === 2) {
          id = this.#vocabulary.idOf(character) ?? -1;
          i++;
        }
      }
      if (id >= 0) {
        symbols[length++] = id;
        unknownRun = false;
        continue;
      }
      const added = this.#byteFallback ? this.#bytesOf(character!, length) : 0;
      length += added;
      if (added > 0) unknownRun = false;
      else {
        if (this.#unknown < 0) throw characterUnknown(piece, character!);
        if (!(unknownRun && this.#fuseUnknown)) symbols[length++] = this.#unknown;
        unknownRun = true;
      }
    }
    return length;
  }

  /** Writes the byte tokens of `character` at `position`; 0 when one of them does not exist. */
  #bytesOf(character: string, position: number): number {
    const bytes = this.#encoder.encode(character);
    for (const byte of bytes) if (this.#byteIds[byte]! < 0) return 0;
    bytes.forEach((byte, i) => {
      this.#symbols[position + i] = this.#byteIds[byte]!;
    });
    return bytes.length;
  }
}

/** `<0x0A>` */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function buildMerges(vocabulary: Vocabulary, merges: readonly (readonly [string, string])[]): MergeTable {
  const table = new MergeTable(merges.length);
  merges.forEach(([left, right], rank) => {
    const ids = [left, right, left + right].map((token) => {
      const id = vocabulary.idOf(token);
      if (id !== undefined) return id;
      throw new AhaError({
        code: 'tokenizer-inconsistent',
        boundary: 'text',
        what: `Merge ${rank} of the tokenizer (${JSON.stringify(left)} + ${JSON.stringify(right)}) refers to a token that is not in the vocabulary`,
        found: token,
        expected: 'two tokens of the vocabulary whose concatenation is one, too',
        fix: 'Download tokenizer.json again, or export it anew from the tool that made it.',
        fields: { merge: rank },
      });
    });
    table.set(ids[0]!, ids[1]!, rank, ids[2]!);
  });
  return table;
}

function mergeByScanning(ids: Int32Array, length: number, merges: MergeTable, out: IdBuffer): void {
  let count = length;
  while (count > 1) {
    let bestRank = Number.POSITIVE_INFINITY;
    let bestSlot = -1;
    let bestPosition = -1;
    for (let i = 0; i + 1 < count; i++) {
      const slot = merges.find(ids[i]!, ids[i + 1]!);
      if (slot >= 0 && merges.rankAt(slot) < bestRank) {
        bestRank = merges.rankAt(slot);
        bestSlot = slot;
        bestPosition = i;
      }
    }
    if (bestSlot < 0) break;
    ids[bestPosition] = merges.mergedAt(bestSlot);
    ids.copyWithin(bestPosition + 1, bestPosition + 2, count);
    count--;
  }
  for (let i = 0; i < count; i++) out.push(ids[i]!);
}

/** Ranks are below this, so that (rank, position) fits one exact double: 2^24 · 2^29 = 2^53. */
const POSITIONS = 2 ** 29;

function mergeByHeap(ids: Int32Array, merges: MergeTable, out: IdBuffer): void {
  const length = ids.length;
  const previous = new Int32Array(length);
  const next = new Int32Array(length);
  const heap = new MinHeap(length);
  const offer = (position: number): void => {
    const right = position < 0 ? length : next[position]!;
    if (right >= length) return;
    const slot = merges.find(ids[position]!, ids[right]!);
    if (slot >= 0) heap.push(merges.rankAt(slot) * POSITIONS + position);
  };
  for (let i = 0; i < length; i++) {
    previous[i] = i - 1;
    next[i] = i + 1;
  }
  for (let i = 0; i + 1 < length; i++) offer(i);
  for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
    const position = key % POSITIONS;
    const right = next[position]!;
    if (ids[position]! < 0 || right >= length) continue;
    const slot = merges.find(ids[position]!, ids[right]!);
    // An entry outlives its pair; it counts only if the pair there now has the same rank.
    if (slot < 0 || merges.rankAt(slot) !== Math.floor(key / POSITIONS)) continue;
    ids[position] = merges.mergedAt(slot);
    ids[right] = -1;
    const after = next[right]!;
    next[position] = after;
    if (after < length) previous[after] = position;
    offer(previous[position]!);
    offer(position);
  }
  for (let i = 0; i < length; i = next[i]!) out.push(ids[i]!);
}

class MinHeap {
  #keys: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(Math.max(16, capacity));
  }

  push(key: number): void {
    if (this.#size === this.#keys.length) {
      const larger = new Float64Array(this.#size * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    const keys = this.#keys;
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[i] = keys[parent]!;
      i = parent;
    }
    keys[i] = key;
  }

  pop(): number | undefined {
    if (this.#size === 0) return undefined;
    const keys = this.#keys;
    const top = keys[0]!;
    const key = keys[--this.#size]!;
    const size = this.#size;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[i] = keys[child]!;
      i = child;
    }
    keys[i] = key;
    return top;
  }
}
