/** That graphs are lowered to kernels of our own where there are any: elsewhere results alone are compared. */
import { describe, expect, it } from 'vitest';
import { type GraphFunction, graphFunction } from '../../graph/function.ts';
import { categoricalDraw } from '../../graph/ops/draw.ts';
import {
  adamw,
  type AdamWFactors,
  adamwFactors,
  rmsNormGradient,
  swiglu,
  swigluGradient,
} from '../../graph/ops/fused.ts';
import { indexAdd } from '../../graph/ops/indexing.ts';
import { addmm, matmul } from '../../graph/ops/matmul.ts';
import { cachedAttention, rmsNorm } from '../../graph/ops/transformer.ts';
import { input } from '../../graph/tensor.ts';
import { kernelObstacle } from '../native/support.ts';
import { CustomOperators } from './custom-operators.ts';
import { ortLibrary } from './library.ts';
import { lower } from './lowering.ts';
import { ownDomain } from './protobuf.ts';

const f = (name: string, ...shape: (string | number)[]) => input(name, 'f32', shape);

function attention(steps: number | 'S', size: number, long = false): GraphFunction {
  return graphFunction(
    cachedAttention(
      {
        query: f('query', 'B', steps, 4 * size),
        key: f('key', 'B', steps, 2 * size),
        value: f('value', 'B', steps, 2 * size),
        pastKey: f('pastKey', 'B', 2, 'C', size),
        pastValue: f('pastValue', 'B', 2, 'C', size),
        lengths: input('lengths', 'i32', ['B']),
        total: input('total', 'i32', []),
        cos: f('cos', 'P', size / 2),
        sin: f('sin', 'P', size / 2),
      },
      { heads: 4, keyValueHeads: 2, long },
    ),
  );
}

function rows(width: number): GraphFunction {
  const [x, g, w] = [f('x', 'B', width), f('g', 'B', width), f('w', width)];
  const [ofGate, ofUp] = swigluGradient(x, g, g);
  const [ofX, product] = rmsNormGradient(x, w, f('r', 'B', 1), g);
  return graphFunction({ a: swiglu(x, g), ofGate, ofUp, ofX, product, y: rmsNorm(x, w, 1e-6) });
}

const draw = (vocabulary: number) =>
  graphFunction(categoricalDraw(f('l', 'B', vocabulary), f('i', 'B'), f('u', 'B')));
const scatter = (width: number) =>
  graphFunction({ y: indexAdd(f('t', 5, width), input('at', 'i64', ['N']), f('r', 'N', width)) });

function optimizer(): GraphFunction {
  const factors = Object.fromEntries(adamwFactors.map((name) => [name, f(name)])) as AdamWFactors;
  const [p, m, v] = adamw([f('p', 'n'), f('g', 'n'), f('m', 'n'), f('v', 'n')], factors);
  return graphFunction({ p, m, v });
}

/** Products with weights [64, 24] and [64, 20] that are constants, in the ways that layers need them, and others. */
function linear(): GraphFunction {
  const x = f('x', 'B', 24);
  const by = (name: string) => matmul(x, f(name, 64, 24), { transposeB: true });
  return graphFunction({
    plain: by('w'),
    again: by('w'),
    biased: addmm(f('bias', 64), x, f('w', 64, 24), { transposeB: true }),
    residual: addmm(f('y', 'B', 64), x, f('v', 64, 24), { transposeB: true }),
    changing: by('changing'),
    scaled: matmul(x, f('w', 64, 24), { transposeB: true, alpha: 2 }),
    narrow: matmul(f('z', 'B', 20), f('n', 64, 20), { transposeB: true }),
    few: matmul(x, f('few', 40, 24), { transposeB: true }),
  });
}
const constants = new Set(['w', 'v', 'n', 'few', 'bias', 'elsewhere']);

/** Products as learning has them: a layer, and the gradients of its input and of its weight. */
function learning(): GraphFunction {
  const [x, w, g] = [f('x', 'T', 32), f('weight', 64, 32), f('g', 'T', 64)];
  return graphFunction({
    y: matmul(x, w, { transposeB: true }),
    ofX: matmul(g, w),
    ofW: matmul(g, x, { transposeA: true }),
    sum: addmm(f('sum', 64, 32), g, x, { transposeA: true }),
  });
}

function ownOperators(
  fn: GraphFunction,
  operators?: CustomOperators,
  rows: 'few' | 'many' = 'few',
): string[] {
  const kernels = operators === undefined ? {} : { kernels: operators };
  const { nodes } = lower(fn, 'test', { constants, rows, ...kernels });
  return nodes
    .filter(({ domain }) => domain === ownDomain)
    .map(({ operator }) => operator.split('_')[0]!)
    .toSorted();
}

describe.skipIf(kernelObstacle() !== undefined)('on a machine that runs them', () => {
  const operators = new CustomOperators(ortLibrary());

  it.each([
    ['attention of one token', attention(1, 16), ['cachedAttention']],
    ['attention of many', attention('S', 48), ['cachedAttention']],
    ['chains by rows', rows(16), ['rmsNorm', 'rmsNormGradient', 'swiglu', 'swigluGradient']],
    ['a draw', draw(512), ['categoricalDraw']],
    ['adding rows', scatter(24), ['indexAdd']],
    ['the optimizer', optimizer(), ['adamw']],
    ['products with constants', linear(), ['linear', 'linear', 'linear', 'linear']],
  ])('%s', (_name, fn, expected) => {
    expect(ownOperators(fn, operators)).toEqual(expected);
    expect(ownOperators(fn)).toEqual([]);
  });

  it('multiplies many rows', () => {
    expect(ownOperators(learning(), operators, 'many')).toEqual([
      'linear',
      'linear',
      'outer',
      'outer',
      'panels',
      'panels',
    ]);
    expect(ownOperators(learning(), operators)).toEqual([]);
  });

  it('tells which constants a program reads in panels, as they are, and at once', () => {
    const { constants: held, given, inputs } = lower(linear(), 'test', { constants, kernels: operators });
    expect(given.map(({ constant, form }) => `${constant} ${form}`)).toEqual([
      'bias plain',
      'w panels',
      'v panels',
    ]);
    expect(held.map(({ name }) => name).toSorted()).toEqual(['few', 'n', 'w']);
    expect(inputs.map(({ name }) => name).toSorted()).toEqual(['changing', 'x', 'y', 'z']);
    const many = lower(linear(), 'test', { constants, kernels: operators, rows: 'many' });
    expect(many.constants).toEqual([]);
    expect(many.given.map(({ constant, form }) => `${constant} ${form}`).toSorted()).toEqual([
      'bias plain',
      'few plain',
      'n plain',
      'v panels',
      'w panels',
      'w plain',
    ]);
  });

  it.each([
    ['long prompts', attention('S', 16, true)],
    ['heads that are no multiple of 16', attention(1, 24)],
    ['rows that are no multiple of 8', rows(12)],
    ['a vocabulary that is none', draw(513)],
    ['a table that is none', scatter(20)],
  ])('leaves %s to ONNX Runtime', (_name, fn) => {
    expect(ownOperators(fn, operators)).toEqual([]);
  });
});
