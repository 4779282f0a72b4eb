/** Names as C wants them. */
import koffi from 'koffi';
import type { NativeHeap } from './buffer.ts';

/** A C array of C strings in native memory. */
export class NameTable implements Disposable {
  readonly address: bigint;
  readonly #heap: NativeHeap;
  readonly #bytes: number;

  constructor(heap: NativeHeap, names: readonly string[]) {
    const texts = names.map((name) => new TextEncoder().encode(`${name}\0`));
    this.#heap = heap;
    this.#bytes = texts.reduce((total, text) => total + text.length, names.length * 8);
    this.address = heap.allocate(this.#bytes);
    const memory = koffi.view(this.address, Math.max(this.#bytes, 1));
    const table = new BigUint64Array(memory, 0, names.length);
    let at = names.length * 8;
    for (const [index, text] of texts.entries()) {
      new Uint8Array(memory).set(text, at);
      table[index] = this.address + BigInt(at);
      at += text.length;
    }
  }

  /** Where the entries from number `index` on start. */
  addressOf(index: number): bigint {
    return this.address + BigInt(index * 8);
  }

  [Symbol.dispose](): void {
    this.#heap.free(this.address, this.#bytes);
  }
}
