/** The generated reasoning tasks, one a line. */
import type { Task } from '../task.ts';
import type { BuiltInTask } from '../built-in.ts';
import { baseConversion } from './base-conversion.ts';
import { cryptarithm } from './cryptarithm.ts';
import { knightsAndKnaves } from './knights-and-knaves.ts';
import { linearEquations } from './linear-equations.ts';
import { miniSudoku } from './mini-sudoku.ts';
import { numberSorting } from './number-sorting.ts';
import { propositionalLogic } from './propositional-logic.ts';
import { shortestPathTask } from './shortest-path.ts';
import { twentyFour } from './twenty-four.ts';

/** Made at once: nothing is read from files. */
export interface GeneratedTask extends BuiltInTask {
  create(options?: unknown): Task;
}

export const proceduralTasks: readonly GeneratedTask[] = [
  numberSorting,
  baseConversion,
  linearEquations,
  propositionalLogic,
  knightsAndKnaves,
  miniSudoku,
  shortestPathTask,
  cryptarithm,
  twentyFour,
];
