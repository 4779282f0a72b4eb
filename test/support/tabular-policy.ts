/**
 * A policy that is a table: the distribution of a token depends on the token before it alone. Everything that a
 * training loop asks of a `Policy` is here, exactly and in float64, through the graph interpreter.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  AdamParameters,
  Capabilities,
  Completion,
  ForwardBackwardResult,
  ForwardOptions,
  ForwardResult,
  OptimizerStepResult,
  Policy,
  SampleOptions,
  SampleRequest,
  TokenLoss,
  TokenSequence,
} from '../../src/engine/policy.ts';
import { graphFunction } from '../../src/graph/function.ts';
import { backward } from '../../src/graph/gradients/backward.ts';
import { interpret } from '../../src/graph/interpreter.ts';
import { exp, mul, neg } from '../../src/graph/ops/elementwise.ts';
import { indexSelect, takeAlongLast } from '../../src/graph/ops/indexing.ts';
import { logSoftmax, sum } from '../../src/graph/ops/reduce.ts';
import { input, type Tensor, type Value } from '../../src/graph/tensor.ts';
import { streamFromKey, uniformAt } from '../../src/util/random.ts';

interface TableState {
  table: number[];
  moment1: number[];
  moment2: number[];
  updates: number;
  reference: number[] | null;
}

export interface TabularOptions {
  readonly vocabulary: number;
  readonly seed?: number;
  /** Added to the random logits of the first table. Default 0. */
  readonly prior?: (previous: number, next: number) => number;
  readonly capabilities?: Partial<Capabilities>;
}

export class TabularPolicy implements Policy {
  readonly capabilities: Capabilities;
  readonly description;
  readonly vocabulary: number;
  /** How often each verb was called. */
  readonly calls = {
    forwardBackward: 0,
    forward: 0,
    optimizerStep: 0,
    sample: 0,
    save: 0,
    refreshReference: 0,
  };
  /** Sequences that went through `forwardBackward`. */
  computedSequences = 0;
  /** The batches of `forwardBackward`, in order. */
  readonly batches: (readonly TokenSequence[])[] = [];
  #state: TableState;
  #gradient: Float64Array;

  constructor({ vocabulary, seed = 0, prior = () => 0, capabilities = {} }: TabularOptions) {
    const random = streamFromKey([seed, 17]);
    const size = vocabulary ** 2;
    this.vocabulary = vocabulary;
    this.#gradient = new Float64Array(size);
    this.#state = {
      table: Array.from({ length: size }, (_, at) => {
        return 0.1 * random.normal() + prior(Math.floor(at / vocabulary), at % vocabulary);
      }),
      moment1: Array.from({ length: size }, () => 0),
      moment2: Array.from({ length: size }, () => 0),
      updates: 0,
      reference: null,
    };
    this.capabilities = {
      training: true,
      customLoss: true,
      referenceModel: true,
      exactResume: true,
      contextLength: 32,
      truncatedSampling: true,
      rememberedTokens: 0,
      ...capabilities,
    };
    this.description = {
      architecture: 'table',
      parameters: size,
      trainableParameters: size,
      vocabularySize: vocabulary,
    };
  }

  /** A copy of the logits [V·V]. */
  get table(): number[] {
    return [...this.#state.table];
  }

  /** Everything that `save` writes, as text. */
  get fingerprint(): string {
    return JSON.stringify(this.#state);
  }

  async forward(batch: readonly TokenSequence[], options: ForwardOptions = {}): Promise<ForwardResult> {
    this.calls.forward++;
    const table = options.model === 'reference' ? this.#state.reference : this.#state.table;
    if (table === null) throw new Error('there is no reference yet');
    const { logprobs, entropies } = this.#run(batch, table, options.temperature ?? 1);
    return { logprobs, entropies };
  }

  async forwardBackward(
    batch: readonly TokenSequence[],
    loss: TokenLoss,
    options: Omit<ForwardOptions, 'model'> = {},
  ): Promise<ForwardBackwardResult> {
    this.calls.forwardBackward++;
    this.batches.push(batch);
    this.computedSequences += batch.filter(({ weights }) => weights.some((weight) => weight !== 0)).length;
    const result = this.#run(batch, this.#state.table, options.temperature ?? 1, loss);
    for (const [index, value] of result.gradient.entries()) this.#gradient[index]! += value;
    return result;
  }

  async optimizerStep(adam: AdamParameters): Promise<OptimizerStepResult> {
    this.calls.optimizerStep++;
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, learningRate } = adam;
    const gradientNorm = Math.sqrt(this.#gradient.reduce((total, g) => total + g * g, 0));
    const gradient = this.#gradient;
    this.#gradient = new Float64Array(gradient.length);
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
    const scale = Math.min(1, (adam.maxGradientNorm ?? Infinity) / gradientNorm);
    const { table, moment1, moment2 } = this.#state;
    const step = ++this.#state.updates;
    for (const [i, raw] of gradient.entries()) {
      const g = raw * scale;
      moment1[i] = beta1 * moment1[i]! + (1 - beta1) * g;
      moment2[i] = beta2 * moment2[i]! + (1 - beta2) * g * g;
      const mean = moment1[i] / (1 - beta1 ** step);
      const square = moment2[i] / (1 - beta2 ** step);
      table[i]! -= learningRate * (mean / (Math.sqrt(square) + epsilon) + weightDecay * table[i]!);
    }
    return { gradientNorm, applied: true };
  }

  async sample(requests: readonly SampleRequest[], options: SampleOptions = {}): Promise<Completion[][]> {
    this.calls.sample++;
    return requests.map((request, r) =>
      request.streams.map((stream, c) => {
        const completion = this.#complete(request, stream, (token, logprob) => {
          options.onToken?.({ request: r, completion: c, token, logprob });
        });
        options.onCompletion?.({ request: r, completion: c, drawn: completion });
        return completion;
      }),
    );
  }

  async refreshReference(): Promise<void> {
    this.calls.refreshReference++;
    this.#state.reference = [...this.#state.table];
  }

  async save(folder: string): Promise<void> {
    this.calls.save++;
    await writeFile(join(folder, 'table.json'), JSON.stringify(this.#state));
  }

  async load(folder: string): Promise<void> {
    this.#state = JSON.parse(await readFile(join(folder, 'table.json'), 'utf8')) as TableState;
  }

  async export(): Promise<void> {
    throw new Error('a table has no Hugging Face form');
  }

  async dispose(): Promise<void> {
    this.#gradient = new Float64Array(0);
  }

  #complete(
    request: SampleRequest,
    stream: SampleRequest['streams'][number],
    onToken: (token: number, logprob: number) => void,
  ): Completion {
    const { temperature = 1, topK = 0, stopTokens = [], maxTokens, prompt } = request;
    const tokens: number[] = [];
    const logprobs: number[] = [];
    const limit = Math.min(maxTokens, this.capabilities.contextLength - prompt.length);
    let previous = prompt.at(-1)!;
    let finish: 'stop' | 'length' = 'length';
    while (tokens.length < limit) {
      const row = this.#state.table.slice(previous * this.vocabulary, (previous + 1) * this.vocabulary);
      const logits = row.map((value) => value / (temperature === 0 ? 1 : temperature));
      const kth = topK > 0 ? logits.toSorted((a, b) => b - a)[topK - 1]! : -Infinity;
      const kept = logits.map((value) => (value >= kth ? Math.exp(value) : 0));
      const total = kept.reduce((a, b) => a + b, 0);
      let token = 0;
      if (temperature === 0) token = logits.indexOf(Math.max(...logits));
      else {
        let left = uniformAt(stream, tokens.length) * total;
        while (token < kept.length - 1 && (left -= kept[token]!) >= 0) token++;
      }
      tokens.push(token);
      logprobs.push(Math.log(kept[token]! / total));
      onToken(token, logprobs.at(-1)!);
      previous = token;
      if (stopTokens.includes(token)) {
        finish = 'stop';
        break;
      }
    }
    return {
      tokens: Int32Array.from(tokens),
      logprobs: Float32Array.from(logprobs),
      finish,
      truncatedDistribution: temperature === 0 || topK > 0,
    };
  }

  #run(batch: readonly TokenSequence[], table: readonly number[], temperature: number, loss?: TokenLoss) {
    const places = batch.flatMap(({ weights }, s) =>
      Array.from(weights).flatMap((weight, t) => (weight === 0 ? [] : [[s, t] as const])),
    );
    const parameter = input('table', 'f32', [this.vocabulary, this.vocabulary]);
    const scale = input('inverseTemperature', 'f32', []);
    const logs = logSoftmax(mul(indexSelect(parameter, input('previous', 'i64', ['N'])), scale));
    const logprobs = takeAlongLast(logs, input('targets', 'i64', ['N']));
    const entropies = neg(sum(mul(exp(logs), logs), { axes: [-1] }));
    const f32 = (name: string) => input(name, 'f32', ['N']);
    const built = loss?.build({
      logprobs,
      entropies,
      weights: f32('weights'),
      sequence: input('sequence', 'i64', ['N']),
      zerosPerSequence: input('zerosPerSequence', 'f32', ['S']),
      inputs: Object.fromEntries(loss.inputs.map((name) => [name, f32(name)])),
    });
    const outputs: Record<string, Tensor> = { logprobs, entropies };
    if (built !== undefined) {
      outputs['loss'] = built.loss;
      outputs['gradient'] = backward(built.loss, [parameter])[0]!;
      for (const [name, tensor] of Object.entries(built.perToken ?? {})) outputs[`perToken.${name}`] = tensor;
    }
    const fn = graphFunction(outputs);
    const flat = (of: (s: number, t: number) => number): Value => ({
      shape: [places.length],
      data: Float64Array.from(places, ([s, t]) => of(s, t)),
    });
    const values: Record<string, Value> = {
      table: { shape: [this.vocabulary, this.vocabulary], data: Float64Array.from(table) },
      inverseTemperature: { shape: [], data: Float64Array.of(1 / temperature) },
      previous: flat((s, t) => batch[s]!.tokens[t - 1]!),
      targets: flat((s, t) => batch[s]!.tokens[t]!),
      weights: flat((s, t) => batch[s]!.weights[t]!),
      sequence: flat((s) => s),
      zerosPerSequence: { shape: [batch.length], data: new Float64Array(batch.length) },
      ...Object.fromEntries(
        (loss?.inputs ?? []).map((name) => [name, flat((s, t) => batch[s]!.inputs![name]![t]!)]),
      ),
    };
    const wanted = Object.fromEntries([...fn.inputs.keys()].map((name) => [name, values[name]!]));
    const results = interpret(fn, wanted);
    const unflat = (name: string) => {
      const rows = batch.map(({ tokens }) => new Float32Array(tokens.length));
      for (const [at, [s, t]] of places.entries()) rows[s]![t] = results[name]!.data[at]!;
      return rows;
    };
    const perToken = Object.keys(outputs).filter((name) => name.startsWith('perToken.'));
    return {
      logprobs: unflat('logprobs'),
      entropies: unflat('entropies'),
      loss: results['loss']?.data[0] ?? 0,
      gradient: results['gradient']?.data ?? new Float64Array(0),
      perToken: Object.fromEntries(perToken.map((name) => [name.slice('perToken.'.length), unflat(name)])),
      computedTokens: places.length,
      computedPositions: places.length,
    };
  }
}
