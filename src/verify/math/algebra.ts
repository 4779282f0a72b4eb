/**
 * Exact arithmetic with fractions of polynomials in generators. Every rule here holds for all values of the symbols
 * for which both sides are defined, with principal values of roots, powers and logarithms: √(x²) does not become x,
 * √x·√y not √(xy). What no rule covers becomes a generator of its own, which equals only itself.
 *
 * Trigonometric and hyperbolic functions are written with e^{iu}, and powers of numbers with e^{u ln a}, so that
 * their identities come out as identities of polynomials.
 */
import { add as addRational, multiply as multiplyRational, rational, type Rational } from '../rational.ts';
import { type Fraction, type Generator, isPositive } from './generators.ts';
import { factorize } from './integers.ts';
import { type Budget, largestInteger, NotDecided } from './limits.ts';
import { signOf } from './numeric-sign.ts';
import {
  addTo,
  bits,
  constant,
  constantOf,
  contentOf,
  integer,
  isInteger,
  type Monomial,
  monomialKey,
  negateRational,
  onlyTerm,
  type Polynomial,
  polynomialKey,
  powerOfMonomial,
  product,
  rationalOne,
  scale,
  single,
  sum,
  type Term,
} from './polynomial.ts';
import { isComputableRadicand, isZeroPolynomial } from './zero-test.ts';

const half: Rational = { numerator: 1n, denominator: 2n };
const unitPolynomial = constant(rationalOne);

/** The largest power of a sum that is multiplied out. */
const largestExpandedPower = 40;

export class Algebra {
  readonly budget: Budget;
  private readonly generators: Generator[] = [{ kind: 'unit' }, { kind: 'pi' }];
  private readonly algebraic: boolean[] = [true, false];
  private readonly names = new Map<string, number>();

  constructor(budget: Budget) {
    this.budget = budget;
  }

  /** Exponents of −1 and of integers brought into [0, 1). */
  readonly normalize = (term: Term): Term => {
    let { coefficient } = term;
    let changed = false;
    const monomial: (readonly [number, Rational])[] = [];
    for (const [index, exponent] of term.monomial) {
      const generator = this.get(index);
      const whole = floor(exponent);
      if (whole === 0n || (generator.kind !== 'unit' && generator.kind !== 'integer')) {
        monomial.push([index, exponent]);
        continue;
      }
      if (generator.kind === 'unit') {
        if (whole % 2n !== 0n) coefficient = negateRational(coefficient);
      } else {
        const size = whole < 0n ? -whole : whole;
        if (size * BigInt(generator.value.toString(2).length) > BigInt(largestInteger)) {
          monomial.push([index, exponent]);
          continue;
        }
        const power = generator.value ** size;
        coefficient = multiplyRational(
          coefficient,
          whole < 0n ? { numerator: 1n, denominator: power } : integer(power),
        );
      }
      changed = true;
      const rest = addRational(exponent, integer(-whole));
      if (rest.numerator !== 0n) monomial.push([index, rest]);
    }
    return changed ? { monomial, coefficient } : term;
  };

  // --- generators -----------------------------------------------------------------------------------------------

  get(index: number): Generator {
    return this.generators[index]!;
  }

  isAlgebraic(index: number): boolean {
    return this.algebraic[index]!;
  }

  private register(generator: Generator, algebraic: boolean): number {
    if (this.generators.length > 300)
      throw new NotDecided('too-large', 'too many different parts to compare');
    this.generators.push(generator);
    this.algebraic.push(algebraic);
    return this.generators.length - 1;
  }

  private named(key: string, make: () => Generator, algebraic: boolean): number {
    let index = this.names.get(key);
    if (index === undefined) {
      index = this.register(make(), algebraic);
      this.names.set(key, index);
    }
    return index;
  }

  private integerGenerator(value: bigint): number {
    return this.named(`integer ${value}`, () => ({ kind: 'integer', value }), true);
  }

  /** The generator among those of the same sort whose argument is shown to be the same; else a new one. */
  private call(name: string, args: readonly Fraction[]): number {
    for (const [index, one] of this.generators.entries()) {
      if (one.kind !== 'call' || one.name !== name || one.arguments.length !== args.length) continue;
      if (one.arguments.every((argument, i) => this.same(argument, args[i]!))) return index;
    }
    return this.register({ kind: 'call', name, arguments: args }, false);
  }

  // --- fractions ------------------------------------------------------------------------------------------------

  number(value: Rational): Fraction {
    return { over: constant(value), under: unitPolynomial };
  }

  generator(index: number, exponent: Rational = rationalOne): Fraction {
    return this.polynomial(
      single(this.normalize({ monomial: [[index, exponent]], coefficient: rationalOne })),
    );
  }

  symbol(name: string): Fraction {
    return this.generator(this.named(`symbol ${name}`, () => ({ kind: 'symbol', name }), false));
  }

  readonly imaginary: Fraction = this.generator(0, half);
  readonly pi: Fraction = this.generator(1);

  private polynomial(over: Polynomial): Fraction {
    return { over, under: unitPolynomial };
  }

  add(a: Fraction, b: Fraction): Fraction {
    if (a.under === b.under || samePolynomial(a.under, b.under)) {
      return { over: sum(a.over, b.over, this.budget), under: a.under };
    }
    return {
      over: sum(this.times(a.over, b.under), this.times(b.over, a.under), this.budget),
      under: this.times(a.under, b.under),
    };
  }

  negate(a: Fraction): Fraction {
    return { over: scale(a.over, integer(-1)), under: a.under };
  }

  subtract(a: Fraction, b: Fraction): Fraction {
    return this.add(a, this.negate(b));
  }

  multiply(a: Fraction, b: Fraction): Fraction {
    return this.fraction(this.times(a.over, b.over), this.times(a.under, b.under));
  }

  divide(a: Fraction, b: Fraction): Fraction {
    return this.multiply(a, this.invert(b));
  }

  invert(a: Fraction): Fraction {
    if (this.isZero(a)) throw new NotDecided('undefined', 'a division by zero');
    return this.fraction(a.under, a.over);
  }

  /** A single term below the line is moved above it. */
  private fraction(over: Polynomial, under: Polynomial): Fraction {
    const term = onlyTerm(under);
    if (term === undefined) return { over, under };
    const inverse = {
      monomial: powerOfMonomial(term.monomial, integer(-1)),
      coefficient: rational(term.coefficient.denominator, term.coefficient.numerator)!,
    };
    if (under === unitPolynomial) return { over, under };
    return this.polynomial(this.times(over, single(this.normalize(inverse))));
  }

  private times(a: Polynomial, b: Polynomial): Polynomial {
    if (a === unitPolynomial) return b;
    if (b === unitPolynomial) return a;
    return product(a, b, this.budget, this.normalize);
  }

  isZero(a: Fraction): boolean {
    return isZeroPolynomial(a.over, this);
  }

  same(a: Fraction, b: Fraction): boolean {
    if (samePolynomial(a.over, b.over) && samePolynomial(a.under, b.under)) return true;
    return this.isZero(this.subtract(a, b));
  }

  /** The rational number that the fraction visibly is. */
  rationalOf(a: Fraction): Rational | undefined {
    const [over, under] = [constantOf(a.over), constantOf(a.under)];
    if (over === undefined || under === undefined) return undefined;
    return rational(over.numerator * under.denominator, over.denominator * under.numerator);
  }

  /** 1, 0 or −1 for a real number; undefined for anything else or where it is not certain. */
  sign(a: Fraction): 1 | 0 | -1 | undefined {
    const exact = this.rationalOf(a);
    if (exact !== undefined) return exact.numerator > 0n ? 1 : exact.numerator < 0n ? -1 : 0;
    const sign = signOf(a, (index) => this.get(index));
    if (sign !== undefined) return sign;
    return this.isZero(a) ? 0 : undefined;
  }

  // --- powers and roots -----------------------------------------------------------------------------------------

  /** base^exponent, principal value. */
  power(base: Fraction, exponent: Fraction): Fraction {
    const value = this.rationalOf(exponent);
    if (value !== undefined) return this.rationalPower(base, value);
    if (this.isZero(base)) throw new NotDecided('undefined', 'a power of zero');
    return this.exponential(this.multiply(exponent, this.logarithm(base)));
  }

  rationalPower(base: Fraction, exponent: Rational): Fraction {
    if (exponent.numerator === 0n) {
      if (this.isZero(base)) throw new NotDecided('undefined', '0 to the power of 0');
      return this.number(rationalOne);
    }
    if (base.over.size === 0) {
      if (exponent.numerator < 0n) throw new NotDecided('undefined', 'a division by zero');
      return base;
    }
    if (isInteger(exponent)) return this.integerPower(base, exponent.numerator);
    if (exponent.denominator > 64n) throw new NotDecided('too-large', 'a root of too high a degree');
    // (u^(1/q))^p: the principal power for every integer p.
    return this.integerPower(this.root(base, Number(exponent.denominator)), exponent.numerator);
  }

  private integerPower(base: Fraction, exponent: bigint): Fraction {
    if (exponent < 0n) return this.integerPower(this.invert(base), -exponent);
    if (exponent === 1n) return base;
    const term = onlyTerm(base.over);
    if (term !== undefined && base.under === unitPolynomial) {
      const monomial = powerOfMonomial(term.monomial, integer(exponent));
      const factor = this.powerOfRational(term.coefficient, exponent);
      return this.polynomial(
        this.times(single(this.normalize({ monomial, coefficient: rationalOne })), factor),
      );
    }
    if (this.isZero(base)) return this.number(integer(0));
    if (exponent > largestExpandedPower) {
      // Stays a power: a generator for the base, raised to the exponent.
      return this.generator(this.call('base', [base]), integer(exponent));
    }
    let result: Fraction = this.number(rationalOne);
    for (let n = exponent; n > 0n; n--) result = this.multiply(result, base);
    return result;
  }

  private powerOfRational(value: Rational, exponent: bigint): Polynomial {
    const size = BigInt(bits(value.numerator === 1n || value.numerator === -1n ? 1n : value.numerator));
    const cost = BigInt(Math.max(Number(size), bits(value.denominator)));
    const isUnit = value.denominator === 1n && (value.numerator === 1n || value.numerator === -1n);
    if (isUnit) return constant(exponent % 2n === 0n ? rationalOne : value);
    if (cost * exponent <= BigInt(largestInteger) || (cost === 53n && exponent <= 150n)) {
      return constant({ numerator: value.numerator ** exponent, denominator: value.denominator ** exponent });
    }
    const positive = value.numerator < 0n ? -value.numerator : value.numerator;
    const sign = value.numerator < 0n && exponent % 2n !== 0n ? integer(-1) : rationalOne;
    return single(
      this.normalize({
        monomial: this.factors({ ...value, numerator: positive }, integer(exponent)),
        coefficient: sign,
      }),
    );
  }

  /** value^exponent for a positive value, as a monomial of its prime factors. */
  private factors(value: Rational, exponent: Rational): Monomial {
    const exponents = new Map<number, Rational>();
    for (const [number, sign] of [
      [value.numerator, 1n],
      [value.denominator, -1n],
    ] as const) {
      if (number === 1n) continue;
      this.budget.spend(100);
      for (const [factor, times] of factorize(number)) {
        const index = this.integerGenerator(factor);
        const own = multiplyRational(exponent, integer(sign * BigInt(times)));
        exponents.set(index, addRational(exponents.get(index) ?? integer(0), own));
      }
    }
    return [...exponents.entries()].filter(([, own]) => own.numerator !== 0n).sort(([a], [b]) => a - b);
  }

  /** The principal root. */
  root(of: Fraction, degree: number): Fraction {
    if (degree === 1) return of;
    if (of.over.size === 0) return of;
    const exponent: Rational = { numerator: 1n, denominator: BigInt(degree) };
    // A positive rational factor comes out.
    const content = contentOf(of.over);
    const outer = single(
      this.normalize({ monomial: this.factors(content, exponent), coefficient: rationalOne }),
    );
    const inner: Fraction = {
      over: scale(of.over, { numerator: content.denominator, denominator: content.numerator }),
      under: of.under,
    };
    return this.multiply(this.polynomial(outer), this.rootOfPrimitive(inner, degree, exponent));
  }

  private rootOfPrimitive(of: Fraction, degree: number, exponent: Rational): Fraction {
    const term = onlyTerm(of.over);
    if (term !== undefined && of.under === unitPolynomial) {
      // The coefficient is 1 or −1. Positive factors come out; one other factor may, with an argument that stays
      // within (−π, π].
      const out: (readonly [number, Rational])[] = [];
      let rest: (readonly [number, Rational])[] = [];
      for (const factor of term.monomial) (isPositive(this.get(factor[0])) ? out : rest).push(factor);
      const negative = term.coefficient.numerator < 0n;
      if (rest.length === 0 && negative) {
        rest = [];
        out.unshift([0, exponent]);
        return this.rootOfFactors(out, exponent, true);
      }
      const [only] = rest;
      if (rest.length === 0) return this.rootOfFactors(out, exponent, false);
      if (!negative && rest.length === 1 && only !== undefined && this.isPrincipal(only)) {
        return this.rootOfFactors(
          [...out, only].sort(([a], [b]) => a - b),
          exponent,
          false,
        );
      }
      const kept: Fraction = this.polynomial(single({ monomial: rest, coefficient: term.coefficient }));
      return this.multiply(this.rootOfFactors(out, exponent, false), this.rootGenerator(kept, degree));
    }
    const sign = this.sign(of);
    if (sign === 0) return this.number(integer(0));
    if (sign === -1) {
      const turn = this.unitPower(exponent);
      return this.multiply(turn, this.rootGenerator(this.negate(of), degree));
    }
    return this.rootGenerator(of, degree);
  }

  /** (g^e)^(1/n) = g^(e/n) holds where e lies in (−1, 1], and for −1 where its exponent lies in [0, 1]. */
  private isPrincipal([index, exponent]: readonly [number, Rational]): boolean {
    const generator = this.get(index);
    if (generator.kind === 'exponential') return false;
    const { numerator, denominator } = exponent;
    return numerator > -denominator && numerator <= denominator;
  }

  private rootOfFactors(
    factors: readonly (readonly [number, Rational])[],
    exponent: Rational,
    unitFirst: boolean,
  ): Fraction {
    const monomial = factors.filter(([index], i) => !(unitFirst && i === 0 && index === 0));
    let plain: Fraction = this.number(rationalOne);
    const kept: (readonly [number, Rational])[] = [];
    for (const [index, own] of monomial) {
      const value = multiplyRational(own, exponent);
      if (this.get(index).kind === 'unit') plain = this.multiply(plain, this.unitPower(value));
      else if (this.get(index).kind === 'root' || this.get(index).kind === 'call') {
        // Their own exponents are integers, for `zero-test.ts`: a fractional power is a root of its own.
        if (isInteger(value)) kept.push([index, value]);
        else {
          const base = this.polynomial(single({ monomial: [[index, own]], coefficient: rationalOne }));
          plain = this.multiply(plain, this.rootGenerator(base, Number(exponent.denominator)));
        }
      } else kept.push([index, value]);
    }
    if (unitFirst) plain = this.multiply(plain, this.unitPower(exponent));
    return this.multiply(
      plain,
      this.polynomial(single(this.normalize({ monomial: kept, coefficient: rationalOne }))),
    );
  }

  /** A root as a generator of its own; the same one for a radicand that is shown to be the same. */
  private rootGenerator(of: Fraction, degree: number): Fraction {
    for (const [index, one] of this.generators.entries()) {
      if (one.kind === 'root' && one.degree === degree && this.same(one.of, of)) return this.generator(index);
    }
    const positive = this.sign(of) === 1;
    const computable = positive && isComputableRadicand(of.over, of.under, this);
    return this.generator(this.register({ kind: 'root', degree, of, positive }, computable));
  }

  /** e^{iπ·turn}; turns of twelfths in radicals. */
  private unitPower(turn: Rational): Fraction {
    const twelfths = multiplyRational(turn, integer(12));
    if (!isInteger(twelfths)) return this.generator(0, turn);
    const steps = Number(((twelfths.numerator % 24n) + 24n) % 24n);
    const third = Math.floor(steps / 4);
    const rest = steps % 4;
    // e^{iπ/3} = (1 + i√3)/2, e^{iπ/12·r}: r = 3 is i·e^{−iπ/4}·…; built from e^{iπ/4} = (1 + i)/√2.
    const sixth = this.multiply(
      this.add(this.number(rationalOne), this.multiply(this.imaginary, this.squareRoot(3n))),
      this.number(half),
    );
    const eighth = this.multiply(
      this.add(this.number(rationalOne), this.imaginary),
      this.multiply(this.squareRoot(2n), this.number(half)),
    );
    let result: Fraction = this.number(rationalOne);
    // steps = 4·third + rest, and rest = 4a + 3b (mod 24): 1 = 4·(−2) + 3·3, 2 = 4·(−1) + 3·2, 3 = 3·1.
    const [a, b] = (
      [
        [0, 0],
        [-2, 3],
        [-1, 2],
        [0, 1],
      ] as const
    )[rest]!;
    const sixths = (((third + a) % 6) + 6) % 6;
    for (let n = 0; n < sixths; n++) result = this.multiply(result, sixth);
    for (let n = 0; n < b; n++) result = this.multiply(result, eighth);
    return result;
  }

  private squareRoot(prime: bigint): Fraction {
    return this.generator(this.integerGenerator(prime), half);
  }

  // --- exponentials and logarithms ------------------------------------------------------------------------------

  exponential(of: Fraction): Fraction {
    if (of.under !== unitPolynomial) return this.exponentialGenerator(this.call('quotient', [of]));
    let result: Fraction = this.number(rationalOne);
    for (const term of of.over.values()) result = this.multiply(result, this.exponentialOfTerm(term));
    return result;
  }

  private exponentialOfTerm({ monomial, coefficient }: Term): Fraction {
    const [first, second] = monomial;
    const isOne = (exponent: Rational) => exponent.numerator === 1n && exponent.denominator === 1n;
    if (monomial.length === 1 && isOne(first![1])) {
      const generator = this.get(first![0]);
      // e^{c ln u} = u^c, by definition.
      if (generator.kind === 'call' && generator.name === 'ln') {
        return this.rationalPower(generator.arguments[0]!, coefficient);
      }
    }
    const isTurn =
      monomial.length === 2 &&
      first![0] === 0 &&
      first![1].numerator === 1n &&
      first![1].denominator === 2n &&
      second![0] === 1 &&
      isOne(second![1]);
    if (isTurn) return this.unitPower(coefficient);
    const monic = single({ monomial, coefficient: rationalOne });
    const index = this.named(
      `exponential ${monomialKey(monomial)}`,
      () => ({ kind: 'exponential', of: monic }),
      false,
    );
    return this.generator(index, coefficient);
  }

  private exponentialGenerator(argument: number): Fraction {
    const of = single({ monomial: [[argument, rationalOne]], coefficient: rationalOne });
    const index = this.named(
      `exponential ${monomialKey([[argument, rationalOne]])}`,
      () => ({ kind: 'exponential', of }),
      false,
    );
    return this.generator(index);
  }

  /** The principal natural logarithm. */
  logarithm(of: Fraction): Fraction {
    if (this.isZero(of)) throw new NotDecided('undefined', 'the logarithm of zero');
    const term = onlyTerm(of.over);
    if (term === undefined || of.under !== unitPolynomial) {
      const one = this.number(rationalOne);
      return this.same(of, one) ? this.number(integer(0)) : this.logarithmGenerator(of);
    }
    const { monomial, coefficient } = term;
    if (coefficient.numerator < 0n) {
      return monomial.length === 0
        ? this.add(this.logarithm(this.negate(of)), this.multiply(this.imaginary, this.pi))
        : this.logarithmGenerator(of);
    }
    // ln of a positive factor comes out; what is left must be a single logarithm.
    const result = new Map<string, Term>();
    const rest: (readonly [number, Rational])[] = [];
    for (const [index, exponent] of [...this.factors(coefficient, rationalOne), ...monomial]) {
      const generator = this.get(index);
      if (!isPositive(generator)) {
        rest.push([index, exponent]);
        continue;
      }
      if (generator.kind === 'exponential') {
        for (const own of generator.of.values()) {
          addTo(result, { monomial: own.monomial, coefficient: multiplyRational(own.coefficient, exponent) });
        }
        continue;
      }
      const own = this.call('ln', [this.generatorItself(index)]);
      addTo(result, { monomial: [[own, rationalOne]], coefficient: exponent });
    }
    if (rest.length === 0) return this.polynomial(result);
    const kept = this.polynomial(single({ monomial: rest, coefficient: rationalOne }));
    return this.add(this.polynomial(result), this.logarithmGenerator(kept));
  }

  /** A generator as a fraction; an integer as the number that it is, so that e^{ln 2} is 2. */
  private generatorItself(index: number): Fraction {
    const generator = this.get(index);
    return generator.kind === 'integer' ? this.number(integer(generator.value)) : this.generator(index);
  }

  private logarithmGenerator(of: Fraction): Fraction {
    return this.generator(this.call('ln', [of]));
  }

  // --- other functions ------------------------------------------------------------------------------------------

  /** e^{iu} and e^{−iu} */
  turn(of: Fraction): readonly [Fraction, Fraction] {
    const forward = this.exponential(this.multiply(this.imaginary, of));
    const back = this.exponential(this.negate(this.multiply(this.imaginary, of)));
    return [forward, back];
  }

  /** a and b of a·x + b, where the fraction is of that form for the symbol x and has no other symbol. */
  affine(of: Fraction, name: string): { readonly slope: Fraction; readonly offset: Fraction } | undefined {
    if (of.under !== unitPolynomial) return undefined;
    const [slope, offset] = [new Map<string, Term>(), new Map<string, Term>()];
    for (const { monomial, coefficient } of of.over.values()) {
      const rest = monomial.filter(([index]) => {
        const generator = this.get(index);
        return !(generator.kind === 'symbol' && generator.name === name);
      });
      const own = monomial.find((factor) => !rest.includes(factor))?.[1];
      if (own !== undefined && !(own.numerator === 1n && own.denominator === 1n)) return undefined;
      if (rest.some(([index]) => !this.isConstant(index))) return undefined;
      addTo(own === undefined ? offset : slope, { monomial: rest, coefficient });
    }
    return { slope: this.polynomial(slope), offset: this.polynomial(offset) };
  }

  /** c with a = c·b for a rational number c other than 0; undefined where there is none or it is not shown. */
  constantRatio(a: Fraction, b: Fraction): Rational | undefined {
    const [left, right] = [this.times(a.over, b.under), this.times(b.over, a.under)];
    for (const [key, term] of left) {
      const other = right.get(key);
      if (other === undefined) continue;
      const ratio = rational(
        term.coefficient.numerator * other.coefficient.denominator,
        term.coefficient.denominator * other.coefficient.numerator,
      )!;
      const scaled = this.polynomial(scale(right, negateRational(ratio)));
      return this.isZero(this.add(this.polynomial(left), scaled)) ? ratio : undefined;
    }
    return undefined;
  }

  private isConstant(index: number): boolean {
    const generator = this.get(index);
    const isConstantPolynomial = (one: Polynomial) =>
      [...one.values()].every(({ monomial }) => monomial.every(([inner]) => this.isConstant(inner)));
    const isConstantFraction = (one: Fraction) =>
      isConstantPolynomial(one.over) && isConstantPolynomial(one.under);
    switch (generator.kind) {
      case 'symbol':
        return false;
      case 'root':
        return isConstantFraction(generator.of);
      case 'exponential':
        return isConstantPolynomial(generator.of);
      case 'call':
        return generator.arguments.every(isConstantFraction);
      case 'unit':
      case 'integer':
      case 'pi':
        return true;
    }
  }

  absolute(of: Fraction): Fraction {
    const sign = this.sign(of);
    if (sign !== undefined) return sign < 0 ? this.negate(of) : of;
    const content = contentOf(of.over);
    const primitive: Fraction = {
      over: scale(of.over, { numerator: content.denominator, denominator: content.numerator }),
      under: of.under,
    };
    for (const [index, one] of this.generators.entries()) {
      if (one.kind !== 'call' || one.name !== 'abs') continue;
      if (this.same(one.arguments[0]!, primitive) || this.same(one.arguments[0]!, this.negate(primitive))) {
        return this.multiply(this.number(content), this.generator(index));
      }
    }
    return this.multiply(this.number(content), this.generator(this.call('abs', [primitive])));
  }

  opaque(name: string, args: readonly Fraction[]): Fraction {
    return this.generator(this.call(name, args));
  }
}

function samePolynomial(a: Polynomial, b: Polynomial): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  return polynomialKey(a) === polynomialKey(b);
}

function floor({ numerator, denominator }: Rational): bigint {
  const quotient = numerator / denominator;
  return numerator < 0n && quotient * denominator !== numerator ? quotient - 1n : quotient;
}
