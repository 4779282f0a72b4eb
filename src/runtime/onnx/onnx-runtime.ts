/** `Runtime` on ONNX Runtime. See `../runtime.ts` for what it promises. */
import { AhaError } from '../../errors.ts';
import type { DType } from '../../graph/dtype.ts';
import type { GraphFunction } from '../../graph/function.ts';
import type { CompileOptions, LiveResources, Runtime, TensorBinding } from '../runtime.ts';
import { checkInputs, checkNames, missingInput } from './bindings.ts';
import { boundTensor, NativeHeap, OnnxBuffer } from './buffer.ts';
import { acquireEnvironment, type EnvironmentOptions, releaseEnvironment } from './environment.ts';
import { noKernels, type OwnKernels } from './graph-writer.ts';
import { lower } from './lowering.ts';
import { OnnxProgram } from './program.ts';
import type { OnnxModel } from './protobuf.ts';
import { RunLedger, type RunTotals } from './run-ledger.ts';
import { createSession, type SessionOptions } from './session.ts';

export interface OnnxRuntimeOptions extends EnvironmentOptions {
  /** Whether kernels of our own are used where the machine runs them (`../native`). Default true. */
  readonly kernels?: boolean;
}

/** Opens ONNX Runtime. @throws AhaError `onnxruntime-*` if it cannot be loaded, `threads-*`. */
export function openOnnxRuntime(options: OnnxRuntimeOptions = {}): OnnxRuntime {
  return new OnnxRuntime(options);
}

export class OnnxRuntime implements Runtime {
  readonly name = 'onnx';
  readonly #heap: NativeHeap;
  readonly #kernels: OwnKernels;
  readonly #ledger = new RunLedger();
  readonly #programs = new Set<OnnxProgram>();
  /** Programs that are being made. */
  readonly #loading = new Set<Promise<OnnxProgram>>();
  readonly #lowered = new WeakMap<GraphFunction, Map<string, OnnxModel>>();
  #open = true;

  constructor(options: OnnxRuntimeOptions) {
    this.#heap = new NativeHeap(acquireEnvironment(options));
    this.#kernels = options.kernels === false ? noKernels : this.#heap.environment.operators;
  }

  get threads(): number {
    return this.#heap.environment.threads;
  }

  get live(): LiveResources {
    return this.#heap.live;
  }

  /** How much was run so far: what a benchmark needs to tell this library's time from ours. */
  get runs(): RunTotals {
    return this.#ledger.totals;
  }

  allocate<T extends DType>(dtype: T, length: number): OnnxBuffer<T> {
    this.#checkOpen();
    return new OnnxBuffer(this.#heap, dtype, length);
  }

  async compile(fn: GraphFunction, options: CompileOptions = {}): Promise<OnnxProgram> {
    const { constants = {} } = options;
    const name = options.name ?? 'graph';
    checkNames(name, 'input', fn.inputs, constants);
    return this.load(this.#lower(fn, name, Object.keys(constants)), {}, constants);
  }

  /** Lowers a function once for the same name and constants: those with constants are compiled at each change of them. */
  #lower(fn: GraphFunction, name: string, constants: readonly string[]): OnnxModel {
    const known = this.#lowered.get(fn) ?? new Map<string, OnnxModel>();
    this.#lowered.set(fn, known);
    const key = JSON.stringify([name, constants]);
    const model = known.get(key) ?? lower(fn, name, new Set(constants), this.#kernels);
    known.set(key, model);
    return model;
  }

  /** A program from a model in ONNX form, with the values of its constants. */
  async load(
    model: OnnxModel,
    options: Omit<SessionOptions, 'constants'> = {},
    constants: Readonly<Record<string, TensorBinding>> = {},
  ): Promise<OnnxProgram> {
    this.#checkOpen();
    const loading = this.#load(model, options, constants);
    this.#loading.add(loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(loading);
    }
  }

  async #load(
    model: OnnxModel,
    options: Omit<SessionOptions, 'constants'>,
    constants: Readonly<Record<string, TensorBinding>>,
  ): Promise<OnnxProgram> {
    const { name, constants: signatures } = model;
    const tensors = signatures.map((signature) => {
      const binding = constants[signature.name];
      if (binding === undefined) throw missingInput(name, signature);
      return boundTensor(this.#heap, binding, name);
    });
    checkInputs(name, signatures, tensors);
    const handles = new Map(signatures.map((signature, at) => [signature.name, tensors[at]!.handle]));
    const session = await createSession(this.#heap, model, { ...options, constants: handles });
    const program = new OnnxProgram(this.#heap, this.#ledger, session, model, tensors, (disposed) => {
      this.#programs.delete(disposed);
    });
    this.#programs.add(program);
    return program;
  }

  /** Waits for the runs and compilations in flight, then frees every program and buffer that is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#ledger.idle();
    while (this.#loading.size > 0) await Promise.allSettled(this.#loading);
    for (const program of this.#programs) program[Symbol.dispose]();
    for (const buffer of this.#heap.buffers) buffer[Symbol.dispose]();
    releaseEnvironment();
  }

  #checkOpen(): void {
    if (this.#open) return;
    throw new AhaError({
      code: 'runtime-disposed',
      boundary: 'runtime',
      what: 'The runtime was used after it had been disposed',
    });
  }
}
