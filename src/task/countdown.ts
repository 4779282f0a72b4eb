/**
 * Countdown: reach a target with the given numbers and + - * /, each number used exactly once. Verified exactly
 * (`countdown-expression.ts`); every generated problem can be solved, since its target is the value of an
 * expression drawn from its numbers.
 *
 * In raw form the prompt is `3,7,25=46:` and the response either an expression or steps, one `;` and an expression:
 *
 *     direct   25+7*3
 *     steps    7*3=21,25+21=46;25+7*3
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';
import { parseWithSchema } from '../util/schema.ts';
import { formatRational, sameRational } from '../verify/rational.ts';
import { scored, type Scored } from '../verify/verdict.ts';
import { evaluateExpression } from './countdown-expression.ts';
import { solveCountdown } from './countdown-solver.ts';
import type { Problem } from './problem.ts';
import { defineTask, type Task } from './task.ts';

export const countdownSchema = z.strictObject({
  /** Which levels there are: level 1 has 3 numbers, level 4 has 6. */
  levels: z.array(z.int().min(1).max(4)).min(1).default([1, 2, 3, 4]),
  /** Numbers are drawn from `minimum` to `maximum`. */
  minimum: z.int().min(1).max(100).default(1),
  maximum: z.int().min(1).max(100).default(25),
  /** Targets are from 1 to this. */
  target: z.int().min(10).max(1000).default(100),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
});

export type CountdownOptions = z.input<typeof countdownSchema>;

export interface CountdownProblem extends Problem {
  /** A solution. */
  readonly answer: string;
  readonly level: number;
  readonly numbers: readonly number[];
  readonly target: number;
}

/** Every character of raw prompts and of worked examples. */
export const countdownAlphabet = '0123456789+-*/()=,:;';

/** Throws `AhaError` for options that leave no problems. */
export function countdownTask(options: CountdownOptions = {}): Task<CountdownProblem> {
  const parsed = parseWithSchema(countdownSchema, options, {
    what: 'The options of task countdown',
    boundary: 'task',
  });
  if (parsed.minimum > parsed.maximum) {
    throw new AhaError({
      code: 'invalid-configuration',
      boundary: 'task',
      what: 'The options of task countdown leave no numbers',
      found: `minimum ${parsed.minimum}, maximum ${parsed.maximum}`,
      expected: 'minimum ≤ maximum',
    });
  }
  return defineTask<CountdownProblem>({
    name: 'countdown',
    description: 'Reach a target with the given numbers, each used exactly once.',
    levels: parsed.levels,
    heldOutShare: parsed.heldOutShare,
    alphabet: countdownAlphabet,
    // The order of the numbers does not make another problem.
    canonical: (problem) => `${problem.numbers.toSorted((a, b) => a - b).join(',')}=${problem.target}`,
    prompts: (random, level) => drawProblem(level, parsed, random),
    question: ({ numbers, target }) =>
      `Using the numbers ${numbers.join(', ')}, write an expression that equals ${target}. You may use +, -, *, / ` +
      'and parentheses, and must use each number exactly once. Answer with the expression alone, such as (1 + 2) / 3',
    reasoning: (problem) => stepsOf(problem.answer).join(', '),
    reference: (problem, form) => (form === 'raw' ? worked(problem) : problem.answer),
    verify: (problem, answer, context) => {
      // After the first ;, so that a second one is a character that is not allowed.
      const marker = context.form === 'raw' ? answer.indexOf(';') : -1;
      return verifyCountdown(problem, answer.slice(marker + 1));
    },
    workedExamples: {
      steps: worked,
      direct: (problem, random) => guess(problem, random),
    },
  });
}

/** Whether an expression is a solution; the evidence says what is wrong when it is not. */
export function verifyCountdown(
  problem: { readonly numbers: readonly number[]; readonly target: number },
  answer: string,
): Scored {
  const extracted = answer.trim().slice(0, 200);
  const result = evaluateExpression(answer.trim());
  if (result.kind === 'error') return scored(0, { evidence: { extracted, problem: result.problem } });
  if (sortedText(result.numbers) !== sortedText(problem.numbers)) {
    return scored(0, {
      evidence: {
        extracted,
        problem: `uses ${sortedText(result.numbers)}, not ${sortedText(problem.numbers)}`,
      },
    });
  }
  const value = formatRational(result.value);
  const right = sameRational(result.value, { numerator: BigInt(problem.target), denominator: 1n });
  return scored(right ? 1 : 0, {
    evidence: right ? { extracted } : { extracted, problem: `equals ${value}, not ${problem.target}` },
  });
}

/** A problem from its numbers and target, as rows of a file may give it. Undefined when it cannot be solved. */
export function countdownProblem(numbers: readonly number[], target: number): CountdownProblem | undefined {
  const answer = solveCountdown(numbers, target);
  if (answer === undefined) return undefined;
  return {
    prompt: promptOf(numbers, target),
    answer,
    level: Math.max(1, numbers.length - 2),
    numbers,
    target,
  };
}

const mostAttempts = 10_000;

/** A tree of operations, drawn from the leaves up. */
type Tree = number | { readonly operation: '+' | '-' | '*' | '/'; readonly left: Tree; readonly right: Tree };

function drawProblem(
  level: number,
  options: z.output<typeof countdownSchema>,
  random: RandomStream,
): CountdownProblem {
  const { minimum, maximum } = options;
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const numbers = Array.from({ length: level + 2 }, () => minimum + random.integer(maximum - minimum + 1));
    const drawn = drawTree(numbers, random);
    if (drawn === undefined || drawn.value < 1 || drawn.value > options.target) continue;
    // A target among the numbers is often solved by multiplying the others to 1 or adding them to 0.
    if (numbers.includes(drawn.value)) continue;
    return {
      prompt: promptOf(numbers, drawn.value),
      answer: writeTree(drawn.tree),
      level,
      numbers,
      target: drawn.value,
    };
  }
  throw new AhaError({
    code: 'no-expression',
    boundary: 'task',
    what: `No countdown problem of level ${level} fits the options of the task`,
    found: `${mostAttempts} tries with numbers from ${minimum} to ${maximum}`,
    expected: `targets from 1 to ${options.target}`,
    fix: 'Raise the target or use smaller numbers.',
  });
}

/** Joins two values at a time until one is left; undefined when that is no whole number. */
function drawTree(
  numbers: readonly number[],
  random: RandomStream,
): { readonly tree: Tree; readonly value: number } | undefined {
  const items: { tree: Tree; value: number }[] = numbers.map((value) => ({ tree: value, value }));
  while (items.length > 1) {
    const left = items.splice(random.integer(items.length), 1)[0]!;
    const right = items.splice(random.integer(items.length), 1)[0]!;
    const operation = random.pick(['+', '-', '*', '/'] as const);
    const value =
      operation === '+'
        ? left.value + right.value
        : operation === '-'
          ? left.value - right.value
          : operation === '*'
            ? left.value * right.value
            : left.value / right.value;
    // Divisions that come out even, and nothing so large that it could not come back to a target.
    if (!Number.isInteger(value) || Math.abs(value) > 10_000) return undefined;
    items.push({ tree: { operation, left: left.tree, right: right.tree }, value });
  }
  return items[0]!;
}

/** With as few parentheses as the grammar needs. */
function writeTree(tree: Tree): string {
  if (typeof tree === 'number') return `${tree}`;
  const { operation, left, right } = tree;
  const rank = (one: Tree) =>
    typeof one === 'number' ? 3 : one.operation === '*' || one.operation === '/' ? 2 : 1;
  const own = rank(tree);
  const wrap = (one: Tree, needed: boolean) => (needed ? `(${writeTree(one)})` : writeTree(one));
  const strict = operation === '-' || operation === '/';
  const wrapRight = rank(right) < own || (strict && rank(right) === own);
  return wrap(left, rank(left) < own) + operation + wrap(right, wrapRight);
}

function promptOf(numbers: readonly number[], target: number): string {
  return `${numbers.join(',')}=${target}:`;
}

function sortedText(numbers: readonly number[]): string {
  return numbers
    .toSorted((a, b) => a - b)
    .slice(0, 16)
    .join(', ');
}

function worked(problem: CountdownProblem): string {
  return `${stepsOf(problem.answer).join(',')};${problem.answer}`;
}

/** The operations of a solution with their results, in the order in which they are worked out. */
function stepsOf(expression: string): readonly string[] {
  const result = evaluateExpression(expression);
  return result.kind === 'value' ? result.steps : [];
}

/** The numbers in some order with operations between them, as someone writes who does not work it out. */
function guess(problem: CountdownProblem, random: RandomStream): string {
  const drawn = random.shuffle(problem.numbers);
  return drawn.slice(1).reduce((text, value) => text + random.pick(['+', '-', '*']) + value, `${drawn[0]}`);
}
