/** Whether two expressions have the same value: quickly where they surely differ, by the algebra where they do not. */
import { rational, type Rational } from '../rational.ts';
import type { Algebra } from './algebra.ts';
import { clearlyDiffer, estimate } from './estimate.ts';
import { NotDecided } from './limits.ts';
import { simplify } from './simplify.ts';
import type { Expression } from './syntax.ts';

export interface ValueOptions {
  /**
   * `exact`: 0.333 is not 1/3. `rounded`: a reference with n decimals accepts every number that rounds to it, which
   * is within half a unit of its last digit.
   */
  readonly decimals: 'exact' | 'rounded';
}

export function sameValue(
  reference: Expression,
  response: Expression,
  algebra: Algebra,
  options: ValueOptions,
): boolean {
  const [left, right] = [matrixOf(reference), matrixOf(response)];
  if (left !== undefined || right !== undefined) {
    if (left === undefined || right === undefined || left.length !== right.length) return false;
    return left.every((row, i) => {
      const other = right[i]!;
      return (
        row.length === other.length && row.every((cell, j) => sameValue(cell, other[j]!, algebra, options))
      );
    });
  }
  const infinite = infinity(response);
  if (infinite !== undefined || infinity(reference) !== undefined) return infinite === infinity(reference);
  if (options.decimals === 'rounded') {
    const shown = shownDecimals(reference);
    if (shown !== undefined) return roundsTo(shown, response, algebra);
  }
  if ([0, 1].some((point) => clearlyDiffer(estimate(reference, point), estimate(response, point)))) {
    // Read it all the same: what has no meaning is refused, not different.
    return false;
  }
  return algebra.same(simplify(reference, algebra), simplify(response, algebra));
}

/** Throws `NotDecided` unless the expression has a value that can be computed with. */
export function requireValue(expression: Expression, algebra: Algebra): void {
  const rows = matrixOf(expression);
  if (rows !== undefined) {
    for (const row of rows) for (const cell of row) requireValue(cell, algebra);
  } else if (infinity(expression) === undefined) {
    const value = simplify(expression, algebra);
    if (!algebra.same(value, value)) throw new NotDecided('undefined', 'not equal to itself');
  }
}

/** 1 or −1 for ∞ and −∞. */
export function infinity(expression: Expression): 1 | -1 | undefined {
  if (expression.kind === 'symbol' && expression.name === '\\infty') return 1;
  if (expression.kind === 'negative' && infinity(expression.of) === 1) return -1;
  return undefined;
}

/** The entries of a matrix, or of a sum or multiple of matrices. */
function matrixOf(expression: Expression): readonly (readonly Expression[])[] | undefined {
  switch (expression.kind) {
    case 'matrix':
      return expression.rows;
    case 'negative':
      return map(matrixOf(expression.of), (cell) => ({ kind: 'negative', of: cell }));
    case 'sum': {
      const parts = expression.terms.map(matrixOf);
      if (parts.every((part) => part === undefined)) return undefined;
      const [first] = parts;
      const fits = parts.every(
        (part) => part?.length === first?.length && part?.[0]?.length === first?.[0]?.length,
      );
      if (first === undefined || !fits)
        throw new NotDecided('undefined', 'a sum of matrices that do not fit');
      return first.map((row, i) =>
        row.map((_cell, j) => ({ kind: 'sum', terms: parts.map((part) => part![i]![j]!) })),
      );
    }
    case 'product': {
      const matrices = expression.factors.filter((factor) => matrixOf(factor) !== undefined);
      if (matrices.length === 0) return undefined;
      if (matrices.length > 1) throw new NotDecided('unreadable', 'a product of matrices');
      const others = expression.factors.filter((factor) => factor !== matrices[0]);
      return map(matrixOf(matrices[0]!), (cell) => ({ kind: 'product', factors: [...others, cell] }));
    }
    default:
      return undefined;
  }
}

function map(
  rows: readonly (readonly Expression[])[] | undefined,
  change: (cell: Expression) => Expression,
): readonly (readonly Expression[])[] | undefined {
  return rows?.map((row) => row.map(change));
}

interface ShownDecimal {
  readonly value: Rational;
  readonly decimals: number;
}

function shownDecimals(expression: Expression): ShownDecimal | undefined {
  if (expression.kind === 'negative') {
    const inner = shownDecimals(expression.of);
    return inner && { ...inner, value: { ...inner.value, numerator: -inner.value.numerator } };
  }
  if (expression.kind !== 'number' || expression.decimals === undefined) return undefined;
  return { value: expression.value, decimals: expression.decimals };
}

/** |response − reference| ≤ 10^(−decimals) / 2 */
function roundsTo(reference: ShownDecimal, response: Expression, algebra: Algebra): boolean {
  const halfUnit = algebra.number(rational(1n, 2n * 10n ** BigInt(reference.decimals))!);
  const distance = algebra.subtract(simplify(response, algebra), algebra.number(reference.value));
  const below = algebra.sign(algebra.subtract(halfUnit, distance));
  const above = algebra.sign(algebra.add(halfUnit, distance));
  return below !== undefined && above !== undefined && below >= 0 && above >= 0;
}
