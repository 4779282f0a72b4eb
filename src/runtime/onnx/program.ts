/**
 * A session of ONNX Runtime as a `Program`: finds the tensors that are bound by name, checks a set of them once,
 * and runs without blocking the event loop.
 */
import koffi from 'koffi';
import { AhaError, isAhaError } from '../../errors.ts';
import type { DType } from '../../graph/dtype.ts';
import { systemClock } from '../../util/clock.ts';
import {
  bytesPerElement,
  dtypeOf,
  elementCount,
  type HostTensor,
  type Program,
  type TensorBinding,
  type TensorData,
} from '../runtime.ts';
import { AliasAnalysis } from './aliasing.ts';
import {
  checkAliases,
  checkConstants,
  checkInputs,
  checkNames,
  checkNotEmpty,
  checkOutputs,
  missingInput,
} from './bindings.ts';
import { boundTensor, type NativeHeap, type OrtTensor } from './buffer.ts';
import { NameTable } from './name-table.ts';
import type { OnnxModel, OnnxValue } from './protobuf.ts';
import type { RunLedger, RunRecord } from './run-ledger.ts';
import { elementTypes } from './symbols.ts';

/** The arguments of one call in flight; kept for the next. */
interface CallSlot {
  readonly inputs: BigUint64Array;
  readonly outputs: BigUint64Array;
}

/** What a program has of its constants. */
export interface ProgramConstants {
  /** Those that its session was made with. */
  readonly held: readonly OrtTensor[];
  /** Those that it gives to each run, in the order of the model. */
  readonly given: readonly OrtTensor[];
}

export const noConstants: ProgramConstants = { held: [], given: [] };

/** Memory that holds a copy of a `HostTensor` during a run. */
interface Loan {
  readonly address: bigint;
  readonly bytes: number;
  readonly handle: bigint;
}

export class OnnxProgram implements Program {
  readonly name: string;
  readonly inputs: ReadonlySet<string>;
  readonly followsConstants: boolean;
  readonly #model: Pick<OnnxModel, 'inputs' | 'outputs' | 'notEmpty'>;
  /** Those of a run, then those that are the same in every run. */
  readonly #signatures: readonly OnnxValue[];
  readonly #heap: NativeHeap;
  readonly #ledger: RunLedger;
  readonly #aliases: AliasAnalysis;
  readonly #inputIndex: ReadonlyMap<string, number>;
  readonly #outputIndex: ReadonlyMap<string, number>;
  readonly #names: NameTable;
  readonly #slots: CallSlot[] = [];
  readonly #onDispose: (program: OnnxProgram) => void;
  readonly #constants: ProgramConstants;
  #session: bigint;
  #runs = 0;
  /** The bindings of the last run that passed all checks. */
  #checkedReads: readonly OrtTensor[] = [];
  #checkedWrites: readonly (OrtTensor | undefined)[] = [];

  /** Takes over `session`. `model` and `constants` are what the session was made from. */
  constructor(
    heap: NativeHeap,
    ledger: RunLedger,
    session: bigint,
    model: OnnxModel,
    constants: ProgramConstants,
    onDispose: (program: OnnxProgram) => void,
  ) {
    this.name = model.name;
    this.inputs = new Set(model.inputs.map(({ name }) => name));
    this.followsConstants = constants.held.length === 0;
    this.#model = { inputs: model.inputs, outputs: model.outputs, notEmpty: model.notEmpty ?? [] };
    this.#signatures = [...model.inputs, ...model.given];
    this.#heap = heap;
    this.#ledger = ledger;
    this.#session = session;
    this.#constants = constants;
    for (const { buffer } of tensorsOf(constants)) buffer?.acquire();
    this.#onDispose = onDispose;
    this.#aliases = new AliasAnalysis(model);
    this.#inputIndex = new Map(this.#signatures.map(({ name }, index) => [name, index]));
    this.#outputIndex = new Map(model.outputs.map(({ name }, index) => [name, index]));
    this.#names = new NameTable(heap, [...this.#inputIndex.keys(), ...this.#outputIndex.keys()]);
    heap.programs++;
  }

  async run(
    inputs: Readonly<Record<string, TensorBinding | HostTensor>>,
    outputs: Readonly<Record<string, TensorBinding>> = {},
  ): Promise<Record<string, HostTensor>> {
    if (this.#session === 0n) throw this.#disposedError();
    const loans: Loan[] = [];
    let slot: CallSlot | undefined;
    try {
      const reads = this.#findInputs(inputs, loans);
      const writes = this.#findOutputs(outputs);
      this.#check(reads, writes);
      slot = this.#slots.pop() ?? {
        inputs: new BigUint64Array(reads.length),
        outputs: new BigUint64Array(writes.length),
      };
      for (let i = 0; i < reads.length; i++) slot.inputs[i] = reads[i]!.handle;
      for (let i = 0; i < writes.length; i++) slot.outputs[i] = writes[i]?.handle ?? 0n;
      await this.#call(slot, reads, writes);
      return this.#takeOutputs(slot, writes);
    } finally {
      if (slot !== undefined) this.#slots.push(slot);
      for (const { address, bytes, handle } of loans) {
        this.#heap.forget(handle);
        this.#heap.free(address, bytes);
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#session === 0n) return;
    if (this.#runs > 0) {
      throw new AhaError({
        code: 'program-busy',
        boundary: 'runtime',
        what: `The program ${this.name} was disposed while it runs`,
        fix: 'Await the run first.',
      });
    }
    this.#heap.environment.library.ReleaseSession(this.#session);
    this.#session = 0n;
    for (const { buffer } of tensorsOf(this.#constants)) buffer?.release();
    this.#names[Symbol.dispose]();
    this.#heap.programs--;
    this.#onDispose(this);
  }

  async #call(slot: CallSlot, reads: readonly OrtTensor[], writes: readonly (OrtTensor | undefined)[]) {
    const bound = writes.filter((tensor) => tensor !== undefined);
    this.#ledger.check(this.name, reads, bound);
    const { inputs, outputs } = slot;
    const begun = systemClock.monotonic();
    const settled = this.#heap.environment.library.runAsync(
      this.#session,
      0n,
      this.#names.address,
      inputs,
      inputs.length,
      this.#names.addressOf(inputs.length),
      outputs.length,
      outputs,
    );
    const record: RunRecord = { program: this.name, reads, writes: bound, settled };
    this.#ledger.add(record, begun);
    this.#runs++;
    try {
      await settled;
    } catch (cause) {
      if (!isAhaError(cause)) throw cause;
      const { code, boundary, found, fix, fields } = cause;
      throw new AhaError({
        code,
        boundary,
        what: `The program ${this.name} failed`,
        found,
        ...(fix === undefined ? {} : { fix }),
        fields,
        cause,
      });
    } finally {
      this.#runs--;
      this.#ledger.remove(record);
    }
  }

  #findInputs(inputs: Readonly<Record<string, TensorBinding | HostTensor>>, loans: Loan[]): OrtTensor[] {
    const tensors: OrtTensor[] = [];
    for (const signature of this.#model.inputs) {
      const given = inputs[signature.name];
      if (given === undefined) throw missingInput(this.name, signature);
      tensors.push(
        'buffer' in given
          ? boundTensor(this.#heap, given, this.name)
          : this.#lend(given, signature.name, loans),
      );
    }
    if (Object.keys(inputs).length !== tensors.length) checkNames(this.name, 'input', this.inputs, inputs);
    return [...tensors, ...this.#constants.given];
  }

  #findOutputs(outputs: Readonly<Record<string, TensorBinding>>): (OrtTensor | undefined)[] {
    const tensors = Array.from<OrtTensor | undefined>({ length: this.#model.outputs.length });
    for (const [name, binding] of Object.entries(outputs)) {
      const index = this.#outputIndex.get(name);
      if (index === undefined) checkNames(this.name, 'output', this.#outputIndex, outputs);
      else tensors[index] = boundTensor(this.#heap, binding, this.name);
    }
    return tensors;
  }

  /** Copies `given` into native memory for the time of the run. */
  #lend(given: HostTensor, name: string, loans: Loan[]): OrtTensor {
    const dtype = dtypeOf(given.data);
    const count = elementCount(given.shape);
    if (count !== given.data.length) {
      throw new AhaError({
        code: 'binding-shape',
        boundary: 'runtime',
        what: `The input ${name} of ${this.name} does not have as many elements as its shape`,
        found: given.data.length,
        expected: `${count} for [${given.shape.join(', ')}]`,
      });
    }
    const bytes = given.data.byteLength;
    const address = this.#heap.allocate(bytes);
    let handle: bigint;
    try {
      handle = this.#heap.describe(address, dtype, given.shape);
    } catch (error) {
      this.#heap.free(address, bytes);
      throw error;
    }
    loans.push({ address, bytes, handle });
    const { buffer, byteOffset } = given.data;
    new Uint8Array(koffi.view(address, bytes)).set(new Uint8Array(buffer, byteOffset, bytes));
    return { handle, dtype, shape: given.shape, start: 0n, end: 0n, buffer: undefined, alive: true };
  }

  #check(reads: readonly OrtTensor[], writes: readonly (OrtTensor | undefined)[]): void {
    const same =
      reads.every((tensor, index) => sameTensor(tensor, this.#checkedReads[index])) &&
      writes.length === this.#checkedWrites.length &&
      writes.every((tensor, index) => tensor === this.#checkedWrites[index]);
    if (same) return;
    const inputs = this.#signatures;
    const { outputs, notEmpty = [] } = this.#model;
    const symbols = checkInputs(this.name, inputs, reads);
    checkOutputs(this.name, outputs, writes, symbols);
    checkNotEmpty(this.name, notEmpty, symbols);
    checkAliases(this.name, inputs, reads, outputs, writes, this.#aliases);
    checkConstants(this.name, tensorsOf(this.#constants), outputs, writes);
    this.#checkedReads = reads;
    this.#checkedWrites = writes;
  }

  /** Copies the outputs that ONNX Runtime allocated into JavaScript arrays and releases them. */
  #takeOutputs(slot: CallSlot, writes: readonly (OrtTensor | undefined)[]): Record<string, HostTensor> {
    const { library } = this.#heap.environment;
    const results: Record<string, HostTensor> = {};
    try {
      for (const [index, { name, dtype }] of this.#model.outputs.entries()) {
        if (writes[index] !== undefined) continue;
        results[name] = this.#copyOut(slot.outputs[index]!, dtype);
      }
    } finally {
      for (const [index, handle] of slot.outputs.entries()) {
        if (writes[index] === undefined && handle !== 0n) library.ReleaseValue(handle);
      }
    }
    return results;
  }

  #copyOut(handle: bigint, expected: DType): HostTensor {
    const { library } = this.#heap.environment;
    const out = new BigUint64Array(1);
    library.GetTensorTypeAndShape(handle, out);
    const info = out[0]!;
    let shape: number[];
    try {
      library.GetDimensionsCount(info, out);
      const dimensions = new BigInt64Array(Number(out[0]));
      library.GetDimensions(info, dimensions, dimensions.length);
      shape = Array.from(dimensions, Number);
      const type = new Int32Array(1);
      library.GetTensorElementType(info, type);
      if (type[0] !== elementTypes[expected]) {
        throw new AhaError({
          code: 'output-type',
          boundary: 'runtime',
          what: `${this.name} computed another element type than it declared`,
          found: type[0],
          expected: elementTypes[expected],
        });
      }
    } finally {
      library.ReleaseTensorTypeAndShapeInfo(info);
    }
    const bytes = elementCount(shape) * bytesPerElement[expected];
    const copy = new ArrayBuffer(bytes);
    if (bytes > 0) {
      library.GetTensorMutableData(handle, out);
      new Uint8Array(copy).set(new Uint8Array(koffi.view(out[0]!, bytes)));
    }
    return { data: asArray(expected, copy), shape };
  }

  #disposedError(): AhaError {
    return new AhaError({
      code: 'program-disposed',
      boundary: 'runtime',
      what: `The program ${this.name} was run after it had been disposed`,
    });
  }
}

function tensorsOf({ held, given }: ProgramConstants): OrtTensor[] {
  return [...held, ...given];
}

function sameTensor(a: OrtTensor, b: OrtTensor | undefined): boolean {
  if (a === b) return true;
  // Copies of host tensors are new at each run: only their type and shape matter.
  return (
    b !== undefined &&
    a.buffer === undefined &&
    b.buffer === undefined &&
    a.dtype === b.dtype &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, axis) => size === b.shape[axis])
  );
}

function asArray(dtype: DType, memory: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'f32':
      return new Float32Array(memory);
    case 'i32':
      return new Int32Array(memory);
    case 'i64':
      return new BigInt64Array(memory);
    case 'bool':
      return new Uint8Array(memory);
  }
}
