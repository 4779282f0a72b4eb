/**
 * What decoding computed for each token that it read, kept until the weights change: the backward pass of learning
 * from a completion needs the same activations, so that its forward pass need not be run.
 */
import type { ModelConfig } from '../model/config.ts';
import { activationWidths } from '../model/decoder.ts';
import type { DeviceBuffer, Runtime, TensorBinding } from '../runtime/runtime.ts';
import type { Bindings } from './parameter-store.ts';

/** Rows that are made at first; as many again whenever they are full. */
const firstRows = 1024;
const keptOutputs = 1024;

export class ActivationStore implements Disposable {
  /** Most tokens that are kept. */
  readonly capacity: number;
  readonly #runtime: Runtime;
  readonly #widths: ReadonlyMap<string, number>;
  /** Rows beside the capacity, for what is not kept: what runs when the store is full must write somewhere. */
  readonly #spare: number;
  /** Per completion, by its tokens, the row of each token that was read for it. */
  readonly #completions = new Map<string, Int32Array>();
  #buffers = new Map<string, DeviceBuffer<'f32'>>();
  #inputs: Bindings | undefined;
  /** By row and count: the same in every step of completions of equal length. */
  readonly #outputs = new Map<number, Bindings>();
  #rows = 0;
  #used = 0;
  #name: string | undefined;

  /** Keeps at most `bytes`. Of each run at most `mostAtOnce` rows. */
  constructor(runtime: Runtime, config: ModelConfig, bytes: number, mostAtOnce: number) {
    this.#runtime = runtime;
    this.#widths = activationWidths(config);
    this.#spare = mostAtOnce;
    const perToken = 4 * [...this.#widths.values()].reduce((total, width) => total + width, 0);
    this.capacity = Math.floor(bytes / perToken);
  }

  /** Begins, or goes on with, keeping under `name`; what was kept under another is forgotten. */
  begin(name: string): void {
    if (this.#name !== name) this.clear();
    this.#name = name;
  }

  /** Forgets everything; the memory stays for what comes next. */
  clear(): void {
    this.#completions.clear();
    this.#used = 0;
    this.#name = undefined;
  }

  /** Tokens that can still be kept. */
  get room(): number {
    return this.capacity - this.#used;
  }

  /** Where a run of decoding writes the activations of its `count` rows: `activation.NAME` [count, width]. */
  outputs(count: number): Bindings {
    const start = Math.min(this.#used, this.capacity);
    this.#grow(start + this.#spare);
    const key = start * (this.#spare + 1) + count;
    const known = this.#outputs.get(key);
    if (known !== undefined) return known;
    const outputs: Record<string, TensorBinding> = {};
    for (const [name, width] of this.#widths) {
      const buffer = this.#buffers.get(name)!;
      outputs[`activation.${name}`] = { buffer, shape: [count, width], offset: start * width };
    }
    if (this.#outputs.size >= keptOutputs) this.#outputs.clear();
    this.#outputs.set(key, outputs);
    return outputs;
  }

  /** Keeps the first `count` rows of the last run, and says which is the first; undefined if there is no room. */
  keep(count: number): number | undefined {
    const first = this.#used;
    if (count > this.room) {
      // From here on nothing is complete.
      this.#used = this.capacity;
      return undefined;
    }
    this.#used += count;
    return first;
  }

  /** `tokens` from `start` on were drawn; `rows` are those of the token before the first of them, and so on. */
  add(tokens: Int32Array, start: number, rows: readonly number[]): void {
    this.#completions.set(keyOf(tokens, start), Int32Array.from(rows));
  }

  /** What `add` was given for these tokens. */
  find(tokens: Int32Array, start: number): Int32Array | undefined {
    return this.#completions.get(keyOf(tokens, start));
  }

  /** All rows, as inputs of a graph of learning. */
  get inputs(): Bindings {
    this.#inputs ??= Object.fromEntries(
      [...this.#widths].map(([name, width]) => [
        `activation.${name}`,
        { buffer: this.#buffers.get(name)!, shape: [this.#rows, width] },
      ]),
    );
    return this.#inputs;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.values()) buffer[Symbol.dispose]();
  }

  /** Makes room for `rows`, keeping what is there. */
  #grow(rows: number): void {
    if (rows <= this.#rows) return;
    const most = this.capacity + this.#spare;
    const grown = Math.min(most, Math.max(rows, 2 * this.#rows, firstRows));
    for (const [name, width] of this.#widths) {
      const before = this.#buffers.get(name);
      const buffer = this.#runtime.allocate('f32', grown * width);
      if (before !== undefined) {
        buffer.data.set(before.data.subarray(0, this.#used * width));
        before[Symbol.dispose]();
      }
      this.#buffers.set(name, buffer);
    }
    this.#rows = grown;
    this.#inputs = undefined;
    this.#outputs.clear();
  }
}

function keyOf(tokens: Int32Array, start: number): string {
  return `${start}:${tokens.join(' ')}`;
}
