/** What training promises, on every runtime: AdamW, accumulation, LoRA, the reference, saving. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { LocalPolicy } from '../../src/engine/local-policy.ts';
import { loraConfig } from '../../src/model/lora.ts';
import { decoderParameters } from '../../src/model/parameters.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { streamKey } from '../../src/util/random.ts';
import { relativeError } from '../parity/fixture.ts';
import { weightedLogprobs } from '../parity/losses.ts';
import { runtimes } from '../runtimes.ts';
import { randomSequences, tinyConfig, tinyPolicy } from './model.ts';

const names = decoderParameters(tinyConfig).map(({ name }) => name);
const adam = { learningRate: 0.01, weightDecay: 0.1, maxGradientNorm: 1 };

function gradients(policy: LocalPolicy, keys: readonly string[] = names): number[] {
  return keys.flatMap((name) => [...policy.gradient(name)]);
}

function weights(policy: LocalPolicy): number[] {
  return names.flatMap((name) => [...policy.parameter(name)]);
}

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let runtime: Runtime | undefined;
  const shared = () => (runtime ??= open());
  afterAll(async () => runtime?.[Symbol.asyncDispose]());

  it('gives the same gradient however the batch is cut', async () => {
    const batch = randomSequences([5, 9, 3, 12, 2], 1);
    await using whole = await tinyPolicy(shared());
    await using cut = await tinyPolicy(shared(), { microBatchPositions: 8 });
    const together = await whole.forwardBackward(batch, weightedLogprobs);
    const parts = await cut.forwardBackward(batch.slice(0, 2), weightedLogprobs);
    const rest = await cut.forwardBackward(batch.slice(2), weightedLogprobs);
    expect(parts.loss + rest.loss).toBeCloseTo(together.loss, 4);
    expect(relativeError(gradients(cut), gradients(whole))).toBeLessThan(1e-5);
    expect(Math.hypot(...gradients(whole))).toBeGreaterThan(0.1);
  });

  it('does not compute sequences whose weights are all zero, nor tokens after the last weighted one', async () => {
    await using policy = await tinyPolicy(shared());
    const [first, second] = randomSequences([6, 8], 2) as [never, never];
    const silent = { tokens: Int32Array.of(1, 2, 3, 4), weights: new Float32Array(4) };
    const short = { tokens: Int32Array.of(1, 2, 3, 4, 5, 6), weights: Float32Array.of(0, 1, 1, 0, 0, 0) };
    const result = await policy.forwardBackward([first, silent, second, short], weightedLogprobs);
    expect(result.computedTokens).toBe(5 + 7 + 2);
    expect([...result.logprobs[1]!]).toEqual([0, 0, 0, 0]);
    expect(result.logprobs[3]!.map((x) => Math.sign(x))).toEqual(Float32Array.of(0, -1, -1, 0, 0, 0));
  });

  it("updates as AdamW's definition says, with clipping and without decay on norms", async () => {
    await using policy = await tinyPolicy(shared());
    const expected = new Map(names.map((name) => [name, Float64Array.from(policy.parameter(name))]));
    const m = new Map(names.map((name) => [name, new Float64Array(expected.get(name)!.length)]));
    const v = new Map(names.map((name) => [name, new Float64Array(expected.get(name)!.length)]));
    for (let step = 1; step <= 3; step++) {
      await policy.forwardBackward(randomSequences([7, 9], step), weightedLogprobs);
      const g = new Map(names.map((name) => [name, Float64Array.from(policy.gradient(name))]));
      const norm = Math.hypot(...gradients(policy));
      const result = await policy.optimizerStep({ ...adam, beta1: 0.8, beta2: 0.95, epsilon: 1e-6 });
      expect(result.gradientNorm / norm).toBeCloseTo(1, 4);
      expect(gradients(policy).every((x) => x === 0)).toBe(true);
      const scale = Math.min(1, 1 / (norm + 1e-6));
      for (const name of names) {
        const decay = name.includes('norm') ? 1 : 1 - 0.01 * 0.1;
        const [p, mean, square] = [expected.get(name)!, m.get(name)!, v.get(name)!];
        for (const [i, raw] of g.get(name)!.entries()) {
          mean[i] = 0.8 * mean[i]! + 0.2 * raw * scale;
          square[i] = 0.95 * square[i]! + 0.05 * (raw * scale) ** 2;
          const corrected = Math.sqrt(square[i] / (1 - 0.95 ** step)) + 1e-6;
          p[i] = p[i]! * decay - (0.01 * (mean[i] / (1 - 0.8 ** step))) / corrected;
        }
        expect(relativeError(policy.parameter(name), p), name).toBeLessThan(1e-5);
      }
    }
  });

  it('leaves the weights alone when the gradient is not finite', async () => {
    await using policy = await tinyPolicy(shared());
    const before = weights(policy);
    const [sequence] = randomSequences([6], 3);
    await policy.forwardBackward(
      [{ ...sequence!, weights: sequence!.weights.map((w) => w * 1e38) }],
      weightedLogprobs,
    );
    await policy.forwardBackward(
      [{ ...sequence!, weights: sequence!.weights.map((w) => w * 3e38) }],
      weightedLogprobs,
    );
    const { applied } = await policy.optimizerStep(adam);
    expect(applied).toBe(false);
    expect(weights(policy)).toEqual(before);
    await policy.forwardBackward([sequence!], weightedLogprobs);
    expect((await policy.optimizerStep(adam)).applied).toBe(true);
  });

  it('goes on from a saved state to the same bits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'aha-policy-'));
    const train = async (policy: LocalPolicy, from: number, to: number) => {
      for (let step = from; step < to; step++) {
        await policy.forwardBackward(randomSequences([7, 5, 9], step), weightedLogprobs);
        await policy.optimizerStep(adam);
      }
    };
    try {
      await using straight = await tinyPolicy(shared());
      await straight.refreshReference();
      await train(straight, 0, 2);
      await straight.save(folder);
      await train(straight, 2, 4);
      await using resumed = await tinyPolicy(shared(), { weights: { seed: 'other' } });
      await train(resumed, 7, 8);
      await resumed.load(folder);
      await train(resumed, 2, 4);
      expect(weights(resumed)).toEqual(weights(straight));
      const batch = randomSequences([6], 9);
      expect(await resumed.forward(batch, { model: 'reference' })).toEqual(
        await straight.forward(batch, { model: 'reference' }),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('keeps the reference until it is refreshed', async () => {
    await using policy = await tinyPolicy(shared());
    const batch = randomSequences([8], 4);
    await expect(policy.forward(batch, { model: 'reference' })).rejects.toThrow(/refreshReference/);
    const before = await policy.forward(batch);
    await policy.refreshReference();
    await policy.forwardBackward(batch, weightedLogprobs);
    await policy.optimizerStep(adam);
    expect(await policy.forward(batch, { model: 'reference' })).toEqual(before);
    expect(await policy.forward(batch)).not.toEqual(before);
  });

  it('trains LoRA adapters alone, from the base model on, and merges them exactly', async () => {
    const lora = loraConfig({ rank: 3, targets: ['q_proj', 'down_proj'] });
    await using base = await tinyPolicy(shared());
    await using policy = await tinyPolicy(shared(), { lora });
    const batch = randomSequences([8, 6], 5);
    expect(
      relativeError((await policy.forward(batch)).logprobs[0]!, (await base.forward(batch)).logprobs[0]!),
    ).toBe(0);
    expect(policy.description.trainableParameters).toBe(2 * (3 * (16 + 64) + 3 * (24 + 16)));
    const frozen = weights(policy);
    for (let step = 0; step < 3; step++) {
      await policy.forwardBackward(batch, weightedLogprobs);
      await policy.optimizerStep({ learningRate: 0.02 });
    }
    expect(weights(policy)).toEqual(frozen);
    const trained = await policy.forward(batch);
    expect(relativeError(trained.logprobs[0]!, (await base.forward(batch)).logprobs[0]!)).toBeGreaterThan(
      0.01,
    );
    expect((await policy.forward(batch, { model: 'reference' })).logprobs).toEqual(
      (await base.forward(batch)).logprobs,
    );
    const merged = new Map<string, Float32Array>();
    await using exporting = await tinyPolicy(shared(), {
      lora,
      exporter: async ({ tensors }) => {
        for (const tensor of tensors) merged.set(tensor.name, tensor.read());
      },
    });
    const folder = await mkdtemp(join(tmpdir(), 'aha-lora-'));
    try {
      await policy.save(folder);
      await exporting.load(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
    await exporting.export('unused');
    await using plain = await tinyPolicy(shared(), {
      weights: { read: async (name, into) => into.set(merged.get(name)!) },
    });
    expect(relativeError((await plain.forward(batch)).logprobs[0]!, trained.logprobs[0]!)).toBeLessThan(1e-5);
  });

  it('gives all of its memory back', async () => {
    const own = open();
    const before = own.live;
    {
      await using policy = await tinyPolicy(own, { lora: loraConfig({ rank: 2 }) });
      await policy.refreshReference();
      await policy.forwardBackward(randomSequences([5, 7], 6), weightedLogprobs);
      await policy.optimizerStep(adam);
      await policy.sample([{ prompt: Int32Array.of(1, 2, 3), streams: [streamKey(1)], maxTokens: 4 }]);
      expect(own.live.bytes).toBeGreaterThan(before.bytes);
    }
    expect(own.live).toEqual(before);
    await own[Symbol.asyncDispose]();
  });

  it('refuses sequences that make no sense', async () => {
    await using policy = await tinyPolicy(shared());
    const [good] = randomSequences([5], 7);
    const tokens = good!.tokens;
    const cases: [object, RegExp][] = [
      [{ tokens: Int32Array.of(1, 99, 2, 3, 4) }, /not in the vocabulary: found 99/],
      [{ weights: new Float32Array(4) }, /weights: found 4/],
      [{ weights: Float32Array.of(0, 1, Number.NaN, 0, 0) }, /not finite/],
      [
        { tokens: new Int32Array(65), weights: new Float32Array(65).fill(1) },
        /65 tokens, expected at most 64/,
      ],
    ];
    for (const [change, message] of cases) {
      await expect(policy.forwardBackward([{ ...good!, ...change }], weightedLogprobs)).rejects.toThrow(
        message,
      );
    }
    await expect(policy.forward([good!], { temperature: 0 })).rejects.toThrow(/temperature/);
    expect(tokens).toHaveLength(5);
  });
});
