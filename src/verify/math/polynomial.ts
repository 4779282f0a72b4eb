/**
 * Sums of rational multiples of products of powers of *generators* (`generators.ts`), with rational exponents:
 * polynomials, Laurent and Puiseux polynomials in one type. Two of them that are the same sum are equal as
 * values; the converse needs `zero-test.ts`, since generators may depend on one another.
 */
import { add, multiply, rational, type Rational } from '../rational.ts';
import type { Budget } from './limits.ts';
import { largestInteger, NotDecided } from './limits.ts';

/** Generator and exponent, ascending by generator; no exponent is 0. */
export type Monomial = readonly (readonly [generator: number, exponent: Rational])[];

export interface Term {
  readonly monomial: Monomial;
  readonly coefficient: Rational;
}

/** By `monomialKey`; no coefficient is 0. */
export type Polynomial = ReadonlyMap<string, Term>;

export const rationalZero: Rational = { numerator: 0n, denominator: 1n };
export const rationalOne: Rational = { numerator: 1n, denominator: 1n };

export const zeroPolynomial: Polynomial = new Map();

export function integer(value: number | bigint): Rational {
  return { numerator: BigInt(value), denominator: 1n };
}

export function isInteger(value: Rational): boolean {
  return value.denominator === 1n;
}

export function negateRational(value: Rational): Rational {
  return { numerator: -value.numerator, denominator: value.denominator };
}

export function bits(value: bigint): number {
  // Four bits a hexadecimal digit: an upper bound that costs linear time.
  return value > -0x20000000000000n && value < 0x20000000000000n ? 53 : value.toString(16).length * 4;
}

export function monomialKey(monomial: Monomial): string {
  let key = '';
  for (const [generator, { numerator, denominator }] of monomial) {
    key += denominator === 1n ? `${generator}^${numerator} ` : `${generator}^${numerator}/${denominator} `;
  }
  return key;
}

export function polynomialKey(polynomial: Polynomial): string {
  return [...polynomial.entries()]
    .map(([key, { coefficient }]) => `${coefficient.numerator}/${coefficient.denominator}*${key}`)
    .sort()
    .join('+');
}

export function constant(value: Rational): Polynomial {
  return value.numerator === 0n ? zeroPolynomial : new Map([['', { monomial: [], coefficient: value }]]);
}

export function single(term: Term): Polynomial {
  return term.coefficient.numerator === 0n ? zeroPolynomial : new Map([[monomialKey(term.monomial), term]]);
}

/** The value of a polynomial without generators. */
export function constantOf(polynomial: Polynomial): Rational | undefined {
  if (polynomial.size === 0) return rationalZero;
  return polynomial.size === 1 ? polynomial.get('')?.coefficient : undefined;
}

export function onlyTerm(polynomial: Polynomial): Term | undefined {
  return polynomial.size === 1 ? polynomial.values().next().value : undefined;
}

export function addTo(target: Map<string, Term>, term: Term, key = monomialKey(term.monomial)): void {
  const present = target.get(key);
  const coefficient = present === undefined ? term.coefficient : add(present.coefficient, term.coefficient);
  if (coefficient.numerator === 0n) target.delete(key);
  else target.set(key, { monomial: term.monomial, coefficient });
}

export function sum(a: Polynomial, b: Polynomial, budget: Budget): Polynomial {
  budget.spend(a.size + b.size);
  const result = new Map(a);
  for (const [key, term] of b) addTo(result, term, key);
  return result;
}

export function scale(a: Polynomial, factor: Rational): Polynomial {
  if (factor.numerator === 0n) return zeroPolynomial;
  const result = new Map<string, Term>();
  for (const [key, { monomial, coefficient }] of a) {
    result.set(key, { monomial, coefficient: limited(multiply(coefficient, factor)) });
  }
  return result;
}

/** `normalize` brings a product of powers into the form that its generators ask for. */
export function product(
  a: Polynomial,
  b: Polynomial,
  budget: Budget,
  normalize: (term: Term) => Term,
): Polynomial {
  budget.spend(a.size * b.size * 2);
  const result = new Map<string, Term>();
  for (const left of a.values()) {
    for (const right of b.values()) addTo(result, normalize(productOfTerms(left, right)));
  }
  return result;
}

export function productOfTerms(a: Term, b: Term): Term {
  return {
    monomial: productOfMonomials(a.monomial, b.monomial),
    coefficient: limited(multiply(a.coefficient, b.coefficient)),
  };
}

export function productOfMonomials(a: Monomial, b: Monomial): Monomial {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const result: (readonly [number, Rational])[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === undefined || (left !== undefined && left[0] < right[0])) {
      result.push(left!);
      i++;
    } else if (left === undefined || right[0] < left[0]) {
      result.push(right);
      j++;
    } else {
      const exponent = add(left[1], right[1]);
      if (exponent.numerator !== 0n) result.push([left[0], limited(exponent)]);
      i++;
      j++;
    }
  }
  return result;
}

export function powerOfMonomial(monomial: Monomial, exponent: Rational): Monomial {
  if (exponent.numerator === 0n) return [];
  return monomial.map(([generator, own]) => [generator, limited(multiply(own, exponent))] as const);
}

/** The rational number c > 0 for which every coefficient of polynomial / c is an integer, and they are coprime. */
export function contentOf(polynomial: Polynomial): Rational {
  let [numerator, denominator] = [0n, 1n];
  for (const { coefficient } of polynomial.values()) {
    numerator = greatestCommonDivisor(numerator, coefficient.numerator);
    denominator = leastCommonMultiple(denominator, coefficient.denominator);
  }
  return limited(rational(numerator, denominator) ?? rationalOne);
}

export function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

export function leastCommonMultiple(a: bigint, b: bigint): bigint {
  return a === 0n || b === 0n ? 0n : (a / greatestCommonDivisor(a, b)) * b;
}

export function limited(value: Rational): Rational {
  if (bits(value.numerator) > 4 * largestInteger || bits(value.denominator) > 4 * largestInteger) {
    throw new NotDecided('too-large', 'a number in the expressions is too large to compute with');
  }
  return value;
}
