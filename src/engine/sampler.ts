/**
 * Sampling with continuous batching: sequences decode together in the slots of one key-value cache; a sequence that
 * ends frees its slot for the next at once. The prompt of a request is read once and its cache copied to all of its
 * completions.
 *
 * What a sequence draws depends on the weights, its prompt and its stream alone, not on its neighbours: a row of a
 * matrix product does not depend on how many other rows there are as long as there are at least two
 * (test/runtime), and each slot attends to its own tokens only.
 */
import { AhaError } from '../errors.ts';
import type { GraphFunction } from '../graph/function.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LoraConfig } from '../model/lora.ts';
import type {
  Constants,
  DeviceBuffer,
  HostTensor,
  Program,
  Runtime,
  TensorBinding,
} from '../runtime/runtime.ts';
import { type StreamKey, streamKey, uniformAt } from '../util/random.ts';
import type { ActivationStore } from './activation-store.ts';
import { bytesPerSlot, KeyValueCache } from './key-value-cache.ts';
import { type Bindings, bindingsOf } from './parameter-store.ts';
import type { Completion, SampleOptions, SampleRequest } from './policy.ts';
import { decodeGraph, type Draw, prefillGraph } from './sampling-graph.ts';

/** A product of one row is computed by another kernel than one of many: never run fewer rows than this. */
export const fewestRows = 2;
/** Positions that are read into the cache at once. */
const prefillPositions = 2048;
/** Prompts of more tokens are spread over threads, each by itself. */
const shortPrompt = 512;
/** Memory that a key-value cache may take. */
const cacheBytes = 4 * 2 ** 30;
/** A cache of prompts up to this size is kept for the next ones: new memory costs as much as what is written to it. */
const keptBytes = 256 * 2 ** 20;

export interface SamplerOptions {
  readonly runtime: Runtime;
  readonly config: ModelConfig;
  readonly lora: LoraConfig | undefined;
  /** Graph inputs of every run: the parameters and the tables of rotary embedding. */
  readonly bindings: Bindings;
  /** Those of the bindings that change with the weights alone; see `weightsChanged`. */
  readonly constants: Constants;
  readonly contextLength: number;
  /** The most sequences that decode together. */
  readonly maxSequences: number;
  /** Where the activations of what is drawn are kept, if asked for. */
  readonly activations: ActivationStore;
  /** Watches the text of one completion: `push` says whether a stop string has appeared. */
  readonly watchStops?: (stops: readonly string[]) => { push(token: number): boolean };
}

interface Prompt {
  readonly request: number;
  readonly tokens: Int32Array;
  /** The cache that holds all but its last token, if there are any, and how many completions still need it. */
  cache?: { readonly cache: KeyValueCache; readonly slot: number; readonly wave: Wave };
}

/** Prompts that were read together share one cache, freed when the last of their completions has started. */
interface Wave {
  readonly cache: KeyValueCache;
  waiting: number;
}

/** A graph and the inputs that are the same in every run: parameters and tables. */
interface BoundProgram {
  readonly program: Program;
  readonly fixed: Bindings;
}

interface Sequence {
  readonly prompt: Prompt;
  readonly request: SampleRequest;
  readonly completion: number;
  readonly stream: StreamKey;
  readonly stopTokens: ReadonlySet<number>;
  readonly limit: number;
  readonly tokens: number[];
  readonly logprobs: number[];
  readonly watcher: { push(token: number): boolean } | undefined;
  /** Takes these tokens instead of drawing. */
  readonly given?: Int32Array;
  /** The rows of its activations; undefined where they are not kept. */
  rows: number[] | undefined;
  /** Tokens in the cache. */
  length: number;
  /** The token that the next step reads. */
  next: number;
}

export class Sampler implements Disposable {
  readonly #options: SamplerOptions;
  /** By name. */
  readonly #programs = new Map<string, BoundProgram>();
  /** What the programs are compiled from. */
  readonly #graphs = new Map<string, GraphFunction>();
  /** Whether the weights have changed since the constants were taken over. */
  #stale = false;
  #cache: KeyValueCache | undefined;
  /** Of prompts that have all been copied to where they decode. */
  #spare: KeyValueCache | undefined;
  #rows: RowInputs | undefined;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** See `Policy.sample`. */
  async sample(requests: readonly SampleRequest[], options: SampleOptions = {}): Promise<Completion[][]> {
    for (const [index, request] of requests.entries()) this.#check(request, index);
    const { activations } = this.#options;
    const records = options.remember !== undefined && activations.capacity > 0;
    if (records) activations.begin(options.remember);
    const results = requests.map((request) => Array.from<Completion>({ length: request.streams.length }));
    // Requests that draw from differently truncated distributions need different graphs, and run after each other.
    const groups = new Map<string, number[]>();
    for (const [index, request] of requests.entries()) {
      const key = JSON.stringify([this.#draw(request, records), forbiddenTokens(request)]);
      groups.set(key, [...(groups.get(key) ?? []), index]);
    }
    for (const members of groups.values()) {
      const sequences = members.flatMap((index) => this.#sequences(requests[index]!, index, records));
      await this.#run(sequences, this.#draw(requests[members[0]!]!, records), results, options);
    }
    return results;
  }

  /**
   * Reads sequences as if their tokens from `start` on had just been drawn, and keeps the activations: the same, bit
   * for bit, as when they were.
   */
  async replay(sequences: readonly { readonly tokens: Int32Array; readonly start: number }[]): Promise<void> {
    const prompts = new Map<string, { prompt: Int32Array; completions: Int32Array[] }>();
    for (const { tokens, start } of sequences) {
      const prompt = tokens.subarray(0, start);
      const key = prompt.join(' ');
      const known = prompts.get(key) ?? { prompt, completions: [] };
      prompts.set(key, known);
      known.completions.push(tokens.subarray(start));
    }
    const again = [...prompts.values()].flatMap(({ prompt, completions }, index) => {
      const streams = completions.map(() => streamKey('replay'));
      const request = { prompt, streams, maxTokens: Math.max(...completions.map(({ length }) => length)) };
      return this.#sequences(request, index, true).map((sequence, completion) => {
        const given = completions[completion]!;
        return { ...sequence, given, limit: given.length };
      });
    });
    const results = [...prompts.values()].map(({ completions }) =>
      Array.from<Completion>({ length: completions.length }),
    );
    await this.#run(again, { candidates: 'all', forbids: false, records: true }, results, {});
  }

  /** Must be called after a change of the weights that are constants. */
  weightsChanged(): void {
    this.#stale = true;
    this.#forgetPrograms(({ followsConstants }) => !followsConstants);
  }

  [Symbol.dispose](): void {
    this.#forgetPrograms(() => true);
    this.#cache?.[Symbol.dispose]();
    this.#spare?.[Symbol.dispose]();
    this.#rows?.[Symbol.dispose]();
  }

  #forgetPrograms(which: (program: Program) => boolean): void {
    for (const [name, { program }] of this.#programs) {
      if (!which(program)) continue;
      program[Symbol.dispose]();
      this.#programs.delete(name);
    }
  }

  async #run(
    sequences: readonly Sequence[],
    draw: Draw,
    results: Completion[][],
    options: SampleOptions,
  ): Promise<void> {
    const waiting = sequences.toReversed();
    const capacity = Math.max(...waiting.map(({ prompt, limit }) => prompt.tokens.length + limit));
    const cache = this.#reserve(waiting.length, capacity);
    if (this.#stale) await this.#options.constants.refresh();
    this.#stale = false;
    // Made while prompts are read.
    const making = this.#decoder(draw);
    making.catch(() => undefined);
    const rows = this.#rows!;
    const active: Sequence[] = [];
    const started = new Set<Wave>();
    try {
      while (waiting.length > 0 || active.length > 0) {
        options.signal?.throwIfAborted();
        while (active.length < cache.slots - 1 && waiting.length > 0) {
          await this.#start(waiting, active, cache, started);
        }
        await this.#step(await making, draw, cache, rows, active);
        if (draw.records) this.#record(active);
        this.#collect(active, cache, results, options);
      }
    } finally {
      // It holds the weights of now: nothing may change them before it is there.
      await making.catch(() => undefined);
      for (const wave of started) wave.cache[Symbol.dispose]();
    }
  }

  /** Moves the next waiting sequence into a free slot, reading its prompt first if nobody has. */
  async #start(
    waiting: Sequence[],
    active: Sequence[],
    cache: KeyValueCache,
    started: Set<Wave>,
  ): Promise<void> {
    const sequence = waiting.at(-1)!;
    if (sequence.prompt.cache === undefined && sequence.prompt.tokens.length > 1) {
      await this.#readPrompts(waiting, started);
    }
    waiting.pop();
    const known = sequence.prompt.cache;
    if (known !== undefined) {
      cache.copySlot(known.cache, known.slot, active.length, sequence.prompt.tokens.length - 1);
      known.wave.waiting--;
      if (known.wave.waiting === 0) {
        this.#giveBack(known.wave.cache);
        started.delete(known.wave);
      }
    }
    active.push(sequence);
  }

  /** Reads the prompts of the next waiting sequences, all but the last token of each, as many as fit one run. */
  async #readPrompts(waiting: readonly Sequence[], started: Set<Wave>): Promise<void> {
    const prompts = new Set<Prompt>();
    // Both kinds are computed by kernels of their own, and which one must not depend on the neighbours.
    const long = isLong(waiting.at(-1)!.prompt);
    let longest = 0;
    let completions = 0;
    for (const { prompt } of waiting.toReversed()) {
      if (prompt.tokens.length === 1 || prompt.cache !== undefined || isLong(prompt) !== long) continue;
      if (!prompts.has(prompt)) {
        const length = Math.max(longest, prompt.tokens.length - 1);
        if (prompts.size > 0 && length * (prompts.size + 1) > prefillPositions) break;
        prompts.add(prompt);
        longest = length;
      }
      completions++;
    }
    const rows = Math.max(prompts.size, Math.ceil(fewestRows / longest));
    const { config, lora } = this.#options;
    const name = long ? 'prefill/long' : 'prefill';
    const { program, fixed } = await this.#program(name, 'many', () => prefillGraph(config, lora, long));
    const cache = this.#promptCache(rows, longest);
    const wave: Wave = { cache, waiting: completions };
    started.add(wave);
    const tokens = new BigInt64Array(rows * longest);
    const lengths = new Int32Array(rows);
    for (const [slot, prompt] of [...prompts].entries()) {
      for (let t = 0; t < prompt.tokens.length - 1; t++)
        tokens[slot * longest + t] = BigInt(prompt.tokens[t]!);
      lengths[slot] = prompt.tokens.length - 2;
      prompt.cache = { cache, slot, wave };
    }
    const { inputs, outputs } = cache.bind(rows);
    await program.run(
      {
        ...fixed,
        ...inputs,
        tokens: { data: tokens, shape: [rows, longest] },
        lengths: { data: lengths, shape: [rows] },
        total: { data: Int32Array.of(longest), shape: [] },
      },
      outputs,
    );
  }

  /** A cache for the prompts of a wave. */
  #promptCache(slots: number, capacity: number): KeyValueCache {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined && spare.slots >= slots && spare.capacity >= capacity) return spare;
    spare?.[Symbol.dispose]();
    const { runtime, config } = this.#options;
    return new KeyValueCache(runtime, config, slots, Math.ceil(capacity / 16) * 16);
  }

  #giveBack(cache: KeyValueCache): void {
    if (this.#spare === undefined && cache.bytes <= keptBytes) this.#spare = cache;
    else cache[Symbol.dispose]();
  }

  /** One token for every active sequence. */
  async #step(
    { program, fixed }: BoundProgram,
    { candidates, forbids, records }: Draw,
    cache: KeyValueCache,
    rows: RowInputs,
    active: readonly Sequence[],
  ): Promise<void> {
    const count = Math.max(active.length, fewestRows);
    const { tokens, lengths, total, uniform, inverseTemperature, topK, topP, minP, forbid } = rows.data();
    let longest = 1;
    for (let slot = 0; slot < count; slot++) {
      const sequence = active[slot];
      tokens[slot] = BigInt(sequence?.next ?? 0);
      lengths[slot] = sequence?.length ?? 0;
      longest = Math.max(longest, lengths[slot]! + 1);
      // The largest float32 below 1 that leaves room for rounding in the product with the total weight.
      const drawn = sequence === undefined ? 0 : uniformAt(sequence.stream, sequence.tokens.length);
      uniform[slot] = Math.floor(drawn * 2 ** 24) * (2 ** -24 - 2 ** -46);
      const temperature = sequence?.request.temperature ?? 1;
      inverseTemperature[slot] = temperature === 0 ? 1 : 1 / temperature;
      forbid[slot] = (sequence?.tokens.length ?? 0) < (sequence?.request.minTokens ?? 0) ? 1 : 0;
      if (candidates === 'all') continue;
      topK[slot] = temperature === 0 ? 1 : sequence?.request.topK || candidates;
      topP[slot] = sequence?.request.topP ?? 1;
      minP[slot] = sequence?.request.minP ?? 0;
    }
    total[0] = longest;
    const { inputs, outputs } = cache.bind(count);
    const own = rows.bind(count, { candidates, forbids });
    const forbidden = forbids ? { forbidden: tokenList(forbiddenTokens(active[0]!.request)) } : {};
    const recorded = records ? this.#options.activations.outputs(count) : {};
    await program.run(
      { ...fixed, ...inputs, ...own.inputs, ...forbidden },
      { ...outputs, ...own.outputs, ...recorded },
    );
  }

  /** Notes where the step left the activations of each sequence. */
  #record(active: readonly Sequence[]): void {
    const first = this.#options.activations.keep(active.length);
    for (const [slot, sequence] of active.entries()) {
      if (first === undefined) sequence.rows = undefined;
      else sequence.rows?.push(first + slot);
    }
  }

  /** Takes what the step drew; hands out the completions that ended and closes the gaps they leave. */
  #collect(active: Sequence[], cache: KeyValueCache, results: Completion[][], options: SampleOptions): void {
    const { token: tokens, logprob: logprobs } = this.#rows!.data();
    for (let slot = active.length - 1; slot >= 0; slot--) {
      const sequence = active[slot]!;
      const token = sequence.given?.[sequence.tokens.length] ?? Number(tokens[slot]);
      const logprob = logprobs[slot]!;
      if (!Number.isFinite(logprob)) throw notFinite(logprob);
      sequence.tokens.push(token);
      sequence.logprobs.push(logprob);
      sequence.length++;
      sequence.next = token;
      const { request: at } = sequence.prompt;
      options.onToken?.({ request: at, completion: sequence.completion, token, logprob });
      const stopped = sequence.stopTokens.has(token) || sequence.watcher?.push(token) === true;
      if (!stopped && sequence.tokens.length < sequence.limit) continue;
      const drawn: Completion = {
        tokens: Int32Array.from(sequence.tokens),
        logprobs: Float32Array.from(sequence.logprobs),
        finish: stopped ? 'stop' : 'length',
        truncatedDistribution: truncates(this.#draw(sequence.request, false)),
      };
      results[at]![sequence.completion] = drawn;
      if (sequence.rows !== undefined) this.#keep(sequence, drawn.tokens, sequence.rows);
      options.onCompletion?.({ request: at, completion: sequence.completion, drawn });
      const last = active.pop()!;
      if (last !== sequence) {
        active[slot] = last;
        cache.copySlot(cache, active.length, slot, last.length);
      }
    }
  }

  #keep({ prompt }: Sequence, drawn: Int32Array, rows: readonly number[]): void {
    const start = prompt.tokens.length;
    const tokens = new Int32Array(start + drawn.length);
    tokens.set(prompt.tokens);
    tokens.set(drawn, start);
    this.#options.activations.add(tokens, start, rows);
  }

  #sequences(request: SampleRequest, index: number, records: boolean): Sequence[] {
    const prompt: Prompt = { request: index, tokens: request.prompt };
    const room = this.#options.contextLength - request.prompt.length;
    const stops = request.stopStrings ?? [];
    return request.streams.map((stream, completion) => ({
      prompt,
      request,
      completion,
      stream,
      stopTokens: new Set(request.stopTokens),
      limit: Math.min(request.maxTokens, room),
      tokens: [],
      logprobs: [],
      watcher: stops.length > 0 ? this.#options.watchStops!(stops) : undefined,
      length: request.prompt.length - 1,
      next: request.prompt.at(-1)!,
      rows: records ? [] : undefined,
    }));
  }

  /** The graph that a request needs; counts of candidates are rounded up so that few are compiled. */
  #draw(request: SampleRequest, records: boolean): Draw {
    const { temperature = 1, topK = 0, topP = 1, minP = 0 } = request;
    const { vocabularySize } = this.#options.config;
    const forbids = forbiddenTokens(request).length > 0;
    if (temperature === 0) return { candidates: 1, forbids, records };
    if (topK > 0 && topK < vocabularySize) {
      return { candidates: Math.min(vocabularySize, 2 ** Math.ceil(Math.log2(topK))), forbids, records };
    }
    return { candidates: topP < 1 || minP > 0 ? vocabularySize : 'all', forbids, records };
  }

  #decoder(draw: Draw): Promise<BoundProgram> {
    const { config, lora } = this.#options;
    const name = `decode ${JSON.stringify(draw)}`;
    return this.#program(name, 'few', () => decodeGraph(config, lora, draw));
  }

  async #program(name: string, rows: 'few' | 'many', make: () => GraphFunction): Promise<BoundProgram> {
    const known = this.#programs.get(name);
    if (known !== undefined) return known;
    const graph = this.#graphs.get(name) ?? make();
    this.#graphs.set(name, graph);
    const { runtime, bindings, constants } = this.#options;
    const program = await runtime.compile(graph, { name, constants, rows });
    const made = { program, fixed: bindingsOf(program, bindings) };
    this.#programs.set(name, made);
    return made;
  }

  /** A cache with slots for `sequences` (or as many as memory allows) of `capacity` tokens, and one to spare. */
  #reserve(sequences: number, capacity: number): KeyValueCache {
    const { runtime, config, maxSequences } = this.#options;
    const affordable = Math.max(1, Math.floor(cacheBytes / bytesPerSlot(config, capacity)));
    const slots = Math.min(sequences, maxSequences, affordable) + 1;
    if (this.#rows === undefined || this.#rows.slots < slots) {
      this.#rows?.[Symbol.dispose]();
      this.#rows = new RowInputs(runtime, Math.max(slots, fewestRows));
    }
    const known = this.#cache;
    if (known !== undefined && known.capacity >= capacity && known.slots >= slots) return known;
    known?.[Symbol.dispose]();
    const grown = Math.min(this.#options.contextLength, Math.ceil((capacity * 1.25) / 16) * 16);
    this.#cache = new KeyValueCache(runtime, config, Math.max(slots, fewestRows), Math.max(capacity, grown));
    return this.#cache;
  }

  #check(request: SampleRequest, index: number): void {
    const { contextLength, config, watchStops } = this.#options;
    const refuse = (what: string, found: unknown, expected: string): never => {
      throw new AhaError({
        code: 'sample-request',
        boundary: 'engine',
        what: `Sampling request ${index}: ${what}`,
        found,
        expected,
      });
    };
    const { prompt, maxTokens, minTokens = 0, temperature = 1, topK = 0, topP = 1, minP = 0 } = request;
    if (prompt.length === 0) refuse('the prompt is empty', 0, 'at least one token');
    if (prompt.length >= contextLength) {
      refuse('the prompt does not fit the context', `${prompt.length} tokens`, `fewer than ${contextLength}`);
    }
    const bad = prompt.find((token) => token < 0 || token >= config.vocabularySize);
    if (bad !== undefined)
      refuse('a token is not in the vocabulary', bad, `0 to ${config.vocabularySize - 1}`);
    if (!(minTokens >= 0)) refuse('minTokens', minTokens, 'a number of at least 0');
    if (!Number.isInteger(maxTokens) || maxTokens < 1)
      refuse('maxTokens', maxTokens, 'a whole number of at least 1');
    if (!(temperature >= 0) || temperature === Infinity)
      refuse('temperature', temperature, 'a number of at least 0');
    if (!Number.isInteger(topK) || topK < 0) refuse('topK', topK, 'a whole number of at least 0');
    if (!(topP > 0 && topP <= 1)) refuse('topP', topP, 'a number in (0, 1]');
    if (!(minP >= 0 && minP <= 1)) refuse('minP', minP, 'a number in [0, 1]');
    if ((request.stopStrings?.length ?? 0) > 0 && watchStops === undefined) {
      refuse('stop strings need a tokenizer', request.stopStrings, 'a policy created with one');
    }
  }
}

/** The small inputs and outputs of a step, in native memory that is bound again each time. */
class RowInputs implements Disposable {
  readonly slots: number;
  readonly #buffers: {
    readonly tokens: DeviceBuffer<'i64'>;
    readonly lengths: DeviceBuffer<'i32'>;
    readonly total: DeviceBuffer<'i32'>;
    readonly uniform: DeviceBuffer<'f32'>;
    readonly inverseTemperature: DeviceBuffer<'f32'>;
    readonly topK: DeviceBuffer<'f32'>;
    readonly topP: DeviceBuffer<'f32'>;
    readonly minP: DeviceBuffer<'f32'>;
    readonly forbid: DeviceBuffer<'f32'>;
    readonly token: DeviceBuffer<'i64'>;
    readonly logprob: DeviceBuffer<'f32'>;
  };
  readonly #bindings = new Map<string, { inputs: Bindings; outputs: Bindings }>();

  constructor(runtime: Runtime, slots: number) {
    this.slots = slots;
    this.#buffers = {
      tokens: runtime.allocate('i64', slots),
      lengths: runtime.allocate('i32', slots),
      total: runtime.allocate('i32', 1),
      uniform: runtime.allocate('f32', slots),
      inverseTemperature: runtime.allocate('f32', slots),
      topK: runtime.allocate('f32', slots),
      topP: runtime.allocate('f32', slots),
      minP: runtime.allocate('f32', slots),
      forbid: runtime.allocate('f32', slots),
      token: runtime.allocate('i64', slots),
      logprob: runtime.allocate('f32', slots),
    };
  }

  data() {
    const { tokens, lengths, total, uniform, inverseTemperature, topK, topP, minP, forbid, token, logprob } =
      this.#buffers;
    return {
      tokens: tokens.data,
      lengths: lengths.data,
      total: total.data,
      uniform: uniform.data,
      inverseTemperature: inverseTemperature.data,
      topK: topK.data,
      topP: topP.data,
      minP: minP.data,
      forbid: forbid.data,
      token: token.data,
      logprob: logprob.data,
    };
  }

  /** The first `count` rows as inputs and outputs of a decoding graph. */
  bind(
    count: number,
    { candidates, forbids }: Omit<Draw, 'records'>,
  ): { inputs: Bindings; outputs: Bindings } {
    const truncated = candidates !== 'all';
    const key = `${count} ${truncated} ${forbids}`;
    const known = this.#bindings.get(key);
    if (known !== undefined) return known;
    const { tokens, lengths, total, uniform, inverseTemperature, topK, topP, minP, forbid, token, logprob } =
      this.#buffers;
    const row = (buffer: DeviceBuffer): TensorBinding => ({ buffer, shape: [count] });
    const bindings = {
      inputs: {
        tokens: { buffer: tokens, shape: [count, 1] },
        lengths: row(lengths),
        total: { buffer: total, shape: [] },
        uniform: row(uniform),
        inverseTemperature: row(inverseTemperature),
        ...(forbids ? { forbids: row(forbid) } : {}),
        ...(truncated ? { topK: row(topK), topP: row(topP), minP: row(minP) } : {}),
      },
      outputs: { token: row(token), logprob: row(logprob) },
    };
    this.#bindings.set(key, bindings);
    return bindings;
  }

  [Symbol.dispose](): void {
    for (const buffer of Object.values(this.#buffers)) buffer[Symbol.dispose]();
  }
}

/** The tokens that must not be drawn before `minTokens` were. */
function forbiddenTokens({ minTokens = 0, stopTokens = [] }: SampleRequest): readonly number[] {
  return minTokens > 0 ? stopTokens : [];
}

function isLong({ tokens }: Prompt): boolean {
  return tokens.length > shortPrompt;
}

function truncates({ candidates, forbids }: Omit<Draw, 'records'>): boolean {
  return candidates !== 'all' || forbids;
}

function tokenList(tokens: readonly number[]): HostTensor {
  return { data: BigInt64Array.from(tokens, BigInt), shape: [tokens.length] };
}

function notFinite(logprob: number): AhaError {
  return new AhaError({
    code: 'logits-not-finite',
    boundary: 'engine',
    what: 'The model computes log-probabilities that are not finite',
    found: logprob,
    expected: 'finite numbers',
    fix: 'The weights are damaged or training has diverged: go back to a checkpoint and lower the learning rate.',
  });
}
