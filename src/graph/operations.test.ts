import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DType } from './dtype.ts';
import { graphFunction } from './function.ts';
import { backward } from './gradients/backward.ts';
import { gradientRules } from './gradients/rules.ts';
import { interpret } from './interpreter.ts';
import { operations } from './operation-table.ts';
import { add, mul } from './ops/elementwise.ts';
import { sum } from './ops/reduce.ts';
import { applyAll, constant, input, type Tensor, type Value } from './tensor.ts';

interface Data {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: number[];
}

interface Case {
  readonly name: string;
  readonly op: string;
  readonly attributes: object;
  readonly inputs: Data[];
  readonly outputs: Data[];
  readonly seeds: (Data | null)[];
  readonly gradients: (Data | null)[] | null;
}

const golden = JSON.parse(
  readFileSync(new URL('../../test/fixtures/graph/golden.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

function valueOf({ shape, data }: Data): Value {
  return { shape, data: Float64Array.from(data) };
}

function runCase({ op, attributes, inputs }: Case) {
  const tensors = inputs.map(({ dtype, shape }, index) => input(`x${index}`, dtype, shape));
  const outputs = applyAll(operations.get(op)!, tensors, attributes);
  const values = Object.fromEntries(inputs.map((data, index) => [`x${index}`, valueOf(data)]));
  const run = (wanted: readonly Tensor[]) => {
    const fn = graphFunction(Object.fromEntries(wanted.map((tensor, index) => [`y${index}`, tensor])));
    const results = interpret(fn, values);
    return wanted.map((_, index) => results[`y${index}`]!);
  };
  return { tensors, outputs, run };
}

function expectClose(found: Value, expected: Data, tolerance = 1e-11): void {
  expect(found.shape).toEqual(expected.shape);
  for (const [index, value] of expected.data.entries()) {
    const difference = Math.abs(found.data[index]! - value);
    expect(difference, `element ${index}: found ${found.data[index]}, expected ${value}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(value)),
    );
  }
}

describe('every operation against PyTorch', () => {
  it('has a case for each operation but inputs', () => {
    const covered = new Set(golden.cases.map(({ op }) => op));
    const missing = [...operations.keys()].filter((name) => name !== 'input' && !covered.has(name));
    expect(missing, 'add cases to test/fixtures/graph/make-golden.py').toEqual([]);
  });

  it('has a case with a gradient for each differentiable operation', () => {
    const covered = new Set(golden.cases.filter(({ gradients }) => gradients !== null).map(({ op }) => op));
    // `detach` is the one whose rule is that there is none.
    const missing = [...gradientRules.keys()].filter((name) => name !== 'detach' && !covered.has(name));
    expect(missing).toEqual([]);
  });

  it.each(golden.cases.map((test) => [test.name, test] as const))('%s', (_, test) => {
    const { tensors, outputs, run } = runCase(test);
    expect(outputs.map(({ dtype }) => dtype)).toEqual(test.outputs.map(({ dtype }) => dtype));
    for (const [index, value] of run(outputs).entries()) expectClose(value, test.outputs[index]!);
    if (test.gradients === null) return;
    const terms = test.seeds.flatMap((seed, index) =>
      seed === null ? [] : [sum(mul(outputs[index]!, constant(seed.data, seed.shape)))],
    );
    const wanted = test.gradients.flatMap((gradient, index) => (gradient === null ? [] : [index]));
    const gradients = backward(
      terms.reduce((a, b) => add(a, b)),
      wanted.map((index) => tensors[index]!),
    );
    for (const [at, value] of run(gradients).entries())
      expectClose(value, test.gradients[wanted[at]!]!, 1e-10);
  });
});
