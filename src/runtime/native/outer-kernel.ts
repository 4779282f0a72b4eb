/**
 * aᵀ · b for a [T, N] and b [T, K] in machine code, as gradients of weights are: a sum of outer products of rows. T
 * rows are taken in blocks: some panels of b are copied to where they stay in the second cache, and for each few columns
 * of a these are copied to the first. Sums of a block are taken in registers and added up block by block, in the order
 * of the rows.
 *
 * Inputs: a, b, what is added [N, K], if anything is, and the shape of a, i64 [2]. Output: [N, K], which may be the
 * memory of what is added. A task is some panels and some rows of the result.
 */
import {
  type Assembler,
  at,
  type Label,
  type Memory,
  lanes,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  rsp,
  ymm,
} from './assembler.ts';
import { emitCompute, type KernelFunctions, operand } from './kernel.ts';
import { emitPanelCopy } from './linear-kernel.ts';
import { emitTile, panelColumns, panelRowBytes, type Tile, tiles, type VectorSet } from './tile.ts';

export interface OuterShape {
  /** N */
  readonly rows: number;
  /** K: a multiple of `panelColumns`. */
  readonly columns: number;
  /** Whether something is added. */
  readonly adds: boolean;
}

/** Rows of a and b that are multiplied before the next. */
const blockTerms = 256;
/** Panels that a task has at most: a is read once for all of them. */
const mostPanels = 8;
/** Rows of the result that a task has at most, and at least. */
const [mostRows, fewestRows] = [512, 48];
/** Tasks for each thread, if there are enough rows: they end at different times. */
const tasksPerThread = 2;
const panelBytes = blockTerms * panelRowBytes;
/** A row of the copied columns of a: as many as a tile has rows, at most 16. */
const copyRowBytes = 64;

/** What the kernel is made for. Results do not depend on it. */
export interface OuterMachine {
  readonly vectors: VectorSet;
  readonly threads: number;
}

export function emitOuter(
  code: Assembler,
  functions: KernelFunctions,
  shape: OuterShape,
  machine: OuterMachine,
): void {
  const { rows, columns, adds } = shape;
  const inputs = adds ? 4 : 3;
  const task = code.label();
  const { blocks, groups } = outerTasks(shape, machine);
  emitCompute(code, functions, { inputs, outputs: [[rows, columns]], tasks: [blocks, groups] }, task);
  code.align(16);
  emitOuterTask(code, shape, machine, task);
}

/** How the result is cut: by rows into `blocks`, by columns into `groups` of panels. */
export function outerTasks(
  { rows, columns }: Pick<OuterShape, 'rows' | 'columns'>,
  { vectors, threads }: OuterMachine,
) {
  const panels = columns / panelColumns;
  const groups = Math.ceil(panels / mostPanels);
  const wanted = Math.ceil((tasksPerThread * threads) / groups);
  const cuts = Math.max(Math.ceil(rows / mostRows), Math.min(wanted, Math.floor(rows / fewestRows)));
  const tile = tiles[vectors].rows;
  const blockRows = Math.ceil(rows / cuts / tile) * tile;
  const groupPanels = Math.ceil(panels / groups);
  return {
    blockRows,
    blocks: Math.ceil(rows / blockRows),
    groupPanels,
    groups: Math.ceil(panels / groupPanels),
  };
}

/** The code of a task, without what ONNX Runtime calls. */
export function emitOuterTask(code: Assembler, shape: OuterShape, machine: OuterMachine, task: Label): void {
  const { rows, columns, adds } = shape;
  const { blocks, blockRows, groups, groupPanels } = outerTasks(shape, machine);
  const tile = tiles[machine.vectors];
  const [aBytes, rowBytes] = [4 * rows, 4 * columns];
  const shapeOperand = adds ? 3 : 2;
  const saved = [rbx, r12, r13, r14, r15];
  code.bind(task);
  code.push(rbp);
  code.mov(rbp, rsp);
  for (const register of saved) code.push(register);
  const local = (index: number) => at(rbp, -8 * (saved.length + 1 + index));
  const [ofResult, ofAdded, panelCount, fullTiles, restTile, ofB] = [0, 1, 2, 3, 4, 5].map(local) as Locals;
  // At rsp: panels; behind them columns of a.
  code.sub(rsp, 8 * 6 + groupPanels * panelBytes + blockTerms * copyRowBytes + 64);
  code.and(rsp, -64);

  const [a, b, terms, left] = [r8, r9, rbx, r14];
  // rax = block, rdx = group.
  code.mov(rax, rsi);
  code.clear(rdx);
  code.movImmediate(rcx, BigInt(groups));
  code.div(rcx);
  code.mov(rcx, operand(rdi, shapeOperand));
  code.mov(left, at(rcx));
  code.imul(a, rax, 4 * blockRows);
  code.add(a, operand(rdi, 0));
  code.imul(b, rdx, groupPanels * panelRowBytes);
  code.imul(rcx, rax, blockRows * rowBytes);
  code.add(rcx, b);
  code.add(b, operand(rdi, 1));
  code.mov(ofB, b);
  code.mov(rsi, operand(rdi, shapeOperand + 1));
  code.add(rsi, rcx);
  code.mov(ofResult, rsi);
  code.mov(rsi, operand(rdi, adds ? 2 : shapeOperand + 1));
  code.add(rsi, rcx);
  code.mov(ofAdded, rsi);
  // The last block and the last group may be smaller.
  const choose = (which: Register, last: number, place: Memory, [most, rest]: [number, number]) => {
    const done = code.label();
    code.movImmediate(rsi, BigInt(most));
    code.cmp(which, last);
    code.jumpIf('notEqual', done);
    code.movImmediate(rsi, BigInt(rest));
    code.bind(done);
    code.mov(place, rsi);
  };
  const lastRows = rows - (blocks - 1) * blockRows;
  const restRows = lastRows % tile.rows;
  choose(rax, blocks - 1, fullTiles, [blockRows / tile.rows, Math.floor(lastRows / tile.rows)]);
  choose(rax, blocks - 1, restTile, [0, restRows]);
  choose(rdx, groups - 1, panelCount, [groupPanels, columns / panelColumns - (groups - 1) * groupPanels]);

  // The first block of terms is added to what is given, if anything is, the others to what those before have left.
  const [later, done] = [code.label(), code.label()];
  const places = { a, terms, restRows, groupPanels, ofResult, panelCount, fullTiles, restTile };
  const block = (added: 'given' | 'before') => {
    const whole = code.label();
    code.mov(terms, left);
    code.cmp(terms, blockTerms);
    code.jumpIf('belowOrEqual', whole);
    code.movImmediate(terms, BigInt(blockTerms));
    code.bind(whole);
    code.mov(b, ofB);
    emitCopies(code, { b, terms, rowBytes, panelCount });
    code.imul(rax, terms, rowBytes);
    code.add(b, rax);
    code.mov(ofB, b);
    emitPanelProducts(code, shape, tile, {
      ...places,
      ofAdded: added === 'before' ? ofResult : adds ? ofAdded : undefined,
    });
    code.sub(left, terms);
    code.jumpIf('equal', done);
    code.imul(rax, terms, aBytes);
    code.add(a, rax);
  };
  block('given');
  code.bind(later);
  block('before');
  code.jump(later);
  code.bind(done);
  code.zeroUpper();
  code.lea(rsp, at(rbp, -8 * saved.length));
  for (const register of saved.toReversed()) code.pop(register);
  code.pop(rbp);
  code.ret();
}

type Locals = [Memory, Memory, Memory, Memory, Memory, Memory];

/** The panels of a task at [rsp], `panelBytes` apart. */
function emitCopies(
  code: Assembler,
  { b, terms, rowBytes, panelCount }: { b: Register; terms: Register; rowBytes: number; panelCount: Memory },
): void {
  const [from, to, left, panels, start] = [rsi, rdi, rcx, rdx, rax];
  const [again, end] = [code.label(), code.label()];
  code.cmp(terms, 0);
  code.jumpIf('equal', end);
  code.mov(panels, panelCount);
  code.mov(start, rsp);
  code.mov(r10, b);
  code.bind(again);
  code.mov(from, r10);
  code.mov(to, start);
  code.mov(left, terms);
  emitPanelCopy(code, { from, rowBytes, to, left });
  code.add(r10, panelRowBytes);
  code.add(start, panelBytes);
  code.sub(panels, 1);
  code.jumpIf('notEqual', again);
  code.bind(end);
}

interface PanelProducts {
  readonly a: Register;
  readonly terms: Register;
  readonly restRows: number;
  readonly groupPanels: number;
  readonly ofResult: Memory;
  readonly ofAdded: Memory | undefined;
  readonly panelCount: Memory;
  readonly fullTiles: Memory;
  readonly restTile: Memory;
}

/** All rows and columns of a task, for a block of terms. */
function emitPanelProducts(
  code: Assembler,
  { rows, columns }: OuterShape,
  tile: Tile,
  { a, terms, restRows, groupPanels, ofResult, ofAdded, panelCount, fullTiles, restTile }: PanelProducts,
): void {
  const [aBytes, rowBytes] = [4 * rows, 4 * columns];
  const passBytes = tile.columns * tile.vectorBytes;
  const [panel, panels, number, copied, y, added, elements, ahead] = [r11, rdx, rax, r10, r12, r13, r15, r9];
  /** `count` rows of the result. */
  const tileRow = (count: number) => {
    const nextPanel = code.label();
    code.lea(copied, at(rsp, groupPanels * panelBytes));
    emitColumnCopy(code, { from: elements, count, aBytes, to: copied, terms });
    code.mov(panels, panelCount);
    code.mov(panel, rsp);
    code.push(y);
    if (ofAdded !== undefined) code.push(added);
    code.bind(nextPanel);
    for (let columnsAt = 0; columnsAt < panelRowBytes; columnsAt += passBytes) {
      code.lea(ahead, at(elements, 4 * (2 * count - 1)));
      emitTile(code, tile, {
        count,
        columnsAt,
        elements: { start: copied, rowBytes: 4, stepBytes: copyRowBytes },
        panel,
        steps: terms,
        to: { start: y, rowBytes },
        ...(ofAdded === undefined ? {} : { added: { start: added, rowBytes } }),
        fetch: () => {
          code.prefetch(at(ahead));
          code.add(ahead, aBytes);
        },
      });
    }
    code.add(panel, panelBytes);
    code.add(y, panelRowBytes);
    if (ofAdded !== undefined) code.add(added, panelRowBytes);
    code.sub(panels, 1);
    code.jumpIf('notEqual', nextPanel);
    if (ofAdded !== undefined) code.pop(added);
    code.pop(y);
  };
  const [nextTile, rest, end] = [code.label(), code.label(), code.label()];
  code.mov(elements, a);
  code.mov(y, ofResult);
  if (ofAdded !== undefined) code.mov(added, ofAdded);
  code.mov(number, fullTiles);
  code.bind(nextTile);
  code.cmp(number, 0);
  code.jumpIf('equal', rest);
  tileRow(tile.rows);
  code.add(elements, 4 * tile.rows);
  code.add(y, tile.rows * rowBytes);
  if (ofAdded !== undefined) code.add(added, tile.rows * rowBytes);
  code.sub(number, 1);
  code.jump(nextTile);
  code.bind(rest);
  if (restRows > 0) {
    code.mov(number, restTile);
    code.cmp(number, 0);
    code.jumpIf('equal', end);
    tileRow(restRows);
    code.bind(end);
  }
}

/** `count` columns of a, from each row of a block. */
function emitColumnCopy(
  code: Assembler,
  {
    from,
    count,
    aBytes,
    to,
    terms,
  }: { from: Register; count: number; aBytes: number; to: Register; terms: Register },
): void {
  const [source, target, left] = [rsi, rdi, rcx];
  const [again, end] = [code.label(), code.label()];
  code.mov(source, from);
  code.mov(target, to);
  code.mov(left, terms);
  code.cmp(left, 0);
  code.jumpIf('equal', end);
  code.bind(again);
  // Eight numbers at a time, the last of them over those before where they are not eight: never beyond the row.
  const starts = count >= lanes ? [...Array(Math.floor(count / lanes)).keys()].map((i) => i * lanes) : [];
  if (count >= lanes && count % lanes > 0) starts.push(count - lanes);
  for (const [i, start] of starts.entries()) code.load(ymm[i]!, at(source, 4 * start));
  for (const [i, start] of starts.entries()) code.store(at(target, 4 * start), ymm[i]!);
  if (count < lanes) {
    for (let i = 0; i < count; i++) {
      code.loadOne(ymm[i]!, at(source, 4 * i));
      code.storeOne(at(target, 4 * i), ymm[i]!);
    }
  }
  code.add(source, aBytes);
  code.add(target, copyRowBytes);
  code.sub(left, 1);
  code.jumpIf('notEqual', again);
  code.bind(end);
}
