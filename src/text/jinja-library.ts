/**
 * What is used of `@huggingface/jinja`, with types: the declarations that version 0.5 ships cannot be resolved by
 * TypeScript's `nodenext` (their relative imports have no file extensions).
 */
import * as jinja from '@huggingface/jinja';

/** A node of the syntax tree. */
export interface Node {
  readonly type: string;
}

/** A value of the running template. `value` is a primitive, a list of values, or a map from names to values. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  toString(): string;
}

export interface Scope {
  /** Declares a JavaScript value; throws when the name exists. Returns the value made of it. */
  set(name: string, value: unknown): Value;
  setVariable(name: string, value: Value): Value;
}

export interface BaseInterpreter {
  evaluate(node: Node | undefined, scope: Scope): Value;
}

interface Library {
  readonly Environment: new (parent?: Scope) => Scope;
  readonly Interpreter: new (scope: Scope) => BaseInterpreter;
  readonly tokenize: (source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => unknown;
  readonly parse: (tokens: unknown) => Node;
}

export const library = jinja as unknown as Library;
