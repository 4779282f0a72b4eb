/** What an answer says, as a tree. Made by `parser.ts`; nothing is simplified here. */
import type { Rational } from '../rational.ts';

export type RelationOperator = '=' | '<' | '<=' | '>' | '>=' | '!=' | '~';

export type Expression =
  /** `decimals`: how many digits stood after the point, where there was one. */
  | { readonly kind: 'number'; readonly value: Rational; readonly decimals?: number }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'sum'; readonly terms: readonly Expression[] }
  | { readonly kind: 'product'; readonly factors: readonly Expression[] }
  | { readonly kind: 'quotient'; readonly over: Expression; readonly under: Expression }
  | { readonly kind: 'negative'; readonly of: Expression }
  | { readonly kind: 'power'; readonly base: Expression; readonly exponent: Expression }
  /** `\sqrt[degree]{of}` */
  | { readonly kind: 'root'; readonly of: Expression; readonly degree: number }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] }
  /** ± (`sign` 1) or ∓ (-1) before a term. */
  | { readonly kind: 'plus-minus'; readonly sign: 1 | -1; readonly of: Expression }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly Expression[])[] };

export type Answer =
  | { readonly kind: 'value'; readonly value: Expression; readonly unit?: string }
  | { readonly kind: 'text'; readonly text: string }
  /** `a = b < c`: one operator fewer than members. */
  | {
      readonly kind: 'relation';
      readonly members: readonly Answer[];
      readonly operators: readonly RelationOperator[];
    }
  /** `(a, b, c)`, `[a, b)`: a point, a vector or an interval. */
  | {
      readonly kind: 'tuple';
      readonly open: '(' | '[' | '<';
      readonly close: ')' | ']' | '>';
      readonly items: readonly Answer[];
    }
  | { readonly kind: 'set'; readonly items: readonly Answer[] }
  | { readonly kind: 'list'; readonly items: readonly Answer[] }
  | { readonly kind: 'union'; readonly parts: readonly Answer[] }
  | { readonly kind: 'member'; readonly of: Answer; readonly element: Answer }
  /** `3:4`, `10:30` */
  | { readonly kind: 'ratio'; readonly items: readonly Expression[] }
  /** `52_8` */
  | { readonly kind: 'based'; readonly digits: string; readonly base: number };
