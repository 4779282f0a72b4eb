/** Scoring and learning: turns sequences into micro-batches, runs the training graphs, and hands results back. */
import { AhaError } from '../errors.ts';
import type { GraphFunction } from '../graph/function.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LoraConfig } from '../model/lora.ts';
import type { HostTensor, Program, Runtime } from '../runtime/runtime.ts';
import type { ActivationStore } from './activation-store.ts';
import {
  type Extent,
  longest,
  type MicroBatch,
  planMicroBatches,
  positionsOf,
  type Prefix,
} from './micro-batches.ts';
import { type Bindings, bindingsOf, type ParameterStore } from './parameter-store.ts';
import type { ForwardBackwardResult, ForwardResult, TokenLoss, TokenSequence } from './policy.ts';
import {
  checkWidth,
  DistributionCollector,
  type Origin,
  teacherFault,
  teacherTensors,
} from './token-distributions.ts';
import {
  type BatchForm,
  distributionGraph,
  headChunks,
  rowsOfDistribution,
  scoringGraph,
  trainingGraph,
} from './training-graph.ts';

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
  readonly activations: ActivationStore;
}

/** A micro-batch as inputs of a graph, and where each of its weighted tokens comes from. */
interface Packed {
  readonly inputs: Record<string, HostTensor>;
  /** Where each of the N tokens before padding comes from. */
  readonly origins: readonly Origin[];
  readonly form: BatchForm;
  /** Tokens that it computes, and positions, which are tokens and padding. */
  readonly tokens: number;
  readonly positions: number;
}

/** What a graph wants of a batch beside its tokens. */
interface Asked {
  readonly inputs: readonly string[];
  /** Whether whole distributions are computed, so that only so many rows may go together. */
  readonly whole: boolean;
  readonly teacher?: TokenLoss['distribution'] | undefined;
}

/** Weighted tokens of a sequence that are computed together: all of them, unless their distributions are too many. */
interface Piece extends Extent<PrefixTokens> {
  readonly index: number;
  readonly positions: readonly number[];
  /** Weighted tokens of the sequence before this piece. */
  readonly first: number;
  /** Tokens [0, start) are the shared beginning. Without one it is 0. */
  readonly start: number;
  /** Of tokens [start, start + length), which go up to the last of its weighted ones; that itself is never an input. */
  readonly length: number;
  /** Where the activations of these tokens are kept, if they are. */
  readonly rows?: Int32Array;
}

interface PrefixTokens extends Prefix {
  readonly tokens: Int32Array;
}

/** Per sequence of a batch, by its index, the rows of `ActivationStore` for its tokens from `drawnFrom` − 1 on. */
export type Recorded = ReadonlyMap<number, Int32Array>;

/** A beginning shorter than this costs more to share than to compute again. */
const shortestPrefix = 8;

function weightedPositions({ weights }: TokenSequence): number[] {
  const positions: number[] = [];
  for (let t = 1; t < weights.length; t++) if (weights[t] !== 0) positions.push(t);
  return positions;
}

function piecesOf(sequence: TokenSequence, index: number, rowsAtOnce: number): Piece[] {
  const positions = weightedPositions(sequence);
  const pieces: Piece[] = [];
  for (let first = 0; first < positions.length; first += rowsAtOnce) {
    const own = positions.slice(first, first + rowsAtOnce);
    pieces.push({ index, positions: own, first, start: 0, length: own.at(-1)! });
  }
  return pieces;
}

/** What is left to compute of the sequences whose activations are kept: their prompts, and the way back. */
function recordedPieces(batch: readonly TokenSequence[], recorded: Recorded): Piece[] {
  const prefixes = new Map<string, PrefixTokens>();
  const pieces: Piece[] = [];
  for (const [index, rows] of recorded) {
    const sequence = batch[index]!;
    const positions = weightedPositions(sequence);
    if (positions.length === 0) continue;
    const start = sequence.drawnFrom! - 1;
    const tokens = sequence.tokens.subarray(0, start);
    const key = tokens.join(' ');
    const prefix = prefixes.get(key) ?? { length: start, tokens };
    prefixes.set(key, prefix);
    pieces.push({ index, positions, first: 0, start, length: positions.at(-1)! - start, prefix, rows });
  }
  return pieces;
}

/**
 * Finds the beginnings that pieces have in common: the completions of a prompt share all of it but its last token,
 * which predicts the first of theirs.
 */
function sharePrefixes(pieces: readonly Piece[], batch: readonly TokenSequence[]): Piece[] {
  const beginnings = new Map<string, number[]>();
  for (const [at, { index, positions }] of pieces.entries()) {
    const length = positions[0]! - 1;
    if (length < shortestPrefix) continue;
    const key = batch[index]!.tokens.subarray(0, length).join(' ');
    const known = beginnings.get(key);
    if (known === undefined) beginnings.set(key, [at]);
    else known.push(at);
  }
  const shared = [...pieces];
  for (const members of beginnings.values()) {
    if (members.length < 2) continue;
    const { index, positions } = pieces[members[0]!]!;
    const start = positions[0]! - 1;
    const prefix = { length: start, tokens: batch[index]!.tokens.subarray(0, start) };
    for (const at of members) {
      const piece = pieces[at]!;
      shared[at] = { ...piece, start, length: piece.length - start, prefix };
    }
  }
  return shared;
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
    distribution?: 'full' | number,
  ): Promise<ForwardResult> {
    const { config, lora } = this.#options;
    const result = emptyResult(batch);
    if (distribution !== undefined) checkWidth(distribution, config.vocabularySize);
    // All tokens are the whole distribution, which needs no ids.
    const width = distribution === config.vocabularySize ? 'full' : distribution;
    const distributions =
      width === undefined ? undefined : new DistributionCollector(batch, width, config.vocabularySize);
    const asked = { inputs: [], whole: width !== undefined };
    this.#checkAll(batch, asked);
    for (const packed of this.#pack(batch, temperature, asked)) {
      const { form } = packed;
      const program = await this.#program(
        width === undefined ? 'score' : `score/distribution/${width}`,
        form,
        () =>
          width === undefined
            ? scoringGraph(config, lora, form)
            : distributionGraph(config, lora, width, form),
      );
      const fixed = bindingsOf(program, { ...this.#options.tables, ...parameters });
      const outputs = await program.run({ ...inputsOf(program, packed), ...fixed });
      scatter(outputs['logprobs']!, packed, result.logprobs);
      scatter(outputs['entropies']!, packed, result.entropies);
      distributions?.add(packed.origins, outputs['distribution']!, outputs['ids']);
    }
    return distributions === undefined ? result : { ...result, distributions: distributions.result };
  }

  /** See `Policy.forwardBackward`. `recall` is asked for the activations of a batch in which nothing is wrong. */
  async forwardBackward(
    batch: readonly TokenSequence[],
    loss: TokenLoss,
    temperature: number,
    recall: (batch: readonly TokenSequence[]) => Promise<Recorded>,
  ): Promise<ForwardBackwardResult> {
    const { store, config, lora, tables, activations } = this.#options;
    const trained = store.trainedParameters.map(({ name }) => name);
    const result = emptyResult(batch);
    const perToken: Record<string, Float32Array[]> = {};
    let total = 0;
    let computedTokens = 0;
    let computedPositions = 0;
    const asked = { inputs: loss.inputs, whole: loss.distribution !== undefined, teacher: loss.distribution };
    this.#checkAll(batch, asked);
    // Whole distributions are computed a few rows at a time, whatever the sequences.
    const recorded: Recorded = asked.whole ? new Map() : await recall(batch);
    for (const packed of this.#pack(batch, temperature, asked, recorded)) {
      const { form } = packed;
      const program = await this.#program(loss.key, form, () =>
        trainingGraph(config, lora, trained, loss, form),
      );
      const known = form.recorded ? activations.inputs : {};
      const fixed = bindingsOf(program, { ...tables, ...store.current, ...known });
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
      computedPositions += packed.positions;
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
    asked: Asked,
    recorded: Recorded = new Map(),
  ): Generator<Packed> {
    const { microBatchPositions, config } = this.#options;
    const rowsAtOnce = asked.whole ? rowsOfDistribution(config.vocabularySize) : Number.POSITIVE_INFINITY;
    const apart = batch.flatMap((sequence, index) =>
      recorded.has(index) ? [] : piecesOf(sequence, index, rowsAtOnce),
    );
    for (const pieces of [recordedPieces(batch, recorded), sharePrefixes(apart, batch)]) {
      for (const planned of planMicroBatches(pieces, Math.min(microBatchPositions, rowsAtOnce))) {
        const chosen = planned.members.map((member) => pieces[member]!);
        yield this.#packOne(batch, chosen, planned, temperature, asked);
      }
    }
  }

  #packOne(
    batch: readonly TokenSequence[],
    pieces: readonly Piece[],
    planned: MicroBatch<PrefixTokens>,
    temperature: number,
    asked: Asked,
  ): Packed {
    const { length } = planned;
    const origins: Origin[] = [];
    const tokens = new BigInt64Array(pieces.length * length);
    const rows: number[] = [];
    const sequences: number[] = [];
    for (const [slot, piece] of pieces.entries()) {
      const own = batch[piece.index]!.tokens.subarray(piece.start);
      for (let t = 0; t < Math.min(length, own.length); t++) tokens[slot * length + t] = BigInt(own[t]!);
      for (const [at, t] of piece.positions.entries()) {
        origins.push([piece.index, t, piece.first + at]);
        rows.push(slot * length + t - piece.start - 1);
        sequences.push(slot);
      }
    }
    const chunks = asked.whole ? 1 : headChunks(origins.length, this.#options.config.vocabularySize);
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
      tokens: { data: tokens, shape: [pieces.length, length] },
      rows: integers(rows),
      targets: integers(origins.map(([index, t]) => batch[index]!.tokens[t]!)),
      inverseTemperature: { data: Float32Array.of(1 / temperature), shape: [] },
      weights: floats(({ weights }) => weights),
      sequence: integers(sequences),
      zerosPerSequence: { data: new Float32Array(pieces.length), shape: [pieces.length] },
    };
    for (const name of asked.inputs) inputs[`input.${name}`] = floats((sequence) => sequence.inputs![name]!);
    if (asked.teacher !== undefined) Object.assign(inputs, teacherTensors(batch, origins, asked.teacher));
    const sharedPrefixes = planned.prefixes.length > 0;
    if (sharedPrefixes) Object.assign(inputs, prefixTensors(pieces, planned));
    const recorded = pieces[0]!.rows !== undefined;
    if (recorded) inputs['activationRows'] = rowsTensor(pieces, length);
    return {
      inputs,
      origins,
      form: { chunks, sharedPrefixes, recorded },
      tokens: [...pieces, ...planned.prefixes].reduce((sum, part) => sum + part.length, 0),
      positions: positionsOf(planned),
    };
  }

  async #program(name: string, form: BatchForm, build: () => GraphFunction): Promise<Program> {
    const { chunks, sharedPrefixes, recorded } = form;
    const key = `${name}/${chunks}${sharedPrefixes ? '/shared' : ''}${recorded ? '/recorded' : ''}`;
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const program = await this.#options.runtime.compile(build(), { name: key, rows: 'many' });
    this.#programs.set(key, program);
    return program;
  }

  #checkAll(batch: readonly TokenSequence[], asked: Asked): void {
    for (const [index, sequence] of batch.entries()) this.#check(sequence, index, asked);
  }

  #check(sequence: TokenSequence, index: number, asked: Asked): void {
    const { tokens, weights, inputs, teacher, drawnFrom = 0 } = sequence;
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
    if (!Number.isInteger(drawnFrom) || drawnFrom < 0 || drawnFrom > tokens.length)
      refuse('drawnFrom', drawnFrom, `a position in it, at most ${tokens.length}`);
    const early = weights.findIndex((weight, t) => t > 0 && t < drawnFrom && weight !== 0);
    if (early >= 0) refuse('a token before drawnFrom has a weight', `at ${early}`, `0 before ${drawnFrom}`);
    if (asked.teacher !== undefined) {
      const rows = weights.reduce((count, weight, t) => count + Number(t > 0 && weight !== 0), 0);
      const fault = teacherFault(teacher, asked.teacher, rows, config.vocabularySize);
      if (fault !== undefined) refuse('the teacher of the loss', fault.found, fault.expected);
    }
    for (const name of asked.inputs) {
      const own = inputs?.[name];
      if (own?.length !== tokens.length) {
        refuse(`the loss input ${name}`, own?.length, `one value for each of ${tokens.length} tokens`);
      }
    }
  }
}

/** The inputs of `sharedPrefixAttention` for pieces that all have a prefix. */
function prefixTensors(
  pieces: readonly Piece[],
  { prefixes, length: time }: MicroBatch<PrefixTokens>,
): Record<string, HostTensor> {
  const prefixLength = longest(prefixes);
  const keys = prefixLength + time;
  const tokens = new BigInt64Array(prefixes.length * prefixLength);
  for (const [at, prefix] of prefixes.entries()) {
    for (let t = 0; t < prefix.length; t++) tokens[at * prefixLength + t] = BigInt(prefix.tokens[t]!);
  }
  const of = new BigInt64Array(pieces.length);
  const positions = new BigInt64Array(pieces.length * time);
  const keyPositions = new BigInt64Array(pieces.length * keys).fill(beyondAll);
  for (const [slot, { prefix, start, length }] of pieces.entries()) {
    of[slot] = BigInt(prefixes.indexOf(prefix!));
    for (let t = 0; t < start; t++) keyPositions[slot * keys + t] = BigInt(t);
    // Padding stays where a position surely exists, and is never seen.
    positions.fill(BigInt(start), slot * time, (slot + 1) * time);
    for (let t = 0; t < length; t++) {
      const position = BigInt(start + t);
      positions[slot * time + t] = position;
      keyPositions[slot * keys + prefixLength + t] = position;
    }
  }
  return {
    'prefix.tokens': { data: tokens, shape: [prefixes.length, prefixLength] },
    'prefix.of': { data: of, shape: [pieces.length] },
    positions: { data: positions, shape: [pieces.length, time] },
    keyPositions: { data: keyPositions, shape: [pieces.length, keys] },
  };
}

/** Which rows of the store hold the activations of each position [B·T]; padding has those of the first. */
function rowsTensor(pieces: readonly Piece[], time: number): HostTensor {
  const data = new BigInt64Array(pieces.length * time);
  for (const [slot, { rows, length }] of pieces.entries()) {
    for (let t = 0; t < time; t++) data[slot * time + t] = BigInt(rows![t < length ? t : 0]!);
  }
  return { data, shape: [data.length] };
}

/** The position of a key that nothing sees. */
const beyondAll = 2n ** 62n;

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
