/**
 * Sequences that begin alike, as the completions of one prompt do: their beginning is computed once, and every
 * log-probability and gradient is what it is when each sequence is computed alone.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { TokenSequence } from '../../src/engine/policy.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { decoderParameters } from '../../src/model/parameters.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { negativeLogLikelihood } from '../../src/train/pretrain.ts';
import { randomStream } from '../../src/util/random.ts';
import { relativeError } from '../parity/fixture.ts';
import { runtimes } from '../runtimes.ts';
import { tinyConfig, tinyPolicy } from './model.ts';

/** Completions of the given lengths to prompts of the given lengths; the prompts are not learned. */
function completionsOf(prompts: Readonly<Record<number, readonly number[]>>): TokenSequence[] {
  const random = randomStream('completions');
  const draw = (length: number) =>
    Int32Array.from({ length }, () => random.integer(tinyConfig.vocabularySize));
  return Object.entries(prompts).flatMap(([length, completions]) => {
    const prompt = draw(Number(length));
    return completions.map((own) => {
      const tokens = Int32Array.from([...prompt, ...draw(own)]);
      const weights = Float32Array.from(tokens, (_, t) => (t < prompt.length ? 0 : 0.5 + random.next()));
      return { tokens, weights };
    });
  });
}

const batches: Readonly<Record<string, readonly TokenSequence[]>> = {
  'one prompt': completionsOf({ 12: [5, 5, 5] }),
  'prompts and completions of many lengths': completionsOf({ 9: [1, 7, 20], 30: [2, 3], 17: [11, 1, 1, 6] }),
  'prompts that nobody shares among others that are': completionsOf({
    20: [4, 9],
    14: [8],
    3: [2, 2],
    1: [5, 6],
  }),
};

const configs: Readonly<Record<string, ModelConfig>> = {
  'grouped queries, normalised': tinyConfig,
  'keys of its own for each query': { ...tinyConfig, keyValueHeads: tinyConfig.heads, queryKeyNorm: false },
};

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let shared: Runtime | undefined;
  const runtime = () => (shared ??= open());
  afterAll(async () => shared?.[Symbol.asyncDispose]());

  describe.each(Object.entries(configs))('%s', (_config, config) => {
    it.each(Object.entries(batches))('%s', { timeout: 120_000 }, async (_name, batch) => {
      await using together = await tinyPolicy(runtime(), { config });
      await using tight = await tinyPolicy(runtime(), { config, microBatchPositions: 48 });
      await using alone = await tinyPolicy(runtime(), { config });
      const result = await together.forwardBackward(batch, negativeLogLikelihood);
      const inPieces = await tight.forwardBackward(batch, negativeLogLikelihood);
      const scored = await together.forward(batch);
      let loss = 0;
      for (const [s, sequence] of batch.entries()) {
        const own = await alone.forwardBackward([sequence], negativeLogLikelihood);
        loss += own.loss;
        for (const found of [result, inPieces, scored]) {
          expect(relativeError(found.logprobs[s]!, own.logprobs[0]!), `sequence ${s}`).toBeLessThan(2e-6);
          expect(relativeError(found.entropies[s]!, own.entropies[0]!), `sequence ${s}`).toBeLessThan(2e-6);
        }
      }
      expect(Math.abs(result.loss - loss) / Math.abs(loss)).toBeLessThan(1e-6);
      for (const { name } of decoderParameters(config)) {
        const expected = alone.gradient(name);
        expect(relativeError(together.gradient(name), expected), name).toBeLessThan(1e-5);
        expect(relativeError(tight.gradient(name), expected), name).toBeLessThan(1e-5);
      }
    });
  });

  it('computes a shared prompt once', async () => {
    await using policy = await tinyPolicy(runtime());
    const batch = completionsOf({ 21: [4, 4, 4, 4] });
    const { computedTokens, computedPositions } = await policy.forwardBackward(batch, negativeLogLikelihood);
    // 20 of the prompt; its last token and all of a completion but the last are each completion's own.
    expect(computedTokens).toBe(20 + 4 * 4);
    expect(computedPositions).toBe(computedTokens);
  });

  it('uses no position beyond the context for padding', async () => {
    await using policy = await tinyPolicy(runtime(), { contextLength: 40 });
    const batch = completionsOf({ 38: [2, 1], 10: [30, 29] });
    const { logprobs } = await policy.forward(batch);
    await using whole = await tinyPolicy(runtime());
    for (const [s, sequence] of batch.entries()) {
      const own = await whole.forward([sequence]);
      expect(relativeError(logprobs[s]!, own.logprobs[0]!), `sequence ${s}`).toBeLessThan(2e-6);
    }
  });
});
