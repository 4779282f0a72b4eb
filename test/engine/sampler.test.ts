/** What the sampler promises, on every runtime. */
import { afterAll, describe, expect, it } from 'vitest';
import type { LocalPolicy } from '../../src/engine/local-policy.ts';
import type { SampleRequest } from '../../src/engine/policy.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { streamKey } from '../../src/util/random.ts';
import { runtimes } from '../runtimes.ts';
import { tinyConfig, tinyPolicy } from './model.ts';

const streams = (count: number, ...name: (string | number)[]) =>
  Array.from({ length: count }, (_, index) => streamKey('sampler', ...name, index));

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let runtime: Runtime | undefined;
  const shared = () => (runtime ??= open());
  afterAll(async () => runtime?.[Symbol.asyncDispose]());

  /** Probabilities of the token after `prompt` at a temperature, by scoring every candidate. */
  async function distribution(
    policy: LocalPolicy,
    prompt: Int32Array,
    temperature: number,
  ): Promise<number[]> {
    const sequences = Array.from({ length: tinyConfig.vocabularySize }, (__, token) => ({
      tokens: Int32Array.of(...prompt, token),
      weights: Float32Array.of(...prompt.map(() => 0), 1),
    }));
    const { logprobs } = await policy.forward(sequences, { temperature });
    return logprobs.map((row) => Math.exp(row.at(-1)!));
  }

  it('draws the same tokens whatever else is in the batch, and in however many slots', async () => {
    const requests: SampleRequest[] = [
      { prompt: Int32Array.of(3), streams: streams(3, 'a'), maxTokens: 12, stopTokens: [1] },
      { prompt: Int32Array.of(4, 5), streams: streams(2, 'b'), maxTokens: 7 },
      { prompt: Int32Array.of(9, 8, 7, 6, 5), streams: streams(4, 'c'), maxTokens: 20, stopTokens: [1, 2] },
      { prompt: Int32Array.of(4, 11, 12), streams: streams(1, 'd'), maxTokens: 3, temperature: 0.5 },
    ];
    await using wide = await tinyPolicy(shared());
    await using narrow = await tinyPolicy(shared(), { maxSequences: 3 });
    const together = await wide.sample(requests);
    const apart = [];
    for (const request of requests) apart.push(...(await wide.sample([request])));
    const one = await wide.sample([{ ...requests[2]!, streams: [requests[2]!.streams[3]!] }]);
    expect(apart).toEqual(together);
    expect(await narrow.sample(requests)).toEqual(together);
    expect(one[0]![0]).toEqual(together[2]![3]);
    expect(new Set(together[2]!.map(({ tokens }) => tokens.join(' '))).size).toBeGreaterThan(1);
  });

  it('draws the same tokens for long prompts among short ones', { timeout: 120_000 }, async () => {
    const config = { ...tinyConfig, contextLength: 700 };
    const long = Int32Array.from({ length: 530 }, (_t, at) => (at * 7) % 23);
    const requests: SampleRequest[] = [
      { prompt: Int32Array.of(4, 5), streams: streams(1, 'short'), maxTokens: 3 },
      { prompt: long, streams: streams(2, 'long'), maxTokens: 3 },
      { prompt: long.slice(0, 40), streams: streams(1, 'middle'), maxTokens: 3 },
    ];
    await using policy = await tinyPolicy(shared(), { config });
    const together = await policy.sample(requests);
    const apart = [];
    for (const request of requests) apart.push(...(await policy.sample([request])));
    expect(apart).toEqual(together);
    // What was read into the cache is what scoring reads.
    const [first] = together[1]!;
    const tokens = Int32Array.of(...long, ...first!.tokens);
    const weights = new Float32Array(tokens.length).fill(1, long.length);
    const { logprobs } = await policy.forward([{ tokens, weights }]);
    for (const [at, logprob] of first!.logprobs.entries()) {
      expect(logprobs[0]![long.length + at]).toBeCloseTo(logprob, 4);
    }
  });

  it('draws each token as often as its probability says', async () => {
    await using policy = await tinyPolicy(shared());
    const prompt = Int32Array.of(2, 7);
    const expected = await distribution(policy, prompt, 0.8);
    const draws = 4000;
    const [group] = await policy.sample([
      { prompt, streams: streams(draws, 'frequencies'), maxTokens: 1, temperature: 0.8 },
    ]);
    const counts = expected.map(() => 0);
    for (const { tokens, logprobs } of group!) {
      counts[tokens[0]!]!++;
      expect(logprobs[0]).toBeCloseTo(Math.log(expected[tokens[0]!]!), 4);
    }
    // χ² over cells with at least 5 expected; 22 degrees of freedom: 48.3 is the 99.9 % quantile.
    const cells = expected.map((p, token) => ({ expected: p * draws, count: counts[token]! }));
    const statistic = cells
      .filter((cell) => cell.expected >= 5)
      .reduce((total, cell) => total + (cell.count - cell.expected) ** 2 / cell.expected, 0);
    expect(statistic).toBeLessThan(48.3);
  });

  it.each([
    ['top-k', { topK: 3 }, (p: number[]) => p.map((_x, rank) => rank < 3)],
    [
      'top-p',
      { topP: 0.6 },
      (p: number[]) => p.map((_x, rank) => p.slice(0, rank).reduce((a, b) => a + b, 0) < 0.6),
    ],
    ['min-p', { minP: 0.4 }, (p: number[]) => p.map((x) => x >= 0.4 * p[0]!)],
  ])('draws from exactly the distribution that %s leaves', async (_name, options, keep) => {
    await using policy = await tinyPolicy(shared());
    const prompt = Int32Array.of(5, 6, 7);
    const all = await distribution(policy, prompt, 3);
    const order = [...all.keys()].sort((a, b) => all[b]! - all[a]!);
    const sorted = order.map((token) => all[token]!);
    const kept = order.filter((_token, rank) => keep(sorted)[rank]);
    const total = kept.reduce((sum, token) => sum + all[token]!, 0);
    const [group] = await policy.sample([
      { prompt, streams: streams(300, _name), maxTokens: 1, temperature: 3, ...options },
    ]);
    const seen = new Set<number>();
    for (const { tokens, logprobs, truncatedDistribution } of group!) {
      seen.add(tokens[0]!);
      expect(kept).toContain(tokens[0]);
      expect(logprobs[0]).toBeCloseTo(Math.log(all[tokens[0]!]! / total), 4);
      expect(truncatedDistribution).toBe(true);
    }
    expect(seen.size).toBeGreaterThan(1);
    expect(kept.length).toBeLessThan(tinyConfig.vocabularySize);
  });

  it('ends at a stop token, at the limit, and at the end of the context', async () => {
    await using policy = await tinyPolicy(shared(), { contextLength: 16 });
    const everything = Array.from({ length: tinyConfig.vocabularySize }, (__, token) => token);
    const prompt = Int32Array.of(1, 2, 3, 4);
    const groups = await policy.sample([
      { prompt, streams: streams(1, 'stop'), maxTokens: 9, stopTokens: everything },
      { prompt, streams: streams(1, 'limit'), maxTokens: 5 },
      { prompt, streams: streams(1, 'context'), maxTokens: 500 },
    ]);
    const ends = groups.flat().map(({ tokens, finish }) => [tokens.length, finish]);
    expect(ends).toEqual([
      [1, 'stop'],
      [5, 'length'],
      [12, 'length'],
    ]);
  });

  it('refuses requests that make no sense, and goes on working', async () => {
    await using policy = await tinyPolicy(shared());
    const request = { prompt: Int32Array.of(1, 2), streams: streams(1, 'ok'), maxTokens: 2 };
    const bad: [Partial<SampleRequest>, RegExp][] = [
      [{ prompt: new Int32Array(0) }, /prompt is empty/],
      [{ prompt: new Int32Array(64) }, /does not fit the context.*64 tokens/],
      [{ prompt: Int32Array.of(1, 23) }, /not in the vocabulary: found 23/],
      [{ prompt: Int32Array.of(-1) }, /not in the vocabulary: found -1/],
      [{ maxTokens: 0 }, /maxTokens: found 0/],
      [{ temperature: Number.NaN }, /temperature/],
      [{ temperature: -1 }, /temperature: found -1/],
      [{ topP: 0 }, /topP: found 0/],
      [{ topK: 1.5 }, /topK: found 1.5/],
      [{ minP: 2 }, /minP: found 2/],
      [{ stopStrings: ['x'] }, /need a tokenizer/],
    ];
    for (const [change, message] of bad) {
      await expect(policy.sample([{ ...request, ...change }])).rejects.toThrow(message);
    }
    expect(await policy.sample([request])).toHaveLength(1);
  });

  it('stops when its signal is aborted, and can sample again', async () => {
    await using policy = await tinyPolicy(shared());
    const request = { prompt: Int32Array.of(1, 2), streams: streams(2, 'abort'), maxTokens: 40 };
    const controller = new AbortController();
    let tokens = 0;
    const onToken = () => {
      if (++tokens === 6) controller.abort(new Error('enough'));
    };
    await expect(policy.sample([request], { signal: controller.signal, onToken })).rejects.toThrow('enough');
    expect(tokens).toBe(6);
    expect((await policy.sample([request]))[0]).toHaveLength(2);
  });
});
