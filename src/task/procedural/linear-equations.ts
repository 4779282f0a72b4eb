/**
 * Systems of linear equations with one solution, whole numbers or fractions. Judged by putting the answer into the
 * equations, exactly; the order of the unknowns and unreduced fractions are free.
 */
import { z } from 'zod';
import {
  add,
  divide,
  formatRational,
  multiply,
  rational,
  sameRational,
  subtract,
  type Rational,
} from '../../verify/rational.ts';
import { assignments } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

interface EquationsPuzzle {
  /** One row an equation: the coefficients, then the right side. */
  readonly rows: readonly (readonly number[])[];
}

const names = ['x', 'y', 'z', 'u', 'v', 'w'];
const zero = rational(0n)!;

/** The solution by Gauss's elimination, exactly; undefined when there is not exactly one. */
export function solveLinear(rows: readonly (readonly number[])[]): Rational[] | undefined {
  const matrix = rows.map((row) => row.map((value) => rational(BigInt(value))!));
  const count = matrix.length;
  for (let column = 0; column < count; column++) {
    const pivot = matrix.findIndex((row, i) => i >= column && row[column]!.numerator !== 0n);
    if (pivot < 0) return undefined;
    [matrix[column], matrix[pivot]] = [matrix[pivot]!, matrix[column]!];
    const lead = matrix[column]!;
    const scale = lead[column]!;
    matrix[column] = lead.map((value) => divide(value, scale)!);
    for (let i = 0; i < count; i++) {
      const factor = matrix[i]![column]!;
      if (i === column || factor.numerator === 0n) continue;
      matrix[i] = matrix[i]!.map((value, j) => subtract(value, multiply(factor, matrix[column]![j]!)));
    }
  }
  return matrix.map((row) => row[count]!);
}

function writeEquation(row: readonly number[]): string {
  let left = '';
  for (const [i, coefficient] of row.slice(0, -1).entries()) {
    if (coefficient === 0) continue;
    const sign = coefficient < 0 ? '-' : '+';
    const size = Math.abs(coefficient);
    left += left === '' ? (sign === '-' ? '-' : '') : ` ${sign} `;
    left += `${size === 1 ? '' : size}${names[i]}`;
  }
  return `${left} = ${row.at(-1)}`;
}

function writeSolution(solution: readonly Rational[]): string {
  return solution.map((value, i) => `${names[i]} = ${formatRational(value)}`).join(', ');
}

/** `-3`, `7/2`, `2.5`; undefined when it is something else or has too many digits. */
function readRational(text: string): Rational | undefined {
  const match = /^([-+−]?)(\d{1,15})(?:\.(\d{1,15})|\s*\/\s*(\d{1,15}))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, decimals, denominator] = match;
  const scale = 10n ** BigInt(decimals?.length ?? 0);
  const size = BigInt(`${whole}${decimals ?? ''}`);
  return rational(sign === '-' || sign === '−' ? -size : size, denominator ? BigInt(denominator) : scale);
}

export const linearEquations = proceduralTask<
  { readonly unknowns: number; readonly coefficient: number; readonly fractions: boolean },
  EquationsPuzzle
>({
  name: 'linear-equations',
  description: 'Solve a system of linear equations that has one solution.',
  knobs: {
    unknowns: z.int().min(1).max(6),
    /** The largest coefficient. */
    coefficient: z.int().min(1).max(100),
    /** Whether solutions may be fractions. */
    fractions: z.boolean(),
  },
  levels: [
    { unknowns: 1, coefficient: 9, fractions: false },
    { unknowns: 2, coefficient: 5, fractions: false },
    { unknowns: 2, coefficient: 9, fractions: true },
    { unknowns: 3, coefficient: 5, fractions: false },
    { unknowns: 4, coefficient: 9, fractions: true },
  ],
  draw(random, { unknowns, coefficient, fractions }) {
    const draw = (limit: number) => random.integer(2 * limit + 1) - limit;
    const solution = Array.from({ length: unknowns }, () => draw(20));
    const rows = Array.from({ length: unknowns }, () => {
      const left = Array.from({ length: unknowns }, () => draw(coefficient));
      const right = fractions
        ? draw(10 * coefficient)
        : left.reduce((sum, value, i) => sum + value * solution[i]!, 0);
      return [...left, right];
    });
    if (rows.some((row) => row.slice(0, -1).every((value) => value === 0))) return undefined;
    return solveLinear(rows) === undefined ? undefined : { rows };
  },
  question({ rows }) {
    const example = rows.map((_, i) => `${names[i]} = ${i + 1}`).join(', ');
    return (
      `Solve: ${rows.map(writeEquation).join('; ')}. ` +
      `Answer with the value of every unknown, fractions as a/b, such as ${example}`
    );
  },
  answer: ({ rows }) => writeSolution(solveLinear(rows)!),
  reasoning({ rows }) {
    const solution = solveLinear(rows)!;
    const checks = rows.map((row) => {
      const terms = row.slice(0, -1).map((value, i) => `(${value})*(${formatRational(solution[i]!)})`);
      return `${terms.join(' + ')} = ${row.at(-1)}`;
    });
    return `Elimination gives ${writeSolution(solution)}. Check: ${checks.join('; ')}.`;
  },
  check({ rows }, answer) {
    const given = assignments(answer);
    if (given === undefined) return 'not of the form x = 1, y = 2';
    const unknowns = names.slice(0, rows.length);
    if (given.size !== unknowns.length) return `${given.size} values for ${unknowns.length} unknowns`;
    const values: Rational[] = [];
    for (const name of unknowns) {
      const value = readRational(given.get(name) ?? '');
      if (value === undefined) return `no number for ${name}`;
      values.push(value);
    }
    for (const [i, row] of rows.entries()) {
      const left = values.reduce(
        (sum, value, j) => add(sum, multiply(value, rational(BigInt(row[j]!))!)),
        zero,
      );
      if (!sameRational(left, rational(BigInt(row.at(-1)!))!)) return `equation ${i + 1} does not hold`;
    }
    return undefined;
  },
  corrupt({ rows }, random) {
    const solution = solveLinear(rows)!;
    const at = random.integer(solution.length);
    const slip = rational(BigInt(random.pick([-2, -1, 1, 2])))!;
    return writeSolution(solution.map((value, i) => (i === at ? add(value, slip) : value)));
  },
});
