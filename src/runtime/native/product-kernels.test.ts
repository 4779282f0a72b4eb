/** Products of matrices, called without ONNX Runtime, for each kind of processor that this one can stand for. */
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../util/random.ts';
import { Assembler, type Label } from './assembler.ts';
import { makeExecutable } from './executable-memory.ts';
import { emitLinearTask, emitPanelsTask, type LinearShape, linearTiling } from './linear-kernel.ts';
import { emitOuterTask, type OuterMachine, type OuterShape, outerTasks } from './outer-kernel.ts';
import { kernelObstacle, vectorSet } from './support.ts';
import { panelColumns, type VectorSet } from './tile.ts';

const task = koffi.proto('void aha_task(void *frame, size_t number)');

/** Runs all tasks of what `emit` writes, one after another. */
function compiled(emit: (code: Assembler, start: Label) => void) {
  const code = new Assembler();
  emit(code, code.label());
  const address = makeExecutable(code.finish())!;
  return (operands: readonly ArrayBufferView[], tasks: number) => {
    const frame = BigUint64Array.from(operands, (operand) => koffi.address(operand));
    for (let number = 0; number < tasks; number++) koffi.call(address, task, frame, number);
  };
}

function normal(name: string, length: number): Float32Array {
  const random = randomStream('product kernels', name);
  return Float32Array.from({ length }, () => random.normal());
}

const untouched = 7;

/** The product of `rows` rows, and behind it a row that must not be written. */
function product(shape: LinearShape, vectors: VectorSet, rows: number): Float32Array {
  const { outputs, inputs, addend } = shape;
  const weight = normal('weight', outputs * inputs);
  const panels = new Float32Array(weight.length);
  compiled((code, start) => emitPanelsTask(code, inputs, start))([weight, panels], outputs / panelColumns);
  const y = new Float32Array((rows + 1) * outputs).fill(untouched);
  const size = BigInt64Array.of(BigInt(rows), BigInt(inputs));
  const added = addend === 'none' ? [] : [normal('added', rows * outputs)];
  const blocks = Math.ceil(rows / linearTiling(shape, vectors).block);
  const run = compiled((code, start) => emitLinearTask(code, shape, vectors, start));
  run([normal('x', rows * inputs), panels, ...added, size, y], (blocks * outputs) / panelColumns);
  return y;
}

function expected({ outputs, inputs, addend }: LinearShape, rows: number): Float64Array {
  const [x, weight, added] = [
    normal('x', rows * inputs),
    normal('weight', outputs * inputs),
    normal('added', rows * outputs),
  ];
  const y = new Float64Array((rows + 1) * outputs).fill(untouched);
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < outputs; n++) {
      let sum = addend === 'none' ? 0 : added[addend === 'matrix' ? m * outputs + n : n]!;
      for (let k = 0; k < inputs; k++) sum += x[m * inputs + k]! * weight[n * inputs + k]!;
      y[m * outputs + n] = sum;
    }
  }
  return y;
}

const sets = (['avx2', 'avx512'] as const).filter((set) => set === 'avx2' || set === vectorSet());

describe.skipIf(kernelObstacle() !== undefined).each(sets)('x · weightᵀ with %s', (vectors) => {
  const { rows: tile, block } = linearTiling({ inputs: 40 }, vectors);

  it.each([1, tile - 1, tile, tile + 1, 64, block, block + 1, 2 * block + 3])(
    'multiplies %i rows',
    (rows) => {
      for (const addend of ['none', 'matrix', 'vector'] as const) {
        const shape: LinearShape = { outputs: 96, inputs: 40, addend };
        const [found, right] = [product(shape, vectors, rows), expected(shape, rows)];
        const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);
        expect(worst, addend).toBeLessThan(1e-5);
        expect(found.subarray(-96)).toEqual(new Float32Array(96).fill(untouched));
      }
    },
  );

  it.each([8, 1024, 2048])('has %i columns, some at distances that caches do not like', (inputs) => {
    const shape: LinearShape = { outputs: 32, inputs, addend: 'none' };
    const [found, right] = [product(shape, vectors, 15), expected(shape, 15)];
    const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);
    expect(worst).toBeLessThan(1e-6 * inputs);
  });

  it('sums up each row in the same order, among any others and with any registers', () => {
    const shape: LinearShape = { outputs: 64, inputs: 136, addend: 'matrix' };
    const all = product(shape, 'avx2', 150);
    for (const rows of [1, 2, 5, 13, 14, 64, 149, 150]) {
      const found = product(shape, vectors, rows);
      expect(found.subarray(0, -64)).toEqual(all.subarray(0, rows * 64));
    }
  });
});

/** aᵀ · b of `terms` rows, in place of what it is added to, and behind it a row that must not be written. */
function outer(
  { rows, columns, adds }: OuterShape,
  machine: OuterMachine,
  terms: number,
): { readonly found: Float32Array; readonly right: Float64Array } {
  const [a, b] = [normal('a', terms * rows), normal('b', terms * columns)];
  const given = normal('given', (rows + 1) * columns);
  const found = given.slice();
  const right = Float64Array.from(given);
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) {
      let sum = adds ? given[n * columns + k]! : 0;
      for (let t = 0; t < terms; t++) sum += a[t * rows + n]! * b[t * columns + k]!;
      right[n * columns + k] = sum;
    }
  }
  const { blocks, groups } = outerTasks({ rows, columns }, machine);
  const run = compiled((code, start) => emitOuterTask(code, { rows, columns, adds }, machine, start));
  const size = BigInt64Array.of(BigInt(terms), BigInt(rows));
  run([a, b, ...(adds ? [found] : []), size, found], blocks * groups);
  return { found, right };
}

describe.skipIf(kernelObstacle() !== undefined).each(sets)('aᵀ · b with %s', (vectors) => {
  const machine = { vectors, threads: 2 };
  const worst = ({ found, right }: ReturnType<typeof outer>) =>
    found.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);

  it.each([
    ['one row', 1, 32],
    ['fewer rows than fit a vector', 5, 64],
    ['rows of a tile and some more', 15, 32],
    ['several blocks and groups', 110, 320],
  ])('has %s', (_, rows, columns) => {
    for (const terms of [0, 1, 3, 4, 255, 256, 257, 600]) {
      for (const adds of [true, false]) {
        expect(worst(outer({ rows, columns, adds }, machine, terms)), `${terms} terms`).toBeLessThan(1e-4);
      }
    }
  });

  it('sums up in the same order for any threads and with any registers', () => {
    const shape: OuterShape = { rows: 200, columns: 96, adds: true };
    const { found } = outer(shape, { vectors: 'avx2', threads: 1 }, 300);
    for (const threads of [1, 2, 3, 64]) {
      expect(outer(shape, { vectors, threads }, 300).found).toEqual(found);
    }
  });
});
