/**
 * Where a model's parameters live: one flat native buffer for those that are trained and one for those that are
 * not. Training, scoring and sampling bind their graphs to the same memory, so there is one copy of the weights and
 * sampling is on-policy by construction. Gradients, moments and the reference have the same flat layout.
 */
import { AhaError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import { type LoraConfig, loraScale } from '../model/lora.ts';
import { decoderParameters, elementCount, loraParameters, type Parameter } from '../model/parameters.ts';
import type { DeviceBuffer, Program, Runtime, TensorBinding } from '../runtime/runtime.ts';
import { randomStream } from '../util/random.ts';

/** Parameters start at multiples of this many elements: 64 bytes, a cache line and a vector register. */
const alignment = 16;

/** Where weights come from: a checkpoint, by Hugging Face names. */
export interface WeightSource {
  /** Fills `into` with the tensor `name`. */
  read(name: string, into: Float32Array): Promise<void>;
}

export interface Bindings {
  readonly [input: string]: TensorBinding;
}

/** Those of `bindings` that `program` has as inputs. */
export function bindingsOf(program: Program, bindings: Bindings): Bindings {
  return Object.fromEntries(Object.entries(bindings).filter(([name]) => program.inputs.has(name)));
}

interface Placed {
  readonly parameter: Parameter;
  readonly offset: number;
  readonly trained: boolean;
}

export class ParameterStore implements Disposable {
  /** The trained parameters: those with weight decay first, then norms and biases. */
  readonly trained: DeviceBuffer<'f32'>;
  /** Elements [0, decayedLength) of `trained` are subject to weight decay. */
  readonly decayedLength: number;
  readonly placed: ReadonlyMap<string, Placed>;
  /** The parameters by graph input. */
  readonly current: Bindings;
  readonly #runtime: Runtime;
  readonly #frozen: DeviceBuffer<'f32'> | undefined;
  #gradient: DeviceBuffer<'f32'> | undefined;
  #gradientBindings: { readonly inputs: Bindings; readonly outputs: Bindings } | undefined;
  #reference: DeviceBuffer<'f32'> | undefined;
  #referenceBindings: Bindings | undefined;

  constructor(runtime: Runtime, config: ModelConfig, lora?: LoraConfig) {
    this.#runtime = runtime;
    const base = decoderParameters(config);
    const trained = lora === undefined ? base : loraParameters(config, lora);
    const decays = ({ role }: Parameter) => role !== 'norm' && role !== 'bias';
    const placed = new Map<string, Placed>();
    const place = (parameters: readonly Parameter[], start: number, isTrained: boolean) => {
      let offset = start;
      for (const parameter of parameters) {
        placed.set(parameter.name, { parameter, offset, trained: isTrained });
        offset += Math.ceil(elementCount(parameter) / alignment) * alignment;
      }
      return offset;
    };
    this.decayedLength = place(trained.filter(decays), 0, true);
    const length = place(
      trained.filter((parameter) => !decays(parameter)),
      this.decayedLength,
      true,
    );
    this.trained = runtime.allocate('f32', length);
    if (lora !== undefined) this.#frozen = runtime.allocate('f32', place(base, 0, false));
    this.placed = placed;
    this.current = this.#bind(this.trained);
  }

  get trainedParameters(): Parameter[] {
    return [...this.placed.values()].filter(({ trained }) => trained).map(({ parameter }) => parameter);
  }

  /** Elements of all parameters, alignment not counted. */
  count(which: 'all' | 'trained'): number {
    return [...this.placed.values()]
      .filter(({ trained }) => which === 'all' || trained)
      .reduce((total, { parameter }) => total + elementCount(parameter), 0);
  }

  /**
   * The parameters that stay the same between two steps of learning: those that are not trained, or all if none is
   * frozen. None at all if they take more than `bytes`.
   */
  constants(bytes: number): Bindings {
    const constant = [...this.placed.values()].filter(
      ({ trained }) => this.#frozen === undefined || !trained,
    );
    const size = constant.reduce((total, { parameter }) => total + 4 * elementCount(parameter), 0);
    if (size > bytes) return {};
    return Object.fromEntries(constant.map(({ parameter: { name } }) => [name, this.current[name]!]));
  }

  /** The flat gradient, allocated at its first use, zero then. */
  get gradient(): DeviceBuffer<'f32'> {
    this.#gradient ??= this.#runtime.allocate('f32', this.trained.length);
    return this.#gradient;
  }

  /** The gradient of each trained parameter as an input `sum.NAME` and an output `gradient.NAME` of a graph. */
  get gradientBindings(): { readonly inputs: Bindings; readonly outputs: Bindings } {
    if (this.#gradientBindings === undefined) {
      const inputs: Record<string, TensorBinding> = {};
      const outputs: Record<string, TensorBinding> = {};
      for (const { parameter, offset, trained } of this.placed.values()) {
        if (!trained) continue;
        const binding = { buffer: this.gradient, offset, shape: parameter.shape };
        inputs[`sum.${parameter.name}`] = binding;
        outputs[`gradient.${parameter.name}`] = binding;
      }
      this.#gradientBindings = { inputs, outputs };
    }
    return this.#gradientBindings;
  }

  /** A copy of the accumulated gradient of one trained parameter. */
  readGradient(name: string): Float32Array {
    const { parameter, offset } = this.#find(name);
    return this.gradient.data.slice(offset, offset + elementCount(parameter));
  }

  clearGradient(): void {
    this.#gradient?.data.fill(0);
  }

  /** The reference's copy of the trained parameters, or undefined before the first refresh. */
  get reference(): DeviceBuffer<'f32'> | undefined {
    return this.#reference;
  }

  /** Parameters by graph input with the reference's in place of the trained ones. */
  referenceBindings(): Bindings {
    if (this.#reference === undefined) {
      // With LoRA, adapters of zeros are the base model.
      if (this.#frozen === undefined) {
        throw new AhaError({
          code: 'reference-missing',
          boundary: 'engine',
          what: 'The policy has no reference model yet',
          fix: 'Call refreshReference() first.',
        });
      }
      this.#reference = this.#runtime.allocate('f32', this.trained.length);
    }
    this.#referenceBindings ??= this.#bind(this.#reference);
    return this.#referenceBindings;
  }

  /** Makes the trained parameters the reference. */
  refreshReference(): void {
    this.#reference ??= this.#runtime.allocate('f32', this.trained.length);
    this.#reference.data.set(this.trained.data);
  }

  dropReference(): void {
    this.#reference?.[Symbol.dispose]();
    this.#reference = undefined;
    this.#referenceBindings = undefined;
  }

  /** A view of one parameter in memory; do not keep it. */
  view(name: string): Float32Array {
    const { parameter, offset, trained } = this.#find(name);
    const buffer = trained ? this.trained : this.#frozen!;
    return buffer.data.subarray(offset, offset + elementCount(parameter));
  }

  /** A copy of one parameter. */
  read(name: string): Float32Array {
    return this.view(name).slice();
  }

  /** The base model with adapters, if any, merged into it: every tensor of a Hugging Face checkpoint. */
  *mergedTensors(lora: LoraConfig | undefined): Generator<ExportedTensor> {
    for (const { parameter } of this.placed.values()) {
      if (parameter.role === 'lora') continue;
      const { name } = parameter;
      const adapted = this.placed.has(loraName(name, 'A')) ? lora : undefined;
      yield {
        name,
        shape: parameter.shape,
        read: () => (adapted === undefined ? this.read(name) : this.#merged(parameter, adapted)),
      };
    }
  }

  /** The adapters alone, named as the layer they adapt: `….q_proj.lora_A.weight` [r, in], `lora_B` [out, r]. */
  *adapterTensors(): Generator<ExportedTensor> {
    for (const { parameter } of this.placed.values()) {
      if (parameter.role !== 'lora') continue;
      yield {
        name: parameter.name,
        shape: parameter.shape,
        read: () => this.read(parameter.name),
      };
    }
  }

  /** W + scale · B · A */
  #merged(parameter: Parameter, lora: LoraConfig): Float32Array {
    const [outputs, inputs] = parameter.shape as [number, number];
    const merged = this.view(parameter.name).slice();
    const a = this.view(loraName(parameter.name, 'A'));
    const b = this.view(loraName(parameter.name, 'B'));
    const scale = loraScale(lora);
    const row = new Float64Array(inputs);
    for (let o = 0; o < outputs; o++) {
      row.fill(0);
      for (let r = 0; r < lora.rank; r++) {
        const factor = scale * b[o * lora.rank + r]!;
        for (let i = 0; i < inputs; i++) row[i]! += factor * a[r * inputs + i]!;
      }
      for (let i = 0; i < inputs; i++) merged[o * inputs + i]! += row[i]!;
    }
    return merged;
  }

  /** Loads the base model's parameters. LoRA's are left alone. */
  async load(source: WeightSource): Promise<void> {
    for (const { parameter } of this.placed.values()) {
      if (parameter.role === 'lora') continue;
      await source.read(parameter.name, this.view(parameter.name));
    }
  }

  /**
   * Draws the base model's parameters: normal with deviation `range`, divided by √(2·layers) for the layers that
   * write into the residual stream (Radford et al. 2019); norms 1, biases 0.
   */
  initialise(seed: number | string, range: number, layers: number): void {
    for (const { parameter } of this.placed.values()) {
      if (parameter.role === 'lora') continue;
      const into = this.view(parameter.name);
      if (parameter.role === 'norm') into.fill(1);
      else if (parameter.role === 'bias') into.fill(0);
      else {
        const residual = /(o_proj|down_proj)\.weight$/.test(parameter.name);
        const deviation = residual ? range / Math.sqrt(2 * layers) : range;
        const random = randomStream(seed, 'initialise', parameter.name);
        for (let i = 0; i < into.length; i++) into[i] = deviation * random.normal();
      }
    }
  }

  /** Draws LoRA's A uniformly in ±1/√in (PEFT's Kaiming initialisation) and sets B to zero. */
  initialiseLora(seed: number | string): void {
    for (const { parameter } of this.placed.values()) {
      if (parameter.role !== 'lora') continue;
      const into = this.view(parameter.name);
      if (parameter.name.endsWith('.lora_B.weight')) {
        into.fill(0);
        continue;
      }
      const bound = 1 / Math.sqrt(parameter.shape[1]!);
      const random = randomStream(seed, 'initialise', parameter.name);
      for (let i = 0; i < into.length; i++) into[i] = bound * (2 * random.next() - 1);
    }
  }

  [Symbol.dispose](): void {
    this.trained[Symbol.dispose]();
    this.#frozen?.[Symbol.dispose]();
    this.#gradient?.[Symbol.dispose]();
    this.#reference?.[Symbol.dispose]();
  }

  #bind(trained: DeviceBuffer<'f32'>): Bindings {
    return Object.fromEntries(
      [...this.placed.values()].map(({ parameter, offset, trained: isTrained }) => [
        parameter.name,
        { buffer: isTrained ? trained : this.#frozen!, offset, shape: parameter.shape },
      ]),
    );
  }

  #find(name: string): Placed {
    const placed = this.placed.get(name);
    if (placed !== undefined) return placed;
    throw new AhaError({
      code: 'parameter-unknown',
      boundary: 'engine',
      what: 'No such parameter',
      found: name,
    });
  }
}

/** A tensor of an export. */
export interface ExportedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  read(): Float32Array;
}

function loraName(weight: string, which: 'A' | 'B'): string {
  return weight.replace(/\.weight$/, `.lora_${which}.weight`);
}
