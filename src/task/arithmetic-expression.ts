/**
 * Expressions of integers, + - * and parentheses: drawn at random, written, and worked out one operation at a
 * time, in the order of school arithmetic. Results are exact: every one is a safe integer, since the generator
 * keeps them within a limit.
 */
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';

export type Operation = '+' | '-' | '*';

/** Numbers, operations and parentheses, left to right. */
export type Expression = readonly (number | Operation | '(' | ')')[];

/** One operation: `left operation right = result`. */
export interface Step {
  readonly left: number;
  readonly operation: Operation;
  readonly right: number;
  readonly result: number;
}

export interface ExpressionShape {
  readonly operands: number;
  readonly minimum: number;
  readonly maximum: number;
  /** Some of `+-*`. */
  readonly operations: string;
  readonly parentheses: boolean;
  /** All intermediate results are in [0, limit]. */
  readonly limit: number;
}

const mostAttempts = 10_000;

/** An expression of this shape. Throws `AhaError` when there seems to be none. */
export function drawExpression(
  shape: ExpressionShape,
  modulus: number | undefined,
  random: RandomStream,
): Expression {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const expression = drawCandidate(shape, modulus, random);
    if (expression === undefined) continue;
    const steps = workOut(expression, modulus);
    if (modulus !== undefined || steps.every(({ result }) => result >= 0 && result <= shape.limit)) {
      return expression;
    }
  }
  throw new AhaError({
    code: 'no-expression',
    boundary: 'task',
    what: 'No arithmetic expression fits the options of the task',
    found: `${mostAttempts} tries with ${JSON.stringify(shape)}`,
    expected: 'intermediate results from 0 to the limit',
    fix: 'Raise the limit, or use smaller numbers or fewer operands.',
  });
}

export function writeExpression(expression: Expression): string {
  return expression.join('');
}

/** All operations in the order in which they are worked out: parentheses, then *, then + and - from the left. */
export function workOut(expression: Expression, modulus?: number): Step[] {
  const tokens = [...expression];
  const steps: Step[] = [];
  while (tokens.length > 1) {
    // The first group that closes holds no other group.
    const close = tokens.indexOf(')');
    const end = close < 0 ? tokens.length : close;
    const start = close < 0 ? 0 : tokens.lastIndexOf('(', close) + 1;
    if (end - start === 1) {
      tokens.splice(start - 1, 3, tokens[start]!);
      continue;
    }
    let at = tokens.indexOf('*', start);
    if (at < 0 || at >= end) at = start + 1;
    const step = calculate(
      tokens[at - 1] as number,
      tokens[at] as Operation,
      tokens[at + 1] as number,
      modulus,
    );
    steps.push(step);
    tokens.splice(at - 1, 3, step.result);
  }
  return steps;
}

function calculate(left: number, operation: Operation, right: number, modulus: number | undefined): Step {
  const exact = operation === '+' ? left + right : operation === '-' ? left - right : left * right;
  const result = modulus === undefined ? exact : ((exact % modulus) + modulus) % modulus;
  return { left, operation, right, result };
}

/**
 * Without * and parentheses each operation is drawn among those that stay within the limit, so that few candidates
 * are thrown away; undefined when a number was drawn that nothing can follow.
 */
function drawCandidate(
  shape: ExpressionShape,
  modulus: number | undefined,
  random: RandomStream,
): Expression | undefined {
  const { minimum, maximum, limit } = shape;
  const number = () => minimum + random.integer(maximum - minimum + 1);
  const operations = shape.operations.split('') as Operation[];
  const leftToRight = modulus === undefined && !shape.parentheses && !operations.includes('*');
  const first = number();
  const tokens: (number | Operation | '(' | ')')[] = [first];
  let total = first;
  for (let i = 1; i < shape.operands; i++) {
    const next = number();
    const possible = leftToRight
      ? operations.filter((one) => (one === '+' ? total + next <= limit : total - next >= 0))
      : operations;
    if (possible.length === 0) return undefined;
    const operation = random.pick(possible);
    total = operation === '+' ? total + next : total - next;
    tokens.push(operation, next);
  }
  return shape.parentheses ? withParentheses(tokens, shape.operands, random) : tokens;
}

/** Puts one pair around neighbouring operands, fewer than all of them; of two operands there are none to put. */
function withParentheses(
  tokens: (number | Operation | '(' | ')')[],
  operands: number,
  random: RandomStream,
): Expression {
  if (operands < 3) return tokens;
  const length = 2 + random.integer(Math.min(3, operands - 1) - 1);
  const from = random.integer(operands - length + 1);
  const start = 2 * from;
  const end = 2 * (from + length - 1);
  return [...tokens.slice(0, start), '(', ...tokens.slice(start, end + 1), ')', ...tokens.slice(end + 1)];
}
