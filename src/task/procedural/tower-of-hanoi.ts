/**
 * The Tower of Hanoi from any legal position to another, within a number of moves. The moves are carried out one by
 * one; every legal way that gets there in time is right.
 */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';

interface HanoiPuzzle {
  /** The peg (0 to 2) of each disk, the smallest first. */
  readonly start: readonly number[];
  readonly goal: readonly number[];
  /** The most moves allowed. */
  readonly moves: number;
}

type Move = readonly [from: number, to: number];

/** A shortest way, by breadth-first search over all 3^disks positions. */
export function solveHanoi(start: readonly number[], goal: readonly number[]): Move[] {
  const wanted = goal.join('');
  const before = new Map<string, { readonly position: string; readonly move: Move } | undefined>();
  before.set(start.join(''), undefined);
  const queue = [start.join('')];
  for (let head = 0; head < queue.length && !before.has(wanted); head++) {
    const position = queue[head]!;
    for (let from = 0; from < 3; from++) {
      const disk = position.indexOf(`${from}`);
      if (disk < 0) continue;
      for (let to = 0; to < 3; to++) {
        const top = position.indexOf(`${to}`);
        if (to === from || (top >= 0 && top < disk)) continue;
        const next = `${position.slice(0, disk)}${to}${position.slice(disk + 1)}`;
        if (before.has(next)) continue;
        before.set(next, { position, move: [from, to] });
        queue.push(next);
      }
    }
  }
  const moves: Move[] = [];
  for (let step = before.get(wanted); step !== undefined; step = before.get(step.position)) {
    moves.unshift(step.move);
  }
  return moves;
}

const pegs = 'ABC';

function writeMoves(moves: readonly Move[]): string {
  return moves.map(([from, to]) => `${pegs[from]}${pegs[to]}`).join(', ');
}

function writePosition(position: readonly number[]): string {
  return pegs
    .split('')
    .map((name, peg) => {
      const disks = position.flatMap((at, disk) => (at === peg ? [disk + 1] : [])).toReversed();
      return `${name}: ${disks.length === 0 ? 'empty' : disks.join(' ')}`;
    })
    .join('; ');
}

export const towerOfHanoi = proceduralTask<{ readonly disks: number; readonly slack: number }, HanoiPuzzle>({
  name: 'tower-of-hanoi',
  description: 'Move disks between three pegs, never a larger one onto a smaller one.',
  knobs: {
    disks: z.int().min(2).max(7),
    /** How many moves beyond the fewest are allowed. */
    slack: z.int().min(0).max(1000),
  },
  levels: [
    { disks: 3, slack: 4 },
    { disks: 3, slack: 0 },
    { disks: 4, slack: 0 },
    { disks: 5, slack: 0 },
    { disks: 6, slack: 0 },
  ],
  draw(random, { disks, slack }) {
    const draw = () => Array.from({ length: disks }, () => random.integer(3));
    const [start, goal] = [draw(), draw()];
    const fewest = solveHanoi(start, goal).length;
    return fewest < disks ? undefined : { start, goal, moves: fewest + slack };
  },
  question: ({ start, goal, moves }) =>
    `Disks 1 (the smallest) to ${start.length} (the largest) lie on the pegs A, B and C, listed from bottom to top: ` +
    `${writePosition(start)}. A move takes the top disk of a peg onto another peg, never onto a smaller disk. ` +
    `Reach ${writePosition(goal)} in at most ${moves} moves. ` +
    'Answer with the moves in order, each as the peg it takes from and the peg it goes to, such as AB, AC, BC',
  answer: ({ start, goal }) => writeMoves(solveHanoi(start, goal)),
  check({ start, goal, moves }, answer) {
    const items = answer.split(/[\s,;]+/).filter((item) => item !== '');
    if (items.length > moves) return `${items.length} moves, and at most ${moves} are allowed`;
    const position = [...start];
    for (const [i, item] of items.entries()) {
      const match = /^([ABC])(?:->|→)?([ABC])$/i.exec(item);
      if (match === null) return 'not of the form AB, AC, BC';
      const [from, to] = [pegs.indexOf(match[1]!.toUpperCase()), pegs.indexOf(match[2]!.toUpperCase())];
      const disk = position.indexOf(from);
      const top = position.indexOf(to);
      if (from === to) return `move ${i + 1} goes nowhere`;
      if (disk < 0) return `move ${i + 1} takes from an empty peg`;
      if (top >= 0 && top < disk) return `move ${i + 1} puts disk ${disk + 1} onto disk ${top + 1}`;
      position[disk] = to;
    }
    return position.join() === goal.join() ? undefined : `ends in ${writePosition(position)}`;
  },
  corrupt({ start, goal }, random) {
    const moves = solveHanoi(start, goal);
    // Without its last move, or with one move turned round, no shortest way gets there.
    if (random.next() < 0.5) return writeMoves(moves.slice(0, -1));
    const at = random.integer(moves.length);
    return writeMoves(moves.map(([from, to], i) => (i === at ? [to, from] : [from, to])));
  },
});
