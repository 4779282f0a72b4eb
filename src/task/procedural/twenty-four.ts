/**
 * The game of 24: four numbers, each used exactly once, to make 24. The same exact evaluation as Countdown; any
 * right expression is accepted. Every puzzle is solvable: a complete search has found a solution.
 */
import { z } from 'zod';
import { solveCountdown } from '../countdown-solver.ts';
import { verifyCountdown } from '../countdown.ts';
import { evaluateExpression } from '../countdown-expression.ts';
import { proceduralTask } from './procedural-task.ts';

interface TwentyFourPuzzle {
  readonly numbers: readonly number[];
  readonly target: number;
  readonly solution: string;
}

export const twentyFour = proceduralTask<
  { readonly maximum: number; readonly target: number; readonly fractions: boolean },
  TwentyFourPuzzle
>({
  name: 'twenty-four',
  description: 'Make 24 of four numbers, each used exactly once.',
  knobs: {
    /** Numbers are drawn from 1 to this. */
    maximum: z.int().min(6).max(25),
    target: z.int().min(1).max(200),
    /** Whether puzzles may need a division that does not come out even. */
    fractions: z.boolean(),
  },
  levels: [
    { maximum: 9, target: 24, fractions: false },
    { maximum: 13, target: 24, fractions: false },
    { maximum: 13, target: 24, fractions: true },
    { maximum: 25, target: 24, fractions: true },
  ],
  draw(random, { maximum, target, fractions }) {
    const numbers = Array.from({ length: 4 }, () => 1 + random.integer(maximum));
    const solution = solveCountdown(numbers, target);
    if (solution === undefined) return undefined;
    const evaluated = evaluateExpression(solution);
    const broken = evaluated.kind === 'value' && evaluated.steps.some((step) => /=.*\//.test(step));
    return broken && !fractions ? undefined : { numbers, target, solution };
  },
  question: ({ numbers, target }) =>
    `Use the numbers ${numbers.join(', ')} to make ${target}. You may use +, -, *, / and parentheses, and must use ` +
    'each number exactly once. Answer with the expression alone, such as (1 + 2) * 8',
  canonical: ({ numbers, target }) => `${numbers.toSorted((a, b) => a - b).join(',')}=${target}`,
  answer: ({ solution }) => solution,
  reasoning({ solution }) {
    const result = evaluateExpression(solution);
    return result.kind === 'value' ? result.steps.join(', ') : '';
  },
  check(puzzle, answer) {
    const { score, evidence } = verifyCountdown(puzzle, answer);
    return score === 1 ? undefined : (evidence['problem'] as string);
  },
  corrupt({ numbers, target, solution }, random) {
    for (let attempt = 0; attempt < 50; attempt++) {
      const places = [...solution.matchAll(/[+*/-]/g)].map((match) => match.index);
      const at = random.pick(places);
      const wrong = solution.slice(0, at) + random.pick(['+', '-', '*', '/']) + solution.slice(at + 1);
      if (verifyCountdown({ numbers, target }, wrong).score === 0) return wrong;
    }
    return undefined;
  },
});
