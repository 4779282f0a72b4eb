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
  rbx,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  rsp,
  ymm,
} from './assembler.ts';
import { atMost, emitCompute, emitDivision, emitFramed, type KernelFunctions, operand } from './kernel.ts';
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
  code.bind(task);
  emitFramed(code, { saved: [rbx, r12, r13, r14, r15], places: 5 }, (place) =>
    emitBlocks(code, shape, machine, place),
  );
}

function emitBlocks(
  code: Assembler,
  shape: OuterShape,
  machine: OuterMachine,
  place: (index: number) => Memory,
): void {
  const { rows, columns, adds } = shape;
  const { blocks, blockRows, groups, groupPanels } = outerTasks(shape, machine);
  const tile = tiles[machine.vectors];
  const [aBytes, rowBytes] = [4 * rows, 4 * columns];
  const shapeOperand = adds ? 3 : 2;
  const [ofResult, ofAdded, ofB, panelCount, fullTiles] = [place(0), place(1), place(2), place(3), place(4)];
  // At rsp: panels; behind them columns of a.
  code.sub(rsp, groupPanels * panelBytes + blockTerms * copyRowBytes);
  code.and(rsp, -64);

  const [a, b, terms, left] = [r8, r9, rbx, r14];
  // rax = block, rdx = group.
  code.mov(rax, rsi);
  emitDivision(code, groups);
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
  const choose = (which: Register, last: number, into: Memory, [most, rest]: [number, number]) => {
    const done = code.label();
    code.movImmediate(rsi, BigInt(most));
    code.cmp(which, last);
    code.jumpIf('notEqual', done);
    code.movImmediate(rsi, BigInt(rest));
    code.bind(done);
    code.mov(into, rsi);
  };
  const lastRows = rows - (blocks - 1) * blockRows;
  choose(rax, blocks - 1, fullTiles, [blockRows / tile.rows, Math.floor(lastRows / tile.rows)]);
  choose(rdx, groups - 1, panelCount, [groupPanels, columns / panelColumns - (groups - 1) * groupPanels]);

  // The first block of terms is added to what is given, if anything is, the others to what those before have left.
  const [later, done] = [code.label(), code.label()];
  const rest = { count: lastRows % tile.rows, unlessTiles: blockRows / tile.rows };
  const places = { a, terms, rest, groupPanels, ofResult, panelCount, fullTiles };
  const block = (added: 'given' | 'before') => {
    code.mov(terms, left);
    atMost(code, terms, blockTerms);
    emitCopies(code, { ofB, terms, rowBytes, panelCount });
    code.imul(rax, terms, rowBytes);
    code.add(rax, ofB);
    code.mov(ofB, rax);
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
}

/** The panels of a task at [rsp], `panelBytes` apart. */
function emitCopies(
  code: Assembler,
  {
    ofB,
    terms,
    rowBytes,
    panelCount,
  }: { ofB: Memory; terms: Register; rowBytes: number; panelCount: Memory },
): void {
  const [from, to, left, panels, start] = [rsi, rdi, rcx, rdx, rax];
  const [again, end] = [code.label(), code.label()];
  code.cmp(terms, 0);
  code.jumpIf('equal', end);
  code.mov(panels, panelCount);
  code.mov(start, rsp);
  code.mov(r10, ofB);
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
  /** Rows behind whole tiles: of the last block, which has fewer of these. */
  readonly rest: { readonly count: number; readonly unlessTiles: number };
  readonly groupPanels: number;
  readonly ofResult: Memory;
  readonly ofAdded: Memory | undefined;
  readonly panelCount: Memory;
  readonly fullTiles: Memory;
}

/** All rows and columns of a task, for a block of terms. */
function emitPanelProducts(
  code: Assembler,
  { rows, columns }: OuterShape,
  tile: Tile,
  { a, terms, rest, groupPanels, ofResult, ofAdded, panelCount, fullTiles }: PanelProducts,
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
  const [nextTile, wholeDone, end] = [code.label(), code.label(), code.label()];
  code.mov(elements, a);
  code.mov(y, ofResult);
  if (ofAdded !== undefined) code.mov(added, ofAdded);
  code.mov(number, fullTiles);
  code.bind(nextTile);
  code.cmp(number, 0);
  code.jumpIf('equal', wholeDone);
  tileRow(tile.rows);
  code.add(elements, 4 * tile.rows);
  code.add(y, tile.rows * rowBytes);
  if (ofAdded !== undefined) code.add(added, tile.rows * rowBytes);
  code.sub(number, 1);
  code.jump(nextTile);
  code.bind(wholeDone);
  if (rest.count > 0) {
    code.mov(number, fullTiles);
    code.cmp(number, rest.unlessTiles);
    code.jumpIf('equal', end);
    tileRow(rest.count);
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
  const wide = count >= lanes;
  const pieces = ymm.slice(0, wide ? Math.ceil(count / lanes) : count);
  for (const [i, piece] of pieces.entries()) {
    const start = 4 * (wide ? Math.min(lanes * i, count - lanes) : i);
    if (wide) code.load(piece, at(source, start));
    else code.loadOne(piece, at(source, start));
    if (wide) code.store(at(target, start), piece);
    else code.storeOne(at(target, start), piece);
  }
  code.add(source, aBytes);
  code.add(target, copyRowBytes);
  code.sub(left, 1);
  code.jumpIf('notEqual', again);
  code.bind(end);
}
