/**
 * Elementwise work in machine code, a row of the last axis a task: what would be a chain of operators, each of which
 * reads and writes all of its operands, is one pass over memory.
 *
 * Inputs are those of the operation (`graph/ops/fused.ts`), then the shape of the first, i64; all but the weight and
 * the inverse of the norms have that shape, and so have the outputs.
 */
import {
  type Assembler,
  at,
  type Label,
  r10,
  r11,
  r8,
  r9,
  rax,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  type Vector,
  ymm,
} from './assembler.ts';
import { emitExponential, exponentialData, loadConstants } from './exponential.ts';
import { eachEight, emitCompute, type KernelFunctions, operand, type Size } from './kernel.ts';
import { emitReduction } from './reduction.ts';

export type RowKernel = 'swiglu' | 'swigluGradient' | 'rmsNorm' | 'rmsNormGradient';

export interface RowShape {
  /** Axes of the operands. */
  readonly rank: number;
  /** Length of the last axis: a multiple of 8. */
  readonly width: number;
  /** Of `rmsNorm`. */
  readonly epsilon?: number;
}

/** Inputs and outputs of each kernel, without the shape. */
export const rowOperands: Readonly<Record<RowKernel, readonly [inputs: number, outputs: number]>> = {
  swiglu: [2, 1],
  swigluGradient: [3, 2],
  rmsNorm: [2, 2],
  rmsNormGradient: [4, 2],
};

export function emitRowKernel(
  code: Assembler,
  functions: KernelFunctions,
  kernel: RowKernel,
  { rank, width, epsilon = 0 }: RowShape,
): void {
  const [inputs, outputs] = rowOperands[kernel];
  const task = code.label();
  const rows = Array.from({ length: rank - 1 }, (_, axis) => ({ input: inputs, at: axis }));
  const whole: Size[] = [...rows, { input: inputs, at: rank - 1 }];
  const shapes = Array.from({ length: outputs }, () => whole);
  if (kernel === 'rmsNorm') shapes[1] = [...rows, 1];
  emitCompute(code, functions, { inputs: inputs + 1, outputs: shapes, tasks: rows }, task);
  code.align(32);
  switch (kernel) {
    case 'swiglu':
    case 'swigluGradient':
      return emitGate(code, task, width, kernel === 'swigluGradient');
    case 'rmsNorm':
      return emitNorm(code, task, width, epsilon);
    case 'rmsNormGradient':
      return emitNormGradient(code, task, width);
  }
}

/** `pointers[k]` = operand k at row rsi, whose rows are `rowBytes` long. */
function loadRows(
  code: Assembler,
  rowBytes: number,
  pointers: readonly (readonly [Register, number])[],
): void {
  code.imul(rax, rsi, rowBytes);
  for (const [pointer, index] of pointers) {
    code.mov(pointer, operand(rdi, index));
    code.add(pointer, rax);
  }
}

function emitGate(code: Assembler, task: Label, width: number, gradient: boolean): void {
  const exponential = exponentialData(code);
  const largest = code.eight(87);
  code.align(16);
  code.bind(task);
  const [gate, up, given, first, second] = [r8, r9, rdx, r10, r11];
  loadRows(
    code,
    4 * width,
    gradient
      ? [
          [gate, 0],
          [up, 1],
          [given, 2],
          [first, 4],
          [second, 5],
        ]
      : [
          [gate, 0],
          [up, 1],
          [first, 3],
        ],
  );
  const [x, t, y, g, u, d, s] = ymm as [Vector, Vector, Vector, Vector, Vector, Vector, Vector];
  const most = ymm[15]!;
  const constants = loadConstants(code, exponential, [ymm[8]!, ymm[9]!, ymm[10]!, ymm[11]!, ymm[12]!]);
  const { one } = constants;
  code.load(most, largest);
  const here = (row: Register) => at(row, 0, rcx, 4);
  eachEight(code, width, () => {
    code.load(g, here(gate));
    code.load(u, here(up));
    // s = 1 / (1 + e^−g)
    code.zero(x);
    code.vector('subps', x, x, g);
    code.vector('minps', x, most, x);
    emitExponential(code, constants, [x, t, y]);
    code.vector('addps', x, x, one);
    code.vector('divps', s, one, x);
    if (!gradient) {
      code.vector('mulps', s, s, g);
      code.vector('mulps', s, s, u);
      code.store(here(first), s);
      return;
    }
    code.load(d, here(given));
    // gradient of up: d · g · s
    code.vector('mulps', t, g, s);
    code.vector('mulps', y, d, t);
    code.store(here(second), y);
    // of gate: d · up · (s + g · s · (1 − s))
    code.vector('subps', y, one, s);
    code.vector('fmadd213ps', y, t, s);
    code.vector('mulps', y, y, u);
    code.vector('mulps', y, y, d);
    code.store(here(first), y);
  });
  code.zeroUpper();
  code.ret();
}

function emitNorm(code: Assembler, task: Label, width: number, epsilon: number): void {
  const share = code.floats(1 / width);
  const small = code.floats(epsilon);
  const one = code.floats(1);
  code.align(16);
  code.bind(task);
  const [x, weight, y] = [r8, r9, r10];
  loadRows(code, 4 * width, [
    [x, 0],
    [y, 3],
  ]);
  code.mov(weight, operand(rdi, 1));
  const [a, total, spare] = ymm as [Vector, Vector, Vector];
  const here = (row: Register) => at(row, 0, rcx, 4);
  code.zero(total);
  eachEight(code, width, () => {
    code.load(a, here(x));
    code.vector('fmadd231ps', total, a, a);
  });
  emitReduction(code, 'addps', total, spare);
  // r = 1 / √(mean + ε)
  code.broadcast(spare, share);
  code.vector('mulps', total, total, spare);
  code.broadcast(spare, small);
  code.vector('addps', total, total, spare);
  code.unary('sqrtps', total, total);
  code.broadcast(spare, one);
  code.vector('divps', total, spare, total);
  code.mov(rax, operand(rdi, 4));
  code.storeOne(at(rax, 0, rsi, 4), total);
  eachEight(code, width, () => {
    code.load(a, here(x));
    code.vector('mulps', a, a, total);
    code.vector('mulps', a, a, here(weight));
    code.store(here(y), a);
  });
  code.zeroUpper();
  code.ret();
}

function emitNormGradient(code: Assembler, task: Label, width: number): void {
  const share = code.floats(1 / width);
  code.align(16);
  code.bind(task);
  const [x, given, ofX, product, weight] = [r8, r9, r10, r11, rdx];
  // The weight is the same for all rows; the inverse is one number for each.
  code.mov(weight, operand(rdi, 2));
  const inverse = ymm[15]!;
  code.broadcast(inverse, at(weight, 0, rsi, 4));
  loadRows(code, 4 * width, [
    [x, 0],
    [given, 3],
    [ofX, 5],
    [product, 6],
  ]);
  code.mov(weight, operand(rdi, 1));
  const [a, d, total, spare] = ymm as [Vector, Vector, Vector, Vector];
  const here = (row: Register) => at(row, 0, rcx, 4);
  code.zero(total);
  eachEight(code, width, () => {
    code.load(a, here(x));
    code.vector('mulps', a, a, inverse);
    code.vector('mulps', a, a, here(given));
    code.store(here(product), a);
    code.vector('fmadd231ps', total, a, here(weight));
  });
  emitReduction(code, 'addps', total, spare);
  // −mean · r
  code.broadcast(spare, share);
  code.vector('mulps', total, total, spare);
  code.vector('mulps', total, total, inverse);
  eachEight(code, width, () => {
    code.load(d, here(given));
    code.vector('mulps', d, d, here(weight));
    code.load(a, here(x));
    code.vector('fnmadd231ps', d, a, total);
    code.vector('mulps', d, d, inverse);
    code.store(here(ofX), d);
  });
  code.zeroUpper();
  code.ret();
}
