/**
 * What a backend that executes graphs promises, independent of the backend. Data lives in `DeviceBuffer`s that the
 * caller owns; a `Program` is a compiled graph whose inputs and outputs are bound to pieces of such buffers, so
 * that weights, optimizer state and caches are updated in place and never copied.
 *
 * Runs of the same runtime may overlap in time. A run that would write memory which another run in flight reads or
 * writes is refused (`buffer-busy`), as is freeing a buffer in use: await the first run.
 */
import { AhaError } from '../errors.ts';
import type { DType } from '../graph/dtype.ts';
import type { GraphFunction } from '../graph/function.ts';

/** Which array holds the elements of each type. Booleans are bytes of 0 and 1. */
export interface ArrayTypes {
  readonly f32: Float32Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly bool: Uint8Array;
}

export type TensorData = ArrayTypes[DType];

export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, i32: 4, i64: 8, bool: 1 };

/** Memory of the runtime, zero when allocated. Freed by `Symbol.dispose` and only by it. */
export interface DeviceBuffer<T extends DType = DType> extends Disposable {
  readonly dtype: T;
  /** In elements. */
  readonly length: number;
  /**
   * The memory itself, not a copy. It must not be used after the buffer is disposed, so do not keep it: ask again.
   * @throws AhaError `buffer-disposed`
   */
  readonly data: ArrayTypes[T];
  readonly disposed: boolean;
}

/** A tensor in a buffer. Bindings are cached by identity: reuse the object where a loop binds the same tensor. */
export interface TensorBinding {
  readonly buffer: DeviceBuffer;
  readonly shape: readonly number[];
  /** Of the first element, in elements. Default 0. */
  readonly offset?: number;
}

/** A tensor in JavaScript memory, copied when it goes in and when it comes out. */
export interface HostTensor {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

export interface Program extends Disposable {
  readonly name: string;
  /** The names of the inputs, all of which a run needs. */
  readonly inputs: ReadonlySet<string>;
  /** Whether it sees what its constants have taken over (`Constants.refresh`). */
  readonly followsConstants: boolean;
  /**
   * Runs the graph. Every input must be given. Outputs that are bound are written in place; the others are
   * returned. An output may be bound to the very memory of an input if no node still needs the input when the
   * output is written; this is checked (`binding-alias`).
   * Inputs in JavaScript memory are copied before the call returns its promise.
   * @throws AhaError `binding-*`, `buffer-*`, and what the backend reports; nothing was computed for `binding-*`.
   */
  run(
    inputs: Readonly<Record<string, TensorBinding | HostTensor>>,
    outputs?: Readonly<Record<string, TensorBinding>>,
  ): Promise<Record<string, HostTensor>>;
}

/**
 * Tensors that seldom change. A backend may hold copies of them, arranged for its kernels, which makes products with few
 * rows several times faster. Programs that have them share the copies. Dispose the programs first.
 */
export interface Constants extends Disposable {
  readonly values: Readonly<Record<string, TensorBinding>>;
  /**
   * Takes over what was written into the tensors; what programs compute in between may be of the old or the new values.
   * Programs that do not follow must be compiled again. No program that has them may be running.
   */
  refresh(): Promise<void>;
}

export interface CompileOptions {
  /** Appears in errors and profiles. */
  readonly name?: string;
  /**
   * Values of the inputs that have their names: they are not inputs of the program. Their buffers cannot be freed
   * before it.
   */
  readonly constants?: Constants;
  /**
   * Whether products have few rows or many. With many a weight may be rearranged for each product, and a copy of the
   * constants is not worth that the program must be compiled again when they change. Default few.
   */
  readonly rows?: 'few' | 'many';
}

/** Everything a runtime holds outside JavaScript's heap, for tests that nothing leaks. */
export interface LiveResources {
  readonly bytes: number;
  readonly buffers: number;
  readonly programs: number;
  /** Descriptions of tensors that the backend keeps. */
  readonly tensors: number;
}

export interface Runtime extends AsyncDisposable {
  readonly name: string;
  /** How many threads one run uses at most. */
  readonly threads: number;
  readonly live: LiveResources;
  allocate<T extends DType>(dtype: T, length: number): DeviceBuffer<T>;
  constants(values: Readonly<Record<string, TensorBinding>>): Constants;
  compile(fn: GraphFunction, options?: CompileOptions): Promise<Program>;
}

/** The element type that `data` holds. */
export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Int32Array) return 'i32';
  if (data instanceof BigInt64Array) return 'i64';
  if (data instanceof Uint8Array) return 'bool';
  throw new AhaError({
    code: 'binding-type',
    boundary: 'runtime',
    what: 'A tensor holds an array of an unknown type',
    found: Object.prototype.toString.call(data),
    expected: 'Float32Array, Int32Array, BigInt64Array or Uint8Array',
  });
}

export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}
