/**
 * Whether a polynomial in generators is zero, decided and not guessed. Terms are grouped by their factors that are
 * not algebraic numbers; if the algebraic number before each group is zero, so is the sum. (The converse would need
 * the independence of those factors, which is not assumed: `false` says "not shown to be zero".)
 *
 * An algebraic integer α ≠ 0 of a field of degree D whose conjugates are all at most M in absolute value is at least
 * M^{−(D−1)}, because the product of its conjugates is an integer other than 0. Generators that are roots have
 * conjugates of one absolute value, so that M and D can be read off the terms. α is then computed with that many
 * bits.
 */
import { type Rational } from '../rational.ts';
import { absolute, BallField, type ComplexBall } from './ball.ts';
import type { Generator } from './generators.ts';
import { type Budget, largestPrecision, NotDecided } from './limits.ts';
import {
  addTo,
  contentOf,
  leastCommonMultiple,
  monomialKey,
  type Monomial,
  type Polynomial,
  product,
  productOfMonomials,
  rationalOne,
  scale,
  single,
  sum,
  type Term,
  zeroPolynomial,
} from './polynomial.ts';

export interface Generators {
  get(index: number): Generator;
  /** Whether it is a root, over algebraic numbers, that can be computed to any precision. */
  isAlgebraic(index: number): boolean;
  readonly budget: Budget;
  readonly normalize: (term: Term) => Term;
}

/** Whether the polynomial is shown to be zero. */
export function isZeroPolynomial(polynomial: Polynomial, generators: Generators): boolean {
  if (polynomial.size === 0) return true;
  const reduced = reduceRoots(polynomial, generators);
  if (reduced.size === 0) return true;
  const groups = new Map<string, Map<string, Term>>();
  for (const { monomial, coefficient } of reduced.values()) {
    const algebraic: Monomial = monomial.filter(([index]) => generators.isAlgebraic(index));
    const key = monomialKey(monomial.filter(([index]) => !generators.isAlgebraic(index)));
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = new Map()));
    addTo(group, { monomial: algebraic, coefficient });
  }
  return [...groups.values()].every((group) => group.size === 0 || isZeroNumber(group, generators));
}

/**
 * An equivalent polynomial (equal up to a factor that is not zero) in which no root stands with a negative exponent
 * or one of its degree or more.
 */
function reduceRoots(polynomial: Polynomial, generators: Generators): Polynomial {
  const { budget, normalize } = generators;
  let current = polynomial;
  for (let round = 0; round < 40; round++) {
    const root = rootToReduce(current, generators);
    if (root === undefined) return current;
    const { index, degree, least } = root;
    const generator = generators.get(index);
    if (generator.kind !== 'root') return current;
    const { over, under } = generator.of;
    // Exponents as least + q·degree + r with 0 ≤ r < degree; g^degree = over / under.
    const parts = new Map<number, Polynomial>();
    let most = 0;
    for (const { monomial, coefficient } of current.values()) {
      const own = monomial.find(([other]) => other === index)?.[1] ?? { numerator: 0n, denominator: 1n };
      const exponent = Number(own.numerator) - least;
      const quotient = Math.floor(exponent / degree);
      const rest = exponent - quotient * degree;
      const others = monomial.filter(([other]) => other !== index);
      const factor: Monomial =
        rest === 0 ? [] : [[index, { numerator: BigInt(rest), denominator: 1n }] as const];
      const term = { monomial: productOfMonomials(others, factor), coefficient };
      parts.set(quotient, sum(parts.get(quotient) ?? zeroPolynomial, single(term), budget));
      most = Math.max(most, quotient);
    }
    if (most > 64) throw new NotDecided('too-large', 'a power of a root is too large to compare');
    current = zeroPolynomial;
    for (const [quotient, part] of parts) {
      let whole = part;
      for (let n = 0; n < quotient; n++) whole = product(whole, over, budget, normalize);
      for (let n = quotient; n < most; n++) whole = product(whole, under, budget, normalize);
      current = sum(current, whole, budget);
    }
  }
  return current;
}

function rootToReduce(
  polynomial: Polynomial,
  generators: Generators,
): { readonly index: number; readonly degree: number; readonly least: number } | undefined {
  // The latest first: its radicand may hold earlier ones, never later ones.
  let found: { index: number; degree: number } | undefined;
  for (const { monomial } of polynomial.values()) {
    for (const [index, exponent] of monomial) {
      const generator = generators.get(index);
      if (generator.kind !== 'root' || (found !== undefined && found.index >= index)) continue;
      const outside = exponent.numerator < 0n || exponent.numerator >= BigInt(generator.degree);
      if (outside) found = { index, degree: generator.degree };
    }
  }
  if (found === undefined) return undefined;
  let least = 0;
  for (const { monomial } of polynomial.values()) {
    for (const [index, exponent] of monomial) {
      if (index === found.index) least = Math.min(least, Number(exponent.numerator));
    }
  }
  if (least < -1000) throw new NotDecided('too-large', 'a power of a root is too large to compare');
  return { ...found, least };
}

function isZeroNumber(polynomial: Polynomial, generators: Generators): boolean {
  const only = polynomial.size === 1;
  if (only) return false; // A product of powers of numbers that are not zero.
  const content = contentOf(polynomial);
  const integral = scale(polynomial, { numerator: content.denominator, denominator: content.numerator });
  const field = new DegreeBound(generators);
  const logBound = Math.max(0, field.logConjugates(integral));
  const need = (field.degree() - 1) * logBound + 4;
  if (!(need <= largestPrecision)) {
    // Too deep to decide; a look with few bits may still show that it is not zero, which is the same answer.
    return false;
  }
  // A first look with few bits, since most numbers are not close to zero.
  for (const bits of [...(need > 400 ? [200] : []), Math.ceil(need)]) {
    const working = bits + Math.ceil(logBound) + 64;
    generators.budget.spend(Math.ceil(((working / 64) * (working / 64) * polynomial.size) / 50) + 10);
    const value = new Evaluation(new BallField(working), generators).polynomial(integral);
    const [re, im] = [value.re, value.im];
    if (absolute(re.middle) > re.radius || absolute(im.middle) > im.radius) return false;
    const bound = 1n << BigInt(working - Math.ceil(need) - 1 > 0 ? working - Math.ceil(need) - 1 : 0);
    if (bits < need) continue;
    return absolute(re.middle) + re.radius < bound && absolute(im.middle) + im.radius < bound;
  }
  return false;
}

/** The degree of the field that the generators span over the rational numbers, and sizes of conjugates. */
class DegreeBound {
  private readonly generators: Generators;
  /** Common denominators of the exponents of integers and units; degrees of roots. */
  private readonly degrees = new Map<number, bigint>();
  private readonly sizes = new Map<number, number>();

  constructor(generators: Generators) {
    this.generators = generators;
  }

  /** An upper bound of log2 of the largest conjugate. */
  logConjugates(polynomial: Polynomial): number {
    const logs: number[] = [];
    for (const { monomial, coefficient } of polynomial.values()) {
      let log = log2(coefficient.numerator);
      for (const [index, exponent] of monomial) log += this.logOf(index) * this.note(index, exponent);
      logs.push(log);
    }
    const largest = Math.max(...logs);
    // log2(Σ 2^l) ≤ largest + log2(count)
    return largest + Math.log2(logs.length) + 1e-6;
  }

  degree(): number {
    let degree = 1;
    for (const own of this.degrees.values()) degree *= Number(own);
    return degree;
  }

  private note(index: number, exponent: Rational): number {
    const generator = this.generators.get(index);
    const before = this.degrees.get(index) ?? 1n;
    if (exponent.numerator < 0n) throw new NotDecided('too-large', 'a negative power cannot be bounded');
    switch (generator.kind) {
      case 'integer':
        this.degrees.set(index, leastCommonMultiple(before, exponent.denominator));
        break;
      case 'unit':
        // e^{iπ/n} is a root of unity of order 2n: a degree of at most n for n > 1 (φ(2n) ≤ n).
        this.degrees.set(index, leastCommonMultiple(before, exponent.denominator));
        break;
      case 'root':
        this.degrees.set(index, BigInt(generator.degree));
        break;
      default:
        throw new NotDecided('too-large', 'not an algebraic number');
    }
    return Number(exponent.numerator) / Number(exponent.denominator);
  }

  private logOf(index: number): number {
    let size = this.sizes.get(index);
    if (size === undefined) {
      const generator = this.generators.get(index);
      if (generator.kind === 'integer') size = log2(generator.value);
      else if (generator.kind === 'root') {
        size = Math.max(0, this.logConjugates(generator.of.over)) / generator.degree;
      } else size = 0;
      this.sizes.set(index, size);
    }
    return size;
  }
}

function log2(value: bigint): number {
  return absolute(value).toString(2).length;
}

/** Values of algebraic generators. */
class Evaluation {
  private readonly field: BallField;
  private readonly generators: Generators;
  private readonly known = new Map<string, ComplexBall>();

  constructor(field: BallField, generators: Generators) {
    this.field = field;
    this.generators = generators;
  }

  polynomial(polynomial: Polynomial): ComplexBall {
    const { field } = this;
    let total: ComplexBall = field.real({ middle: 0n, radius: 0n });
    for (const { monomial, coefficient } of polynomial.values()) {
      let term = field.real(field.rational(coefficient));
      for (const [index, exponent] of monomial) term = field.multiply(term, this.power(index, exponent));
      total = field.add(total, term);
    }
    return total;
  }

  private power(index: number, exponent: Rational): ComplexBall {
    const key = monomialKey([[index, exponent]]);
    let value = this.known.get(key);
    if (value === undefined) this.known.set(key, (value = this.compute(index, exponent)));
    return value;
  }

  private compute(index: number, exponent: Rational): ComplexBall {
    const { field } = this;
    const generator = this.generators.get(index);
    if (exponent.numerator < 0n || exponent.numerator > 10_000n) {
      throw new NotDecided('too-large', 'a power of a root is too large to compare');
    }
    switch (generator.kind) {
      case 'integer': {
        const degree = Number(exponent.denominator);
        if (degree > 1000) throw new NotDecided('too-large', 'a root of too high a degree');
        const base = field.rational({ numerator: generator.value, denominator: 1n });
        const root = degree === 1 ? base : field.root(base, degree);
        return field.power(field.real(root), Number(exponent.numerator));
      }
      case 'unit':
        return exponent.numerator === 1n && exponent.denominator === 2n
          ? { re: { middle: 0n, radius: 0n }, im: { middle: field.one, radius: 0n } }
          : field.unit(exponent);
      case 'root': {
        const radicand = this.polynomial(generator.of.over);
        const root = field.root(radicand.re, generator.degree);
        return field.power(field.real(root), Number(exponent.numerator));
      }
      default:
        throw new NotDecided('too-large', 'not an algebraic number');
    }
  }
}

/** Whether a radicand is a polynomial with integer coefficients in algebraic numbers, and real. */
export function isComputableRadicand(
  over: Polynomial,
  under: Polynomial,
  generators: Pick<Generators, 'get' | 'isAlgebraic'>,
): boolean {
  if (under.size !== 1 || under.get('')?.coefficient.numerator !== rationalOne.numerator) return false;
  for (const { monomial, coefficient } of over.values()) {
    if (coefficient.denominator !== 1n) return false;
    for (const [index, exponent] of monomial) {
      if (!generators.isAlgebraic(index) || exponent.numerator < 0n) return false;
      if (generators.get(index).kind === 'unit') return false;
    }
  }
  return true;
}
