/**
 * What every runtime must do, checked against things it did not write: the committed PyTorch goldens of each
 * operation, and the float64 interpreter on random data of changing sizes.
 */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { dimValue } from '../../src/graph/dim.ts';
import type { DType } from '../../src/graph/dtype.ts';
import { graphFunction } from '../../src/graph/function.ts';
import { interpret } from '../../src/graph/interpreter.ts';
import { operations } from '../../src/graph/operation-table.ts';
import { applyAll, input, type Tensor, type Value } from '../../src/graph/tensor.ts';
import {
  elementCount,
  type DeviceBuffer,
  type HostTensor,
  type Program,
  type Runtime,
  type TensorBinding,
  type TensorData,
} from '../../src/runtime/runtime.ts';
import { type RandomStream, randomStream } from '../../src/util/random.ts';
import { emptySizes, type RandomCase, randomCases, type Sizes, usualSizes } from './cases.ts';

interface GoldenData {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: number[];
}

interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: object;
  readonly inputs: GoldenData[];
  readonly outputs: GoldenData[];
}

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/graph/golden.json', import.meta.url), 'utf8'),
) as { cases: GoldenCase[] };

export function describeRuntime(open: () => Runtime): void {
  let opened: Runtime | undefined;
  const runtime = () => (opened ??= open());
  afterAll(async () => opened?.[Symbol.asyncDispose]());

  describe('computes what PyTorch computes', () => {
    it.each(golden.cases.map((test) => [test.name, test] as const))('%s', async (_, test) => {
      const tensors = test.inputs.map(({ dtype, shape }, at) => input(`x${at}`, dtype, shape));
      const outputs = applyAll(operations.get(test.op)!, tensors, test.attributes);
      using program = await runtime().compile(graphFunction(named(outputs)), { name: test.name });
      const values = test.inputs.map(({ dtype, shape, data }) => ({
        dtype,
        shape,
        data: Float64Array.from(data),
      }));
      const found = await runInPlace(runtime(), program, test.op, values, outputs.length);
      const mismatches = test.outputs.map((expected, at) =>
        mismatch(found[at]!, expected, 5e-6, realElements(test.op, at, values, expected.shape)),
      );
      expect(mismatches.filter(Boolean)).toEqual([]);
    });
  });

  describe('computes what the interpreter computes, at changing sizes', () => {
    it('has a case for each operation', () => {
      const covered = new Set(randomCases.map(({ op }) => op));
      const missing = [...operations.keys()].filter((name) => !covered.has(name) && name !== 'input');
      expect(missing, 'add a case to cases.ts').toEqual([]);
    });

    it.each(randomCases.map((test, at) => [`${test.op} ${at}`, test] as const))('%s', async (_, test) => {
      expect(await mismatchesOf(runtime(), test)).toEqual([]);
    });
  });
}

/** What is wrong, run by run; nothing if all is right. */
async function mismatchesOf(runtime: Runtime, test: RandomCase): Promise<string[]> {
  const mismatches: string[] = [];
  const tensors = test.operands.map(({ dtype, shape }, at) => input(`x${at}`, dtype, shape));
  const built = test.build(...tensors);
  const outputs = Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor];
  // Inputs that only give a size to a symbol are kept in the graph as outputs.
  const keep = tensors.filter((tensor) => !reaches(outputs, tensor));
  const fn = graphFunction(named([...outputs, ...keep]));
  using program = await runtime.compile(fn, { name: test.op });
  for (const [run, sizes] of (test.sizes ?? [...usualSizes, emptySizes]).entries()) {
    const random = randomStream('conformance', test.op, run);
    const values = test.operands.map((operand) => drawValue(operand, random, sizes));
    const given = Object.fromEntries(values.map(({ shape, data }, at) => [`x${at}`, { shape, data }]));
    const expected = interpret(fn, given);
    const found = await runInPlace(runtime, program, test.op, values, outputs.length + keep.length);
    // The same data again gives the same bits.
    const again = await runInPlace(runtime, program, test.op, values, outputs.length + keep.length);
    for (const at of outputs.keys()) {
      const wanted = expected[`y${at}`]!;
      const real = realElements(test.op, at, values, wanted.shape);
      const where = `output ${at} at ${JSON.stringify(sizes)}: `;
      const wrong = mismatch(
        found[at]!,
        { shape: wanted.shape, data: [...wanted.data] },
        test.tolerance ?? 2e-6,
        real,
      );
      if (wrong !== '') mismatches.push(where + wrong);
      const changed = mismatch(
        again[at]!,
        { shape: wanted.shape, data: Array.from(found[at]!.data, Number) },
        0,
        real,
      );
      if (changed !== '') mismatches.push(`${where}not repeatable: ${changed}`);
    }
  }
  return mismatches;
}

/** Padded positions of a prompt mean nothing: tells which elements of attention's outputs do. All if undefined. */
function realElements(
  op: string,
  output: number,
  operands: readonly Value[],
  shape: readonly number[],
): ((element: number) => boolean) | undefined {
  const steps = operands[0]?.shape[1];
  if (op !== 'cachedAttention' || steps === undefined || steps === 1) return undefined;
  const lengths = operands[5]!.data;
  if (output === 0) {
    const width = shape[2]!;
    return (element) => Math.floor(element / width) % steps <= lengths[Math.floor(element / width / steps)]!;
  }
  // Behind a prompt's own tokens a runtime may write the keys of its padding: nothing reads them.
  const [, heads, capacity, size] = shape as [number, number, number, number];
  return (element) => {
    const position = Math.floor(element / size) % capacity;
    const sequence = Math.floor(element / size / capacity / heads);
    return position <= lengths[sequence]! || position >= steps;
  };
}

interface Operand extends Value {
  readonly dtype: DType;
}

function drawValue(operand: RandomCase['operands'][number], random: RandomStream, sizes: Sizes): Operand {
  const symbols = new Map(Object.entries(sizes));
  const shape = operand.shape.map((dim) => dimValue(dim, symbols));
  const data = Float64Array.from({ length: elementCount(shape) }, () => operand.draw(random, sizes));
  // What float32 cannot hold exactly would be an error of the input, not of the operation.
  return { dtype: operand.dtype, shape, data: operand.dtype === 'f32' ? data.map(Math.fround) : data };
}

/** Runs with inputs from JavaScript memory, but the caches of attention in buffers that are updated in place. */
async function runInPlace(
  runtime: Runtime,
  program: Program,
  op: string,
  values: readonly Operand[],
  outputs: number,
): Promise<HostTensor[]> {
  const inputs: Record<string, HostTensor | TensorBinding> = {};
  const bound: Record<string, TensorBinding> = {};
  const buffers: DeviceBuffer[] = [];
  try {
    for (const [at, { dtype, shape, data }] of values.entries()) {
      const array = toArray(dtype, data);
      if (op === 'cachedAttention' && (at === 3 || at === 4)) {
        const buffer = runtime.allocate('f32', array.length);
        buffers.push(buffer);
        buffer.data.set(array as Float32Array);
        inputs[`x${at}`] = { buffer, shape };
        bound[`y${at - 2}`] = { buffer, shape };
      } else inputs[`x${at}`] = { data: array, shape };
    }
    const unbound = await program.run(inputs, bound);
    return Array.from({ length: outputs }, (_, at) => {
      const own = bound[`y${at}`];
      return own === undefined ? unbound[`y${at}`]! : { shape: own.shape, data: own.buffer.data.slice() };
    });
  } finally {
    for (const buffer of buffers) buffer[Symbol.dispose]();
  }
}

function toArray(dtype: DType, data: Float64Array): TensorData {
  switch (dtype) {
    case 'f32':
      return Float32Array.from(data);
    case 'i32':
      return Int32Array.from(data);
    case 'i64':
      return BigInt64Array.from(Array.from(data, BigInt));
    case 'bool':
      return Uint8Array.from(data);
  }
}

/** The first difference beyond `tolerance` (relative to max(1, |expected|)) and the largest; '' if there is none. */
function mismatch(
  found: HostTensor,
  expected: { readonly shape: readonly number[]; readonly data: readonly number[] },
  tolerance: number,
  counts: (element: number) => boolean = () => true,
): string {
  if (found.shape.join() !== expected.shape.join()) {
    return `the shape is [${found.shape.join(', ')}], not [${expected.shape.join(', ')}]`;
  }
  let worst = 0;
  let first = '';
  for (const [element, value] of expected.data.entries()) {
    if (!counts(element)) continue;
    const actual = Number(found.data[element]);
    const error =
      Object.is(actual, value) || actual === value
        ? 0
        : Math.abs(actual - value) / Math.max(1, Math.abs(value));
    if (error <= tolerance) continue;
    first ||= `element ${element} is ${actual}, not ${value}`;
    worst = Number.isNaN(error) ? NaN : Math.max(worst, error);
  }
  return first === '' ? '' : `${first}; the largest relative difference is ${worst}`;
}

function named(tensors: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(tensors.map((tensor, at) => [`y${at}`, tensor]));
}

function reaches(outputs: readonly Tensor[], tensor: Tensor): boolean {
  return graphFunction(named(outputs)).nodes.includes(tensor.node);
}
