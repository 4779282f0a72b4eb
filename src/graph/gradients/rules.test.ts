/** Every gradient rule against central differences of the float64 interpreter, on random data. */
import { describe, expect, it } from 'vitest';
import { randomStream, type RandomStream } from '../../util/random.ts';
import type { Dim } from '../dim.ts';
import type { DType } from '../dtype.ts';
import { graphFunction } from '../function.ts';
import { interpret } from '../interpreter.ts';
import {
  abs,
  add,
  cast,
  detach,
  div,
  exp,
  log,
  maximum,
  minimum,
  mul,
  neg,
  reciprocal,
  sigmoid,
  silu,
  sqrt,
  sub,
  where,
} from '../ops/elementwise.ts';
import { addAlongLast, indexAdd, indexSelect, takeAlongLast } from '../ops/indexing.ts';
import { addmm, matmul } from '../ops/matmul.ts';
import { logSoftmax, max, softmax, sum } from '../ops/reduce.ts';
import { concat, expand, reshape, slice, split, transpose } from '../ops/shape.ts';
import { tokenLogprobs } from '../ops/token-logprobs.ts';
import { swiglu } from '../ops/fused.ts';
import { rmsNorm, rope } from '../ops/transformer.ts';
import { input, type Tensor, type Value } from '../tensor.ts';
import { backward } from './backward.ts';
import { gradientRules } from './rules.ts';

interface Operand {
  readonly shape: readonly Dim[];
  readonly dtype?: DType;
  /** One element; default standard normal. */
  readonly draw?: (random: RandomStream) => number;
  /** Not differentiated (tables, scales). */
  readonly fixed?: boolean;
}

interface Case {
  /** The rule under test. */
  readonly rule: string;
  readonly operands: readonly Operand[];
  readonly build: (...operands: Tensor[]) => Tensor | readonly Tensor[];
}

const sizes = new Map([
  ['B', 2],
  ['T', 3],
  ['N', 4],
]);
const f = (...shape: Dim[]): Operand => ({ shape });
const away = (...shape: Dim[]): Operand => ({ shape, draw: (random) => 0.5 + random.next() });
/** Few distinct values, so that ties happen. */
const coarse = (...shape: Dim[]): Operand => ({ shape, draw: (random) => random.integer(3) - 1 });
const index = (bound: number, ...shape: Dim[]): Operand => ({
  shape,
  dtype: 'i64',
  draw: (random) => random.integer(bound),
});
const mask = (...shape: Dim[]): Operand => ({ shape, dtype: 'bool', draw: (random) => random.integer(2) });
const fixed = (operand: Operand): Operand => ({ ...operand, fixed: true });

const unary = (rule: string, op: (x: Tensor) => Tensor, operand = f('B', 3)): Case[] => [
  { rule, operands: [operand], build: op },
  { rule, operands: [{ ...operand, shape: [] }], build: op },
];
const binary = (rule: string, op: (a: Tensor, b: Tensor) => Tensor, of = f): Case[] => [
  { rule, operands: [of('B', 3), of('B', 3)], build: op },
  { rule, operands: [of('B', 1, 3), of('T', 1)], build: op },
  { rule, operands: [of(), of(1, 'T')], build: op },
  { rule, operands: [of(3), of('B', 'T', 3)], build: op },
  // The same tensor twice: both gradients add up.
  { rule, operands: [of('B', 3)], build: (x) => op(x, x) },
];
const flags = [false, true];
const products = flags.flatMap((transposeA) =>
  flags.flatMap((transposeB): Case[] => {
    const options = { transposeA, transposeB, alpha: -0.3 };
    const a: Dim[] = transposeA ? [4, 'T'] : ['T', 4];
    const b = transposeB ? [5, 4] : [4, 5];
    const build = (x: Tensor, y: Tensor) => matmul(x, y, options);
    const addend = (c: Tensor, x: Tensor, y: Tensor) => addmm(c, x, y, options);
    return [
      { rule: 'matmul', operands: [f(...a), f(...b)], build },
      { rule: 'matmul', operands: [f('B', ...a), f(...b)], build },
      { rule: 'matmul', operands: [f('B', 2, ...a), f(...b)], build },
      { rule: 'matmul', operands: [f('B', 2, ...a), f('B', 2, ...b)], build },
      { rule: 'addmm', operands: [f('T', 5), f(...a), f(...b)], build: addend },
      { rule: 'addmm', operands: [f(5), f(...a), f(...b)], build: addend },
    ];
  }),
);
const heads = flags.flatMap((transposed) =>
  [1, 2, 4].map((chunks): Case => {
    return {
      rule: 'tokenLogprobs',
      operands: [f('N', 3), transposed ? f(6, 3) : f(3, 6), index(6, 'N'), fixed(away())],
      build: (hidden, weight, targets, inverseTemperature) => {
        const inputs = { hidden, weight, targets, inverseTemperature };
        const { logprobs, entropies } = tokenLogprobs(inputs, { transposed, chunks });
        return chunks === 2 ? [logprobs, entropies] : chunks === 1 ? [logprobs] : [entropies];
      },
    };
  }),
);

const cases: Case[] = [
  ...unary('neg', neg),
  ...unary('exp', exp),
  ...unary('log', log, away('B', 3)),
  ...unary('sqrt', sqrt, away('B', 3)),
  ...unary('abs', abs),
  ...unary('abs', abs, coarse('B', 5)),
  ...unary('reciprocal', reciprocal, away('B', 3)),
  ...unary('sigmoid', sigmoid),
  ...unary('silu', silu),
  ...binary('add', add),
  ...binary('sub', sub),
  ...binary('mul', mul),
  ...binary('div', div, away),
  ...binary('minimum', minimum),
  ...binary('minimum', minimum, coarse),
  ...binary('maximum', maximum),
  ...binary('maximum', maximum, coarse),
  { rule: 'where', operands: [mask('B', 3), f('B', 3), f('B', 3)], build: where },
  { rule: 'where', operands: [mask('B', 1), f(3), f('T', 1, 1)], build: where },
  { rule: 'cast', operands: [f('B', 3)], build: (x) => mul(x, cast(cast(x, 'bool'), 'f32')) },
  { rule: 'sum', operands: [f('B', 3, 'T')], build: (x) => sum(x) },
  { rule: 'sum', operands: [f('B', 3, 'T')], build: (x) => sum(x, { axes: [0, -1] }) },
  { rule: 'sum', operands: [f('B', 3, 'T')], build: (x) => sum(x, { axes: [1], keepDims: true }) },
  { rule: 'max', operands: [f('B', 3, 'T')], build: (x) => max(x, { axes: [1] }) },
  { rule: 'max', operands: [f('B', 3, 'T')], build: (x) => max(x, { axes: [0, 2], keepDims: true }) },
  // Two values, one of them twice: a central difference sees half of a tie of two, as the rule does.
  { rule: 'max', operands: [f('B', 1)], build: (x) => max(concat([x, x], 1), { axes: [1] }) },
  { rule: 'softmax', operands: [f('B', 5)], build: softmax },
  { rule: 'logSoftmax', operands: [f('B', 'T', 5)], build: logSoftmax },
  ...products,
  { rule: 'reshape', operands: [f('B', 6)], build: (x) => reshape(x, ['B', 2, 3]) },
  { rule: 'transpose', operands: [f('B', 'T', 2)], build: (x) => transpose(x, [1, 2, 0]) },
  { rule: 'expand', operands: [f('T', 1)], build: (x) => expand(x, [2, 'T', 4]) },
  { rule: 'concat', operands: [f('B', 2), f('B', 1), f('B', 3)], build: (...parts) => concat(parts, 1) },
  {
    rule: 'split',
    operands: [f('B', 6)],
    build: (x) => mul(...(split(x, 1, [2, 2, 2]).slice(1) as [Tensor, Tensor])),
  },
  { rule: 'slice', operands: [f('B', 5)], build: (x) => slice(x, 1, 1, 3) },
  { rule: 'slice', operands: [f('B', 5)], build: (x) => slice(x, 1, 0, 2) },
  { rule: 'slice', operands: [f('B', 5, 2)], build: (x) => slice(x, 1, 4, 5) },
  { rule: 'indexSelect', operands: [f(3, 2), index(3, 'B', 'T')], build: indexSelect },
  { rule: 'indexAdd', operands: [f(3, 2), index(3, 'B', 'T'), f('B', 'T', 2)], build: indexAdd },
  { rule: 'takeAlongLast', operands: [f('B', 'T', 4), index(4, 'B', 'T')], build: takeAlongLast },
  {
    rule: 'addAlongLast',
    operands: [f('B', 'T', 4), index(4, 'B', 'T'), f('B', 'T')],
    build: addAlongLast,
  },
  { rule: 'swiglu', operands: [f('B', 'T'), f('B', 'T')], build: swiglu },
  { rule: 'rmsNorm', operands: [f('B', 'T', 4), f(4)], build: (x, weight) => rmsNorm(x, weight, 1e-2) },
  ...flags.map((inverse): Case => ({
    rule: 'rope',
    operands: [f('B', 'T', 8), index(5, 'B', 'T'), fixed(f(5, 2)), fixed(f(5, 2))],
    build: (x, positions, cos, sin) => rope(x, positions, { cos, sin }, { heads: 2, inverse }),
  })),
  ...heads,
];

const step = 1e-5;

/** The places where a rule and the differences disagree. */
function disagreements(test: Case, seed: number): string[] {
  const places: string[] = [];
  const random = randomStream('gradients', test.rule, seed);
  const operands = test.operands.map((operand, at) => {
    const shape = operand.shape.map((dim) => (typeof dim === 'number' ? dim : sizes.get(dim)!));
    const length = shape.reduce((a, b) => a * b, 1);
    const data = Float64Array.from({ length }, () => operand.draw?.(random) ?? random.normal());
    return { ...operand, name: `x${at}`, value: { shape, data } satisfies Value };
  });
  const tensors = operands.map(({ name, dtype, shape }) => input(name, dtype ?? 'f32', shape));
  const built = test.build(...tensors);
  const outputs = Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor];

  // A random linear function of the outputs, so that no cotangent is special.
  const weights = outputs.map((output, at) => input(`w${at}`, 'f32', output.shape));
  const values: Record<string, Value> = Object.fromEntries(operands.map(({ name, value }) => [name, value]));
  const given = interpret(graphFunction(Object.fromEntries(outputs.map((o, at) => [`y${at}`, o]))), values);
  for (const at of outputs.keys()) {
    const { shape, data } = given[`y${at}`]!;
    values[`w${at}`] = { shape, data: data.map(() => random.normal()) };
  }
  const loss = outputs.map((output, at) => sum(mul(output, weights[at]!))).reduce((a, b) => add(a, b));
  const lossOf = (changed: Record<string, Value>) =>
    interpret(graphFunction({ loss }), { ...values, ...changed })['loss']!.data[0]!;

  const wanted = operands.flatMap(({ dtype, fixed }, at) => (dtype === undefined && !fixed ? [at] : []));
  const together = backward(
    loss,
    wanted.map((at) => tensors[at]!),
  );
  for (const [order, at] of wanted.entries()) {
    const [alone] = backward(loss, [tensors[at]!]);
    // `loss` keeps all inputs in the graph, whose sizes bind the symbols.
    const found = interpret(graphFunction({ alone: alone!, together: together[order]!, loss }), values);
    expect(found['alone']).toEqual(found['together']);
    const { name, value } = operands[at]!;
    for (const element of value.data.keys()) {
      const shifted = (by: number) => {
        const data = value.data.slice();
        data[element]! += by;
        return lossOf({ [name]: { ...value, data } });
      };
      const expected = (shifted(step) - shifted(-step)) / (2 * step);
      const gradient = found['alone']!.data[element]!;
      if (!(Math.abs(gradient - expected) < 1e-7 * Math.max(1, Math.abs(expected)))) {
        places.push(`operand ${at}, element ${element}: rule ${gradient}, difference ${expected}`);
      }
    }
  }
  return places;
}

describe('gradient rules against finite differences', () => {
  it.each(cases.map((test, at) => [`${test.rule} ${at}`, test] as const))('%s', (_, test) => {
    for (const seed of [1, 2, 3]) expect(disagreements(test, seed)).toEqual([]);
  });

  it('tests every rule', () => {
    const tested = new Set(cases.map(({ rule }) => rule));
    // No gradient flows through `detach`, where a difference would see one: tested below.
    const missing = [...gradientRules.keys()].filter((name) => name !== 'detach' && !tested.has(name));
    expect(missing, 'add a case to this file').toEqual([]);
  });

  it('tests the rule that it names', () => {
    for (const { rule, operands, build } of cases) {
      const tensors = operands.map(({ shape, dtype }, at) => input(`x${at}`, dtype ?? 'f32', shape));
      const built = build(...tensors);
      const outputs = Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor];
      const { nodes } = graphFunction(Object.fromEntries(outputs.map((o, at) => [`y${at}`, o])));
      // `cast` to the same type builds no node; its case goes through a type without gradient.
      expect(nodes.map(({ op }) => op.name)).toContain(rule);
    }
  });

  it('sends nothing through detach, and everything beside it', () => {
    const x = input('x', 'f32', [3]);
    const [gradient] = backward(sum(mul(detach(x), x)), [x]);
    const data = Float64Array.of(1, -2, 3);
    const { g } = interpret(graphFunction({ g: gradient! }), { x: { shape: [3], data } });
    expect([...g!.data]).toEqual([1, -2, 3]);
  });
});
