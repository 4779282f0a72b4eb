/** Write a number as a product of primes. Factors may stand in any order, powers may be written with ^. */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';

interface FactorizationPuzzle {
  readonly number: number;
}

/** Prime factors, ascending. */
export function primeFactors(number: number): number[] {
  const factors: number[] = [];
  let rest = number;
  for (let divisor = 2; divisor * divisor <= rest; divisor++) {
    while (rest % divisor === 0) {
      factors.push(divisor);
      rest /= divisor;
    }
  }
  if (rest > 1) factors.push(rest);
  return factors;
}

export const primeFactorization = proceduralTask<
  { readonly maximum: number; readonly factors: number },
  FactorizationPuzzle
>({
  name: 'prime-factorization',
  description: 'Write a number as a product of primes.',
  knobs: {
    maximum: z.int().min(30).max(1_000_000_000),
    /** The fewest prime factors. */
    factors: z.int().min(1).max(10),
  },
  levels: [
    { maximum: 300, factors: 2 },
    { maximum: 2000, factors: 3 },
    { maximum: 20_000, factors: 2 },
    { maximum: 1_000_000, factors: 2 },
  ],
  draw(random, { maximum, factors }) {
    const number = 4 + random.integer(maximum - 3);
    return primeFactors(number).length < factors ? undefined : { number };
  },
  question: ({ number }) =>
    `Write ${number} as a product of prime numbers. Answer with the product alone, such as 2 * 2 * 3`,
  answer: ({ number }) => primeFactors(number).join(' * '),
  reasoning({ number }) {
    const steps: string[] = [];
    let rest = number;
    for (const factor of primeFactors(number).slice(0, -1)) {
      steps.push(`${rest} = ${factor} * ${rest / factor}`);
      rest /= factor;
    }
    return [...steps, `${rest} is prime`].join(', ');
  },
  check({ number }, answer) {
    const factors: number[] = [];
    for (const item of answer.split(/\s*(?:\*|×|·|\\times|\\cdot)\s*/)) {
      const match = /^(\d{1,10})(?:\s*\^\s*(?:\{(\d{1,2})\}|(\d{1,2})))?$/.exec(item.trim());
      if (match === null) return 'not of the form 2 * 2 * 3';
      const exponent = Number(match[2] ?? match[3] ?? '1');
      // No allowed number has more than 29 prime factors.
      if (exponent < 1 || factors.length + exponent > 30) return 'an exponent that cannot be right';
      for (let i = 0; i < exponent; i++) factors.push(Number(match[1]));
    }
    const product = factors.reduce((total, factor) => total * BigInt(factor), 1n);
    if (product !== BigInt(number)) return `the product is ${product.toString().slice(0, 30)}`;
    // The product fits, so that each factor is at most the number: the test by division is quick.
    const composite = factors.find((factor) => primeFactors(factor).length !== 1);
    return composite === undefined ? undefined : `${composite} is not prime`;
  },
  corrupt({ number }, random) {
    const factors = primeFactors(number);
    if (factors.length > 1 && random.next() < 0.5) {
      // The product stays right, and one factor is not prime.
      const [first, second, ...rest] = random.shuffle(factors) as [number, number, ...number[]];
      return [first * second, ...rest].join(' * ');
    }
    factors[random.integer(factors.length)]! += random.pick([1, 2]);
    return factors.join(' * ');
  },
});
