/** The decoder graph in the float64 interpreter against transformers: this checks the graph apart from any runtime. */
import { describe, expect, it } from 'vitest';
import { trainingGraph } from '../../src/engine/training-graph.ts';
import { graphFunction } from '../../src/graph/function.ts';
import { interpret } from '../../src/graph/interpreter.ts';
import { input, type Value } from '../../src/graph/tensor.ts';
import { decoderParameters } from '../../src/model/parameters.ts';
import {
  causalAttention,
  decoderHidden,
  decoderLogits,
  decoderWeights,
  ropeInputs,
} from '../../src/model/decoder.ts';
import { ropeTables } from '../../src/model/rope.ts';
import { weightedLogprobs } from './losses.ts';
import { fixtureNames, loadFixture, relativeError, type StoredArray } from './fixture.ts';

const asValue = ({ shape, data }: StoredArray): Value => ({ shape, data: Float64Array.from(data) });

describe.each(fixtureNames)('%s', (name) => {
  it('computes the logits of transformers', async () => {
    const { config, weights, golden } = await loadFixture(name);
    const decoder = decoderWeights(config);
    const hidden = decoderHidden(
      config,
      decoder,
      input('tokens', 'i64', ['B', 'T']),
      causalAttention(config, ropeInputs(config)),
    );
    const fn = graphFunction({ logits: decoderLogits(config, decoder, hidden) });
    const { logits } = interpret(fn, {
      tokens: asValue(golden.get('input_ids')!),
      ...tables(config),
      ...parameters(config, weights),
    });
    const mask = golden.get('attention_mask')!.data;
    const keep = (data: ArrayLike<number>) =>
      Array.from(data).filter((_, i) => mask[Math.floor(i / config.vocabularySize)] === 1);
    expect(relativeError(keep(logits!.data), keep(golden.get('logits')!.data))).toBeLessThan(1e-6);
  });

  it('computes the gradients of torch', async () => {
    const { config, weights, golden } = await loadFixture(name);
    const names = decoderParameters(config).map((parameter) => parameter.name);
    const fn = trainingGraph(config, undefined, names, weightedLogprobs, {
      chunks: 1,
      sharedPrefixes: false,
      recorded: false,
    });
    const tokenWeights = golden.get('weights')!;
    const [batch, time] = tokenWeights.shape as [number, number];
    const ids = golden.get('input_ids')!;
    const chosen = Array.from(tokenWeights.data.keys()).filter(
      (at) => at % time > 0 && tokenWeights.data[at] !== 0,
    );
    const vector = (values: number[]): Value => ({ shape: [values.length], data: Float64Array.from(values) });
    const outputs = interpret(fn, {
      tokens: asValue(ids),
      rows: vector(chosen.map((at) => at - 1)),
      targets: vector(chosen.map((at) => ids.data[at]!)),
      weights: vector(chosen.map((at) => tokenWeights.data[at]!)),
      inverseTemperature: { shape: [], data: Float64Array.of(1 / 0.7) },
      ...tables(config),
      ...parameters(config, weights),
      ...Object.fromEntries(
        names.map((key) => {
          const { shape, data } = weights.get(key)!;
          return [`sum.${key}`, { shape, data: new Float64Array(data.length) }];
        }),
      ),
    });
    expect(batch).toBe(3);
    expect(outputs['loss']!.data[0]).toBeCloseTo(golden.get('loss')!.data[0]!, 4);
    for (const key of names) {
      const error = relativeError(outputs[`gradient.${key}`]!.data, golden.get(`grad.${key}`)!.data);
      expect(error, key).toBeLessThan(1e-5);
    }
  });
});

function tables(config: Parameters<typeof ropeTables>[0]): Record<string, Value> {
  const { cos, sin, half } = ropeTables(config, 64);
  return {
    'rope.cos': { shape: [64, half], data: Float64Array.from(cos) },
    'rope.sin': { shape: [64, half], data: Float64Array.from(sin) },
  };
}

function parameters(
  config: Parameters<typeof decoderParameters>[0],
  weights: ReadonlyMap<string, StoredArray>,
): Record<string, Value> {
  return Object.fromEntries(decoderParameters(config).map(({ name }) => [name, asValue(weights.get(name)!)]));
}
