/**
 * x [M, K] · weightᵀ, weight [N, K], in machine code. The weight is arranged in panels [N/32, K, 32], for all products
 * until it changes, or for one with many rows of x: 32 of its rows side by side, so that a product reads it in the order
 * in which it lies in memory, and fetches the next panel into the cache while it computes with this one. With few rows
 * of x that is what takes the time.
 *
 * A task is a panel and a block of rows; its columns of a few rows of x are summed in registers, along all of K and in
 * the same order for each row: what a row gets does not depend on the others.
 */
import {
  type Assembler,
  at,
  type Label,
  lanes,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  rax,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  type Vector,
  ymm,
} from './assembler.ts';
import { atMost, emitCompute, emitDivision, emitFramed, type KernelFunctions, operand } from './kernel.ts';
import { emitTile, panelColumns, panelRowBytes, tiles, type VectorSet } from './tile.ts';

/** A weight is rearranged in blocks of so many columns. */
export const columnMultiple = lanes;

export interface LinearShape {
  /** N: a multiple of `panelColumns`. */
  readonly outputs: number;
  /** K: a multiple of `columnMultiple`. */
  readonly inputs: number;
  /** What is added: nothing, a matrix [M, N], or a vector [N] to each row. */
  readonly addend: 'none' | 'matrix' | 'vector';
}

/** Rows at this distance share a set of the first cache, which does not hold many of them. */
const setBytes = 4096;
const rowsThatShareSets = 6;
/** Rows of a block, about: they stay in the second cache while panels pass by. */
const blockRows = 128;

/**
 * Inputs: x [M, K], the panels, what is added, if anything is, and the shape of x, i64 [2]. Output: [M, N].
 */
export function emitLinear(
  code: Assembler,
  functions: KernelFunctions,
  shape: LinearShape,
  vectors: VectorSet,
): void {
  const { outputs, addend } = shape;
  const task = code.label();
  const inputs = addend === 'none' ? 3 : 4;
  const rows = { input: inputs - 1, at: 0 };
  const { block } = linearTiling(shape, vectors);
  emitCompute(
    code,
    functions,
    {
      inputs,
      outputs: [[rows, outputs]],
      tasks: [{ ...rows, per: block }, outputs / panelColumns],
    },
    task,
  );
  code.align(16);
  emitLinearTask(code, shape, vectors, task);
}

/** Rows that are summed up at once, and rows of a task. */
export function linearTiling(
  { inputs }: Pick<LinearShape, 'inputs'>,
  vectors: VectorSet,
): { readonly rows: number; readonly block: number } {
  const most = tiles[vectors].rows;
  const rows = (4 * inputs) % setBytes === 0 ? Math.min(most, rowsThatShareSets) : most;
  return { rows, block: Math.floor(blockRows / rows) * rows };
}

/** The code of a task, without what ONNX Runtime calls. */
export function emitLinearTask(code: Assembler, shape: LinearShape, vectors: VectorSet, task: Label): void {
  code.bind(task);
  emitFramed(code, { saved: [r12, r13, r14], places: 0 }, () => emitRows(code, shape, vectors));
}

function emitRows(code: Assembler, shape: LinearShape, vectors: VectorSet): void {
  const { outputs, inputs, addend } = shape;
  const { columns, vectorBytes } = tiles[vectors];
  const { rows, block } = linearTiling(shape, vectors);
  const [inputBytes, outputBytes] = [4 * inputs, 4 * outputs];
  const tileBytes = columns * vectorBytes;
  const shapeOperand = addend === 'none' ? 2 : 3;
  const [x, y, added, panel, ahead, step, left] = [r8, r9, r10, r11, r12, r13, r14];
  // rax = block of rows, rdx = panel.
  code.mov(rax, rsi);
  emitDivision(code, outputs / panelColumns);
  code.imul(rax, rax, block);
  code.mov(rcx, operand(rdi, shapeOperand));
  code.mov(left, at(rcx));
  code.sub(left, rax);
  code.imul(x, rax, inputBytes);
  code.add(x, operand(rdi, 0));
  code.imul(y, rax, outputBytes);
  code.imul(rcx, rdx, panelRowBytes);
  if (addend !== 'none') {
    code.mov(added, operand(rdi, 2));
    code.add(added, rcx);
    if (addend === 'matrix') code.add(added, y);
  }
  code.add(y, rcx);
  code.add(y, operand(rdi, shapeOperand + 1));
  code.imul(panel, rdx, inputs * panelRowBytes);
  code.add(panel, operand(rdi, 1));
  atMost(code, left, block);
  // The next panel lies behind this one. It is fetched in as many pieces as the innermost loops have passes.
  code.lea(ahead, at(panel, inputs * panelRowBytes));
  code.lea(rax, at(left, rows - 1));
  emitDivision(code, rows);
  code.mov(rcx, rax);
  code.movImmediate(rax, BigInt(tileBytes));
  code.clear(rdx);
  code.div(rcx);
  code.lea(step, at(rax, 1));

  // Each pass goes through all rows again, for the next of the panel's columns.
  const passes = panelRowBytes / tileBytes;
  const rewound = [x, y, added, left];
  for (let pass = 0; pass < passes; pass++) {
    const again = pass < passes - 1;
    if (again) for (const register of rewound) code.push(register);
    const tile = (count: number) =>
      emitTile(code, tiles[vectors], {
        count,
        columnsAt: pass * tileBytes,
        elements: { start: x, rowBytes: inputBytes, stepBytes: 4 },
        panel,
        steps: inputs,
        to: { start: y, rowBytes: outputBytes },
        ...(addend === 'none'
          ? {}
          : { added: { start: added, rowBytes: addend === 'matrix' ? outputBytes : 0 } }),
        fetch: () => {
          code.prefetch(at(ahead), 'second');
          code.add(ahead, step);
        },
      });
    const [full, rest, end] = [code.label(), code.label(), code.label()];
    code.bind(full);
    code.cmp(left, rows);
    code.jumpIf('below', rest);
    tile(rows);
    code.add(x, rows * inputBytes);
    code.add(y, rows * outputBytes);
    if (addend === 'matrix') code.add(added, rows * outputBytes);
    code.sub(left, rows);
    code.jump(full);
    code.bind(rest);
    for (let count = rows - 1; count > 0; count--) {
      const fewer = code.label();
      code.cmp(left, count);
      code.jumpIf('notEqual', fewer);
      tile(count);
      code.jump(end);
      code.bind(fewer);
    }
    code.bind(end);
    if (again) for (const register of rewound.toReversed()) code.pop(register);
  }
}

/** Whether a weight is [N, K] in memory, or [K, N]. */
export type WeightLayout = 'rows' | 'columns';

/** Arranges a weight in panels: input [N, K] or [K, N], output [N/32, K, 32]. A task is a panel. */
export function emitPanels(
  code: Assembler,
  functions: KernelFunctions,
  { outputs, inputs }: Pick<LinearShape, 'outputs' | 'inputs'>,
  layout: WeightLayout,
): void {
  const task = code.label();
  const panels = outputs / panelColumns;
  emitCompute(
    code,
    functions,
    { inputs: 1, outputs: [[panels, inputs, panelColumns]], tasks: [panels] },
    task,
  );
  code.align(16);
  if (layout === 'rows') emitPanelsTask(code, inputs, task);
  else emitCopyTask(code, { outputs, inputs }, task);
}

/** Of a weight [K, N]. */
function emitCopyTask(
  code: Assembler,
  { outputs, inputs }: Pick<LinearShape, 'outputs' | 'inputs'>,
  task: Label,
): void {
  code.bind(task);
  const [from, to, left] = [r8, r9, rcx];
  code.imul(from, rsi, panelRowBytes);
  code.add(from, operand(rdi, 0));
  code.imul(to, rsi, inputs * panelRowBytes);
  code.add(to, operand(rdi, 1));
  code.movImmediate(left, BigInt(inputs));
  emitPanelCopy(code, { from, rowBytes: 4 * outputs, to, left });
  code.zeroUpper();
  code.ret();
}

/** Copies 32 columns of `left` rows into a panel. All registers end behind what they were for. */
export function emitPanelCopy(
  code: Assembler,
  { from, rowBytes, to, left }: { from: Register; rowBytes: number; to: Register; left: Register },
): void {
  const pieces = ymm.slice(0, panelColumns / lanes);
  const again = code.label();
  code.bind(again);
  for (const [i, piece] of pieces.entries()) code.load(piece, at(from, 4 * lanes * i));
  for (const [i, piece] of pieces.entries()) code.store(at(to, 4 * lanes * i), piece);
  code.add(from, rowBytes);
  code.add(to, panelRowBytes);
  code.sub(left, 1);
  code.jumpIf('notEqual', again);
}

/** The code of a task, without what ONNX Runtime calls. */
export function emitPanelsTask(code: Assembler, inputs: number, task: Label): void {
  const [inputBytes, panelBytes] = [4 * inputs, inputs * panelRowBytes];
  code.bind(task);
  const [from, to, left] = [r8, r9, rcx];
  code.imul(rax, rsi, panelBytes);
  code.mov(from, operand(rdi, 0));
  code.add(from, rax);
  code.mov(to, operand(rdi, 1));
  code.add(to, rax);
  code.movImmediate(left, BigInt(inputs / lanes));
  const again = code.label();
  code.bind(again);
  for (let row = 0; row < panelColumns; row += lanes) {
    const block = ymm.slice(0, lanes);
    for (const [i, vector] of block.entries()) code.load(vector, at(from, (row + i) * inputBytes));
    for (const [k, vector] of emitTransposition(code, block, ymm.slice(lanes)).entries()) {
      code.store(at(to, k * panelRowBytes + 4 * row), vector);
    }
  }
  code.add(from, 4 * lanes);
  code.add(to, lanes * panelRowBytes);
  code.sub(left, 1);
  code.jumpIf('notEqual', again);
  code.zeroUpper();
  code.ret();
}

/** Rows of eight to columns of eight, by pairs of elements, pairs of pairs and halves. */
function emitTransposition(
  code: Assembler,
  rows: readonly Vector[],
  spare: readonly Vector[],
): readonly Vector[] {
  const [pairs, quads] = [spare, rows];
  for (const i of [0, 2, 4, 6]) {
    code.vector('unpcklps', pairs[i]!, rows[i]!, rows[i + 1]!);
    code.vector('unpckhps', pairs[i + 1]!, rows[i]!, rows[i + 1]!);
  }
  for (const i of [0, 4]) {
    for (const half of [0, 1]) {
      const [a, b] = [pairs[i + half]!, pairs[i + half + 2]!];
      code.vector('unpcklpd', quads[i + 2 * half]!, a, b);
      code.vector('unpckhpd', quads[i + 2 * half + 1]!, a, b);
    }
  }
  for (const k of [0, 1, 2, 3]) {
    code.halves('lower', pairs[k]!, quads[k]!, quads[k + 4]!);
    code.halves('upper', pairs[k + 4]!, quads[k]!, quads[k + 4]!);
  }
  return pairs;
}
