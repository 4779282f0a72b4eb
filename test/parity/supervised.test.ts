/**
 * Supervised learning on the local engine against torch, on every runtime: the cross-entropy of the fixtures with the
 * gradient of every parameter, and distributions, whole and in part, with what is learned from them.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { createLocalPolicy, type LocalPolicy } from '../../src/engine/local-policy.ts';
import type { TokenSequence } from '../../src/engine/policy.ts';
import { decoderParameters } from '../../src/model/parameters.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { distillationLoss } from '../../src/train/distillation-loss.ts';
import { negativeLogLikelihood } from '../../src/train/pretrain.ts';
import { runtimes } from '../runtimes.ts';
import { fixtureNames, type FixtureName, loadFixture, relativeError } from './fixture.ts';

async function fixturePolicy(runtime: Runtime, name: FixtureName): Promise<LocalPolicy> {
  const { config, weights } = await loadFixture(name);
  const source = { read: async (key: string, into: Float32Array) => into.set(weights.get(key)!.data) };
  return createLocalPolicy({ runtime, config, weights: source });
}

/** The golden's rows without padding. Its loss is −Σ w log p at temperature 0.7. */
async function goldenBatch(name: FixtureName): Promise<TokenSequence[]> {
  const { golden } = await loadFixture(name);
  const ids = golden.get('input_ids')!;
  const mask = golden.get('attention_mask')!.data;
  const weights = golden.get('weights')!.data;
  const [batch, time] = ids.shape as [number, number];
  return Array.from({ length: batch }, (_, row) => {
    const start = row * time;
    const length = mask.subarray(start, start + time).reduce((a, b) => a + b, 0);
    return {
      tokens: Int32Array.from(ids.data.subarray(start, start + length)),
      weights: Float32Array.from(weights.subarray(start, start + length)).with(0, 0),
    };
  });
}

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let shared: Runtime | undefined;
  const runtime = () => (shared ??= open());
  afterAll(async () => shared?.[Symbol.asyncDispose]());

  describe.each(fixtureNames)('%s', (name) => {
    it('has the cross-entropy of torch and its gradient', { timeout: 60_000 }, async () => {
      const { config, golden } = await loadFixture(name);
      await using policy = await fixturePolicy(runtime(), name);
      const { loss } = await policy.forwardBackward(await goldenBatch(name), negativeLogLikelihood, {
        temperature: 0.7,
      });
      expect(relativeError([loss], golden.get('loss')!.data)).toBeLessThan(1e-5);
      for (const { name: key } of decoderParameters(config)) {
        expect(relativeError(policy.gradient(key), golden.get(`grad.${key}`)!.data), key).toBeLessThan(1e-5);
      }
    });
  });

  it('hands back whole distributions, and their most likely tokens', { timeout: 60_000 }, async () => {
    const batch = await goldenBatch('llama');
    await using policy = await fixturePolicy(runtime(), 'llama');
    const { logprobs, distributions } = await policy.forward(batch, { distribution: 'full' });
    const top = await policy.forward(batch, { distribution: 5 });
    for (const [s, { tokens, weights }] of batch.entries()) {
      const { width, logprobs: all } = distributions![s]!;
      expect(width).toBe(policy.config.vocabularySize);
      let row = 0;
      for (let t = 1; t < tokens.length; t++) {
        if (weights[t] === 0) continue;
        const own = all.subarray(row * width, (row + 1) * width);
        expect(own[tokens[t]!]).toBeCloseTo(logprobs[s]![t]!, 5);
        expect(own.reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 5);
        const best = [...own.keys()].toSorted((a, b) => own[b]! - own[a]!).slice(0, 5);
        expect([...top.distributions![s]!.ids!.subarray(row * 5, row * 5 + 5)]).toEqual(best);
        row++;
      }
      expect(all).toHaveLength(row * width);
    }
  });

  it.each([0, 0.5, 1])(
    'has nothing to learn from itself, and something from others: beta %d',
    { timeout: 60_000 },
    async (beta) => {
      const batch = (await goldenBatch('llama')).map(({ tokens, weights }) => ({
        tokens,
        weights: weights.map((weight) => Number(weight !== 0)),
      }));
      await using policy = await fixturePolicy(runtime(), 'llama');
      const learn = async (temperature: number, width: 'full' | number) => {
        const { distributions } = await policy.forward(batch, { distribution: width, temperature });
        const taught = batch.map((sequence, s) => ({ ...sequence, teacher: distributions![s]! }));
        const support = width === 'full' ? 'full' : 'top-k';
        const { loss, perToken } = await policy.forwardBackward(taught, distillationLoss({ beta, support }));
        const sum = perToken['divergence']!.flatMap((values) => [...values]).reduce((a, b) => a + b, 0);
        expect(loss).toBeCloseTo(sum, 3);
        return loss;
      };
      expect(Math.abs(await learn(1, 'full'))).toBeLessThan(1e-4);
      expect(Math.abs(await learn(1, 7))).toBeLessThan(1e-3);
      const whole = await learn(2, 'full');
      const part = await learn(2, 7);
      expect(whole).toBeGreaterThan(1e-3);
      // The most likely tokens and the rest are a lower bound.
      expect(part).toBeGreaterThan(0);
      expect(part).toBeLessThan(whole);
    },
  );

  it('refuses a teacher that does not fit', { timeout: 60_000 }, async () => {
    const batch = await goldenBatch('llama');
    await using policy = await fixturePolicy(runtime(), 'llama');
    const loss = distillationLoss({ beta: 0, support: 'full' });
    await expect(policy.forwardBackward(batch, loss)).rejects.toThrow('the teacher of the loss: found none');
    await expect(policy.forward(batch, { distribution: 0 })).rejects.toThrow('expected full, or 1 to');
  });
});
