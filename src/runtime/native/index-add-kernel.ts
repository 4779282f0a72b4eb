/**
 * Adding rows to a table where indices may repeat, in machine code: each task has columns of its own and goes through
 * all rows in order, so that sums are the same in every run. ONNX Runtime's kernel adds on one thread, an element at
 * a time.
 *
 * Inputs: table [M, W], indices i64 [N], rows [N, W], the shape of the table, i64 [2], and of the indices, i64 [1].
 * Output: table [M, W], which may be the memory of the input. Indices beyond the table are passed over: what looked
 * rows up by them has refused them before.
 */
import {
  type Assembler,
  at,
  lanes,
  r10,
  r11,
  r12,
  r13,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  ymm,
} from './assembler.ts';
import { emitCompute, emitFramed, type KernelFunctions, operand } from './kernel.ts';

const [table, indices, rows, tableShape, indexShape, sums] = [0, 1, 2, 3, 4, 5];
/** How many columns a task has: at most as many as half the registers hold. */
const columnCounts = [64, 32, 16, 8];

/** `width` is a multiple of 8. */
export function emitIndexAdd(code: Assembler, functions: KernelFunctions, width: number): void {
  const columns = columnCounts.find((count) => width % count === 0)!;
  const task = code.label();
  const height = { input: tableShape, at: 0 };
  const shape = { inputs: 5, outputs: [[height, width]], tasks: [width / columns] };
  emitCompute(code, functions, shape, task);
  code.align(16);
  code.bind(task);
  emitFramed(code, { saved: [rbx, r12, r13], places: 0 }, () => emitColumns(code, width, columns));
}

function emitColumns(code: Assembler, width: number, columns: number): void {
  const [rowBytes, blockBytes] = [4 * width, 4 * columns];
  const [from, to, row, index, limit, count] = [r8, r9, r10, r11, r12, r13];
  // rax = bytes before the columns of this task.
  code.imul(rax, rsi, blockBytes);
  code.mov(from, operand(rdi, table));
  code.mov(to, operand(rdi, sums));
  code.mov(row, operand(rdi, rows));
  for (const pointer of [from, to, row]) code.add(pointer, rax);
  code.mov(index, operand(rdi, indices));
  code.mov(rcx, operand(rdi, tableShape));
  code.mov(limit, at(rcx));
  code.mov(rcx, operand(rdi, indexShape));
  code.mov(count, at(rcx));

  const pieces = Array.from({ length: columns / lanes }, (_, piece) => 4 * lanes * piece);
  const [copied, again, next, end] = [code.label(), code.label(), code.label(), code.label()];
  code.cmp(from, to);
  code.jumpIf('equal', copied);
  code.mov(rcx, limit);
  code.mov(rdx, to);
  const copy = code.label();
  code.bind(copy);
  code.cmp(rcx, 0);
  code.jumpIf('equal', copied);
  for (const [k, piece] of pieces.entries()) code.load(ymm[k]!, at(from, piece));
  for (const [k, piece] of pieces.entries()) code.store(at(rdx, piece), ymm[k]!);
  code.add(from, rowBytes);
  code.add(rdx, rowBytes);
  code.sub(rcx, 1);
  code.jump(copy);
  code.bind(copied);

  code.bind(again);
  code.cmp(count, 0);
  code.jumpIf('equal', end);
  code.mov(rbx, at(index));
  // As numbers without a sign, negative ones are beyond every table.
  code.cmp(rbx, limit);
  code.jumpIf('aboveOrEqual', next);
  code.imul(rbx, rbx, rowBytes);
  code.add(rbx, to);
  for (const [k, piece] of pieces.entries()) code.load(ymm[k]!, at(row, piece));
  for (const [k, piece] of pieces.entries()) code.vector('addps', ymm[k]!, ymm[k]!, at(rbx, piece));
  for (const [k, piece] of pieces.entries()) code.store(at(rbx, piece), ymm[k]!);
  code.bind(next);
  code.add(index, 8);
  code.add(row, rowBytes);
  code.sub(count, 1);
  code.jump(again);
  code.bind(end);
}
