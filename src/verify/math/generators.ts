/**
 * What polynomials are made of beside rational numbers. Each generator is one fixed complex number or function; a
 * generator with a radicand or an argument refers to a fraction of polynomials.
 */
import type { Polynomial } from './polynomial.ts';

/** over / under; `under` is not zero. */
export interface Fraction {
  readonly over: Polynomial;
  readonly under: Polynomial;
}

export type Generator =
  | { readonly kind: 'symbol'; readonly name: string }
  /** −1, of which powers a/b are e^{iπa/b}; i is its square root. Exponents lie in [0, 1). */
  | { readonly kind: 'unit' }
  /** A positive integer above 1, prime unless it is too large to factor. Small exponents lie in [0, 1). */
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'pi' }
  /** A principal root. `positive`: the radicand is known to be a positive real number. */
  | {
      readonly kind: 'root';
      readonly degree: number;
      readonly of: Fraction;
      readonly positive: boolean;
    }
  /** e^{of} */
  | { readonly kind: 'exponential'; readonly of: Polynomial }
  /** A function that is only known by its name and arguments. */
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Fraction[] };

/** Whether the generator is a positive real number, so that powers of products may be taken apart. */
export function isPositive(generator: Generator): boolean {
  switch (generator.kind) {
    case 'integer':
    case 'pi':
      return true;
    case 'root':
      return generator.positive;
    case 'exponential':
      return generator.of.size === 1 && generator.of.has('');
    case 'symbol':
    case 'unit':
    case 'call':
      return false;
  }
}
