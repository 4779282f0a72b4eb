/**
 * Dimensions of tensors: a number, or a product of named symbols with a rational factor, written canonically:
 * `B`, `B*T`, `2*B*T/3`. Products and exact quotients are all that our graphs need: reshapes, broadcasts and equal
 * chunks. Two dimensions are the same if and only if they are the same value (`===`).
 */
import { AhaError } from '../errors.ts';

export type Dim = number | string;

interface Monomial {
  readonly numerator: number;
  readonly denominator: number;
  /** Sorted; a symbol stands once per power. */
  readonly symbols: readonly string[];
}

/** The product of all `dims`; 1 for none. */
export function dimProduct(dims: readonly Dim[]): Dim {
  if (dims.every((dim) => typeof dim === 'number')) return dims.reduce((a, b) => a * b, 1);
  const parts = dims.map(parse);
  return format({
    numerator: parts.reduce((product, part) => product * part.numerator, 1),
    denominator: parts.reduce((product, part) => product * part.denominator, 1),
    symbols: parts.flatMap((part) => part.symbols),
  });
}

/** `dividend / divisor`, or undefined if a symbol of the divisor does not divide the dividend. */
export function dimQuotient(dividend: Dim, divisor: Dim): Dim | undefined {
  const a = parse(dividend);
  const b = parse(divisor);
  const symbols = [...a.symbols];
  for (const symbol of b.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  if (b.numerator === 0) return undefined;
  const numerator = a.numerator * b.denominator;
  const denominator = a.denominator * b.numerator;
  if (symbols.length === 0 && numerator % denominator !== 0) return undefined;
  return format({ numerator, denominator, symbols });
}

/** The value of `dim` where each symbol has the value that `symbols` gives it. */
export function dimValue(dim: Dim, symbols: ReadonlyMap<string, number>): number {
  if (typeof dim === 'number') return dim;
  const monomial = parse(dim);
  let value = monomial.numerator;
  for (const symbol of monomial.symbols) {
    const known = symbols.get(symbol);
    if (known === undefined) {
      throw new AhaError({
        code: 'dimension-unknown',
        boundary: 'graph',
        what: `The dimension ${symbol} has no value`,
        expected: `one of ${[...symbols.keys()].join(', ') || '(none is known)'}`,
        fix: 'Some input of the graph must have this dimension by itself.',
      });
    }
    value *= known;
  }
  value /= monomial.denominator;
  if (!Number.isInteger(value)) {
    throw new AhaError({
      code: 'dimension-fraction',
      boundary: 'graph',
      what: `The dimension ${dim} is not a whole number`,
      found: value,
      fix: 'Pad the input to a multiple.',
    });
  }
  return value;
}

/** The symbols of `dim` and its factor: `2*B*T/3` is [2, 3, ['B', 'T']]. */
export function dimFactors(dim: Dim): Monomial {
  return parse(dim);
}

export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** Symbolic dimensions that were read before: few, and asked for in every run of a graph. */
const parsed = new Map<string, Monomial>();

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { numerator: dim, denominator: 1, symbols: [] };
  const known = parsed.get(dim);
  if (known !== undefined) return known;
  const [top = '', bottom = '1', ...rest] = dim.split('/');
  const symbols: string[] = [];
  let numerator = 1;
  for (const factor of top.split('*')) {
    if (/^\d+$/.test(factor)) numerator *= Number(factor);
    else if (/^[A-Za-z_]\w*$/.test(factor)) symbols.push(factor);
    else throw badDimension(dim);
  }
  const denominator = Number(bottom);
  if (rest.length > 0 || !Number.isInteger(denominator) || denominator < 1) throw badDimension(dim);
  const monomial = { numerator, denominator, symbols: symbols.toSorted() };
  parsed.set(dim, monomial);
  return monomial;
}

function format({ numerator, denominator, symbols }: Monomial): Dim {
  const divisor = greatestCommonDivisor(numerator, denominator);
  const top = numerator / divisor;
  const bottom = denominator / divisor;
  if (symbols.length === 0 || top === 0) return top / bottom;
  const factors = top === 1 ? symbols.toSorted() : [String(top), ...symbols.toSorted()];
  return factors.join('*') + (bottom === 1 ? '' : `/${bottom}`);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function badDimension(dim: Dim): AhaError {
  return new AhaError({
    code: 'dimension-malformed',
    boundary: 'graph',
    what: 'A dimension is malformed',
    found: dim,
    expected: 'a number or a product of names such as 2*B*T/3',
  });
}
