/** The generated reasoning tasks, one a line. */
import type { BuiltInTask } from '../built-in.ts';
import type { Task } from '../task.ts';
import { baseConversion } from './base-conversion.ts';
import { calendarArithmetic } from './calendar-arithmetic.ts';
import { circuitEvaluation } from './circuit-evaluation.ts';
import { cryptarithm } from './cryptarithm.ts';
import { gameOfLife } from './game-of-life.ts';
import { knightsAndKnaves } from './knights-and-knaves.ts';
import { letterCounting } from './letter-counting.ts';
import { linearEquations } from './linear-equations.ts';
import { miniSudoku } from './mini-sudoku.ts';
import { numberSorting } from './number-sorting.ts';
import { polynomialExpansion } from './polynomial-expansion.ts';
import { primeFactorization } from './prime-factorization.ts';
import { propositionalLogic } from './propositional-logic.ts';
import { setOperations } from './set-operations.ts';
import { shortestPathTask } from './shortest-path.ts';
import { stringRewriting } from './string-rewriting.ts';
import { towerOfHanoi } from './tower-of-hanoi.ts';
import { twentyFour } from './twenty-four.ts';
import { zebraPuzzle } from './zebra-puzzle.ts';

/** Made at once: nothing is read from files. */
export interface GeneratedTask extends BuiltInTask {
  create(options?: unknown): Task;
}

export const proceduralTasks: readonly GeneratedTask[] = [
  numberSorting,
  baseConversion,
  linearEquations,
  polynomialExpansion,
  primeFactorization,
  calendarArithmetic,
  setOperations,
  circuitEvaluation,
  stringRewriting,
  letterCounting,
  propositionalLogic,
  knightsAndKnaves,
  zebraPuzzle,
  miniSudoku,
  cryptarithm,
  twentyFour,
  shortestPathTask,
  towerOfHanoi,
  gameOfLife,
];
