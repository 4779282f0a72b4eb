/** Products with panels, called without ONNX Runtime, for each kind of processor that this one can stand for. */
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../util/random.ts';
import { Assembler, type Label } from './assembler.ts';
import { makeExecutable } from './executable-memory.ts';
import {
  emitLinearTask,
  emitPanelsTask,
  type LinearShape,
  linearTiling,
  panelColumns,
  type VectorSet,
} from './linear-kernel.ts';
import { kernelObstacle, vectorSet } from './support.ts';

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
  const random = randomStream('linear kernel', name);
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

describe.skipIf(kernelObstacle() !== undefined).each(sets)('with %s', (vectors) => {
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
