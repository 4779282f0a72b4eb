/**
 * Random cases for every operation, with symbolic dimensions so that one compiled program runs at several sizes:
 * larger, smaller, one, and where it is legal none.
 */
import type { Dim } from '../../src/graph/dim.ts';
import type { DType } from '../../src/graph/dtype.ts';
import { backward } from '../../src/graph/gradients/backward.ts';
import * as draws from '../../src/graph/ops/draw.ts';
import * as elementwise from '../../src/graph/ops/elementwise.ts';
import * as fused from '../../src/graph/ops/fused.ts';
import * as indexing from '../../src/graph/ops/indexing.ts';
import * as products from '../../src/graph/ops/matmul.ts';
import * as reductions from '../../src/graph/ops/reduce.ts';
import * as shapes from '../../src/graph/ops/shape.ts';
import { tokenLogprobs } from '../../src/graph/ops/token-logprobs.ts';
import * as transformer from '../../src/graph/ops/transformer.ts';
import { applyAll, constant, type Tensor } from '../../src/graph/tensor.ts';
import type { RandomStream } from '../../src/util/random.ts';

export type Sizes = Readonly<Record<string, number>>;

export interface Operand {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  /** One element, given the sizes of the run. */
  readonly draw: (random: RandomStream, sizes: Sizes) => number;
}

export interface RandomCase {
  /** The operation under test. */
  readonly op: string;
  readonly operands: readonly Operand[];
  readonly build: (...operands: Tensor[]) => Tensor | readonly Tensor[];
  /** Default: `usualSizes`, and `emptySizes` too. */
  readonly sizes?: readonly Sizes[];
  /** Largest accepted difference, relative to max(1, |expected|). Default 2e-6. */
  readonly tolerance?: number;
}

export const usualSizes: readonly Sizes[] = [
  { B: 2, T: 3 },
  { B: 5, T: 7 },
  { B: 1, T: 1 },
  { B: 3, T: 2 },
  { B: 2, T: 3 },
];
export const emptySizes: Sizes = { B: 0, T: 3 };

/** S is B + T. */
const withSum = [...usualSizes, emptySizes].map(({ B, T }): Sizes => ({ B: B!, T: T!, S: B! + T! }));

const f = (...shape: Dim[]): Operand => ({ dtype: 'f32', shape, draw: (random) => random.normal() });
/** Few distinct values, so that ties happen. */
const coarse = (...shape: Dim[]): Operand => ({
  dtype: 'f32',
  shape,
  draw: (random) => random.integer(3) - 1,
});
const positive = (...shape: Dim[]): Operand => ({
  dtype: 'f32',
  shape,
  draw: (random) => 0.1 + random.next(),
});
const share = (...shape: Dim[]): Operand => ({ dtype: 'f32', shape, draw: (random) => random.next() });
const constantly = (value: number, ...shape: Dim[]): Operand => ({ dtype: 'f32', shape, draw: () => value });
const wide = (...shape: Dim[]): Operand => ({
  dtype: 'f32',
  shape,
  draw: (random) => 40 * random.next() - 20,
});
const whole = (dtype: DType, ...shape: Dim[]): Operand => ({
  dtype,
  shape,
  draw: (random) => random.integer(7) - 3,
});
const flag = (...shape: Dim[]): Operand => ({ dtype: 'bool', shape, draw: (random) => random.integer(2) });
const index = (bound: number | string, ...shape: Dim[]): Operand => ({
  dtype: 'i64',
  shape,
  draw: (random, sizes) => random.integer(typeof bound === 'number' ? bound : sizes[bound]!),
});

function unary(op: string, build: (x: Tensor) => Tensor, operand = f, tolerance?: number): RandomCase[] {
  const shapes: Dim[][] = [['B', 'T'], [], ['B', 3, 'T']];
  const extra = tolerance === undefined ? {} : { tolerance };
  return shapes.map((shape) => ({ op, operands: [operand(...shape)], build, ...extra }));
}

function binary(
  op: string,
  build: (a: Tensor, b: Tensor) => Tensor,
  operands: readonly ((...shape: Dim[]) => Operand)[] = [f],
): RandomCase[] {
  return operands.flatMap((operand): RandomCase[] => [
    { op, operands: [operand('B', 'T'), operand('B', 'T')], build },
    { op, operands: [operand('B', 1, 'T'), operand(4, 1)], build },
    { op, operands: [operand('T'), operand('B', 'T')], build },
    { op, operands: [operand(), operand('B', 3)], build },
    { op, operands: [operand('B', 3), operand(1)], build },
    { op, operands: [operand('B', 3)], build: (x) => build(x, x) },
  ]);
}

const i64 = (...shape: Dim[]) => whole('i64', ...shape);
const i32 = (...shape: Dim[]) => whole('i32', ...shape);
const casts: readonly (readonly [(...shape: Dim[]) => Operand, DType])[] = [
  [wide, 'i64'],
  [wide, 'i32'],
  [coarse, 'bool'],
  [i64, 'f32'],
  [i64, 'bool'],
  [i32, 'i64'],
  [flag, 'f32'],
  [flag, 'i64'],
];
const flags = [false, true];

const productCases = flags.flatMap((transposeA) =>
  flags.flatMap((transposeB): RandomCase[] => {
    const options = { transposeA, transposeB, alpha: -0.3 };
    const a: Dim[] = transposeA ? [5, 'T'] : ['T', 5];
    const b = transposeB ? [4, 5] : [5, 4];
    const build = (x: Tensor, y: Tensor) => products.matmul(x, y, options);
    const addend = (c: Tensor, x: Tensor, y: Tensor) => products.addmm(c, x, y, options);
    return [
      { op: 'matmul', operands: [f(...a), f(...b)], build },
      { op: 'matmul', operands: [f('B', ...a), f(...b)], build },
      { op: 'matmul', operands: [f('B', 2, ...a), f(...b)], build },
      { op: 'matmul', operands: [f('B', 2, ...a), f('B', 2, ...b)], build },
      { op: 'addmm', operands: [f('T', 4), f(...a), f(...b)], build: addend },
      { op: 'addmm', operands: [f(4), f(...a), f(...b)], build: addend },
      // The inner dimension is the dynamic one, as in a weight's gradient.
      {
        op: 'matmul',
        operands: [f(...(transposeA ? ['T', 3] : [3, 'T'])), f(...(transposeB ? [4, 'T'] : ['T', 4]))],
        build,
      },
    ];
  }),
);

function headCases(vocabulary: number, transposed: boolean): RandomCase[] {
  const operands = [
    f('2*B', 5),
    transposed ? f(vocabulary, 5) : f(5, vocabulary),
    index(vocabulary, '2*B'),
    positive(),
    f('2*B'),
    f('2*B'),
    f('B'),
  ];
  const score = (inputs: readonly Tensor[], chunks: number) => {
    const [hidden, weight, targets, inverseTemperature] = inputs as [Tensor, Tensor, Tensor, Tensor];
    return tokenLogprobs({ hidden, weight, targets, inverseTemperature }, { transposed, chunks });
  };
  return [1, 2].flatMap((chunks): RandomCase[] => [
    {
      op: 'tokenLogprobs',
      operands,
      build: (...inputs) => {
        const { logprobs, entropies } = score(inputs, chunks);
        return [logprobs, entropies];
      },
    },
    { op: 'tokenLogprobs', operands, build: (...inputs) => score(inputs, chunks).logprobs },
    {
      op: 'tokenLogprobsGradient',
      operands,
      build: (...inputs) => {
        const loss = reductions.sum(elementwise.mul(score(inputs, chunks).logprobs, inputs[4]!));
        return backward(loss, inputs.slice(0, 2));
      },
      tolerance: 1e-5,
    },
    {
      op: 'tokenLogprobsGradient',
      operands,
      build: (...inputs) => {
        const { logprobs, entropies } = score(inputs, chunks);
        const ofLogprobs = reductions.sum(elementwise.mul(logprobs, inputs[4]!));
        const ofEntropies = reductions.sum(elementwise.mul(entropies, inputs[5]!));
        const loss = elementwise.add(ofLogprobs, ofEntropies);
        return [loss, entropies, ...backward(loss, inputs.slice(0, 2))];
      },
      tolerance: 1e-5,
    },
  ]);
}

const tables = (positions: number, half: number): Operand[] => [f(positions, half), f(positions, half)];

const attentionSizes: readonly Sizes[] = [
  { B: 2, C: 9 },
  { B: 5, C: 12 },
  { B: 1, C: 9 },
  { B: 2, C: 9 },
];

function attention(steps: number | 'S', sizes: readonly Sizes[], size = 8): RandomCase {
  const heads = 4;
  const keyValueHeads = 2;
  return {
    op: 'cachedAttention',
    operands: [
      f('B', steps, heads * size),
      f('B', steps, keyValueHeads * size),
      f('B', steps, keyValueHeads * size),
      f('B', keyValueHeads, 'C', size),
      f('B', keyValueHeads, 'C', size),
      {
        dtype: 'i32',
        shape: ['B'],
        // Tokens after the call, minus one. With one step, anything up to the capacity.
        draw: (random, run) => random.integer(steps === 1 || run['S'] === 1 ? run['C']! : run['S']!),
      },
      { dtype: 'i32', shape: [], draw: (_, run) => (steps === 1 || run['S'] === 1 ? run['C']! : run['S']!) },
      ...tables(12, size / 2),
    ],
    // The caches are bound in place by the suite, which tells them by their names.
    build: (...inputs) =>
      applyAll(transformer.cachedAttentionOp, inputs, { heads, keyValueHeads }).slice(0, 3),
    sizes,
  };
}

export const randomCases: readonly RandomCase[] = [
  ...unary('neg', elementwise.neg),
  ...unary('exp', elementwise.exp),
  ...unary('log', elementwise.log, positive),
  ...unary('sqrt', elementwise.sqrt, positive),
  ...unary('abs', elementwise.abs),
  ...unary('reciprocal', elementwise.reciprocal, positive),
  ...unary('sigmoid', elementwise.sigmoid, wide),
  ...unary('silu', elementwise.silu, wide),
  ...unary('detach', elementwise.detach),
  ...binary('add', elementwise.add, [f, i64, i32]),
  ...binary('sub', elementwise.sub, [f, i64, i32]),
  ...binary('mul', elementwise.mul, [f, i64, i32]),
  ...binary('div', elementwise.div, [positive]),
  ...binary('minimum', elementwise.minimum, [f, coarse, i64]),
  ...binary('maximum', elementwise.maximum, [f, coarse, i64]),
  ...binary('equal', elementwise.equal, [coarse, i64, i32, flag]),
  ...binary('less', elementwise.less, [coarse, i64, i32]),
  ...binary('lessEqual', elementwise.lessEqual, [coarse, i64, i32]),
  ...binary('logicalAnd', elementwise.logicalAnd, [flag]),
  { op: 'logicalNot', operands: [flag('B', 'T')], build: elementwise.logicalNot },
  { op: 'where', operands: [flag('B', 'T'), f('B', 'T'), f('B', 'T')], build: elementwise.where },
  { op: 'where', operands: [flag('B', 1), f('T'), f()], build: elementwise.where },
  { op: 'where', operands: [flag('B', 'T'), i64('B', 'T'), i64()], build: elementwise.where },
  ...casts.map(([operand, dtype]): RandomCase => {
    return { op: 'cast', operands: [operand('B', 'T')], build: (x) => elementwise.cast(x, dtype) };
  }),

  { op: 'constant', operands: [f('B', 2)], build: (x) => elementwise.add(x, constant([0.5, -2], [2])) },
  { op: 'reshape', operands: [f('B', 6)], build: (x) => shapes.reshape(x, ['B', 2, 3]) },
  { op: 'reshape', operands: [f('B', 'T', 4)], build: (x) => shapes.reshape(x, ['B*T', 4]) },
  {
    op: 'reshape',
    operands: [f('B*T', 4), f('B'), f('T')],
    build: (x, b, t) => [shapes.reshape(x, ['B', 'T', 2, 2]), b, t],
  },
  { op: 'reshape', operands: [f('B', 'T', 4)], build: (x) => shapes.reshape(x, ['B', '4*T']) },
  { op: 'reshape', operands: [f('B', 'T')], build: (x) => shapes.reshape(x, ['T', 1, 'B']) },
  { op: 'reshape', operands: [f('B', 'T')], build: (x) => shapes.reshape(x, ['B*T']) },
  { op: 'reshape', operands: [f()], build: (x) => shapes.reshape(x, [1, 1]) },
  { op: 'transpose', operands: [f('B', 'T', 2)], build: (x) => shapes.transpose(x, [1, 2, 0]) },
  { op: 'transpose', operands: [f('B', 'T', 2, 3)], build: (x) => shapes.transpose(x, [0, 2, 1, 3]) },
  { op: 'transpose', operands: [i64('B', 'T')], build: (x) => shapes.transpose(x, [1, 0]) },
  { op: 'expand', operands: [f('T', 1), f('B')], build: (x) => shapes.expand(x, ['B', 'T', 4]) },
  { op: 'expand', operands: [f('B', 1, 3), f('T')], build: (x) => shapes.expand(x, ['B', 'T', 3]) },
  { op: 'expand', operands: [f(), f('B'), f('T')], build: (x) => shapes.expand(x, ['B*T', 2]) },
  {
    op: 'concat',
    operands: [f('B', 2, 'T'), f('B', 1, 'T'), f('B', 3, 'T')],
    build: (...parts) => shapes.concat(parts, 1),
  },
  { op: 'concat', operands: [i64(2, 'T'), i64(3, 'T')], build: (...parts) => shapes.concat(parts, 0) },
  {
    op: 'concat',
    operands: [f('B', 2), f('T', 2), f('S')],
    build: (a, b) => shapes.concat([a, b], 0, 'S'),
    sizes: withSum,
  },
  {
    op: 'split',
    operands: [f(2, 'S'), f('B'), f('T')],
    build: (x) => shapes.split(x, 1, ['B', 'T']),
    sizes: withSum,
  },
  { op: 'split', operands: [i64(5, 'T')], build: (x) => shapes.split(x, 0, [1, 3, 1]) },
  { op: 'slice', operands: [f('B', 5)], build: (x) => shapes.slice(x, 1, 1, 3) },
  { op: 'slice', operands: [f('B', 5, 'T')], build: (x) => shapes.slice(x, 1, 4, 5) },
  { op: 'slice', operands: [f(4, 'T')], build: (x) => shapes.slice(x, 0, 2, 2) },
  { op: 'iota', operands: [f('B')], build: () => shapes.iota('B') },
  { op: 'iota', operands: [f('B', 'T'), f('B'), f('T')], build: () => shapes.iota('B*T') },
  { op: 'iota', operands: [], build: () => shapes.iota(4) },
  { op: 'full', operands: [f('B'), f('T')], build: () => shapes.full(['B', 2, 'T'], -1.5) },
  { op: 'full', operands: [], build: () => [shapes.full([], 2), shapes.full([2], 7, 'i64')] },

  { op: 'sum', operands: [f('B', 3, 'T')], build: (x) => reductions.sum(x) },
  { op: 'sum', operands: [f('B', 3, 'T')], build: (x) => reductions.sum(x, { axes: [0, -1] }) },
  { op: 'sum', operands: [f('B', 3, 'T')], build: (x) => reductions.sum(x, { axes: [1], keepDims: true }) },
  { op: 'sum', operands: [f('B', 'T')], build: (x) => reductions.sum(x, { axes: [0] }) },
  { op: 'sum', operands: [f()], build: (x) => reductions.sum(x) },
  { op: 'max', operands: [f('B', 3, 'T')], build: (x) => reductions.max(x, { axes: [1] }) },
  {
    op: 'max',
    operands: [f('B', 3, 'T')],
    build: (x) => reductions.max(x, { axes: [0, 2], keepDims: true }),
    sizes: usualSizes,
  },
  { op: 'argmax', operands: [coarse('B', 'T', 9)], build: reductions.argmax },
  { op: 'softmax', operands: [wide('B', 'T', 9)], build: reductions.softmax },
  { op: 'logSoftmax', operands: [wide('B', 33)], build: reductions.logSoftmax },
  {
    op: 'logSoftmax',
    operands: [wide('B', 6)],
    build: (x) => {
      const blocked = constant([0, 0, 1, 0, 1, 0], [6], 'bool');
      const masked = elementwise.where(blocked, constant([-Infinity], []), x);
      return [reductions.logSoftmax(masked), reductions.softmax(masked)];
    },
  },
  { op: 'cumsum', operands: [f('B', 'T')], build: reductions.cumsum },
  ...productCases,

  { op: 'indexSelect', operands: [f(5, 3), index(5, 'B', 'T')], build: indexing.indexSelect },
  { op: 'indexSelect', operands: [f('T', 2, 3), index('T', 'B')], build: indexing.indexSelect },
  { op: 'indexSelect', operands: [i64(4), index(4, 'B')], build: indexing.indexSelect },
  {
    op: 'indexAdd',
    operands: [f(5, 3), index(5, 'B', 'T'), f('B', 'T', 3)],
    build: indexing.indexAdd,
  },
  { op: 'indexAdd', operands: [f('T'), index('T', 'B'), f('B')], build: indexing.indexAdd },
  { op: 'indexAdd', operands: [f(4, 2, 3), index(2, 'B'), f('B', 2, 3)], build: indexing.indexAdd },
  {
    op: 'takeAlongLast',
    operands: [f('B', 'T', 4), index(4, 'B', 'T')],
    build: indexing.takeAlongLast,
  },
  { op: 'takeAlongLast', operands: [f('B', 'T'), index('T', 'B')], build: indexing.takeAlongLast },
  {
    op: 'addAlongLast',
    operands: [f('B', 'T', 4), index(4, 'B', 'T'), f('B', 'T')],
    build: indexing.addAlongLast,
  },
  {
    op: 'topK',
    operands: [coarse('B', 'T', 6)],
    build: (x) => {
      const { values, indices } = indexing.topK(x, 4);
      return [values, indices];
    },
    sizes: usualSizes,
  },

  // A vocabulary small enough for one piece, and one that a runtime may cut.
  ...[7, 5000].flatMap((vocabulary) => flags.flatMap((transposed) => headCases(vocabulary, transposed))),
  // One more than 512 has no kernel of its own; with temperature 0.5 few tokens have most of the weight.
  ...[16, 512, 513].map((vocabulary): RandomCase => ({
    op: 'categoricalDraw',
    operands: [f('B', vocabulary), constantly(2, 'B'), share('B')],
    build: (logits, inverse, uniform) => {
      const { token, logprob } = draws.categoricalDraw(logits, inverse, uniform);
      return [token, logprob];
    },
    tolerance: 5e-6,
  })),
  {
    op: 'adamw',
    operands: [f('B'), f('B'), f('B'), positive('B'), ...fused.adamwFactors.map(() => positive())],
    build: (parameter, gradient, moment1, moment2, ...factors) =>
      fused.adamw(
        [parameter, gradient, moment1, moment2],
        Object.fromEntries(fused.adamwFactors.map((name, at) => [name, factors[at]!])) as fused.AdamWFactors,
      ),
    sizes: [7, 8, 1000, 1, 70_001].map((B) => ({ B })),
  },
  ...[16, 12].flatMap((width): RandomCase[] => [
    // ONNX Runtime's sigmoid is good to a few units of 10⁻⁷, which the gate multiplies.
    {
      op: 'swiglu',
      operands: [wide('B', width), f('B', width)],
      build: fused.swiglu,
      tolerance: 1e-5,
    },
    {
      op: 'swigluGradient',
      operands: [wide('B', 'T', width), f('B', 'T', width), f('B', 'T', width)],
      build: fused.swigluGradient,
      tolerance: 1e-5,
    },
    {
      op: 'rmsNormGradient',
      operands: [f('B', 'T', width), f(width), positive('B', 'T', 1), f('B', 'T', width)],
      build: fused.rmsNormGradient,
    },
  ]),
  {
    op: 'rmsNorm',
    operands: [f('B', 'T', 8), f(8)],
    build: (x, weight) => applyAll(transformer.rmsNormOp, [x, weight], { epsilon: 1e-2 }),
  },
  {
    op: 'rmsNorm',
    operands: [f('B', 33), f(33)],
    build: (x, weight) => transformer.rmsNorm(x, weight, 1e-6),
  },
  ...flags.map((inverse): RandomCase => ({
    op: 'rope',
    operands: [f('B', 'T', 24), index(7, 'B', 'T'), ...tables(7, 4)],
    build: (x, positions, cos, sin) =>
      transformer.rope(x, positions, { cos: cos, sin: sin }, { heads: 3, inverse }),
  })),
  attention(1, attentionSizes),
  attention(1, attentionSizes, 16),
  attention(1, attentionSizes, 64),
  ...[8, 32].map((size) =>
    attention(
      'S',
      [
        { B: 2, C: 9, S: 5 },
        { B: 3, C: 12, S: 12 },
        { B: 1, C: 4, S: 2 },
        { B: 2, C: 9, S: 1 },
      ],
      size,
    ),
  ),
];
