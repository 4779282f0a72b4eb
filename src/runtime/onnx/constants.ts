/** Weights that seldom change, and their copies in panels for our kernels; see `Constants` and `../native/linear-kernel.ts`. */
import { type Constants, elementCount, type TensorBinding } from '../runtime.ts';
import { Queue } from '../../util/queue.ts';
import { checkInputs, missingInput } from './bindings.ts';
import { boundTensor, type NativeHeap, OnnxBuffer, type OrtTensor } from './buffer.ts';
import type { OwnKernels } from './graph-writer.ts';
import type { OnnxProgram, ProgramConstants } from './program.ts';
import { type GivenInput, type OnnxModel, type OnnxValue, ownDomain } from './protobuf.ts';

/** What has panels to write, and how. */
interface Arranger {
  readonly program: OnnxProgram;
  readonly inputs: Readonly<Record<string, TensorBinding>>;
  readonly outputs: Readonly<Record<string, TensorBinding>>;
}

export class OnnxConstants implements Constants {
  readonly values: Readonly<Record<string, TensorBinding>>;
  readonly heap: NativeHeap;
  readonly #kernels: OwnKernels;
  readonly #load: (model: OnnxModel) => Promise<OnnxProgram>;
  readonly #panels = new Map<string, TensorBinding>();
  readonly #arrangers: Arranger[] = [];
  /** Programs that are compiled at the same time need the same panels. */
  readonly #turns = new Queue(1);

  constructor(
    heap: NativeHeap,
    values: Constants['values'],
    kernels: OwnKernels,
    load: (model: OnnxModel) => Promise<OnnxProgram>,
  ) {
    this.heap = heap;
    this.values = values;
    this.#kernels = kernels;
    this.#load = load;
  }

  /** Those of `model`. @throws AhaError `binding-*` for one that is missing or does not fit. */
  async of(model: OnnxModel): Promise<ProgramConstants> {
    const { name, constants: held, given } = model;
    const tensor = (signature: OnnxValue, constant: string) => {
      const binding = this.values[constant];
      if (binding === undefined) throw missingInput(name, signature);
      return boundTensor(this.heap, binding, name);
    };
    const heldTensors = held.map((signature) => tensor(signature, signature.name));
    const plain = given.filter(({ form }) => form === 'plain');
    checkInputs(
      name,
      [...held, ...plain],
      [...heldTensors, ...plain.map((signature) => tensor(signature, signature.constant))],
    );
    await this.#turns.run(() => this.#arrange(given.filter(({ form }) => form === 'panels')));
    const givenTensors = given.map((signature): OrtTensor => {
      const { constant, form } = signature;
      if (form === 'plain') return tensor(signature, constant);
      return boundTensor(this.heap, this.#panels.get(constant)!, name);
    });
    return { held: heldTensors, given: givenTensors };
  }

  refresh(): Promise<void> {
    return this.#turns.run(async () => {
      for (const { program, inputs, outputs } of this.#arrangers) await program.run(inputs, outputs);
    });
  }

  [Symbol.dispose](): void {
    for (const { program } of this.#arrangers) program[Symbol.dispose]();
    for (const { buffer } of this.#panels.values()) buffer[Symbol.dispose]();
    this.#arrangers.length = 0;
    this.#panels.clear();
  }

  /** Makes those of `panels` that there are not yet. */
  async #arrange(panels: readonly GivenInput[]): Promise<void> {
    const missing = panels.filter(({ constant }) => !this.#panels.has(constant));
    if (missing.length === 0) return;
    const program = await this.#load(arrangement(missing, this.#kernels));
    const outputs: Record<string, TensorBinding> = {};
    try {
      for (const { name, shape } of missing as readonly { name: string; shape: readonly number[] }[]) {
        const buffer = new OnnxBuffer(this.heap, 'f32', elementCount(shape));
        outputs[name] = { buffer, shape };
      }
      const inputs = Object.fromEntries(missing.map(({ constant }) => [constant, this.values[constant]!]));
      await program.run(inputs, outputs);
      this.#arrangers.push({ program, inputs, outputs });
    } catch (error) {
      program[Symbol.dispose]();
      for (const { buffer } of Object.values(outputs)) buffer[Symbol.dispose]();
      throw error;
    }
    for (const { constant, name } of missing) this.#panels.set(constant, outputs[name]!);
  }
}

/** Weights by the names of their constants → panels. */
function arrangement(panels: readonly GivenInput[], kernels: OwnKernels): OnnxModel {
  const shapes = panels.map(({ shape }) => {
    const [count, inputs, columns] = shape as [number, number, number];
    return { outputs: count * columns, inputs };
  });
  return {
    name: 'panels',
    nodes: panels.map(({ constant, name }, index) => ({
      name,
      operator: kernels.panels(shapes[index]!, 'rows')!,
      domain: ownDomain,
      inputs: [constant],
      outputs: [name],
      attributes: {},
    })),
    initializers: [],
    constants: [],
    inputs: panels.map(({ constant }, index) => {
      const { outputs, inputs } = shapes[index]!;
      return { name: constant, dtype: 'f32', shape: [outputs, inputs] };
    }),
    given: [],
    outputs: panels,
  };
}
