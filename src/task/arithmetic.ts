/**
 * Integer expressions such as `7+5-3+8=`, to be worked out. Made for models trained from nothing on characters:
 * short, regular, left to right. A response in raw form is `STEPS;ANSWER`, where STEPS may be empty:
 *
 *     direct   ;17
 *     steps    7+5=12,12-3=9,9+8=17;17
 *
 * Only what follows the one `;` is judged, exactly; the steps are not looked at, so nothing rewards length itself.
 * In the other forms the answer is the final number of the response (`verify/final-number.ts`).
 *
 * All intermediate results stay in [0, limit], so that a step is a fact that a small model can learn. With a
 * modulus every result is taken modulo it.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';
import { parseWithSchema } from '../util/schema.ts';
import { numberVerifier } from '../verify/final-number.ts';
import { scored, type Scored } from '../verify/verdict.ts';
import { drawExpression, writeExpression, workOut, type Step } from './arithmetic-expression.ts';
import type { Problem } from './problem.ts';
import { defineTask, type Task } from './task.ts';

const limits = { operand: 1000, operands: 12, result: 1_000_000 };

export const arithmeticSchema = z.strictObject({
  /** Which levels there are; see `arithmeticLevels`. */
  levels: z.array(z.int().min(1).max(8)).min(1).default([1, 2, 3, 4, 5, 6, 7, 8]),
  /** Instead of the level's own value: how many numbers an expression has. */
  operands: z.int().min(2).max(limits.operands).optional(),
  /** Instead of the level's own values: the smallest and the largest number. */
  minimum: z.int().min(0).max(limits.operand).optional(),
  maximum: z.int().min(1).max(limits.operand).optional(),
  /** Instead of the level's own: some of `+-*`. */
  operations: z
    .string()
    .regex(/^(?!.*(.).*\1)[+*-]{1,3}$/, 'some of + - *, each once')
    .optional(),
  parentheses: z.boolean().optional(),
  /** Instead of the level's own: the largest intermediate result. */
  limit: z.int().min(1).max(limits.result).optional(),
  /** Every result is taken modulo this. */
  modulus: z.int().min(2).max(limits.result).optional(),
  /** How often a direct worked example is wrong. */
  wrongDirect: z.number().min(0).max(1).default(0.5),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
});

export type ArithmeticOptions = z.input<typeof arithmeticSchema>;

/** What an expression of a level may hold. */
export interface ArithmeticLevel {
  readonly operands: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly operations: string;
  readonly parentheses: boolean;
  readonly limit: number;
}

const sums = { minimum: 1, maximum: 9, operations: '+-', parentheses: false, limit: 99 };
const products = { ...sums, operations: '+-*', limit: 199 };

/** Level 1 is the first: more operands, then multiplication, parentheses, and larger numbers. */
export const arithmeticLevels: readonly ArithmeticLevel[] = [
  { ...sums, operands: 2 },
  { ...sums, operands: 3 },
  { ...sums, operands: 4 },
  { ...sums, operands: 5 },
  { ...sums, operands: 6 },
  { ...products, operands: 4 },
  { ...products, operands: 5, parentheses: true },
  { ...products, operands: 6, parentheses: true, maximum: 20, limit: 999 },
];

export interface ArithmeticProblem extends Problem {
  readonly answer: string;
  readonly level: number;
  /** In the order in which they are worked out. */
  readonly steps: readonly Step[];
}

/** Every character of prompts and of worked examples. */
export const arithmeticAlphabet = '0123456789+-*()=,;';

/** Throws `AhaError` for options that do not fit together. */
export function arithmeticTask(options: ArithmeticOptions = {}): Task<ArithmeticProblem> {
  const parsed = parseWithSchema(arithmeticSchema, options, {
    what: 'The options of task arithmetic',
    boundary: 'task',
  });
  const { modulus, wrongDirect } = parsed;
  const levels = new Map(parsed.levels.map((number) => [number, levelOf(number, parsed)]));
  const verifyNumber = numberVerifier<ArithmeticProblem>((problem) => problem.answer);
  return defineTask<ArithmeticProblem>({
    name: 'arithmetic',
    description: 'Integer expressions of several steps; only the final answer counts.',
    levels: [...levels.keys()],
    heldOutShare: parsed.heldOutShare,
    alphabet: arithmeticAlphabet,
    prompts(random, number) {
      const expression = drawExpression(levels.get(number)!, modulus, random);
      const steps = workOut(expression, modulus);
      const answer = `${steps.at(-1)!.result}`;
      return { prompt: `${writeExpression(expression)}=`, answer, level: number, steps };
    },
    question: (problem) => {
      const expression = problem.prompt.slice(0, -1).replaceAll(/[+*-]/g, ' $& ');
      return modulus === undefined ? `What is ${expression}?` : `What is ${expression} modulo ${modulus}?`;
    },
    reasoning: (problem) => problem.steps.map(writeStep).join(', '),
    reference: (problem, form) => (form === 'raw' ? worked(problem) : problem.answer),
    verify: (problem, answer, context) =>
      context.form === 'raw' ? verifyMarked(problem.answer, answer) : verifyNumber(problem, answer, context),
    workedExamples: {
      steps: worked,
      direct: (problem, random) => `;${guess(problem.answer, wrongDirect, modulus, random)}`,
    },
  });
}

/**
 * The strict form: any steps, one `;`, then the answer as an integer without leading zeros, then the end (white
 * space aside, since a stop string may leave some).
 */
export function verifyMarked(expected: string, response: string): Scored {
  const marker = response.indexOf(';');
  if (marker < 0) return scored(0, { evidence: { problem: 'no ; before an answer' } });
  if (response.indexOf(';', marker + 1) >= 0) return scored(0, { evidence: { problem: 'more than one ;' } });
  const extracted = response.slice(marker + 1).trimEnd();
  if (!/^(?:0|-?[1-9]\d{0,30})$/.test(extracted)) {
    return scored(0, { evidence: { problem: 'no integer after ;', extracted: extracted.slice(0, 40) } });
  }
  return scored(extracted === expected ? 1 : 0, { evidence: { extracted } });
}

function worked(problem: ArithmeticProblem): string {
  return `${problem.steps.map(writeStep).join(',')};${problem.answer}`;
}

function writeStep(step: Step): string {
  return `${step.left}${step.operation}${step.right}=${step.result}`;
}

/** The answer, or with the given probability a wrong one near it, as someone makes who does not work it out. */
function guess(answer: string, wrong: number, modulus: number | undefined, random: RandomStream): string {
  if (random.next() >= wrong) return answer;
  const right = Number(answer);
  const near = [-10, -4, -3, -2, -1, 1, 2, 3, 4, 10]
    .map((slip) => right + slip)
    .filter((other) => other >= 0 && (modulus === undefined || other < modulus));
  return `${random.pick(near)}`;
}

function levelOf(number: number, options: z.output<typeof arithmeticSchema>): ArithmeticLevel {
  const own = arithmeticLevels[number - 1]!;
  const level: ArithmeticLevel = {
    operands: options.operands ?? own.operands,
    minimum: options.minimum ?? own.minimum,
    maximum: options.maximum ?? own.maximum,
    operations: options.operations ?? own.operations,
    parentheses: options.parentheses ?? own.parentheses,
    limit: options.limit ?? own.limit,
  };
  if (level.minimum > level.maximum) {
    throw new AhaError({
      code: 'invalid-configuration',
      boundary: 'task',
      what: `The options of task arithmetic leave no numbers at level ${number}`,
      found: `minimum ${level.minimum}, maximum ${level.maximum}`,
      expected: 'minimum ≤ maximum',
    });
  }
  return level;
}
