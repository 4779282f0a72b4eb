/**
 * The sign of a real number by floating point, where it is beyond doubt: the value is far larger than what rounding
 * could have made of its terms. Constants only.
 */
import type { Fraction, Generator } from './generators.ts';
import type { Polynomial } from './polynomial.ts';
import type { Rational } from '../rational.ts';

interface Estimate {
  readonly value: number;
  /** The sum of the absolute values of the terms: rounding is a tiny share of it. */
  readonly scale: number;
}

/** The share of the terms' size that a value must exceed: 2^−52 with room for a thousand operations. */
const doubt = 1e-9;

export function signOf(fraction: Fraction, get: (index: number) => Generator): 1 | -1 | undefined {
  const over = certain(estimate(fraction.over, get, 0));
  const under = certain(estimate(fraction.under, get, 0));
  if (over === undefined || under === undefined) return undefined;
  return over > 0 === under > 0 ? 1 : -1;
}

function certain(value: Estimate | undefined): number | undefined {
  if (value === undefined || !Number.isFinite(value.scale)) return undefined;
  return Math.abs(value.value) > doubt * value.scale && Math.abs(value.value) > 1e-200
    ? value.value
    : undefined;
}

function estimate(
  polynomial: Polynomial,
  get: (index: number) => Generator,
  depth: number,
): Estimate | undefined {
  if (depth > 10) return undefined;
  let [value, scale] = [0, 0];
  for (const { monomial, coefficient } of polynomial.values()) {
    let term = toNumber(coefficient);
    for (const [index, exponent] of monomial) {
      const base = valueOf(get(index), get, depth + 1);
      if (base === undefined || !(base > 0)) return undefined;
      term *= base ** toNumber(exponent);
    }
    value += term;
    scale += Math.abs(term);
  }
  return { value, scale };
}

/** The value of a generator that is a positive real number. */
function valueOf(generator: Generator, get: (index: number) => Generator, depth: number): number | undefined {
  switch (generator.kind) {
    case 'integer':
      return Number(generator.value);
    case 'pi':
      return Math.PI;
    case 'root': {
      const over = certain(estimate(generator.of.over, get, depth));
      const under = certain(estimate(generator.of.under, get, depth));
      if (over === undefined || under === undefined || !(over / under > 0)) return undefined;
      return (over / under) ** (1 / generator.degree);
    }
    case 'exponential': {
      const of = estimate(generator.of, get, depth);
      // A large exponent would turn a rounding error into a large factor.
      return of === undefined || of.scale > 100 ? undefined : Math.exp(of.value);
    }
    case 'call': {
      if (generator.name !== 'ln') return undefined;
      const [argument] = generator.arguments;
      const over = certain(estimate(argument!.over, get, depth));
      const under = certain(estimate(argument!.under, get, depth));
      if (over === undefined || under === undefined || !(over / under > 1.0001)) return undefined;
      return Math.log(over / under);
    }
    case 'symbol':
    case 'unit':
      return undefined;
  }
}

function toNumber({ numerator, denominator }: Rational): number {
  return Number(numerator) / Number(denominator);
}
