/** The local engine against transformers and torch, on every runtime: training graph and cached sampler. */
import { afterAll, describe, expect, it } from 'vitest';
import { createLocalPolicy, type LocalPolicy } from '../../src/engine/local-policy.ts';
import type { TokenSequence } from '../../src/engine/policy.ts';
import { decoderParameters } from '../../src/model/parameters.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { streamKey } from '../../src/util/random.ts';
import { runtimes } from '../runtimes.ts';
import { fixtureNames, type FixtureName, loadFixture, relativeError } from './fixture.ts';
import { weightedLogprobs } from './losses.ts';

async function fixturePolicy(runtime: Runtime, name: FixtureName): Promise<LocalPolicy> {
  const { config, weights } = await loadFixture(name);
  const source = { read: async (key: string, into: Float32Array) => into.set(weights.get(key)!.data) };
  return createLocalPolicy({ runtime, config, weights: source });
}

/** The rows of a golden [B, T] as sequences without their padding, weighted as the golden says. */
function sequencesOf(
  golden: Awaited<ReturnType<typeof loadFixture>>['golden'],
  all: boolean,
): TokenSequence[] {
  const ids = golden.get('input_ids')!;
  const mask = golden.get('attention_mask')!.data;
  const weights = golden.get('weights')!.data;
  const [batch, time] = ids.shape as [number, number];
  return Array.from({ length: batch }, (_, row) => {
    const at = (t: number) => row * time + t;
    const length = Array.from({ length: time }, (__, t) => mask[at(t)]!).reduce((a, b) => a + b, 0);
    return {
      tokens: Int32Array.from({ length }, (__, t) => ids.data[at(t)]!),
      weights: Float32Array.from({ length }, (__, t) => (t === 0 ? 0 : all ? 1 : weights[at(t)]!)),
    };
  });
}

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let shared: Runtime | undefined;
  const runtime = () => (shared ??= open());
  afterAll(async () => shared?.[Symbol.asyncDispose]());

  describe.each(fixtureNames)('%s', (name) => {
    it('scores tokens at temperature 0.7 as transformers does', async () => {
      const { golden } = await loadFixture(name);
      await using policy = await fixturePolicy(runtime(), name);
      const sequences = sequencesOf(golden, true);
      const { logprobs } = await policy.forward(sequences, { temperature: 0.7 });
      const expected = golden.get('logprobs_t07')!;
      const width = expected.shape[1]!;
      const pairs = sequences.flatMap(({ tokens }, row) =>
        Array.from({ length: tokens.length - 1 }, (_, t) => [
          logprobs[row]![t + 1]!,
          expected.data[row * width + t]!,
        ]),
      );
      expect(
        relativeError(
          pairs.map(([a]) => a!),
          pairs.map(([, b]) => b!),
        ),
      ).toBeLessThan(1e-5);
    });

    it('computes the gradient of every parameter as torch does', async () => {
      const { config, golden } = await loadFixture(name);
      await using policy = await fixturePolicy(runtime(), name);
      const { loss } = await policy.forwardBackward(sequencesOf(golden, false), weightedLogprobs, {
        temperature: 0.7,
      });
      expect(relativeError([loss], golden.get('loss')!.data)).toBeLessThan(1e-5);
      for (const { name: key } of decoderParameters(config)) {
        expect(relativeError(policy.gradient(key), golden.get(`grad.${key}`)!.data), key).toBeLessThan(1e-5);
      }
    });

    it('continues greedily as transformers does', async () => {
      const { config, golden } = await loadFixture(name);
      await using policy = await fixturePolicy(runtime(), name);
      const expected = golden.get('greedy_from_first_9')!.data;
      const prompt = Int32Array.from(expected.subarray(0, 9));
      // The golden was generated with min_new_tokens = max_new_tokens.
      const count = expected.length - 9;
      const stopTokens = config.eosTokenIds;
      const completions = await policy.sample([
        { prompt, streams: [streamKey(0)], maxTokens: count, minTokens: count, stopTokens, temperature: 0 },
      ]);
      expect([...completions[0]![0]!.tokens]).toEqual([...expected.subarray(9)]);
    });

    it('samples with the log-probabilities that scoring finds', async () => {
      const { golden } = await loadFixture(name);
      await using policy = await fixturePolicy(runtime(), name);
      const prompts = sequencesOf(golden, true).map(({ tokens }) => tokens.subarray(0, 5));
      const groups = await policy.sample(
        prompts.map((prompt, index) => ({
          prompt,
          streams: [streamKey(1, index, 0), streamKey(1, index, 1)],
          maxTokens: 6,
          temperature: 0.7,
        })),
      );
      const sequences = groups.flatMap((group, index) =>
        group.map(({ tokens }) => ({
          tokens: Int32Array.of(...prompts[index]!, ...tokens),
          weights: Float32Array.of(...prompts[index]!.map(() => 0), ...tokens.map(() => 1)),
        })),
      );
      const { logprobs } = await policy.forward(sequences, { temperature: 0.7 });
      for (const [index, completion] of groups.flat().entries()) {
        const scored = logprobs[index]!.subarray(5);
        for (const [t, logprob] of completion.logprobs.entries()) {
          expect(Math.exp(scored[t]! - logprob)).toBeCloseTo(1, 4);
        }
      }
    });
  });
});
