/** Scoring and learning: turns sequences into micro-batches, runs the training graphs, and hands results back. */
import type { ModelConfig } from '../model/config.ts';
import { AhaError } from '../errors.ts';
import type { LoraConfig } from '../model/lora.ts';
import type { HostTensor, Program, Runtime } from '../runtime/runtime.ts';
import { planMicroBatches } from './micro-batches.ts';
import { type Bindings, bindingsOf, type ParameterStore } from './parameter-store.ts';
import type { ForwardBackwardResult, ForwardResult, TokenLoss, TokenSequence } from './policy.ts';
import { headChunks, scoringGraph, trainingGraph } from './training-graph.ts';

export interface TrainerOptions {
  readonly runtime: Runtime;
  readonly config: ModelConfig;
  readonly lora: LoraConfig | undefined;
  readonly store: ParameterStore;
  /** `rope.cos` and `rope.sin`. */
  readonly tables: Bindings;
  readonly contextLength: number;
  /** Most positions of a micro-batch, padding counted. */
  readonly microBatchPositions: number;
}

/** A micro-batch as inputs of a graph, and where each of its weighted tokens comes from. */
interface Packed {
  readonly inputs: Record<string, HostTensor>;
  /** Index of the sequence in the batch, and position in it, of each of the N tokens before padding. */
  readonly origins: readonly (readonly [sequence: number, position: number])[];
  readonly chunks: number;
}

export class Trainer implements Disposable {
  readonly #options: TrainerOptions;
  readonly #programs = new Map<string, Program>();

  constructor(options: TrainerOptions) {
    this.#options = options;
  }

  /** See `Policy.forward`; `parameters` are the bindings of the weights to use. */
  async forward(
    batch: readonly TokenSequence[],
    temperature: number,
    parameters: Bindings,
  ): Promise<ForwardResult> {
    const result = emptyResult(batch);
    for (const packed of this.#pack(batch, temperature, [])) {
      const program = await this.#program(`score/${packed.chunks}`, () => {
        return scoringGraph(this.#options.config, this.#options.lora, packed.chunks);
      });
      const fixed = bindingsOf(program, { ...this.#options.tables, ...parameters });
      const outputs = await program.run({ ...inputsOf(program, packed), ...fixed });
      scatter(outputs['logprobs']!, packed, result.logprobs);
      scatter(outputs['entropies']!, packed, result.entropies);
    }
    return result;
  }

  /** See `Policy.forwardBackward`. */
  async forwardBackward(
    batch: readonly TokenSequence[],
    loss: TokenLoss,
    temperature: number,
  ): Promise<ForwardBackwardResult> {
    const { store, config, lora, tables } = this.#options;
    const trained = store.trainedParameters.map(({ name }) => name);
    const result = emptyResult(batch);
    const perToken: Record<string, Float32Array[]> = {};
    let total = 0;
    let computedTokens = 0;
    let computedPositions = 0;
    for (const packed of this.#pack(batch, temperature, loss.inputs)) {
      const program = await this.#program(`${loss.key}/${packed.chunks}`, () => {
        return trainingGraph(config, lora, trained, loss, packed.chunks);
      });
      const fixed = bindingsOf(program, { ...tables, ...store.current });
      const outputs = await program.run(
        { ...inputsOf(program, packed), ...fixed, ...store.gradientBindings.inputs },
        store.gradientBindings.outputs,
      );
      total += outputs['loss']!.data[0] as number;
      scatter(outputs['logprobs']!, packed, result.logprobs);
      scatter(outputs['entropies']!, packed, result.entropies);
      for (const [name, values] of Object.entries(outputs)) {
        if (!name.startsWith('perToken.')) continue;
        const key = name.slice('perToken.'.length);
        perToken[key] ??= batch.map(({ tokens }) => new Float32Array(tokens.length));
        scatter(values, packed, perToken[key]);
      }
      computedPositions += packed.inputs['tokens']!.data.length;
      computedTokens += packed.tokens;
    }
    return { ...result, loss: total, perToken, computedTokens, computedPositions };
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.values()) program[Symbol.dispose]();
  }

  *#pack(
    batch: readonly TokenSequence[],
    temperature: number,
    lossInputs: readonly string[],
  ): Generator<Packed & { readonly tokens: number }> {
    // A sequence is computed up to its last weighted token, which itself is never an input.
    const lengths = batch.map((sequence, index) => {
      this.#check(sequence, index, lossInputs);
      return sequence.weights.findLastIndex((weight) => weight !== 0);
    });
    const computed = Array.from(batch.keys()).filter((index) => lengths[index]! > 0);
    const plan = planMicroBatches(
      computed.map((index) => lengths[index]!),
      this.#options.microBatchPositions,
    );
    for (const { members, length } of plan) {
      const chosen = members.map((member) => computed[member]!);
      const tokens = chosen.reduce((sum, index) => sum + lengths[index]!, 0);
      yield { ...this.#packOne(batch, chosen, length, temperature, lossInputs), tokens };
    }
  }

  #packOne(
    batch: readonly TokenSequence[],
    members: readonly number[],
    length: number,
    temperature: number,
    lossInputs: readonly string[],
  ): Packed {
    const origins: (readonly [number, number])[] = [];
    const tokens = new BigInt64Array(members.length * length);
    const rows: number[] = [];
    const sequences: number[] = [];
    for (const [slot, index] of members.entries()) {
      const { tokens: own, weights } = batch[index]!;
      for (let t = 0; t < Math.min(length, own.length); t++) tokens[slot * length + t] = BigInt(own[t]!);
      for (let t = 1; t <= length && t < own.length; t++) {
        if (weights[t] === 0) continue;
        origins.push([index, t]);
        rows.push(slot * length + t - 1);
        sequences.push(slot);
      }
    }
    const chunks = headChunks(origins.length, this.#options.config.vocabularySize);
    // Rows that fill up the last chunk repeat row 0 with weight 0.
    const padded = Math.ceil(origins.length / chunks) * chunks;
    const integers = (values: readonly number[]): HostTensor => {
      const data = new BigInt64Array(padded);
      for (const [at, value] of values.entries()) data[at] = BigInt(value);
      return { data, shape: [padded] };
    };
    const floats = (of: (sequence: TokenSequence) => Float32Array): HostTensor => {
      const data = new Float32Array(padded);
      for (const [at, [index, t]] of origins.entries()) data[at] = of(batch[index]!)[t]!;
      return { data, shape: [padded] };
    };
    const inputs: Record<string, HostTensor> = {
      tokens: { data: tokens, shape: [members.length, length] },
      rows: integers(rows),
      targets: integers(origins.map(([index, t]) => batch[index]!.tokens[t]!)),
      inverseTemperature: { data: Float32Array.of(1 / temperature), shape: [] },
      weights: floats(({ weights }) => weights),
      sequence: integers(sequences),
      zerosPerSequence: { data: new Float32Array(members.length), shape: [members.length] },
    };
    for (const name of lossInputs) inputs[`input.${name}`] = floats((sequence) => sequence.inputs![name]!);
    return { inputs, origins, chunks };
  }

  async #program(key: string, build: () => ReturnType<typeof scoringGraph>): Promise<Program> {
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const program = await this.#options.runtime.compile(build(), { name: key });
    this.#programs.set(key, program);
    return program;
  }

  #check({ tokens, weights, inputs }: TokenSequence, index: number, lossInputs: readonly string[]): void {
    const { contextLength, config } = this.#options;
    const refuse = (what: string, found: unknown, expected: string): never => {
      throw new AhaError({
        code: 'training-sequence',
        boundary: 'engine',
        what: `Sequence ${index} of the batch: ${what}`,
        found,
        expected,
      });
    };
    if (tokens.length > contextLength) {
      refuse('too long for the context', `${tokens.length} tokens`, `at most ${contextLength}`);
    }
    if (weights.length !== tokens.length)
      refuse('weights', weights.length, `one for each of ${tokens.length} tokens`);
    const bad = tokens.find((token) => token < 0 || token >= config.vocabularySize);
    if (bad !== undefined)
      refuse('a token is not in the vocabulary', bad, `0 to ${config.vocabularySize - 1}`);
    const odd = weights.find((weight) => !Number.isFinite(weight));
    if (odd !== undefined) refuse('a weight is not finite', odd, 'finite numbers');
    for (const name of lossInputs) {
      const own = inputs?.[name];
      if (own?.length !== tokens.length) {
        refuse(`the loss input ${name}`, own?.length, `one value for each of ${tokens.length} tokens`);
      }
    }
  }
}

/** Not every loss reads everything that a micro-batch offers. */
function inputsOf(program: Program, { inputs }: Packed): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => program.inputs.has(name)));
}

function emptyResult(batch: readonly TokenSequence[]) {
  const zeros = () => batch.map(({ tokens }) => new Float32Array(tokens.length));
  return { logprobs: zeros(), entropies: zeros() };
}

function scatter({ data }: HostTensor, { origins }: Packed, into: readonly Float32Array[]): void {
  for (const [at, [index, position]] of origins.entries()) into[index]![position] = data[at] as number;
}
