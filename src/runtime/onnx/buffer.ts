/**
 * Native memory with an owner. `NativeHeap` counts what is alive; `OnnxBuffer` is a `DeviceBuffer` on it; an
 * `OrtTensor` is ONNX Runtime's description (OrtValue) of a piece of memory as a tensor, made once per piece and
 * shape, so that a loop that binds the same tensors again makes no new ones.
 */
import koffi from 'koffi';
import { AhaError } from '../../errors.ts';
import type { DType } from '../../graph/dtype.ts';
import {
  type ArrayTypes,
  bytesPerElement,
  type DeviceBuffer,
  elementCount,
  type LiveResources,
  type TensorBinding,
} from '../runtime.ts';
import type { Environment } from './environment.ts';
import { elementTypes } from './symbols.ts';

/** More shapes of one buffer than this are not kept. */
const keptTensors = 1024;

export class NativeHeap {
  readonly environment: Environment;
  bytes = 0;
  programs = 0;
  tensors = 0;
  readonly buffers = new Set<OnnxBuffer>();
  /** The tensor that each binding stands for, while it is alive. */
  readonly bound = new WeakMap<TensorBinding, OrtTensor>();

  constructor(environment: Environment) {
    this.environment = environment;
  }

  get live(): LiveResources {
    const { bytes, programs, tensors } = this;
    return { bytes, programs, tensors, buffers: this.buffers.size };
  }

  /** Memory that is not initialised. */
  allocate(bytes: number): bigint {
    const { library, allocator } = this.environment;
    const out = new BigUint64Array(1);
    library.AllocatorAlloc(allocator, Math.max(bytes, 1), out);
    this.bytes += bytes;
    return out[0]!;
  }

  free(address: bigint, bytes: number): void {
    const { library, allocator } = this.environment;
    library.AllocatorFree(allocator, address);
    this.bytes -= bytes;
  }

  /** Describes the memory at `address`, which must outlive the description. */
  describe(address: bigint, dtype: DType, shape: readonly number[]): bigint {
    const { library, memoryInfo } = this.environment;
    const out = new BigUint64Array(1);
    library.CreateTensorWithDataAsOrtValue(
      memoryInfo,
      address,
      elementCount(shape) * bytesPerElement[dtype],
      BigInt64Array.from(shape, BigInt),
      shape.length,
      elementTypes[dtype],
      out,
    );
    this.tensors++;
    return out[0]!;
  }

  forget(handle: bigint): void {
    this.environment.library.ReleaseValue(handle);
    this.tensors--;
  }
}

/** A tensor that a run can read or write. */
export interface OrtTensor {
  readonly handle: bigint;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Where its bytes are, for finding overlaps: [start, end). */
  readonly start: bigint;
  readonly end: bigint;
  readonly buffer: OnnxBuffer | undefined;
  /** False once the description was released. */
  alive: boolean;
}

export class OnnxBuffer<T extends DType = DType> implements DeviceBuffer<T> {
  readonly dtype: T;
  readonly length: number;
  readonly heap: NativeHeap;
  readonly #bytes: number;
  readonly #tensors = new Map<string, OrtTensor>();
  #address: bigint;
  /** How many tensors of runs in flight lie in this memory. */
  #uses = 0;
  #data: ArrayTypes[T] | undefined;

  constructor(heap: NativeHeap, dtype: T, length: number) {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new AhaError({
        code: 'buffer-length',
        boundary: 'runtime',
        what: 'A buffer cannot have this length',
        found: length,
        expected: 'a whole number of elements, at least 0',
      });
    }
    this.dtype = dtype;
    this.length = length;
    this.heap = heap;
    this.#bytes = length * bytesPerElement[dtype];
    try {
      this.#address = heap.allocate(this.#bytes);
    } catch (cause) {
      throw new AhaError({
        code: 'out-of-memory',
        boundary: 'runtime',
        what: `There is not enough memory for ${length} elements of type ${dtype}`,
        found: `${this.#bytes} bytes`,
        fix: 'Use a smaller model or batch, or close other programs.',
        cause,
      });
    }
    const memory = koffi.view(this.#address, this.#bytes);
    new Uint8Array(memory).fill(0);
    this.#data = viewAs(dtype, memory);
    heap.buffers.add(this);
  }

  get disposed(): boolean {
    return this.#data === undefined;
  }

  get data(): ArrayTypes[T] {
    if (this.#data === undefined) throw disposedError(this);
    return this.#data;
  }

  /** The tensor of `shape` that starts at element `offset`. */
  tensor(shape: readonly number[], offset: number): OrtTensor {
    const key = `${offset}:${shape.join(',')}`;
    const known = this.#tensors.get(key);
    if (known !== undefined) return known;
    if (this.#data === undefined) throw disposedError(this);
    const count = elementCount(shape);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) throw shapeMalformed(shape);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + count > this.length) {
      throw new AhaError({
        code: 'binding-range',
        boundary: 'runtime',
        what: 'A tensor does not fit into its buffer',
        found: `[${shape.join(', ')}] at element ${offset}`,
        expected: `at most ${this.length} elements`,
      });
    }
    const size = bytesPerElement[this.dtype];
    const start = this.#address + BigInt(offset * size);
    const tensor: OrtTensor = {
      handle: this.heap.describe(start, this.dtype, shape),
      dtype: this.dtype,
      shape: [...shape],
      start,
      end: start + BigInt(count * size),
      buffer: this,
      alive: true,
    };
    this.#tensors.set(key, tensor);
    return tensor;
  }

  /** A run that uses this memory begins. */
  acquire(): void {
    this.#uses++;
  }

  /** It ended. Descriptions are only forgotten here, when no run holds one. */
  release(): void {
    if (--this.#uses === 0 && this.#tensors.size > keptTensors) this.#forgetTensors();
  }

  [Symbol.dispose](): void {
    if (this.#data === undefined) return;
    if (this.#uses > 0) {
      throw new AhaError({
        code: 'buffer-busy',
        boundary: 'runtime',
        what: `A buffer of ${this.length} elements (${this.dtype}) was freed while a run uses it, or a program has it as a constant`,
        fix: 'Await the run, or dispose the program, first.',
      });
    }
    this.#forgetTensors();
    this.#data = undefined;
    this.heap.buffers.delete(this);
    this.heap.free(this.#address, this.#bytes);
    this.#address = 0n;
  }

  #forgetTensors(): void {
    for (const tensor of this.#tensors.values()) {
      tensor.alive = false;
      this.heap.forget(tensor.handle);
    }
    this.#tensors.clear();
  }
}

/** The tensor that `binding` stands for in a run of `program`. @throws AhaError `binding-foreign`, `binding-range` */
export function boundTensor(heap: NativeHeap, binding: TensorBinding, program: string): OrtTensor {
  const known = heap.bound.get(binding);
  if (known !== undefined && known.alive) return known;
  const { buffer } = binding;
  if (!(buffer instanceof OnnxBuffer) || buffer.heap !== heap) {
    throw new AhaError({
      code: 'binding-foreign',
      boundary: 'runtime',
      what: `A buffer of another runtime was bound to ${program}`,
      fix: 'Allocate it with the runtime that compiled the program.',
    });
  }
  const tensor = buffer.tensor(binding.shape, binding.offset ?? 0);
  heap.bound.set(binding, tensor);
  return tensor;
}

function viewAs<T extends DType>(dtype: T, memory: ArrayBuffer): ArrayTypes[T] {
  const views = {
    f32: () => new Float32Array(memory),
    i32: () => new Int32Array(memory),
    i64: () => new BigInt64Array(memory),
    bool: () => new Uint8Array(memory),
  };
  return views[dtype]() as ArrayTypes[T];
}

function disposedError(buffer: DeviceBuffer): AhaError {
  return new AhaError({
    code: 'buffer-disposed',
    boundary: 'runtime',
    what: `A buffer of ${buffer.length} elements (${buffer.dtype}) was used after it had been disposed`,
  });
}

function shapeMalformed(shape: readonly number[]): AhaError {
  return new AhaError({
    code: 'binding-shape',
    boundary: 'runtime',
    what: 'A shape is malformed',
    found: `[${shape.join(', ')}]`,
    expected: 'whole numbers, at least 0',
  });
}
