/** From what an answer says to what it is: expressions as fractions of the algebra. */
import { rational, type Rational } from '../rational.ts';
import type { Algebra } from './algebra.ts';
import type { Fraction } from './generators.ts';
import { NotDecided } from './limits.ts';
import { integer } from './polynomial.ts';
import type { Expression } from './syntax.ts';

const largestFactorial = 400n;

export function simplify(expression: Expression, algebra: Algebra): Fraction {
  algebra.budget.spend(5);
  const of = (one: Expression) => simplify(one, algebra);
  switch (expression.kind) {
    case 'number':
      return algebra.number(expression.value);
    case 'symbol':
      return symbol(expression.name, algebra);
    case 'sum': {
      const [first, ...rest] = expression.terms;
      return rest.reduce((total, term) => algebra.add(total, of(term)), of(first!));
    }
    case 'product': {
      const [first, ...rest] = expression.factors;
      return rest.reduce((total, factor) => algebra.multiply(total, of(factor)), of(first!));
    }
    case 'quotient':
      return algebra.divide(of(expression.over), of(expression.under));
    case 'negative':
      return algebra.negate(of(expression.of));
    case 'power':
      return power(expression, algebra);
    case 'root':
      return root(of(expression.of), expression.degree, algebra);
    case 'call':
      return call(expression.name, expression.arguments.map(of), algebra);
    case 'plus-minus':
      throw new NotDecided('unreadable', 'a plus-minus sign where one value is expected');
    case 'matrix':
      throw new NotDecided('unreadable', 'a matrix where a number is expected');
  }
}

function symbol(name: string, algebra: Algebra): Fraction {
  switch (name) {
    case 'i':
      return algebra.imaginary;
    case 'e':
      return algebra.exponential(algebra.number(integer(1)));
    case '\\pi':
      return algebra.pi;
    case '°':
      return algebra.multiply(algebra.pi, algebra.number({ numerator: 1n, denominator: 180n }));
    case '%':
      return algebra.number({ numerator: 1n, denominator: 100n });
    case '\\infty':
      throw new NotDecided('undefined', 'infinity inside an expression');
    default:
      return algebra.symbol(name);
  }
}

function power(expression: Extract<Expression, { kind: 'power' }>, algebra: Algebra): Fraction {
  const exponent = simplify(expression.exponent, algebra);
  const base = simplify(expression.base, algebra);
  const value = algebra.rationalOf(exponent);
  // (−8)^{1/3} is −2 to some and a complex number to others.
  if (
    value !== undefined &&
    value.denominator % 2n === 1n &&
    value.denominator > 1n &&
    algebra.sign(base) === -1
  ) {
    throw new NotDecided('undefined', 'an odd root of a negative number, written as a power');
  }
  return algebra.power(base, exponent);
}

/** `\sqrt[3]{−8}` is −2: an odd root of a negative number is the real one. */
function root(of: Fraction, degree: number, algebra: Algebra): Fraction {
  if (degree % 2 === 1 && algebra.sign(of) === -1) {
    return algebra.negate(algebra.root(algebra.negate(of), degree));
  }
  return algebra.root(of, degree);
}

function call(name: string, args: readonly Fraction[], algebra: Algebra): Fraction {
  const [first, second] = args;
  if (first === undefined) throw new NotDecided('unreadable', `${name} without an argument`);
  const half = algebra.number({ numerator: 1n, denominator: 2n });
  const halfOver = algebra.divide(half, algebra.imaginary);
  switch (name) {
    case 'sin':
    case 'cos':
    case 'tan':
    case 'cot':
    case 'sec':
    case 'csc': {
      const [forward, back] = algebra.turn(first);
      const sine = () => algebra.multiply(halfOver, algebra.subtract(forward, back));
      const cosine = () => algebra.multiply(half, algebra.add(forward, back));
      switch (name) {
        case 'sin':
          return sine();
        case 'cos':
          return cosine();
        case 'tan':
          return algebra.divide(sine(), cosine());
        case 'cot':
          return algebra.divide(cosine(), sine());
        case 'sec':
          return algebra.invert(cosine());
        default:
          return algebra.invert(sine());
      }
    }
    case 'sinh':
    case 'cosh':
    case 'tanh': {
      const forward = algebra.exponential(first);
      const back = algebra.exponential(algebra.negate(first));
      const [difference, total] = [algebra.subtract(forward, back), algebra.add(forward, back)];
      if (name === 'tanh') return algebra.divide(difference, total);
      return algebra.multiply(half, name === 'sinh' ? difference : total);
    }
    case 'arcsin':
    case 'arccos':
    case 'arctan':
      return inverse(name, first, algebra);
    case 'exp':
      return algebra.exponential(first);
    case 'ln':
      return algebra.logarithm(first);
    case 'log': {
      // Without a base it may mean 10 or e: the base is a number of its own.
      const base = second === undefined ? algebra.symbol('base of \\log') : second;
      return algebra.divide(algebra.logarithm(first), algebra.logarithm(base));
    }
    case 'abs':
      return algebra.absolute(first);
    case 'floor':
    case 'ceil': {
      const value = algebra.rationalOf(first);
      if (value === undefined) return algebra.opaque(name, args);
      return algebra.number(
        integer(name === 'floor' ? floor(value) : -floor({ ...value, numerator: -value.numerator })),
      );
    }
    case 'factorial': {
      const value = algebra.rationalOf(first);
      if (value === undefined || value.denominator !== 1n) return algebra.opaque(name, args);
      if (value.numerator < 0n) throw new NotDecided('undefined', 'the factorial of a negative number');
      if (value.numerator > largestFactorial) return algebra.opaque(name, args);
      return algebra.number(integer(factorial(value.numerator)));
    }
    case 'binomial': {
      const [n, k] = [algebra.rationalOf(first), second && algebra.rationalOf(second)];
      if (n?.denominator !== 1n || k?.denominator !== 1n) return algebra.opaque(name, args);
      if (n.numerator < 0n || n.numerator > largestFactorial) return algebra.opaque(name, args);
      return algebra.number(integer(binomial(n.numerator, k.numerator)));
    }
    default:
      return algebra.opaque(name, args);
  }
}

/** Inverse functions at the arguments that have an angle of whole twelfths of π. */
function inverse(name: 'arcsin' | 'arccos' | 'arctan', argument: Fraction, algebra: Algebra): Fraction {
  const from = name === 'arccos' ? 0 : -6;
  for (let twelfth = from; twelfth <= from + 12; twelfth++) {
    if (name === 'arctan' && Math.abs(twelfth) === 6) continue;
    const angle = algebra.multiply(algebra.pi, algebra.number(rational(BigInt(twelfth), 12n)!));
    const value = call(name.slice(3), [angle], algebra);
    if (algebra.same(value, argument)) return angle;
  }
  return algebra.opaque(name, [argument]);
}

function floor({ numerator, denominator }: Rational): bigint {
  const quotient = numerator / denominator;
  return numerator < 0n && quotient * denominator !== numerator ? quotient - 1n : quotient;
}

function factorial(n: bigint): bigint {
  let result = 1n;
  for (let i = 2n; i <= n; i++) result *= i;
  return result;
}

function binomial(n: bigint, k: bigint): bigint {
  if (k < 0n || k > n) return 0n;
  let result = 1n;
  for (let i = 0n; i < (k < n - k ? k : n - k); i++) result = (result * (n - i)) / (i + 1n);
  return result;
}
