/** Small sudokus: filled grids, and how many solutions a grid with gaps has. Cells are 0 for a gap, else 1 to size. */
import type { RandomStream } from '../../util/random.ts';

export type Grid = readonly number[];

/** Rows and columns of a box: 4 → 2 × 2, 6 → 2 × 3, 9 → 3 × 3. */
export function boxShape(size: number): readonly [rows: number, columns: number] {
  return size === 9 ? [3, 3] : [2, size / 2];
}

/** The cells that share a row, column or box with a cell, itself left out. */
export function peersOf(size: number): number[][] {
  const [boxRows, boxColumns] = boxShape(size);
  const boxOf = (row: number, column: number) =>
    Math.floor(row / boxRows) * size + Math.floor(column / boxColumns);
  return Array.from({ length: size * size }, (_, cell) => {
    const [row, column] = [Math.floor(cell / size), cell % size];
    const peers: number[] = [];
    for (let other = 0; other < size * size; other++) {
      const [otherRow, otherColumn] = [Math.floor(other / size), other % size];
      const shares =
        otherRow === row || otherColumn === column || boxOf(otherRow, otherColumn) === boxOf(row, column);
      if (shares && other !== cell) peers.push(other);
    }
    return peers;
  });
}

/** Up to `limit` solutions, by filling the cell with the fewest candidates first; `order` is the order of digits. */
export function solveSudoku(
  grid: Grid,
  peers: readonly (readonly number[])[],
  limit: number,
  order: readonly number[],
): number[][] {
  const solutions: number[][] = [];
  const cells = [...grid];
  const search = (): void => {
    let best = -1;
    let bestCandidates: number[] = [];
    for (let cell = 0; cell < cells.length; cell++) {
      if (cells[cell] !== 0) continue;
      const candidates = order.filter((digit) => peers[cell]!.every((peer) => cells[peer] !== digit));
      if (best < 0 || candidates.length < bestCandidates.length) [best, bestCandidates] = [cell, candidates];
      if (candidates.length <= 1) break;
    }
    if (best < 0) {
      solutions.push([...cells]);
      return;
    }
    for (const digit of bestCandidates) {
      cells[best] = digit;
      search();
      if (solutions.length >= limit) break;
    }
    cells[best] = 0;
  };
  search();
  return solutions;
}

/**
 * A filled grid and the same grid with up to `gaps` gaps, opened in random order as long as the solution stays the
 * only one.
 */
export function drawSudoku(
  random: RandomStream,
  size: number,
  gaps: number,
): { readonly givens: number[]; readonly solution: number[] } {
  const peers = peersOf(size);
  const digits = Array.from({ length: size }, (_, i) => i + 1);
  // A first row at random, and digits tried in random order, reach every grid.
  const start = [...random.shuffle(digits), ...Array.from({ length: size * (size - 1) }, () => 0)];
  const solution = solveSudoku(start, peers, 1, random.shuffle(digits))[0]!;
  const givens = [...solution];
  let open = 0;
  for (const cell of random.shuffle(Array.from({ length: size * size }, (_, i) => i))) {
    if (open === gaps) break;
    givens[cell] = 0;
    if (solveSudoku(givens, peers, 2, digits).length === 1) open++;
    else givens[cell] = solution[cell]!;
  }
  return { givens, solution };
}
