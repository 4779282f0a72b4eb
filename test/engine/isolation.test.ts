/**
 * Examples that are learned together know nothing of each other: whatever micro-batches they share, each has the loss
 * and the gradient that it has alone, and what is changed in one is not seen in another.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { TokenSequence } from '../../src/engine/policy.ts';
import { decoderParameters } from '../../src/model/parameters.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { negativeLogLikelihood } from '../../src/train/pretrain.ts';
import { relativeError } from '../parity/fixture.ts';
import { runtimes } from '../runtimes.ts';
import { randomSequences, tinyConfig, tinyPolicy } from './model.ts';

/** From the shortest there is to many times that: rows with much padding among them. */
const examples = randomSequences([2, 31, 3, 17, 16, 9, 2, 30], 5);
const largest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, t) => Math.max(most, Math.abs(value - b[t]!)), 0);

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let shared: Runtime | undefined;
  const runtime = () => (shared ??= open());
  afterAll(async () => shared?.[Symbol.asyncDispose]());

  it.each([
    ['all in one', 4096],
    ['a few each', 64],
  ])(
    'examples in micro-batches, %s, are what they are alone',
    { timeout: 120_000 },
    async (_name, positions) => {
      await using together = await tinyPolicy(runtime(), { microBatchPositions: positions });
      await using alone = await tinyPolicy(runtime());
      const { logprobs, loss } = await together.forwardBackward(examples, negativeLogLikelihood);
      let sum = 0;
      for (const [s, example] of examples.entries()) {
        const own = await alone.forwardBackward([example], negativeLogLikelihood);
        expect(largest(own.logprobs[0]!, logprobs[s]!), `example ${s}`).toBeLessThan(2e-6);
        sum += own.loss;
      }
      expect(Math.abs(sum - loss) / sum).toBeLessThan(1e-6);
      for (const { name } of decoderParameters(tinyConfig)) {
        expect(relativeError(together.gradient(name), alone.gradient(name)), name).toBeLessThan(1e-5);
      }
    },
  );

  it('a changed example changes no other, bit for bit', { timeout: 120_000 }, async () => {
    await using policy = await tinyPolicy(runtime());
    const before = await policy.forward(examples);
    const changed = examples.map((example, s): TokenSequence => {
      if (s !== 3) return example;
      return { ...example, tokens: example.tokens.map((token) => (token + 1) % tinyConfig.vocabularySize) };
    });
    const after = await policy.forward(changed);
    expect(largest(before.logprobs[3]!, after.logprobs[3]!)).toBeGreaterThan(0.1);
    expect(after.logprobs.toSpliced(3, 1)).toEqual(before.logprobs.toSpliced(3, 1));
  });
});
