/**
 * Attention of new tokens over a cache of keys and values, in machine code (`cachedAttentionOp`): one of each sequence,
 * or the first of each. Reading the cache from memory is what takes the time: each row is read once, eight numbers at
 * a time, several rows under way at once.
 *
 * Inputs: query [B, S, heads·D], key and value [B, S, keyValueHeads·D], not rotated yet; past keys and values
 * [B, keyValueHeads, C, D]; lengths i32 [B], the position of the last new token; cos and sin [P, D/2]; the shapes of
 * query, i64 [3], past keys, i64 [4], and tables, i64 [2]. Outputs: context [B, S, heads·D] (not written behind a
 * sequence's last token), present keys and values, which may be the memory of the past. A task is a sequence and a head
 * of keys. What a sequence gets depends on nothing but its own operands.
 */
import {
  type Assembler,
  at,
  lanes,
  type Memory,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  rsp,
  type Vector,
  ymm,
} from './assembler.ts';
import { emitExponential, type ExponentialData, exponentialData, loadConstants } from './exponential.ts';
import { emitCompute, emitDivision, emitFramed, type KernelFunctions, operand } from './kernel.ts';
import { emitReduction } from './reduction.ts';

export interface AttentionShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  /** D: a multiple of 16. */
  readonly headSize: number;
  /** Whether there is one new token, S = 1. Then the context is [B, heads·D]. */
  readonly single: boolean;
}

const [
  query,
  key,
  value,
  pastKey,
  pastValue,
  lengths,
  cos,
  sin,
  queryShape,
  cacheShape,
  tableShape,
  context,
  presentKey,
  presentValue,
] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
/** Those before the context. */
const inputs = context;

/** Rows of the cache whose products with a query are summed side by side. */
const rowsAtOnce = 4;
const cacheLine = 64;
/** How far ahead of the products keys are fetched, across the ends of pages, which the processor does not by itself. */
const aheadBytes = 1536;
/** Registers that sum up the context. */
const sums = 8;

export function emitAttention(code: Assembler, functions: KernelFunctions, shape: AttentionShape): void {
  const { heads, keyValueHeads, headSize, single } = shape;
  const task = code.label();
  const capacity = { input: cacheShape, at: 2 };
  const batch = { input: cacheShape, at: 0 };
  const cache = [batch, keyValueHeads, capacity, headSize];
  emitCompute(
    code,
    functions,
    {
      inputs,
      outputs: [[batch, ...(single ? [] : [{ input: queryShape, at: 1 }]), heads * headSize], cache, cache],
      tasks: [batch, keyValueHeads],
    },
    task,
  );
  code.align(32);
  const constants = {
    exponential: exponentialData(code),
    scale: code.floats(1 / Math.sqrt(headSize)),
    least: code.eight(-Infinity),
  };
  code.align(16);
  code.bind(task);
  emitFramed(code, { saved: [rbx, r12, r13, r14, r15], places: 3 }, (place) =>
    emitTask(code, shape, constants, place),
  );
}

interface Constants {
  readonly exponential: ExponentialData;
  readonly scale: Memory;
  readonly least: Memory;
}

function emitTask(
  code: Assembler,
  { heads, keyValueHeads, headSize }: AttentionShape,
  constants: Constants,
  place: (index: number) => Memory,
): void {
  const rowBytes = 4 * headSize;
  const shared = heads / keyValueHeads;
  const [frameCopy, rowCopy, lastPosition] = [place(0), place(1), place(2)];

  const end = code.label();
  const frame = rbx;
  const number = r12;
  code.mov(frame, rdi);
  code.mov(number, rsi);
  // rax = sequence, rdx = head; r13 = the position of the last new token.
  code.mov(rax, number);
  emitDivision(code, keyValueHeads);
  const length = r13;
  code.mov(rcx, operand(frame, lengths));
  code.mov32(length, at(rcx, 0, rax, 4));
  // Nothing is read or written beyond the cache and the tables, whatever the lengths say.
  for (const [shape, element] of [
    [cacheShape, 16],
    [tableShape, 0],
  ] as const) {
    code.mov(rcx, operand(frame, shape));
    code.cmp(length, at(rcx, element));
    code.jumpIf('aboveOrEqual', end);
  }
  // r14 = bytes of a slot and head, r15 = where this one's are.
  const slot = r14;
  code.mov(rcx, operand(frame, cacheShape));
  code.mov(slot, at(rcx, 16));
  code.imul(slot, slot, rowBytes);
  code.mov(r15, number);
  code.imul(r15, slot);
  const [keys, values] = [r8, r9];
  for (const [present, past, base] of [
    [presentKey, pastKey, keys],
    [presentValue, pastValue, values],
  ] as const) {
    code.mov(base, operand(frame, present));
    code.add(base, r15);
    code.mov(rsi, operand(frame, past));
    code.add(rsi, r15);
    const inPlace = code.label();
    code.cmp(rsi, base);
    code.jumpIf('equal', inPlace);
    code.mov(rdi, base);
    code.mov(rcx, slot);
    code.repMovsb();
    code.bind(inPlace);
  }

  // Rows of queries and keys are numbered as tasks are, token by token. From here on r13 is the position of a token:
  // of the first, which is the last where there is only one.
  const [position, only] = [length, code.label()];
  code.mov(frameCopy, frame);
  code.mov(lastPosition, length);
  code.mov(rcx, operand(frame, queryShape));
  code.mov(rcx, at(rcx, 8));
  code.imul(rax, rcx);
  code.imul(rax, rax, keyValueHeads);
  code.add(rax, rdx);
  code.mov(rowCopy, rax);
  code.cmp(rcx, 1);
  code.jumpIf('equal', only);
  code.clear(position);
  code.bind(only);

  // r15 = room for a query, rotated and scaled; rsp = a score for each row, and eight more.
  const rotated = r15;
  code.mov(rcx, lastPosition);
  code.sub(rsp, rowBytes);
  code.and(rsp, -64);
  code.mov(rotated, rsp);
  code.lea(rcx, at(rcx, 17));
  code.imul(rcx, rcx, 4);
  code.sub(rsp, rcx);
  code.and(rsp, -64);

  const nextToken = code.label();
  code.bind(nextToken);
  code.mov(frame, frameCopy);
  code.mov(number, rowCopy);
  // The new row: the key rotated, the value as it is.
  const [cosines, sines] = [r10, r11];
  code.imul(cosines, position, rowBytes / 2);
  code.mov(sines, cosines);
  code.add(cosines, operand(frame, cos));
  code.add(sines, operand(frame, sin));
  code.imul(rcx, number, rowBytes);
  code.imul(rdx, position, rowBytes);
  code.mov(rsi, operand(frame, key));
  code.add(rsi, rcx);
  code.lea(rdi, at(keys, 0, rdx));
  emitRotation(code, { from: rsi, to: rdi, cosines, sines, headSize });
  code.mov(rsi, operand(frame, value));
  code.add(rsi, rcx);
  code.lea(rdi, at(values, 0, rdx));
  for (let i = 0; i < headSize; i += lanes) {
    code.load(ymm[0]!, at(rsi, 4 * i));
    code.store(at(rdi, 4 * i), ymm[0]!);
  }
  const count = position;
  code.add(count, 1);

  // r14 = query, r12 = context, rbx = how many are left of those that share the keys.
  const [from, to, left] = [r14, r12, rbx];
  code.imul(from, number, shared * rowBytes);
  code.mov(to, from);
  code.add(from, operand(frame, query));
  code.add(to, operand(frame, context));
  code.movImmediate(left, BigInt(shared));
  const next = code.label();
  code.bind(next);
  code.broadcast(ymm[15]!, constants.scale);
  emitRotation(code, { from, to: rotated, cosines, sines, headSize, scale: ymm[15]! });
  emitScores(code, { rotated, keys, values, count, headSize }, constants);
  emitWeights(code, count, constants);
  emitContext(code, { values, count, to, headSize });
  code.add(from, rowBytes);
  code.add(to, rowBytes);
  code.sub(left, 1);
  code.jumpIf('notEqual', next);

  // r13 is the position of the next token, if there is one.
  code.mov(rax, rowCopy);
  code.add(rax, keyValueHeads);
  code.mov(rowCopy, rax);
  code.cmp(position, lastPosition);
  code.jumpIf('belowOrEqual', nextToken);

  code.bind(end);
}

/** (a, b) → (a·cos − b·sin, b·cos + a·sin) for the halves a and b of a row, times the scale if there is one. */
function emitRotation(
  code: Assembler,
  {
    from,
    to,
    cosines,
    sines,
    headSize,
    scale,
  }: { from: Register; to: Register; cosines: Register; sines: Register; headSize: number; scale?: Vector },
): void {
  const half = headSize / 2;
  const [a, b, c, s, x, y] = ymm as [Vector, Vector, Vector, Vector, Vector, Vector];
  for (let i = 0; i < half; i += lanes) {
    code.load(a, at(from, 4 * i));
    code.load(b, at(from, 4 * (half + i)));
    code.load(c, at(cosines, 4 * i));
    code.load(s, at(sines, 4 * i));
    code.vector('mulps', x, a, c);
    code.vector('fnmadd231ps', x, b, s);
    code.vector('mulps', y, b, c);
    code.vector('fmadd231ps', y, a, s);
    if (scale !== undefined) {
      code.vector('mulps', x, x, scale);
      code.vector('mulps', y, y, scale);
    }
    code.store(at(to, 4 * i), x);
    code.store(at(to, 4 * (half + i)), y);
  }
}

/** Scores at [rsp], and the largest in all of ymm15. */
function emitScores(
  code: Assembler,
  {
    rotated,
    keys,
    values,
    count,
    headSize,
  }: { rotated: Register; keys: Register; values: Register; count: Register; headSize: number },
  { least }: Constants,
): void {
  const rowBytes = 4 * headSize;
  const [done, row, valueRow, largest, part] = [rcx, rsi, rdx, ymm[15]!, ymm[4]!];
  const products = ymm.slice(0, rowsAtOnce);
  const multiply = (rows: readonly Vector[]) => {
    for (const sum of rows) code.zero(sum);
    for (let i = 0; i < headSize; i += lanes) {
      code.load(part, at(rotated, 4 * i));
      for (const [r, sum] of rows.entries())
        code.vector('fmadd231ps', sum, part, at(row, r * rowBytes + 4 * i));
    }
  };
  const [a, b, c, d] = products as [Vector, Vector, Vector, Vector];
  code.load(largest, least);
  code.clear(done);
  code.mov(row, keys);
  code.mov(valueRow, values);
  const [blocks, rest, end] = [code.label(), code.label(), code.label()];
  code.bind(blocks);
  code.lea(rax, at(done, rowsAtOnce));
  code.cmp(rax, count);
  code.jumpIf('above', rest);
  for (let line = 0; line < rowsAtOnce * rowBytes; line += cacheLine) {
    code.prefetch(at(row, aheadBytes + line));
    code.prefetch(at(valueRow, line));
  }
  multiply(products);
  code.vector('haddps', a, a, b);
  code.vector('haddps', c, c, d);
  code.vector('haddps', a, a, c);
  code.upperHalf(b, a);
  code.narrow('addps', a, a, b);
  code.storeHalf(at(rsp, 0, done, 4), a);
  code.narrow('maxps', largest, largest, a);
  code.add(row, rowsAtOnce * rowBytes);
  code.add(valueRow, rowsAtOnce * rowBytes);
  code.mov(done, rax);
  code.jump(blocks);

  code.bind(rest);
  code.cmp(done, count);
  code.jumpIf('aboveOrEqual', end);
  multiply([a]);
  code.vector('haddps', a, a, a);
  code.vector('haddps', a, a, a);
  code.upperHalf(b, a);
  code.narrow('addss', a, a, b);
  code.storeOne(at(rsp, 0, done, 4), a);
  code.narrow('maxss', largest, largest, a);
  code.add(row, rowBytes);
  code.add(done, 1);
  code.jump(rest);

  code.bind(end);
  code.load(a, least);
  code.store(at(rsp, 0, done, 4), a);
  emitReduction(code, 'maxps', largest, a, 'half');
}

/** Scores become weights that sum to 1 but for the factor in all of ymm15. */
function emitWeights(code: Assembler, count: Register, { exponential }: Constants): void {
  const done = rcx;
  const [x, t, y, largest, total] = [ymm[0]!, ymm[1]!, ymm[2]!, ymm[15]!, ymm[14]!];
  const needed = loadConstants(code, exponential, [ymm[3]!, ymm[4]!, ymm[5]!, ymm[6]!, ymm[7]!]);
  code.zero(total);
  code.clear(done);
  const [again, end] = [code.label(), code.label()];
  code.bind(again);
  code.cmp(done, count);
  code.jumpIf('aboveOrEqual', end);
  code.load(x, at(rsp, 0, done, 4));
  code.vector('subps', x, x, largest);
  emitExponential(code, needed, [x, t, y]);
  code.store(at(rsp, 0, done, 4), x);
  code.vector('addps', total, total, x);
  code.add(done, lanes);
  code.jump(again);
  code.bind(end);
  emitReduction(code, 'addps', total, t);
  code.load(x, exponential.one);
  code.vector('divps', largest, x, total);
}

/** Σ weight · value, times ymm15. */
function emitContext(
  code: Assembler,
  { values, count, to, headSize }: { values: Register; count: Register; to: Register; headSize: number },
): void {
  const rowBytes = 4 * headSize;
  const [done, row, weight, factor] = [rcx, rsi, ymm[8]!, ymm[15]!];
  for (let start = 0; start < headSize; start += sums * lanes) {
    const parts = ymm.slice(0, Math.min(sums, (headSize - start) / lanes));
    for (const part of parts) code.zero(part);
    code.clear(done);
    code.mov(row, values);
    const again = code.label();
    code.bind(again);
    code.broadcast(weight, at(rsp, 0, done, 4));
    for (const [index, part] of parts.entries()) {
      code.vector('fmadd231ps', part, weight, at(row, 4 * (start + lanes * index)));
    }
    code.add(row, rowBytes);
    code.add(done, 1);
    code.cmp(done, count);
    code.jumpIf('below', again);
    for (const [index, part] of parts.entries()) {
      code.vector('mulps', part, part, factor);
      code.store(at(to, 4 * (start + lanes * index)), part);
    }
  }
}
