/** Pairs of token ids → rank and merged token: an open-addressing hash table in typed arrays. */

export class MergeTable {
  readonly #mask: number;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #rank: Int32Array;
  readonly #merged: Int32Array;
  #size = 0;

  /** For at most `capacity` pairs. */
  constructor(capacity: number) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#mask = slots - 1;
    this.#left = new Int32Array(slots).fill(-1);
    this.#right = new Int32Array(slots);
    this.#rank = new Int32Array(slots);
    this.#merged = new Int32Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  /** A pair that is set twice keeps the later rank. */
  set(left: number, right: number, rank: number, merged: number): void {
    const slot = this.#probe(left, right);
    if (this.#left[slot] === -1) {
      this.#left[slot] = left;
      this.#right[slot] = right;
      this.#size++;
    }
    this.#rank[slot] = rank;
    this.#merged[slot] = merged;
  }

  /** The slot of a pair, -1 when it has none. */
  find(left: number, right: number): number {
    const slot = this.#probe(left, right);
    return this.#left[slot] === -1 ? -1 : slot;
  }

  rankAt(slot: number): number {
    return this.#rank[slot]!;
  }

  mergedAt(slot: number): number {
    return this.#merged[slot]!;
  }

  #probe(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & this.#mask;
    while (this.#left[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}
