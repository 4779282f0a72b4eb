/**
 * Learning from completions with the activations that drawing them computed: the same log-probabilities and gradients
 * as without, to rounding; and the same bits whether the engine still has the activations or must decode again.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { LocalPolicy } from '../../src/engine/local-policy.ts';
import type { SampleRequest, TokenSequence } from '../../src/engine/policy.ts';
import { trainingGraph } from '../../src/engine/training-graph.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { type LoraConfig, loraConfig } from '../../src/model/lora.ts';
import { decoderParameters, loraParameters } from '../../src/model/parameters.ts';
import type { CompileOptions, Runtime } from '../../src/runtime/runtime.ts';
import { grpoLoss } from '../../src/train/grpo-loss.ts';
import { randomStream, streamKey } from '../../src/util/random.ts';
import { relativeError } from '../parity/fixture.ts';
import { runtimes } from '../runtimes.ts';
import { tinyConfig, tinyPolicy } from './model.ts';

const streams = (count: number, name: string) =>
  Array.from({ length: count }, (_, index) => streamKey('remembering', name, index));

/** Prompts of one token, of few and of many; completions that stop at different lengths. */
const requests: readonly SampleRequest[] = [
  { prompt: Int32Array.of(3), streams: streams(2, 'one'), maxTokens: 6 },
  { prompt: Int32Array.of(4, 5), streams: streams(3, 'few'), maxTokens: 9, stopTokens: [1, 2, 3] },
  {
    prompt: Int32Array.from({ length: 14 }, (_, t) => (t * 5) % 23),
    streams: streams(4, 'many'),
    maxTokens: 20,
    stopTokens: [1, 2, 7],
  },
  { prompt: Int32Array.of(9, 8, 7), streams: streams(1, 'alone'), maxTokens: 1, temperature: 0.7 },
];

const loss = grpoLoss({ type: 'grpo', clipLow: 0.2, clipHigh: 0.2 });

interface Drawn {
  readonly batch: TokenSequence[];
  readonly plain: TokenSequence[];
}

async function draw(policy: LocalPolicy, remember?: string): Promise<Drawn> {
  const drawn = await policy.sample(requests, remember === undefined ? {} : { remember });
  const random = randomStream('advantages');
  const plain = drawn.flatMap((group, at) =>
    group.map(({ tokens, logprobs }): TokenSequence => {
      const { prompt } = requests[at]!;
      const whole = Int32Array.from([...prompt, ...tokens]);
      const fill = (value: number) => new Float32Array(whole.length).fill(value, prompt.length);
      const oldLogprobs = fill(0);
      oldLogprobs.set(logprobs, prompt.length);
      return {
        tokens: whole,
        weights: fill(0.1),
        inputs: { oldLogprobs, advantages: fill(random.normal()) },
      };
    }),
  );
  const starts = drawn.flatMap((group, at) => group.map(() => requests[at]!.prompt.length));
  return { plain, batch: plain.map((sequence, index) => ({ ...sequence, drawnFrom: starts[index]! })) };
}

/** Notes what is compiled. */
function watched(runtime: Runtime, compiled: CompileOptions[]): Runtime {
  return new Proxy(runtime, {
    get(target, key) {
      if (key === 'compile') {
        const compile: Runtime['compile'] = (fn, options = {}) => {
          compiled.push(options);
          return target.compile(fn, options);
        };
        return compile;
      }
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

const configs: Readonly<Record<string, { config: ModelConfig; lora?: LoraConfig }>> = {
  'grouped queries, normalised': { config: tinyConfig },
  'biases, embeddings of its own': {
    config: {
      ...tinyConfig,
      architecture: 'qwen2',
      queryKeyNorm: false,
      attentionBias: 'qkv',
      tieWordEmbeddings: false,
    },
  },
  'low-rank adapters': {
    config: tinyConfig,
    lora: loraConfig({ rank: 3, alpha: 6, targets: ['q_proj', 'o_proj', 'down_proj'] }),
  },
};

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let shared: Runtime | undefined;
  const runtime = () => (shared ??= open());
  afterAll(async () => shared?.[Symbol.asyncDispose]());

  describe.each(Object.entries(configs))('%s', (_config, model) => {
    it('is what learning without it is', { timeout: 120_000 }, async () => {
      await using remembering = await tinyPolicy(runtime(), model);
      await using other = await tinyPolicy(runtime(), model);
      for (const policy of [remembering, other]) await learnSomething(policy);
      const { batch } = await draw(remembering, 'now');
      const { plain } = await draw(other);
      const found = await remembering.forwardBackward(batch, loss);
      const expected = await other.forwardBackward(plain, loss);
      expect(found.loss).toBeCloseTo(expected.loss, 5);
      for (const [s, logprobs] of expected.logprobs.entries()) {
        expect(relativeError(found.logprobs[s]!, logprobs), `sequence ${s}`).toBeLessThan(2e-6);
        expect(relativeError(found.entropies[s]!, expected.entropies[s]!)).toBeLessThan(2e-6);
      }
      for (const name of trainedNames(remembering)) {
        expect(relativeError(remembering.gradient(name), other.gradient(name)), name).toBeLessThan(1e-5);
      }
    });
  });

  it(
    'is learned from without a forward pass, and only what was just drawn',
    { timeout: 120_000 },
    async () => {
      const compiled: CompileOptions[] = [];
      await using policy = await tinyPolicy(watched(runtime(), compiled));
      const { batch, plain } = await draw(policy, 'now');
      const learning = () =>
        compiled
          .splice(0)
          .map(({ name = '' }) => name)
          .filter((name) => name.startsWith(loss.key));
      learning();
      await policy.forwardBackward(plain, loss);
      expect(learning().some((name) => name.endsWith('/recorded'))).toBe(false);
      await policy.forwardBackward(batch, loss);
      expect(learning().map((name) => name.split('/').at(-1))).toEqual(['recorded']);

      const form = { chunks: 1, sharedPrefixes: true };
      const names = trainedNames(policy);
      const products = (recorded: boolean) =>
        trainingGraph(tinyConfig, undefined, names, loss, { ...form, recorded }).nodes.filter(
          ({ op, inputs }) => {
            const weight = inputs.at(-1)?.node.op.name === 'input';
            return (op.name === 'matmul' || op.name === 'addmm') && weight;
          },
        ).length;
      // Seven layers with weights in each block, for what was drawn.
      expect(products(false) - products(true)).toBe(7 * tinyConfig.layers);
    },
  );

  it('is computed by graphs that tell their runtime what to expect', { timeout: 120_000 }, async () => {
    const compiled: CompileOptions[] = [];
    await using policy = await tinyPolicy(watched(runtime(), compiled));
    const { plain } = await draw(policy, 'now');
    await policy.forwardBackward(plain, loss);
    const of = (prefix: string) => compiled.find(({ name }) => name?.startsWith(prefix));
    expect(of(loss.key)?.rows).toBe('many');
    expect(of('prefill')?.rows).toBe('many');
    expect(of('decode')?.rows).toBe('few');
    const weights = trainedNames(policy);
    for (const name of ['prefill', 'decode']) {
      expect(Object.keys(of(name)!.constants!.values).toSorted()).toEqual(weights.toSorted());
    }
  });

  it.each([
    ['of sizes that kernels of our own take', { hiddenSize: 32, intermediateSize: 64, vocabularySize: 32 }],
    ['of others', {}],
  ])('is drawn with the new weights after an update, %s', { timeout: 120_000 }, async (_, sizes) => {
    await using policy = await tinyPolicy(runtime(), { config: { ...tinyConfig, ...sizes } });
    const { plain } = await draw(policy);
    await policy.forwardBackward(plain, loss);
    await policy.optimizerStep({ learningRate: 0.1 });
    // All but the last request are drawn at temperature 1.
    const drawn = await draw(policy);
    const { logprobs } = await policy.forward(drawn.plain);
    for (const [s, { inputs, weights }] of drawn.plain.slice(0, 9).entries()) {
      for (const [t, weight] of weights.entries()) {
        if (weight === 0) continue;
        const gap = Math.abs(logprobs[s]![t]! - inputs!['oldLogprobs']![t]!);
        expect(gap, `sequence ${s}, token ${t}`).toBeLessThan(1e-4);
      }
    }
  });

  it('has the same bits after decoding again', { timeout: 120_000 }, async () => {
    await using whole = await tinyPolicy(runtime());
    const { batch } = await draw(whole, 'now');
    const expected = await whole.forwardBackward(batch, loss);
    const gradients = trainedNames(whole).map((name) => whole.gradient(name));
    const same = async (policy: LocalPolicy) => {
      expect(await policy.forwardBackward(batch, loss)).toEqual(expected);
      expect(trainedNames(policy).map((name) => policy.gradient(name))).toEqual(gradients);
    };
    // Another process, which has drawn nothing.
    await using resumed = await tinyPolicy(runtime());
    await same(resumed);
    // One that has drawn a part, in few slots.
    await using part = await tinyPolicy(runtime(), { maxSequences: 3 });
    await part.sample([requests[2]!], { remember: 'now' });
    await same(part);
    // One that has drawn something else since.
    await using later = await tinyPolicy(runtime());
    await draw(later, 'now');
    await later.sample(requests.slice(0, 2), { remember: 'then' });
    await same(later);
    // One that draws in between without remembering, as an evaluation does.
    await using evaluating = await tinyPolicy(runtime());
    await draw(evaluating, 'now');
    await draw(evaluating);
    await same(evaluating);
  });

  it('forgets when the weights change', { timeout: 120_000 }, async () => {
    await using policy = await tinyPolicy(runtime());
    const { batch } = await draw(policy, 'now');
    await learnSomething(policy);
    await using fresh = await tinyPolicy(runtime());
    await learnSomething(fresh);
    expect(await policy.forwardBackward(batch, loss)).toEqual(await fresh.forwardBackward(batch, loss));
  });

  it('computes all where there is no room for all', { timeout: 120_000 }, async () => {
    await using small = await tinyPolicy(runtime(), { rememberedBytes: 40_000 });
    await using none = await tinyPolicy(runtime(), { rememberedBytes: 0 });
    expect(none.capabilities.rememberedTokens).toBe(0);
    const { batch, plain } = await draw(small, 'now');
    const tokens = batch.reduce((total, { weights }) => total + weights.filter((w) => w !== 0).length, 0);
    expect(small.capabilities.rememberedTokens).toBeGreaterThan(0);
    expect(small.capabilities.rememberedTokens).toBeLessThan(tokens);
    const expected = await none.forwardBackward(plain, loss);
    expect(await small.forwardBackward(batch, loss)).toEqual(expected);
    expect(await none.forwardBackward(batch, loss)).toEqual(expected);
  });

  it.each([
    [
      'a position beyond the end',
      { drawnFrom: 8 },
      'drawnFrom: found 8, expected a position in it, at most 7',
    ],
    ['a fraction', { drawnFrom: 2.5 }, 'drawnFrom: found 2.5'],
    [
      'a weight before it',
      { weights: Float32Array.of(0, 0, 1, 1, 1, 1, 1), drawnFrom: 3 },
      'a token before drawnFrom has a weight: found at 2, expected 0 before 3',
    ],
    [
      'what is too long for the context, before it is decoded',
      long(tinyConfig.contextLength + 1),
      'too long for the context: found 65 tokens, expected at most 64',
    ],
    [
      'a token that does not exist, before it is decoded',
      { tokens: Int32Array.of(1, 2, 3, 4, 500, 6, 7), drawnFrom: 3 },
      'a token is not in the vocabulary: found 500, expected 0 to 22',
    ],
  ])('refuses %s', async (_name, wrong, message) => {
    await using policy = await tinyPolicy(runtime());
    const zeros = new Float32Array(7);
    const sequence: TokenSequence = {
      tokens: Int32Array.of(1, 2, 3, 4, 5, 6, 7),
      weights: Float32Array.of(0, 0, 0, 1, 1, 1, 1),
      inputs: { oldLogprobs: zeros, advantages: zeros },
      ...wrong,
    };
    await expect(policy.forwardBackward([sequence], loss)).rejects.toThrow(message);
  });
});

function long(length: number): TokenSequence {
  const zeros = new Float32Array(length);
  return {
    tokens: new Int32Array(length),
    weights: new Float32Array(length).fill(1, 3),
    inputs: { oldLogprobs: zeros, advantages: zeros },
    drawnFrom: 3,
  };
}

/** Moves the weights, so that adapters and biases are not those that a model begins with. */
async function learnSomething(policy: LocalPolicy): Promise<void> {
  const tokens = Int32Array.of(2, 3, 5, 7, 11, 13, 17, 19);
  const weights = new Float32Array(8).fill(1);
  const inputs = { oldLogprobs: new Float32Array(8).fill(-3), advantages: new Float32Array(8).fill(1) };
  for (let step = 0; step < 3; step++) {
    await policy.forwardBackward([{ tokens, weights, inputs }], loss);
    await policy.optimizerStep({ learningRate: 0.02 });
  }
}

function trainedNames({ config, lora }: LocalPolicy): string[] {
  const trained = lora === undefined ? decoderParameters(config) : loraParameters(config, lora);
  return trained.map(({ name }) => name);
}
