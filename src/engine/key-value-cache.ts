/**
 * The keys and values of sequences in progress: for each layer two native buffers [slots, keyValueHeads, capacity,
 * headDim] that attention updates in place.
 */
import type { ModelConfig } from '../model/config.ts';
import type { DeviceBuffer, Runtime, TensorBinding } from '../runtime/runtime.ts';

/** Bytes of cache for one slot. */
export function bytesPerSlot(config: ModelConfig, capacity: number): number {
  return config.layers * 2 * config.keyValueHeads * capacity * config.headDim * 4;
}

export class KeyValueCache implements Disposable {
  readonly slots: number;
  /** Tokens that one slot can hold. */
  readonly capacity: number;
  readonly #config: ModelConfig;
  /** Per layer, keys then values. */
  readonly #buffers: readonly DeviceBuffer<'f32'>[];
  readonly #bindings = new Map<
    number,
    { inputs: Record<string, TensorBinding>; outputs: Record<string, TensorBinding> }
  >();

  constructor(runtime: Runtime, config: ModelConfig, slots: number, capacity: number) {
    this.#config = config;
    this.slots = slots;
    this.capacity = capacity;
    const length = slots * config.keyValueHeads * capacity * config.headDim;
    this.#buffers = Array.from({ length: 2 * config.layers }, () => runtime.allocate('f32', length));
  }

  get bytes(): number {
    return this.slots * bytesPerSlot(this.#config, this.capacity);
  }

  /** The first `count` slots as inputs and outputs of a graph; the same objects each time. */
  bind(count: number) {
    const known = this.#bindings.get(count);
    if (known !== undefined) return known;
    const { keyValueHeads, headDim } = this.#config;
    const shape = [count, keyValueHeads, this.capacity, headDim];
    const inputs: Record<string, TensorBinding> = {};
    const outputs: Record<string, TensorBinding> = {};
    for (const [index, buffer] of this.#buffers.entries()) {
      const name = `${index >> 1}.${index % 2 === 0 ? 'key' : 'value'}`;
      const binding = { buffer, shape };
      inputs[`past.${name}`] = binding;
      outputs[`present.${name}`] = binding;
    }
    const bindings = { inputs, outputs };
    this.#bindings.set(count, bindings);
    return bindings;
  }

  /** Copies the first `length` tokens of a slot of `source`, which may be this cache, into a slot of this one. */
  copySlot(source: KeyValueCache, from: number, to: number, length: number): void {
    const { keyValueHeads, headDim } = this.#config;
    const width = length * headDim;
    for (const [index, buffer] of this.#buffers.entries()) {
      const target = buffer.data;
      const origin = source.#buffers[index]!.data;
      for (let head = 0; head < keyValueHeads; head++) {
        const start = (from * keyValueHeads + head) * source.capacity * headDim;
        target.set(
          origin.subarray(start, start + width),
          (to * keyValueHeads + head) * this.capacity * headDim,
        );
      }
    }
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer[Symbol.dispose]();
  }
}
