import { describe, expect, it } from 'vitest';
import { AhaError } from '../errors.ts';
import type { Dim } from './dim.ts';
import { graphFunction } from './function.ts';
import { backward } from './gradients/backward.ts';
import { interpret } from './interpreter.ts';
import { operations } from './operation-table.ts';
import { add, equal, exp, less, logicalAnd, logicalNot, mul, where } from './ops/elementwise.ts';
import { addAlongLast, indexAdd, indexSelect, takeAlongLast, topK } from './ops/indexing.ts';
import { addmm, matmul } from './ops/matmul.ts';
import { argmax, softmax, sum } from './ops/reduce.ts';
import { chunks, concat, expand, iota, reshape, slice, split, transpose } from './ops/shape.ts';
import { tokenLogprobs } from './ops/token-logprobs.ts';
import { categoricalDraw } from './ops/draw.ts';
import { adamwOp, rmsNormGradient, swiglu } from './ops/fused.ts';
import { cachedAttention, rmsNorm, rope } from './ops/transformer.ts';
import { applyAll, attributesOf, constant, input, type Tensor } from './tensor.ts';

let counter = 0;
const f = (...shape: Dim[]) => input(`f${counter++}`, 'f32', shape);
const i = (...shape: Dim[]) => input(`i${counter++}`, 'i64', shape);
const b = (...shape: Dim[]) => input(`b${counter++}`, 'bool', shape);

/** Each application and the whole message of its error, which must name the operation and all shapes. */
const misfits: [string, () => unknown][] = [
  ['swiglu(f32[2, 3], f32[3]): floats of one shape are needed.', () => swiglu(f(2, 3), f(3))],
  [
    'adamw(f32[2], f32[2], f32[2], f32[2]): four vectors and 9 numbers are needed.',
    () => applyAll(adamwOp, [f(2), f(2), f(2), f(2)], {}),
  ],
  [
    'categoricalDraw(f32[2, 3], f32[2], f32[3]): logits [B, V] and two numbers for each row are needed.',
    () => categoricalDraw(f(2, 3), f(2), f(3)),
  ],
  [
    'rmsNormGradient(f32[2, 3], f32[3], f32[2], f32[2, 3]): x, weight, inverse and gradient do not belong together.',
    () => rmsNormGradient(f(2, 3), f(3), f(2), f(2, 3)),
  ],
  ['add(f32[2, 3], f32[4]): axis -1 is 3 in one operand and 4 in another.', () => add(f(2, 3), f(4))],
  [
    'mul(f32[B, 1, 3], f32[T, 3, 3]): axis -3 is B in one operand and T in another.',
    () => mul(f('B', 1, 3), f('T', 3, 3)),
  ],
  ['equal(f32[2], i64[2]): both operands need the same element type.', () => equal(f(2), i(2))],
  ['exp(i64[2]): a float tensor is needed.', () => exp(i(2))],
  ['logicalAnd(f32[2], bool[2]): boolean tensors are needed.', () => logicalAnd(f(2), b(2))],
  ['logicalNot(f32[2]): a boolean tensor is needed.', () => logicalNot(f(2))],
  ['where(f32[2], f32[2], f32[2]): the condition must be boolean.', () => where(f(2), f(2), f(2))],
  [
    'where(bool[2], f32[2], i64[2]): both branches need the same element type.',
    () => where(b(2), f(2), i(2)),
  ],
  [
    'where(bool[2], f32[3], f32[]): axis -1 is 2 in one operand and 3 in another.',
    () => where(b(2), f(3), f()),
  ],
  ['sum(f32[2, 3]): axes 2 do not exist.', () => sum(f(2, 3), { axes: [2] })],
  ['sum(i64[2]): a float tensor is needed.', () => sum(i(2))],
  ['softmax(f32[]): a float tensor of rank ≥ 1 is needed.', () => softmax(f())],
  ['argmax(i64[2]): a float tensor of rank ≥ 1 is needed.', () => argmax(i(2))],
  ['matmul(f32[2, 3], f32[4, 5]): the inner dimensions 3 and 4 differ.', () => matmul(f(2, 3), f(4, 5))],
  [
    'matmul(f32[2, H], f32[5, K]): the inner dimensions H and K differ.',
    () => matmul(f(2, 'H'), f(5, 'K'), { transposeB: true }),
  ],
  [
    'matmul(f32[2, 3, 4], f32[5, 4, 2]): the leading dimensions differ.',
    () => matmul(f(2, 3, 4), f(5, 4, 2)),
  ],
  ['matmul(f32[3], f32[3, 2]): both operands need rank ≥ 2.', () => matmul(f(3), f(3, 2))],
  ['matmul(f32[2, 3], i64[3, 2]): float tensors are needed.', () => matmul(f(2, 3), i(3, 2))],
  [
    'addmm(f32[3], f32[2, 3], f32[3, 4]): the addend does not fit the product [2, 4].',
    () => addmm(f(3), f(2, 3), f(3, 4)),
  ],
  ['addmm(f32[4], f32[1, 2, 3], f32[3, 4]): matrices are needed.', () => addmm(f(4), f(1, 2, 3), f(3, 4))],
  ['reshape(f32[2, 3]): the elements do not fit [4].', () => reshape(f(2, 3), [4])],
  ['reshape(f32[B, T]): the elements do not fit [B*B].', () => reshape(f('B', 'T'), ['B*B'])],
  ['transpose(f32[2, 3]): [0, 0] is not a permutation of its axes.', () => transpose(f(2, 3), [0, 0])],
  ['transpose(f32[2, 3]): [1, 0, 2] is not a permutation of its axes.', () => transpose(f(2, 3), [1, 0, 2])],
  ['expand(f32[2], f32[3]): axis -1 is 2 in one operand and 3 in another.', () => expand(f(2), [3])],
  ['expand(f32[2, 3]): cannot become [3].', () => expand(f(2, 3), [3])],
  ['concat(f32[2, 3], f32[2, 4]): cannot be joined along axis 0.', () => concat([f(2, 3), f(2, 4)], 0)],
  ['concat(f32[B], f32[2]): cannot be joined along axis 0.', () => concat([f('B'), f(2)], 0)],
  ['concat(f32[1], f32[2]): have 3 along axis 0, not 4.', () => concat([f(1), f(2)], 0, 4)],
  ['split(f32[2, 3]): axis 1 does not have the parts [1, 1].', () => split(f(2, 3), 1, [1, 1])],
  ['slice(f32[2, 3]): [1, 5) is not within axis 1.', () => slice(f(2, 3), 1, 1, 5)],
  ['chunks(f32[5, 2]): the first axis is not divisible by 2.', () => chunks(f(5, 2), 2)],
  [
    'indexSelect(f32[4, 2], f32[3]): a table of rank ≥ 1 and i64 indices are needed.',
    () => indexSelect(f(4, 2), f(3)),
  ],
  [
    'indexAdd(f32[4, 2], i64[3], f32[3, 5]): i64 indices and float rows [3, 2] are needed.',
    () => indexAdd(f(4, 2), i(3), f(3, 5)),
  ],
  [
    'takeAlongLast(f32[4, 2], i64[3]): one i64 index for each row of the first operand is needed.',
    () => takeAlongLast(f(4, 2), i(3)),
  ],
  [
    'addAlongLast(f32[4, 2], i64[4], f32[3]): one i64 index and one value for each row are needed.',
    () => addAlongLast(f(4, 2), i(4), f(3)),
  ],
  ['topK(f32[4, 2]): k = 3 does not fit the last axis.', () => topK(f(4, 2), 3)],
  ['constant(f32[2, 2]): 3 values were given for 4 elements.', () => constant([1, 2, 3], [2, 2])],
  [
    'rmsNorm(f32[2, 3], f32[4]): the weight must be as long as the last axis.',
    () => rmsNorm(f(2, 3), f(4), 1e-6),
  ],
  [
    'rope(f32[2, 3, 8], i64[2, 4], f32[9, 2], f32[9, 2]): x [B, T, 2·D], positions [B, T], cos and sin [P, D/2] are needed.',
    () => rope(f(2, 3, 8), i(2, 4), { cos: f(9, 2), sin: f(9, 2) }, { heads: 2 }),
  ],
  [
    'tokenLogprobs(f32[5, 3], f32[7, 3], i64[5], f32[]): hidden [N, H], weight, targets [N], a scalar; N divisible by 2.',
    () =>
      tokenLogprobs(
        { hidden: f(5, 3), weight: f(7, 3), targets: i(5), inverseTemperature: f() },
        { transposed: true, chunks: 2 },
      ),
  ],
  [
    'cachedAttention(f32[2, 1, 16], f32[2, 1, 8], f32[2, 1, 8], f32[2, 2, 6, 4], f32[2, 2, 7, 4], i32[2], i32[], ' +
      'f32[6, 2], f32[6, 2]): see its description for the shapes needed.',
    () =>
      cachedAttention(
        {
          query: f(2, 1, 16),
          key: f(2, 1, 8),
          value: f(2, 1, 8),
          pastKey: f(2, 2, 6, 4),
          pastValue: f(2, 2, 7, 4),
          lengths: input('lengths', 'i32', [2]),
          total: input('total', 'i32', []),
          cos: f(6, 2),
          sin: f(6, 2),
        },
        { heads: 4, keyValueHeads: 2 },
      ),
  ],
];

function errorOf(build: () => unknown): AhaError {
  try {
    build();
  } catch (error) {
    if (error instanceof AhaError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('shape rules', () => {
  it.each(misfits)('%s', (message, build) => {
    const error = errorOf(build);
    expect(error.code).toBe('shape-mismatch');
    expect(error.message).toBe(message);
  });

  it('has a misfit for every operation that can be misused', () => {
    const tested = new Set(misfits.map(([message]) => message.split('(')[0]!));
    const sameRule: Record<string, string> = {
      // Operations that share the shape rule of a tested one.
      ...Object.fromEntries(
        ['neg', 'log', 'sqrt', 'abs', 'reciprocal', 'sigmoid', 'silu', 'detach'].map((name) => [name, 'exp']),
      ),
      ...Object.fromEntries(
        ['sub', 'div', 'minimum', 'maximum', 'less', 'lessEqual'].map((name) => [name, 'add']),
      ),
      max: 'sum',
      logSoftmax: 'softmax',
      cumsum: 'softmax',
      swigluGradient: 'swiglu',
      tokenLogprobsGradient: 'tokenLogprobs',
    };
    // These accept everything: they have no inputs, or any shape will do.
    const free = ['input', 'iota', 'full', 'cast'];
    const missing = [...operations.keys()].filter(
      (name) => !tested.has(name) && !tested.has(sameRule[name] ?? '') && !free.includes(name),
    );
    expect(missing).toEqual([]);
  });
});

describe('graphFunction and interpret', () => {
  const x = input('x', 'f32', ['B', 3]);
  const value = (shape: number[], data: number[]) => ({ shape, data: Float64Array.from(data) });

  it('binds symbolic dimensions to the sizes of the inputs', () => {
    const fn = graphFunction({ flat: reshape(x, ['3*B']), count: iota('B') });
    const { flat, count } = interpret(fn, { x: value([2, 3], [1, 2, 3, 4, 5, 6]) });
    expect(flat!.shape).toEqual([6]);
    expect([...count!.data]).toEqual([0, 1]);
  });

  it('says which input is missing or has the wrong shape', () => {
    const fn = graphFunction({ y: add(x, input('y', 'f32', ['B', 1])) });
    expect(() => interpret(fn, { x: value([1, 3], [1, 2, 3]) })).toThrow(
      'The graph input y was not given: expected f32[B, 1].',
    );
    expect(() => interpret(fn, { x: value([1, 3], [1, 2, 3]), y: value([2, 1], [1, 2]) })).toThrow(
      'The graph input y has the wrong shape: found [2, 1], expected [B, 1].',
    );
    expect(() => interpret(fn, { x: value([3], [1, 2, 3]), y: value([2, 1], [1, 2]) })).toThrow(
      'The graph input x has the wrong shape: found [3], expected [B, 3].',
    );
  });

  it('refuses two different inputs of one name, and joins two equal ones', () => {
    expect(() => graphFunction({ y: sum(x), z: sum(input('x', 'f32', ['B', 4])) })).toThrow(
      'The graph has two different inputs named x: found f32 [B, 4], expected f32 [B, 3].',
    );
    const twice = graphFunction({ y: add(x, input('x', 'f32', ['B', 3])) });
    expect([...interpret(twice, { x: value([1, 3], [1, 2, 3]) })['y']!.data]).toEqual([2, 4, 6]);
  });

  it('refuses indices out of range instead of wrapping', () => {
    const fn = graphFunction({ y: indexSelect(constant([1, 2], [2]), input('i', 'i64', ['N'])) });
    for (const index of [-1, 2, 0.5, Number.NaN]) {
      expect(() => interpret(fn, { i: value([1], [index]) })).toThrow(
        'indexSelect was given an index out of range',
      );
    }
  });

  it('runs graphs that are deeper than the call stack', () => {
    let y: Tensor = input('start', 'f32', []);
    const start = y;
    for (let step = 0; step < 20_000; step++) y = add(y, constant([1], []));
    const [gradient] = backward(y, [start]);
    const result = interpret(graphFunction({ y, gradient: gradient! }), { start: value([], [0.5]) });
    expect(result['y']!.data[0]).toBe(20_000.5);
    expect(result['gradient']!.data[0]).toBe(1);
  });

  it('refuses to read a node as another operation', () => {
    expect(() => attributesOf(add(f(2), f(2)).node, operations.get('sum')!)).toThrow(
      'A node was read as another operation: found add, expected sum.',
    );
  });
});

describe('backward', () => {
  it('refuses what is not a scalar float', () => {
    expect(() => backward(f(2), [])).toThrow(
      'Only a scalar float can be differentiated: found f32[2], expected f32[]. Reduce it with sum().',
    );
    expect(() => backward(i(), [])).toThrow('found i64[]');
  });

  it('names an operation without a gradient', () => {
    const x = f(3);
    expect(() => backward(sum(topK(x, 2).values), [x])).toThrow('The operation topK has no gradient');
  });

  it('gives zeros where the loss does not depend on a parameter', () => {
    const x = input('x', 'f32', [2]);
    const unused = input('unused', 'f32', [3]);
    const chosen = where(less(x, constant([0], [])), x, x);
    const [gradient] = backward(sum(chosen), [unused]);
    const fn = graphFunction({ gradient: gradient! });
    expect([...interpret(fn, {})['gradient']!.data]).toEqual([0, 0, 0]);
  });
});
