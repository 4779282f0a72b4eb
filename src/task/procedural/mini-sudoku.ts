/** Sudoku of 4 × 4, 6 × 6 or 9 × 9 cells, with exactly one solution. */
import { z } from 'zod';
import { gridRows } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';
import { boxShape, drawSudoku } from './sudoku-grid.ts';

interface SudokuPuzzle {
  readonly size: number;
  /** Row by row, 0 for a gap. */
  readonly givens: readonly number[];
  readonly solution: readonly number[];
}

function writeGrid(cells: readonly number[], size: number): string {
  const rows: string[] = [];
  for (let row = 0; row < size; row++) {
    rows.push(
      cells
        .slice(row * size, (row + 1) * size)
        .map((cell) => (cell === 0 ? '_' : `${cell}`))
        .join(' '),
    );
  }
  return rows.join('\n');
}

export const miniSudoku = proceduralTask<{ readonly size: number; readonly gaps: number }, SudokuPuzzle>({
  name: 'mini-sudoku',
  description: 'Fill a small sudoku that has one solution.',
  knobs: {
    size: z.union([z.literal(4), z.literal(6), z.literal(9)]),
    /** How many cells are empty; fewer where more would leave several solutions. */
    gaps: z.int().min(1).max(60),
  },
  levels: [
    { size: 4, gaps: 5 },
    { size: 4, gaps: 8 },
    { size: 4, gaps: 12 },
    { size: 6, gaps: 16 },
    { size: 6, gaps: 26 },
  ],
  draw(random, { size, gaps }) {
    return { size, ...drawSudoku(random, size, gaps) };
  },
  question({ size, givens }) {
    const [rows, columns] = boxShape(size);
    return (
      `Fill the gaps (_) of this ${size}x${size} sudoku, so that each row, each column and each box of ${rows} rows ` +
      `and ${columns} columns holds the digits 1 to ${size} once:\n${writeGrid(givens, size)}\n` +
      `Answer with all ${size} rows, one a line, digits separated by blanks`
    );
  },
  answer: ({ size, solution }) => writeGrid(solution, size),
  reasoning: ({ size, givens, solution }) =>
    givens
      .flatMap((given, cell) =>
        given === 0
          ? [`row ${Math.floor(cell / size) + 1} column ${(cell % size) + 1} is ${solution[cell]}`]
          : [],
      )
      .join(', ') + '.',
  check({ size, solution }, answer) {
    const rows = gridRows(answer);
    if (rows.length !== size) return `${rows.length} rows, not ${size}`;
    for (const [i, row] of rows.entries()) {
      if (row !== solution.slice(i * size, (i + 1) * size).join(''))
        return `row ${i + 1} is not the solution's`;
    }
    return undefined;
  },
  corrupt({ size, givens, solution }, random) {
    const gaps = givens.flatMap((given, cell) => (given === 0 ? [cell] : []));
    const at = random.pick(gaps);
    return writeGrid(
      solution.map((digit, cell) => (cell === at ? ((digit + random.integer(size - 1)) % size) + 1 : digit)),
      size,
    );
  },
});
