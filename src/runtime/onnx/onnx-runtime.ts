/** `Runtime` on ONNX Runtime. See `../runtime.ts` for what it promises. */
import { AhaError } from '../../errors.ts';
import type { DType } from '../../graph/dtype.ts';
import type { GraphFunction } from '../../graph/function.ts';
import type { CompileOptions, Constants, LiveResources, Runtime } from '../runtime.ts';
import { NativeHeap, OnnxBuffer } from './buffer.ts';
import { OnnxConstants } from './constants.ts';
import { acquireEnvironment, type EnvironmentOptions, releaseEnvironment } from './environment.ts';
import { noKernels, type OwnKernels } from './graph-writer.ts';
import { lower } from './lowering.ts';
import { noConstants, OnnxProgram } from './program.ts';
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

export interface LoadOptions extends Omit<SessionOptions, 'constants'> {
  readonly constants?: OnnxConstants | undefined;
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

  constants(values: Constants['values']): OnnxConstants {
    this.#checkOpen();
    return new OnnxConstants(this.#heap, values, this.#kernels, (model) => this.load(model));
  }

  async compile(fn: GraphFunction, options: CompileOptions = {}): Promise<OnnxProgram> {
    const { name = 'graph', rows = 'few' } = options;
    const constants = this.#ownConstants(options.constants, name);
    const names = Object.keys(constants?.values ?? {}).filter((constant) => fn.inputs.has(constant));
    return this.load(this.#lower(fn, name, { constants: names, rows }), { constants });
  }

  /** Lowers a function once for the same name and constants: some are compiled at each change of them. */
  #lower(
    fn: GraphFunction,
    name: string,
    { constants, rows }: { readonly constants: readonly string[]; readonly rows: 'few' | 'many' },
  ): OnnxModel {
    const known = this.#lowered.get(fn) ?? new Map<string, OnnxModel>();
    this.#lowered.set(fn, known);
    const key = JSON.stringify([name, constants, rows]);
    const options = { constants: new Set(constants), rows, kernels: this.#kernels };
    const model = known.get(key) ?? lower(fn, name, options);
    known.set(key, model);
    return model;
  }

  /** A program from a model in ONNX form, with the values of its constants. */
  async load(model: OnnxModel, options: LoadOptions = {}): Promise<OnnxProgram> {
    this.#checkOpen();
    const loading = this.#load(model, options);
    this.#loading.add(loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(loading);
    }
  }

  async #load(model: OnnxModel, { constants, ...options }: LoadOptions): Promise<OnnxProgram> {
    const found = constants === undefined ? noConstants : await constants.of(model);
    const handles = new Map(model.constants.map(({ name }, at) => [name, found.held[at]!.handle]));
    const session = await createSession(this.#heap, model, { ...options, constants: handles });
    const program = new OnnxProgram(this.#heap, this.#ledger, session, model, found, (disposed) => {
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

  #ownConstants(constants: Constants | undefined, program: string): OnnxConstants | undefined {
    if (constants === undefined) return undefined;
    if (constants instanceof OnnxConstants && constants.heap === this.#heap) return constants;
    throw new AhaError({
      code: 'binding-foreign',
      boundary: 'runtime',
      what: `Constants of another runtime were given to ${program}`,
      fix: 'Make them with the runtime that compiles the program.',
    });
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
