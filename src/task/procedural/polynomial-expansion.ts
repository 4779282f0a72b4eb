/**
 * Multiply out a product of polynomials in x and collect. The answer must be a sum of terms, each power at most
 * once, in any order; it is compared coefficient by coefficient.
 */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';

interface ExpansionPuzzle {
  /** Coefficients of each factor, the constant first. */
  readonly factors: readonly (readonly number[])[];
}

function multiply(a: readonly number[], b: readonly number[]): number[] {
  const product = Array.from({ length: a.length + b.length - 1 }, () => 0);
  for (const [i, x] of a.entries()) for (const [j, y] of b.entries()) product[i + j]! += x * y;
  return product;
}

function writePolynomial(coefficients: readonly number[]): string {
  let text = '';
  for (let power = coefficients.length - 1; power >= 0; power--) {
    const value = coefficients[power]!;
    if (value === 0) continue;
    const size = Math.abs(value);
    const variable = power === 0 ? '' : power === 1 ? 'x' : `x^${power}`;
    const term = `${size === 1 && power > 0 ? '' : size}${variable}`;
    text += text === '' ? (value < 0 ? `-${term}` : term) : ` ${value < 0 ? '-' : '+'} ${term}`;
  }
  return text === '' ? '0' : text;
}

/** The coefficient of each power of a sum of terms; undefined when it is something else. */
export function readPolynomial(text: string): Map<number, number> | undefined {
  const compact = text.replaceAll(/\s+/g, '').replaceAll('−', '-').replaceAll('**', '^');
  const powers = new Map<number, number>();
  const term =
    /([+-]?)(?:(\d{1,12})(?:(\*?)(x)(?:\^(?:\{(\d{1,3})\}|(\d{1,3})))?)?|(x)(?:\^(?:\{(\d{1,3})\}|(\d{1,3})))?)/y;
  while (term.lastIndex < compact.length) {
    const first = term.lastIndex === 0;
    const match = term.exec(compact);
    if (match === null || (!first && match[1] === '')) return undefined;
    const digits = match[2] ?? '1';
    const hasVariable = match[4] !== undefined || match[7] !== undefined;
    const exponent = match[5] ?? match[6] ?? match[8] ?? match[9];
    const power = hasVariable ? Number(exponent ?? '1') : 0;
    if (powers.has(power)) return undefined;
    powers.set(power, (match[1] === '-' ? -1 : 1) * Number(digits));
  }
  return powers.size === 0 ? undefined : powers;
}

function expand({ factors }: ExpansionPuzzle): number[] {
  return factors.reduce<number[]>((product, factor) => multiply(product, factor), [1]);
}

export const polynomialExpansion = proceduralTask<
  { readonly factors: number; readonly degree: number; readonly coefficient: number },
  ExpansionPuzzle
>({
  name: 'polynomial-expansion',
  description: 'Multiply out a product of polynomials.',
  knobs: {
    factors: z.int().min(2).max(5),
    /** The highest power in a factor. */
    degree: z.int().min(1).max(4),
    coefficient: z.int().min(1).max(50),
  },
  levels: [
    { factors: 2, degree: 1, coefficient: 9 },
    { factors: 2, degree: 2, coefficient: 5 },
    { factors: 3, degree: 1, coefficient: 9 },
    { factors: 3, degree: 2, coefficient: 9 },
    { factors: 4, degree: 2, coefficient: 12 },
  ],
  draw(random, { factors: count, degree, coefficient }) {
    const factors = Array.from({ length: count }, () => {
      const length = 2 + random.integer(degree);
      return Array.from({ length }, () => random.integer(2 * coefficient + 1) - coefficient);
    });
    const usable = factors.every((factor) => {
      return factor.at(-1) !== 0 && factor.filter((value) => value !== 0).length >= 2;
    });
    return usable ? { factors } : undefined;
  },
  question: ({ factors }) =>
    `Expand ${factors.map((factor) => `(${writePolynomial(factor)})`).join('')} and collect like terms. ` +
    'Answer with the sum alone, such as 3x^2 - x + 4',
  answer: (puzzle) => writePolynomial(expand(puzzle)),
  reasoning({ factors }) {
    const steps: string[] = [];
    factors.slice(1).reduce<readonly number[]>((product, factor) => {
      const next = multiply(product, factor);
      steps.push(`(${writePolynomial(product)})(${writePolynomial(factor)}) = ${writePolynomial(next)}`);
      return next;
    }, factors[0]!);
    return steps.join('; ');
  },
  check(puzzle, answer) {
    const given = readPolynomial(answer);
    if (given === undefined) return 'not a sum of terms with each power once';
    const right = expand(puzzle);
    const highest = Math.max(right.length - 1, ...given.keys());
    for (let power = highest; power >= 0; power--) {
      if ((given.get(power) ?? 0) !== (right[power] ?? 0)) return `the coefficient of x^${power} is wrong`;
    }
    return undefined;
  },
  corrupt(puzzle, random) {
    const wrong = expand(puzzle);
    wrong[random.integer(wrong.length)]! += random.pick([-2, -1, 1, 2]);
    return writePolynomial(wrong);
  },
});
