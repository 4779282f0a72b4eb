/** Conway's Game of Life on a small board with dead cells around it: the board after some generations. */
import { z } from 'zod';
import { gridRows } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

interface LifePuzzle {
  /** `#` alive, `.` dead. */
  readonly rows: readonly string[];
  readonly generations: number;
}

/** One generation: a cell lives with 3 live neighbours, or with 2 if it lives already. */
export function lifeStep(rows: readonly string[]): string[] {
  return rows.map((row, y) =>
    row
      .split('')
      .map((cell, x) => {
        let neighbours = 0;
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) {
            if ((dx !== 0 || dy !== 0) && rows[y + dy]?.[x + dx] === '#') neighbours++;
          }
        }
        return neighbours === 3 || (neighbours === 2 && cell === '#') ? '#' : '.';
      })
      .join(''),
  );
}

/** The boards from the first to the last generation. */
function boards({ rows, generations }: LifePuzzle): (readonly string[])[] {
  const all: (readonly string[])[] = [rows];
  for (let i = 0; i < generations; i++) all.push(lifeStep(all[i]!));
  return all;
}

export const gameOfLife = proceduralTask<{ readonly size: number; readonly generations: number }, LifePuzzle>(
  {
    name: 'game-of-life',
    description: 'Find the board of the Game of Life after some generations.',
    knobs: { size: z.int().min(3).max(16), generations: z.int().min(1).max(10) },
    levels: [
      { size: 4, generations: 1 },
      { size: 5, generations: 2 },
      { size: 7, generations: 2 },
      { size: 9, generations: 3 },
    ],
    draw(random, { size, generations }) {
      const rows = Array.from({ length: size }, () =>
        Array.from({ length: size }, () => (random.next() < 0.4 ? '#' : '.')).join(''),
      );
      const all = boards({ rows, generations });
      // Neither an empty board, nor one that stands still: both could be guessed.
      const last = all.at(-1)!.join();
      return last.includes('#') && last !== all.at(-2)!.join() ? { rows, generations } : undefined;
    },
    question: ({ rows, generations }) =>
      `This is a board of Conway's Game of Life (# alive, . dead; all cells outside of the board are dead and stay ` +
      `dead):\n${rows.join('\n')}\nWhat does it look like after ${generations} generation${generations === 1 ? '' : 's'}? ` +
      `Answer with its ${rows.length} rows, one a line`,
    answer: (puzzle) => boards(puzzle).at(-1)!.join('\n'),
    reasoning: (puzzle) =>
      boards(puzzle)
        .map((rows, i) => `Generation ${i}:\n${rows.join('\n')}`)
        .join('\n'),
    check(puzzle, answer) {
      const rows = gridRows(answer);
      const right = boards(puzzle).at(-1)!;
      if (rows.length !== right.length) return `${rows.length} rows, not ${right.length}`;
      const wrong = right.findIndex((row, i) => row !== rows[i]);
      return wrong < 0 ? undefined : `row ${wrong + 1} is wrong`;
    },
    corrupt(puzzle, random) {
      const right = [...boards(puzzle).at(-1)!];
      const [x, y] = [random.integer(right.length), random.integer(right.length)];
      const row = right[y]!;
      right[y] = row.slice(0, x) + (row[x] === '#' ? '.' : '#') + row.slice(x + 1);
      return right.join('\n');
    },
  },
);
