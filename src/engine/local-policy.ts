/**
 * The engine on this machine: one model in native memory that samples, scores and learns. Everything is computed by
 * a `Runtime`; this module knows parameters, sequences and files, not kernels.
 *
 * Verbs run one at a time, in the order in which they were called.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AhaError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LoraConfig } from '../model/lora.ts';
import { ropeTables } from '../model/rope.ts';
import { openSafetensors, writeSafetensors } from '../model/safetensors.ts';
import type { Constants, DeviceBuffer, Runtime } from '../runtime/runtime.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { Queue } from '../util/queue.ts';
import { ActivationStore } from './activation-store.ts';
import { AdamW } from './optimizer.ts';
import { type Bindings, ParameterStore, type WeightSource } from './parameter-store.ts';
import type {
  AdamParameters,
  Capabilities,
  Completion,
  ForwardBackwardResult,
  ForwardOptions,
  ForwardResult,
  OptimizerStepResult,
  Policy,
  PolicyDescription,
  SampleOptions,
  SampleRequest,
  TokenLoss,
  TokenSequence,
} from './policy.ts';
import { fewestRows, Sampler, type SamplerOptions } from './sampler.ts';
import { type Recorded, Trainer } from './trainer.ts';

/** Memory for what is kept of drawn tokens until the weights change. */
export const rememberedBytes = 2 * 2 ** 30;

/** Weights up to this size are copied for decoding, in the form that products with few rows are fastest in. */
export const packedBytes = 4 * 2 ** 30;

export interface LocalPolicyOptions {
  readonly runtime: Runtime;
  readonly config: ModelConfig;
  /** A checkpoint, or a seed to draw fresh weights from. */
  readonly weights: WeightSource | { readonly seed: number | string };
  /** Trains low-rank adapters instead of the weights themselves. */
  readonly lora?: LoraConfig;
  /** Names the stream that LoRA's A is drawn from. Default 0. */
  readonly seed?: number | string;
  /** The longest sequence, prompt and completion together. Default: the model's, at most 32,768. */
  readonly contextLength?: number;
  /** The most sequences that decode together. Default 64. */
  readonly maxSequences?: number;
  /** Most positions of a training micro-batch: what bounds the memory of activations. Default 2048. */
  readonly microBatchPositions?: number;
  /** Memory for what is kept of drawn tokens until the weights change. Default 2 GiB; 0 keeps nothing. */
  readonly rememberedBytes?: number;
  /** Finds stop strings in the text of a completion; see `SamplerOptions`. */
  readonly watchStops?: SamplerOptions['watchStops'];
  /** Writes a Hugging Face folder; see `Policy.export`. Without it the policy cannot export. */
  readonly exporter?: PolicyExporter;
}

/** Writes the files of an export, given the tensors. */
export type PolicyExporter = (request: {
  readonly folder: string;
  readonly form: 'merged' | 'adapter';
  readonly config: ModelConfig;
  readonly lora: LoraConfig | undefined;
  readonly tensors: Iterable<{
    readonly name: string;
    readonly shape: readonly number[];
    read(): Float32Array;
  }>;
}) => Promise<void>;

/** Loads or draws the weights and returns a policy that is ready to sample and learn. */
export async function createLocalPolicy(options: LocalPolicyOptions): Promise<LocalPolicy> {
  const store = new ParameterStore(options.runtime, options.config, options.lora);
  try {
    if ('seed' in options.weights) {
      store.initialise(options.weights.seed, options.config.initializerRange, options.config.layers);
    } else {
      await store.load(options.weights);
    }
    store.initialiseLora(options.seed ?? 0);
    return new LocalPolicy(options, store);
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

interface SavedState {
  readonly format: 'aha-local-policy';
  readonly version: 1;
  readonly elements: number;
  readonly optimizerStep: number | null;
  readonly reference: boolean;
}

export class LocalPolicy implements Policy, AsyncDisposable {
  readonly capabilities: Capabilities;
  readonly description: PolicyDescription;
  readonly config: ModelConfig;
  readonly lora: LoraConfig | undefined;
  readonly #options: LocalPolicyOptions;
  readonly #store: ParameterStore;
  readonly #tables: { readonly cos: DeviceBuffer<'f32'>; readonly sin: DeviceBuffer<'f32'> };
  readonly #trainer: Trainer;
  readonly #sampler: Sampler;
  readonly #constants: Constants;
  readonly #activations: ActivationStore;
  #optimizer: AdamW | undefined;
  readonly #turns = new Queue(1);
  #disposed = false;

  /** Use `createLocalPolicy`. */
  constructor(options: LocalPolicyOptions, store: ParameterStore) {
    const { runtime, config, lora } = options;
    this.#options = options;
    this.#store = store;
    this.config = config;
    this.lora = lora;
    const contextLength = Math.min(config.contextLength, options.contextLength ?? 32_768);
    const maxSequences = options.maxSequences ?? 64;
    this.#activations = new ActivationStore(
      runtime,
      config,
      options.rememberedBytes ?? rememberedBytes,
      Math.max(maxSequences, fewestRows),
    );
    this.capabilities = {
      training: true,
      customLoss: true,
      referenceModel: true,
      exactResume: true,
      contextLength,
      truncatedSampling: true,
      rememberedTokens: this.#activations.capacity,
    };
    this.description = {
      architecture: config.architecture,
      parameters: store.count('all'),
      trainableParameters: store.count('trained'),
      vocabularySize: config.vocabularySize,
    };
    const { cos, sin, half } = ropeTables(config, contextLength);
    this.#tables = { cos: runtime.allocate('f32', cos.length), sin: runtime.allocate('f32', sin.length) };
    this.#tables.cos.data.set(cos);
    this.#tables.sin.data.set(sin);
    const shape = [contextLength, half];
    const tables: Bindings = {
      'rope.cos': { buffer: this.#tables.cos, shape },
      'rope.sin': { buffer: this.#tables.sin, shape },
    };
    this.#trainer = new Trainer({
      runtime,
      config,
      lora,
      store,
      tables,
      contextLength,
      microBatchPositions: options.microBatchPositions ?? 2048,
      activations: this.#activations,
    });
    this.#constants = runtime.constants(store.constants(packedBytes));
    this.#sampler = new Sampler({
      runtime,
      config,
      lora,
      bindings: { ...store.current, ...tables },
      constants: this.#constants,
      contextLength,
      maxSequences,
      activations: this.#activations,
      ...(options.watchStops === undefined ? {} : { watchStops: options.watchStops }),
    });
  }

  forwardBackward(
    batch: readonly TokenSequence[],
    loss: TokenLoss,
    options: Pick<ForwardOptions, 'temperature'> = {},
  ): Promise<ForwardBackwardResult> {
    return this.#inTurn(() => {
      const temperature = checkedTemperature(options.temperature);
      return this.#trainer.forwardBackward(batch, loss, temperature, (drawn) => this.#recall(drawn));
    });
  }

  forward(batch: readonly TokenSequence[], options: ForwardOptions = {}): Promise<ForwardResult> {
    return this.#inTurn(() => {
      const parameters =
        options.model === 'reference' ? this.#store.referenceBindings() : this.#store.current;
      const temperature = checkedTemperature(options.temperature);
      return this.#trainer.forward(batch, temperature, parameters, options.distribution);
    });
  }

  optimizerStep(adam: AdamParameters): Promise<OptimizerStepResult> {
    return this.#inTurn(async () => {
      this.#optimizer ??= await AdamW.create(this.#options.runtime, this.#store);
      const result = await this.#optimizer.apply(adam);
      this.#weightsChanged();
      return result;
    });
  }

  sample(requests: readonly SampleRequest[], options?: SampleOptions): Promise<Completion[][]> {
    return this.#inTurn(() => this.#sampler.sample(requests, options));
  }

  refreshReference(): Promise<void> {
    return this.#inTurn(async () => this.#store.refreshReference());
  }

  /** Copies of one parameter and of its accumulated gradient: for tests and inspection. */
  parameter(name: string): Float32Array {
    return this.#store.read(name);
  }

  gradient(name: string): Float32Array {
    return this.#store.readGradient(name);
  }

  /** Replaces the adapters by those of a checkpoint; `tensors` by name: `….q_proj.lora_A.weight` [r, in]. */
  loadAdapter(tensors: ReadonlyMap<string, { readInto(into: Float32Array): Promise<void> }>): Promise<void> {
    return this.#inTurn(async () => {
      for (const { name, role } of this.#store.trainedParameters) {
        if (role !== 'lora') continue;
        const tensor = tensors.get(name);
        if (tensor === undefined) {
          throw new AhaError({
            code: 'adapter-tensor-missing',
            boundary: 'model',
            what: 'The adapter lacks a tensor that its configuration asks for',
            found: [...tensors.keys()].slice(0, 3),
            expected: name,
          });
        }
        await tensor.readInto(this.#store.view(name));
      }
      this.#weightsChanged();
    });
  }

  save(folder: string): Promise<void> {
    return this.#inTurn(async () => {
      const flat = (name: string, buffer: DeviceBuffer<'f32'>) => ({
        name,
        shape: [buffer.length],
        read: () => buffer.data,
      });
      const { trained, reference } = this.#store;
      await writeSafetensors(join(folder, 'weights.safetensors'), [
        flat('trained', trained),
        ...(reference === undefined ? [] : [flat('reference', reference)]),
      ]);
      if (this.#optimizer !== undefined) {
        await writeSafetensors(join(folder, 'optimizer.safetensors'), [
          flat('moment1', this.#optimizer.moment1),
          flat('moment2', this.#optimizer.moment2),
        ]);
      }
      const state: SavedState = {
        format: 'aha-local-policy',
        version: 1,
        elements: trained.length,
        optimizerStep: this.#optimizer?.step ?? null,
        reference: reference !== undefined,
      };
      await writeFileAtomic(join(folder, 'policy.json'), `${JSON.stringify(state, null, 2)}\n`);
    });
  }

  load(folder: string): Promise<void> {
    return this.#inTurn(async () => {
      const state = await readState(folder, this.#store.trained.length);
      const weights = await openSafetensors(join(folder, 'weights.safetensors'));
      try {
        await readFlat(weights, 'trained', this.#store.trained);
        if (state.reference) {
          this.#store.refreshReference();
          await readFlat(weights, 'reference', this.#store.reference!);
        } else this.#store.dropReference();
      } finally {
        await weights.close();
        this.#weightsChanged();
      }
      this.#store.clearGradient();
      if (state.optimizerStep === null) {
        this.#optimizer?.[Symbol.dispose]();
        this.#optimizer = undefined;
        return;
      }
      this.#optimizer ??= await AdamW.create(this.#options.runtime, this.#store);
      const moments = await openSafetensors(join(folder, 'optimizer.safetensors'));
      try {
        await readFlat(moments, 'moment1', this.#optimizer.moment1);
        await readFlat(moments, 'moment2', this.#optimizer.moment2);
      } finally {
        await moments.close();
      }
      this.#optimizer.step = state.optimizerStep;
    });
  }

  export(folder: string, options: { readonly form?: 'merged' | 'adapter' } = {}): Promise<void> {
    return this.#inTurn(async () => {
      const { exporter } = this.#options;
      const form = options.form ?? 'merged';
      if (exporter === undefined) {
        throw new AhaError({
          code: 'export-unavailable',
          boundary: 'engine',
          what: 'This policy was created without an exporter',
          fix: 'Pass `exporter` to createLocalPolicy.',
        });
      }
      if (form === 'adapter' && this.lora === undefined) {
        throw new AhaError({
          code: 'export-no-adapter',
          boundary: 'engine',
          what: 'There is no adapter to export: the model was trained in full',
          fix: 'Export it merged.',
        });
      }
      const tensors =
        form === 'adapter' ? this.#store.adapterTensors() : this.#store.mergedTensors(this.lora);
      await exporter({ folder, form, config: this.config, lora: this.lora, tensors });
    });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    await this.#inTurn(async () => {
      this.#disposed = true;
      this.#trainer[Symbol.dispose]();
      this.#sampler[Symbol.dispose]();
      this.#constants[Symbol.dispose]();
      this.#activations[Symbol.dispose]();
      this.#optimizer?.[Symbol.dispose]();
      this.#tables.cos[Symbol.dispose]();
      this.#tables.sin[Symbol.dispose]();
      this.#store[Symbol.dispose]();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /**
   * The activations of the sequences that were drawn with the current weights. Which of them are used must not depend
   * on what happens to be kept: a resumed run would end in other bits. So those that are missing are computed again
   * by decoding, and if not all have room, none is used.
   */
  async #recall(batch: readonly TokenSequence[]): Promise<Recorded> {
    const store = this.#activations;
    const drawn = [...batch.entries()].flatMap(([index, { tokens, weights, drawnFrom }]) => {
      // Without a token before the one that predicts the first there is no prompt to continue.
      if (drawnFrom === undefined || drawnFrom < 2 || drawnFrom >= tokens.length) return [];
      const learned = weights.some((weight) => weight !== 0);
      return learned ? [{ index, tokens, start: drawnFrom }] : [];
    });
    const size = (of: typeof drawn) => of.reduce((sum, { tokens, start }) => sum + tokens.length - start, 0);
    if (drawn.length === 0 || size(drawn) > store.capacity) return new Map();
    let missing = drawn.filter(({ tokens, start }) => store.find(tokens, start) === undefined);
    if (size(missing) > store.room) {
      store.clear();
      missing = drawn;
    }
    if (missing.length > 0) await this.#sampler.replay(missing);
    return new Map(drawn.map(({ index, tokens, start }) => [index, store.find(tokens, start)!]));
  }

  /** With LoRA, decoding holds copies of the base model only, which never changes. */
  #weightsChanged(): void {
    this.#activations.clear();
    if (this.lora === undefined) this.#sampler.weightsChanged();
  }

  /** Runs `work` after everything that was asked for before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      if (!this.#disposed) return work();
      throw new AhaError({ code: 'policy-disposed', boundary: 'engine', what: 'The policy was disposed' });
    });
  }
}

function checkedTemperature(temperature = 1): number {
  if (temperature > 0 && Number.isFinite(temperature)) return temperature;
  throw new AhaError({
    code: 'temperature',
    boundary: 'engine',
    what: 'The temperature does not make sense for scoring',
    found: temperature,
    expected: 'a finite number above 0',
  });
}

async function readState(folder: string, elements: number): Promise<SavedState> {
  const path = join(folder, 'policy.json');
  let state: SavedState;
  try {
    state = JSON.parse(await readFile(path, 'utf8')) as SavedState;
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
  if (state.format !== 'aha-local-policy' || state.version !== 1) {
    throw new AhaError({
      code: 'policy-format',
      boundary: 'engine',
      what: `${path} is not the state of a policy`,
      found: `${state.format} ${state.version}`,
      expected: 'aha-local-policy 1',
    });
  }
  if (state.elements !== elements) {
    throw new AhaError({
      code: 'policy-shape',
      boundary: 'engine',
      what: `${path} is of another model, or of other LoRA settings`,
      found: `${state.elements} trained elements`,
      expected: `${elements}`,
      fix: 'Resume with the settings that the run was started with.',
    });
  }
  return state;
}

async function readFlat(
  file: Awaited<ReturnType<typeof openSafetensors>>,
  name: string,
  into: DeviceBuffer<'f32'>,
): Promise<void> {
  const tensor = file.tensors.get(name);
  if (tensor === undefined || tensor.shape.length !== 1 || tensor.shape[0] !== into.length) {
    throw new AhaError({
      code: 'policy-tensor',
      boundary: 'engine',
      what: `${file.path}: the tensor ${name} is missing or of the wrong size`,
      found: tensor?.shape ?? 'nothing',
      expected: [into.length],
    });
  }
  await tensor.readInto(into.data);
}
