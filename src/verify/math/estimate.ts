/**
 * The value of an expression in floating point at chosen values of its symbols, by the plain meaning of each node
 * and independent of the algebra. Used to tell unequal expressions apart quickly, and as a second witness: what the
 * algebra calls equal must agree here too.
 */
import type { Expression } from './syntax.ts';

export interface Complex {
  readonly re: number;
  readonly im: number;
}

const real = (re: number): Complex => ({ re, im: 0 });
const unknown: Complex = { re: Number.NaN, im: Number.NaN };

/** NaN where it has no value there, or none that is known. `point` chooses the values of symbols. */
export function estimate(expression: Expression, point: number): Complex {
  const of = (one: Expression) => estimate(one, point);
  switch (expression.kind) {
    case 'number':
      return real(Number(expression.value.numerator) / Number(expression.value.denominator));
    case 'symbol':
      return symbol(expression.name, point);
    case 'sum':
      return expression.terms.map(of).reduce(add);
    case 'product':
      return expression.factors.map(of).reduce(multiply);
    case 'quotient':
      return divide(of(expression.over), of(expression.under));
    case 'negative':
      return negate(of(expression.of));
    case 'power':
      return power(of(expression.base), of(expression.exponent));
    case 'root': {
      const value = of(expression.of);
      if (value.im === 0 && value.re < 0 && expression.degree % 2 === 1) {
        return real(-((-value.re) ** (1 / expression.degree)));
      }
      return power(value, real(1 / expression.degree));
    }
    case 'call':
      return call(expression.name, expression.arguments.map(of));
    case 'plus-minus':
    case 'matrix':
      return unknown;
  }
}

function symbol(name: string, point: number): Complex {
  switch (name) {
    case 'i':
      return { re: 0, im: 1 };
    case 'e':
      return real(Math.E);
    case '\\pi':
      return real(Math.PI);
    case '°':
      return real(Math.PI / 180);
    case '%':
      return real(0.01);
    case '\\infty':
      return unknown;
    default: {
      // Some number between 0.3 and 2.3 that depends on the name; its sign depends on the point.
      let hash = 2166136261 ^ point;
      for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
      hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
      const size = 0.3 + ((hash >>> 8) % 65521) / 32760.5;
      return real(point > 0 && (hash & 1) === 1 ? -size : size);
    }
  }
}

function add(a: Complex, b: Complex): Complex {
  return { re: a.re + b.re, im: a.im + b.im };
}

function negate(a: Complex): Complex {
  return { re: -a.re, im: a.im === 0 ? 0 : -a.im };
}

function multiply(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0) return real(a.re * b.re);
  return { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re };
}

function divide(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0) return real(a.re / b.re);
  const size = b.re * b.re + b.im * b.im;
  return { re: (a.re * b.re + a.im * b.im) / size, im: (a.im * b.re - a.re * b.im) / size };
}

function exponential(a: Complex): Complex {
  const size = Math.exp(a.re);
  return a.im === 0 ? real(size) : { re: size * Math.cos(a.im), im: size * Math.sin(a.im) };
}

function logarithm(a: Complex): Complex {
  return { re: Math.log(Math.hypot(a.re, a.im)), im: a.im === 0 && a.re > 0 ? 0 : Math.atan2(a.im, a.re) };
}

function power(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0 && (a.re >= 0 || Number.isInteger(b.re))) return real(a.re ** b.re);
  if (b.im === 0 && Number.isInteger(b.re) && Math.abs(b.re) <= 64) {
    let result = real(1);
    for (let n = 0; n < Math.abs(b.re); n++) result = multiply(result, a);
    return b.re < 0 ? divide(real(1), result) : result;
  }
  return exponential(multiply(b, logarithm(a)));
}

function call(name: string, args: readonly Complex[]): Complex {
  const [first = unknown, second] = args;
  const i = { re: 0, im: 1 };
  switch (name) {
    case 'sin':
    case 'cos':
    case 'tan':
    case 'cot':
    case 'sec':
    case 'csc': {
      const forward = exponential(multiply(i, first));
      const back = exponential(negate(multiply(i, first)));
      const sine =
        first.im === 0 ? real(Math.sin(first.re)) : divide(add(forward, negate(back)), { re: 0, im: 2 });
      const cosine = first.im === 0 ? real(Math.cos(first.re)) : divide(add(forward, back), real(2));
      if (name === 'sin') return sine;
      if (name === 'cos') return cosine;
      if (name === 'tan') return divide(sine, cosine);
      if (name === 'cot') return divide(cosine, sine);
      return divide(real(1), name === 'sec' ? cosine : sine);
    }
    case 'exp':
      return exponential(first);
    case 'ln':
      return logarithm(first);
    case 'log':
      return divide(logarithm(first), second === undefined ? real(1.7) : logarithm(second));
    case 'abs':
      return real(Math.hypot(first.re, first.im));
    default:
      return first.im === 0 ? realCall(name, first.re, second) : unknown;
  }
}

function realCall(name: string, x: number, second: Complex | undefined): Complex {
  switch (name) {
    case 'sinh':
      return real(Math.sinh(x));
    case 'cosh':
      return real(Math.cosh(x));
    case 'tanh':
      return real(Math.tanh(x));
    case 'arctan':
      return real(Math.atan(x));
    case 'arcsin':
      return real(Math.asin(x));
    case 'arccos':
      return real(Math.acos(x));
    case 'factorial': {
      if (!Number.isInteger(x) || x < 0 || x > 170) return unknown;
      let result = 1;
      for (let n = 2; n <= x; n++) result *= n;
      return real(result);
    }
    case 'binomial': {
      const k = second?.re ?? Number.NaN;
      if (!Number.isInteger(x) || !Number.isInteger(k) || x < 0 || k < 0 || x > 1000) return unknown;
      let result = k > x ? 0 : 1;
      for (let n = 0; n < k; n++) result *= (x - n) / (n + 1);
      return real(result);
    }
    // A value close to a whole number may be on either side of it.
    case 'floor':
      return Math.abs(x - Math.round(x)) < 1e-9 ? unknown : real(Math.floor(x));
    case 'ceil':
      return Math.abs(x - Math.round(x)) < 1e-9 ? unknown : real(Math.ceil(x));
    default:
      return unknown;
  }
}

/** Whether two estimates are surely different: by far more than rounding makes. NaN is not different. */
export function clearlyDiffer(a: Complex, b: Complex): boolean {
  const distance = Math.hypot(a.re - b.re, a.im - b.im);
  const size = Math.hypot(a.re, a.im) + Math.hypot(b.re, b.im);
  return Number.isFinite(size) && distance > 1e-7 * size && distance > 1e-9;
}
