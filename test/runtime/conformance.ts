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
import { drawIndex } from '../../src/graph/ops/draw.ts';
import { indexAdd } from '../../src/graph/ops/indexing.ts';
import * as products from '../../src/graph/ops/matmul.ts';
import * as transformer from '../../src/graph/ops/transformer.ts';
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

  describe('is a function of its arguments alone', () => {
    it('adds rows with many repeated indices, the same in every run', async () => {
      const [rows, width] = [4096, 40];
      for (const distinct of [1, 3, 700]) {
        const random = randomStream('scatter', distinct);
        const fn = graphFunction({
          y: indexAdd(
            input('table', 'f32', [distinct, width]),
            input('at', 'i64', ['n']),
            input('rows', 'f32', ['n', width]),
          ),
        });
        const at = Float64Array.from({ length: rows }, () => random.integer(distinct));
        // Small integers: their sums are exact in float32, so any lost update shows.
        const values = Float64Array.from({ length: rows * width }, () => random.integer(9) - 4);
        const table = new Float64Array(distinct * width);
        const expected = interpret(fn, {
          table: { shape: [distinct, width], data: table },
          at: { shape: [rows], data: at },
          rows: { shape: [rows, width], data: values },
        });
        using program = await runtime().compile(fn);
        for (let run = 0; run < 10; run++) {
          const { y } = await program.run({
            table: { shape: [distinct, width], data: toArray('f32', table) },
            at: { shape: [rows], data: toArray('i64', at) },
            rows: { shape: [rows, width], data: toArray('f32', values) },
          });
          expect(mismatch(y!, { shape: y!.shape, data: [...expected['y']!.data] }, 0)).toBe('');
        }
      }
    });

    it.each([16, 200])('draws only what has a weight, wherever the number lies, of %i', async (width) => {
      const top = Array.from({ length: 500 }, () => 1 - 2 ** -24);
      const uniform = [0, 2 ** -24, 0.5, 1 - 2 ** -23, ...top];
      const random = randomStream('draws', width);
      // Rounded differently, the sum of such weights and their cumulative sum end apart.
      const rows = uniform.map(() =>
        Array.from({ length: width }, (_, i) => (i < 2 || i >= width - 3 ? 0 : random.next())),
      );
      const [w, u] = [input('w', 'f32', ['B', width]), input('u', 'f32', ['B'])];
      using program = await runtime().compile(graphFunction({ index: drawIndex(w, u) }));
      const { index } = await program.run({
        w: { shape: [uniform.length, width], data: Float32Array.from(rows.flat()) },
        u: { shape: [uniform.length], data: Float32Array.from(uniform) },
      });
      const drawn = Array.from(index!.data, Number);
      expect(drawn[0]).toBe(2);
      expect(drawn.map((at, row) => rows[row]![at]! > 0)).toEqual(uniform.map(() => true));
    });

    // The sampler relies on this: what a sequence draws must not depend on its neighbours. One row alone is
    // computed by another kernel in some runtimes, so it is left out; callers pad to two.
    it.each([
      ['[in, out]', false, false],
      ['[out, in]', true, false],
      ['[in, out], constant', false, true],
      ['[out, in], constant', true, true],
    ] as const)(
      'computes a row of a product to the same bits among any others, weights %s',
      async (_, transposeB, constant) => {
        for (const [inner, columns] of [
          [64, 80],
          [33, 17],
          [300, 130],
          [40, 96],
        ] as const) {
          const most = 70;
          const random = randomStream('rows', inner);
          const w = input('w', 'f32', transposeB ? [columns, inner] : [inner, columns]);
          const [xs, ws] = [
            runtime().allocate('f32', most * inner),
            runtime().allocate('f32', inner * columns),
          ];
          for (let i = 0; i < xs.length; i++) xs.data[i] = random.normal();
          for (let i = 0; i < ws.length; i++) ws.data[i] = random.normal();
          const x = { buffer: xs, shape: [most, inner] };
          const weight = { buffer: ws, shape: w.shape as number[] };
          using constants = runtime().constants(constant ? { w: weight } : {});
          using program = await runtime().compile(
            graphFunction({ y: products.matmul(input('x', 'f32', ['m', inner]), w, { transposeB }) }),
            { constants },
          );
          const weights = constant ? {} : { w: weight };
          const all = await productRows(program, x, weights, 0, most);
          for (const count of [2, 3, 4, 5, 7, 8, 12, 16, 17, 31, 32, 33, 64, 69]) {
            for (const first of [0, 1, most - count]) {
              const found = await productRows(program, x, weights, first, count);
              expect(found, `${count} rows from row ${first}`).toEqual(all.slice(first, first + count));
            }
          }
          program[Symbol.dispose]();
          constants[Symbol.dispose]();
          xs[Symbol.dispose]();
          ws[Symbol.dispose]();
        }
      },
    );

    it('attends from a sequence to the same bits among any others, whatever the capacity', async () => {
      const [heads, keyValueHeads, size, positions] = [4, 2, 32, 24];
      const names = [
        'query',
        'key',
        'value',
        'pastKey',
        'pastValue',
        'lengths',
        'total',
        'cos',
        'sin',
      ] as const;
      const cache = ['B', keyValueHeads, 'C', size];
      const tensors = [
        input('query', 'f32', ['B', 1, heads * size]),
        input('key', 'f32', ['B', 1, keyValueHeads * size]),
        input('value', 'f32', ['B', 1, keyValueHeads * size]),
        input('pastKey', 'f32', cache),
        input('pastValue', 'f32', cache),
        input('lengths', 'i32', ['B']),
        input('total', 'i32', []),
        input('cos', 'f32', [positions, size / 2]),
        input('sin', 'f32', [positions, size / 2]),
      ];
      const [output] = applyAll(transformer.cachedAttentionOp, tensors, { heads, keyValueHeads });
      using program = await runtime().compile(graphFunction({ output: output! }));
      const random = randomStream('attention rows');
      const draw = (length: number) => Float32Array.from({ length }, () => random.normal());
      const [cos, sin] = [draw((positions * size) / 2), draw((positions * size) / 2)];
      const sequences = Array.from({ length: 7 }, (_, index) => ({
        query: draw(heads * size),
        key: draw(keyValueHeads * size),
        value: draw(keyValueHeads * size),
        pastKey: draw(keyValueHeads * positions * size),
        pastValue: draw(keyValueHeads * positions * size),
        length: (index * 5) % 16,
      }));
      /** The outputs of these sequences, decoded together over a cache of this capacity. */
      const attend = async (members: readonly number[], capacity: number) => {
        const chosen = members.map((member) => sequences[member]!);
        const join = (parts: readonly Float32Array[]) =>
          Float32Array.from(parts.flatMap((part) => [...part]));
        const cut = (past: Float32Array) =>
          join(
            Array.from({ length: keyValueHeads }, (_, head) =>
              past.subarray(head * positions * size, (head * positions + capacity) * size),
            ),
          );
        const batch = members.length;
        const cacheShape = [batch, keyValueHeads, capacity, size];
        const inputs: Record<(typeof names)[number], HostTensor> = {
          query: { shape: [batch, 1, heads * size], data: join(chosen.map(({ query }) => query)) },
          key: { shape: [batch, 1, keyValueHeads * size], data: join(chosen.map(({ key }) => key)) },
          value: { shape: [batch, 1, keyValueHeads * size], data: join(chosen.map(({ value }) => value)) },
          pastKey: { shape: cacheShape, data: join(chosen.map(({ pastKey }) => cut(pastKey))) },
          pastValue: { shape: cacheShape, data: join(chosen.map(({ pastValue }) => cut(pastValue))) },
          lengths: { shape: [batch], data: Int32Array.from(chosen, ({ length }) => length) },
          total: { shape: [], data: Int32Array.of(Math.max(...chosen.map(({ length }) => length)) + 1) },
          cos: { shape: [positions, size / 2], data: cos },
          sin: { shape: [positions, size / 2], data: sin },
        };
        const { output } = await program.run(inputs);
        const data = output!.data as Float32Array;
        return members.map((_, row) =>
          Buffer.from(data.slice(row * heads * size, (row + 1) * heads * size).buffer).toString('base64'),
        );
      };
      const all = await attend([0, 1, 2, 3, 4, 5, 6], positions);
      for (const members of [[0], [3], [1, 2], [6, 5], [3, 0, 6], [2, 4, 6, 1, 5]]) {
        for (const capacity of [positions, 17]) {
          expect(await attend(members, capacity), `sequences ${members.join()}`).toEqual(
            members.map((member) => all[member]),
          );
        }
      }
    });
  });
}

/** Bits of products, row by row: one string a row. */
async function productRows(
  program: Program,
  x: TensorBinding,
  weights: Readonly<Record<string, TensorBinding>>,
  first: number,
  count: number,
): Promise<string[]> {
  const width = x.shape[1]!;
  const piece = { buffer: x.buffer, shape: [count, width], offset: first * width };
  const { y } = await program.run({ x: piece, ...weights });
  const [, columns] = y!.shape as [number, number];
  const data = y!.data as Float32Array;
  return Array.from({ length: count }, (_, row) =>
    Buffer.from(data.slice(row * columns, (row + 1) * columns).buffer).toString('base64'),
  );
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
