/**
 * The float64 interpreter as a runtime: no native code, a thousand times slower, and right by definition. For tests
 * of whatever is built on runtimes, and to tell an error of a graph from an error of a backend.
 */
import { AhaError } from '../../errors.ts';
import type { DType } from '../../graph/dtype.ts';
import type { GraphFunction } from '../../graph/function.ts';
import { interpret } from '../../graph/interpreter.ts';
import type { Value } from '../../graph/tensor.ts';
import {
  type ArrayTypes,
  bytesPerElement,
  type CompileOptions,
  type Constants,
  type DeviceBuffer,
  elementCount,
  type HostTensor,
  type LiveResources,
  type Program,
  type Runtime,
  type TensorBinding,
} from '../runtime.ts';

const constructors = { f32: Float32Array, i32: Int32Array, i64: BigInt64Array, bool: Uint8Array } as const;

export function createInterpreterRuntime(): Runtime {
  return new InterpreterRuntime();
}

class InterpreterRuntime implements Runtime {
  readonly name = 'interpreter';
  readonly threads = 1;
  readonly #buffers = new Set<MemoryBuffer>();
  #programs = 0;

  get live(): LiveResources {
    const bytes = [...this.#buffers].reduce((total, buffer) => total + buffer.byteLength, 0);
    return { bytes, buffers: this.#buffers.size, programs: this.#programs, tensors: 0 };
  }

  allocate<T extends DType>(dtype: T, length: number): DeviceBuffer<T> {
    const buffer = new MemoryBuffer(dtype, length, () => this.#buffers.delete(buffer));
    this.#buffers.add(buffer);
    return buffer as unknown as DeviceBuffer<T>;
  }

  /** They are read where they are. */
  constants(values: Constants['values']): Constants {
    return { values, refresh: async () => {}, [Symbol.dispose]: () => {} };
  }

  async compile(fn: GraphFunction, options: CompileOptions = {}): Promise<Program> {
    this.#programs++;
    const { name = 'program' } = options;
    const constants = options.constants?.values ?? {};
    return {
      name,
      inputs: new Set([...fn.inputs.keys()].filter((input) => !(input in constants))),
      followsConstants: true,
      run: async (inputs, outputs = {}) => runInterpreted(fn, { ...inputs, ...constants }, outputs),
      [Symbol.dispose]: () => {
        this.#programs--;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const buffer of this.#buffers) buffer[Symbol.dispose]();
  }
}

class MemoryBuffer implements DeviceBuffer {
  readonly dtype: DType;
  readonly length: number;
  disposed = false;
  readonly #data: ArrayTypes[DType];
  readonly #onDispose: () => void;

  constructor(dtype: DType, length: number, onDispose: () => void) {
    this.dtype = dtype;
    this.length = length;
    this.#data = new constructors[dtype](length);
    this.#onDispose = onDispose;
  }

  get byteLength(): number {
    return this.length * bytesPerElement[this.dtype];
  }

  get data(): ArrayTypes[DType] {
    if (!this.disposed) return this.#data;
    throw new AhaError({
      code: 'buffer-disposed',
      boundary: 'runtime',
      what: 'A buffer was used after its disposal',
    });
  }

  [Symbol.dispose](): void {
    this.disposed = true;
    this.#onDispose();
  }
}

function runInterpreted(
  fn: GraphFunction,
  inputs: Readonly<Record<string, TensorBinding | HostTensor>>,
  outputs: Readonly<Record<string, TensorBinding>>,
): Record<string, HostTensor> {
  const given = [...fn.inputs.keys()].filter((name) => inputs[name] !== undefined);
  const results = interpret(fn, Object.fromEntries(given.map((name) => [name, valueOf(inputs[name]!)])));
  const unbound: Record<string, HostTensor> = {};
  for (const [name, tensor] of fn.outputs) {
    const { shape, data } = results[name]!;
    const typed = new constructors[tensor.dtype](data.length);
    if (typed instanceof BigInt64Array) for (const [at, value] of data.entries()) typed[at] = BigInt(value);
    else typed.set(data);
    const bound = outputs[name];
    if (bound === undefined) unbound[name] = { data: typed, shape };
    else copyInto(bound, typed);
  }
  return unbound;
}

function copyInto({ buffer, offset = 0 }: TensorBinding, from: ArrayTypes[DType]): void {
  const { data } = buffer;
  if (data instanceof BigInt64Array) data.set(from as BigInt64Array, offset);
  else data.set(from as Float32Array, offset);
}

function valueOf(tensor: TensorBinding | HostTensor): Value {
  const { shape } = tensor;
  const all = 'buffer' in tensor ? tensor.buffer.data : tensor.data;
  const offset = 'buffer' in tensor ? (tensor.offset ?? 0) : 0;
  const length = elementCount(shape);
  const data = new Float64Array(length);
  for (let i = 0; i < length; i++) data[i] = Number(all[offset + i]);
  return { shape, data };
}
