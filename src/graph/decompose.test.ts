import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { decompose } from './decompose.ts';
import { graphFunction } from './function.ts';
import { backward } from './gradients/backward.ts';
import { interpret } from './interpreter.ts';
import { add, detach, mul } from './ops/elementwise.ts';
import { sum } from './ops/reduce.ts';
import { tokenLogprobs } from './ops/token-logprobs.ts';
import { input, type Node, type Tensor, type Value } from './tensor.ts';

const random = randomStream('decompose');
const normal = (...shape: number[]): Value => ({
  shape,
  data: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
});
const [rows, width, vocabulary] = [12, 3, 7];

/** The largest difference between what `node` means and what it decomposes to, over the largest value. */
function worstDifference(node: Node, values: Readonly<Record<string, Value>>): number {
  const parts = decompose(node)!;
  const outputs = (tensors: readonly Tensor[]) =>
    Object.fromEntries(tensors.map((tensor, index) => [`y${index}`, tensor]));
  const expected = interpret(graphFunction(outputs(node.outputs)), values);
  const fn = graphFunction(outputs(parts));
  expect(fn.nodes.map(({ op }) => op.name)).not.toContain(node.op.name);
  const found = interpret(fn, values);
  let worst = 0;
  for (const [index, output] of node.outputs.entries()) {
    expect(parts[index]).toMatchObject({ shape: output.shape, dtype: output.dtype });
    const [a, b] = [found[`y${index}`]!, expected[`y${index}`]!];
    expect(a.shape).toEqual(b.shape);
    const largest = b.data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    expect(largest).toBeGreaterThan(0.01);
    for (const [at, value] of b.data.entries())
      worst = Math.max(worst, Math.abs(a.data[at]! - value) / largest);
  }
  return worst;
}

describe('decompose', () => {
  const values: Record<string, Value> = {
    hidden: normal(rows, width),
    targets: { shape: [rows], data: Float64Array.from({ length: rows }, () => random.integer(vocabulary)) },
    scale: { shape: [], data: Float64Array.of(1.4) },
    ofLogprobs: normal(rows),
    ofEntropies: normal(rows),
  };

  for (const transposed of [false, true]) {
    for (const chunks of [1, 2, 3, 4]) {
      for (const size of ['N', rows]) {
        const head = () => {
          const weight = input('weight', 'f32', transposed ? [vocabulary, width] : [width, vocabulary]);
          const inputs = {
            hidden: input('hidden', 'f32', [size, width]),
            weight,
            targets: input('targets', 'i64', [size]),
            inverseTemperature: input('scale', 'f32', []),
          };
          return { ...inputs, ...tokenLogprobs(inputs, { transposed, chunks }) };
        };
        const all = { ...values, weight: transposed ? normal(vocabulary, width) : normal(width, vocabulary) };
        const name = `rows ${size}, transposed ${transposed}, ${chunks} chunks`;

        it(`tokenLogprobs means the same, ${name}`, () => {
          expect(worstDifference(head().logprobs.node, all)).toBeLessThan(1e-13);
        });

        it.each([
          ['log-probabilities', true, false],
          ['entropies', false, true],
          ['both', true, true],
        ])(`its gradient means the same through %s, ${name}`, (_, useLogprobs, useEntropies) => {
          const { logprobs, entropies, hidden, weight } = head();
          const terms = [
            ...(useLogprobs ? [sum(mul(logprobs, input('ofLogprobs', 'f32', [size])))] : []),
            ...(useEntropies ? [sum(mul(entropies, input('ofEntropies', 'f32', [size])))] : []),
          ];
          const [ofHidden] = backward(
            terms.reduce((a, b) => add(a, b)),
            [hidden, weight],
          );
          expect(worstDifference(ofHidden!.node, all)).toBeLessThan(1e-13);
        });
      }
    }
  }

  it('refuses rows that are not divisible by the chunks', () => {
    const inputs = {
      hidden: input('hidden', 'f32', ['N', width]),
      weight: input('weight', 'f32', [width, vocabulary]),
      targets: input('targets', 'i64', ['N']),
      inverseTemperature: input('scale', 'f32', []),
    };
    const { logprobs } = tokenLogprobs(inputs, { transposed: false, chunks: 5 });
    const [y] = decompose(logprobs.node)!;
    const all = { ...values, weight: normal(width, vocabulary) };
    expect(() => interpret(graphFunction({ y: y! }), all)).toThrow('The dimension N/5 is not a whole number');
  });

  it('leaves simple operations alone, and sees through detach', () => {
    const x = input('x', 'f32', [2]);
    expect(decompose(add(x, x).node)).toBeUndefined();
    expect(decompose(detach(x).node)).toEqual([x]);
  });
});
