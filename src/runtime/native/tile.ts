/**
 * The innermost part of products of matrices: some rows and columns of the result summed up in registers, all terms in
 * their order, and added to what is there.
 */
import { type Assembler, at, rcx, rdi, type Register, rsi, type Vector, ymm, zmm } from './assembler.ts';

/** What the processor has: 32 registers of 512 bits, or 16 of 256. */
export type VectorSet = 'avx512' | 'avx2';

/** Columns that are multiplied together: of a panel, side by side in memory. */
export const panelColumns = 32;
export const panelRowBytes = 4 * panelColumns;

/** How many rows and columns the registers sum up at once. */
export interface Tile {
  readonly registers: readonly Vector[];
  readonly rows: number;
  /** In vectors. */
  readonly columns: number;
  readonly vectorBytes: number;
}

export const tiles: Readonly<Record<VectorSet, Tile>> = {
  avx512: { registers: zmm, rows: 13, columns: 2, vectorBytes: 64 },
  avx2: { registers: ymm, rows: 6, columns: 2, vectorBytes: 32 },
};

/** Terms that the innermost loop goes through at once. */
export const unrolled = 4;

interface Rows {
  readonly start: Register;
  readonly rowBytes: number;
}

export interface TileProduct {
  /** Rows. */
  readonly count: number;
  /** Bytes before the columns, in rows of the result and of the panel. */
  readonly columnsAt: number;
  /** One factor: numbers of a row, at a distance. */
  readonly elements: Rows & { readonly stepBytes: number };
  /** The other: a row of the panel for each. */
  readonly panel: Register;
  /** How many terms: a multiple of `unrolled`, or a register with any number. */
  readonly steps: number | Register;
  readonly to: Rows;
  /** What is added, which may be what was there. */
  readonly added?: Rows;
  /** Emitted for each term. */
  readonly fetch?: () => void;
}

/** Uses rcx, rsi and rdi. */
export function emitTile(
  code: Assembler,
  { registers, columns, vectorBytes }: Tile,
  { count, columnsAt, elements, panel, steps, to, added, fetch }: TileProduct,
): void {
  const sums = registers.slice(0, count * columns);
  const [spare, ...parts] = registers.toReversed() as [Vector, ...Vector[]];
  const vectorAt = (row: Register, displacement: number, column: number) =>
    at(row, displacement + columnsAt + column * vectorBytes);
  const [weights, next, left] = [rsi, rdi, rcx];
  const terms = (number: number) => {
    for (let k = 0; k < number; k++) {
      for (let column = 0; column < columns; column++) {
        code.load(parts[column]!, vectorAt(weights, k * panelRowBytes, column));
      }
      fetch?.();
      for (let i = 0; i < count; i++) {
        code.broadcast(spare, at(next, i * elements.rowBytes + k * elements.stepBytes));
        for (let column = 0; column < columns; column++) {
          code.vector('fmadd231ps', sums[i * columns + column]!, spare, parts[column]!);
        }
      }
    }
    code.add(weights, number * panelRowBytes);
    code.add(next, number * elements.stepBytes);
  };
  for (const sum of sums) code.zero(sum);
  code.mov(weights, panel);
  code.mov(next, elements.start);
  if (typeof steps === 'number') {
    const again = code.label();
    code.movImmediate(left, BigInt(steps / unrolled));
    code.bind(again);
    terms(unrolled);
    code.sub(left, 1);
    code.jumpIf('notEqual', again);
  } else {
    const [whole, rest, end] = [code.label(), code.label(), code.label()];
    code.mov(left, steps);
    code.bind(whole);
    code.cmp(left, unrolled);
    code.jumpIf('below', rest);
    terms(unrolled);
    code.sub(left, unrolled);
    code.jump(whole);
    code.bind(rest);
    code.cmp(left, 0);
    code.jumpIf('equal', end);
    terms(1);
    code.sub(left, 1);
    code.jump(rest);
    code.bind(end);
  }
  for (const [index, sum] of sums.entries()) {
    const [i, column] = [Math.floor(index / columns), index % columns];
    if (added !== undefined) {
      code.vector('addps', sum, sum, vectorAt(added.start, i * added.rowBytes, column));
    }
    code.store(vectorAt(to.start, i * to.rowBytes, column), sum);
  }
}
