/**
 * The expressions of Countdown answers: a strict grammar, evaluated exactly.
 *
 *     expression = term { ("+" | "-") term }
 *     term       = factor { ("*" | "/") factor }
 *     factor     = number | "(" expression ")"
 *     number     = "0" | a digit 1–9 followed by digits
 *
 * `×`, `÷` and `−` stand for `*`, `/` and `-`; blanks may stand between tokens. Nothing else: no sign before a
 * number, no decimals, powers, joined digits, or multiplication without its sign. Every input ends at once: length,
 * depth, digits and the number of numbers are bounded before anything is calculated.
 */
import {
  add,
  divide,
  formatRational,
  multiply,
  rational,
  subtract,
  type Rational,
} from '../verify/rational.ts';

export const expressionLimits = { length: 256, depth: 24, digits: 9, numbers: 16 };

export type Evaluation =
  | {
      readonly kind: 'value';
      readonly value: Rational;
      /** The numbers in it, left to right. */
      readonly numbers: readonly number[];
      /** Its operations in the order in which they are worked out: `7*3=21`. */
      readonly steps: readonly string[];
    }
  | { readonly kind: 'error'; readonly problem: string };

/** The value of an expression, exactly; or what is wrong with it. */
export function evaluateExpression(text: string): Evaluation {
  try {
    return new Parser(tokenizeExpression(text)).parse();
  } catch (error) {
    if (error instanceof SyntaxProblem) return { kind: 'error', problem: error.message };
    throw error;
  }
}

class SyntaxProblem extends Error {}

type Token = number | '+' | '-' | '*' | '/' | '(' | ')';

const symbols: ReadonlyMap<string, Exclude<Token, number>> = new Map([
  ['+', '+'],
  ['-', '-'],
  ['−', '-'],
  ['*', '*'],
  ['×', '*'],
  ['/', '/'],
  ['÷', '/'],
  ['(', '('],
  [')', ')'],
]);

function tokenizeExpression(text: string): Token[] {
  if (text.length > expressionLimits.length) {
    throw new SyntaxProblem(`longer than ${expressionLimits.length} characters`);
  }
  const tokens: Token[] = [];
  let numbers = 0;
  let i = 0;
  while (i < text.length) {
    const character = text[i]!;
    const symbol = symbols.get(character);
    if (symbol !== undefined) tokens.push(symbol);
    else if (/[0-9]/.test(character)) {
      const digits = /^[0-9]+/.exec(text.slice(i))![0];
      if (digits.length > expressionLimits.digits) throw new SyntaxProblem('a number has too many digits');
      if (digits.length > 1 && digits.startsWith('0')) throw new SyntaxProblem('a number begins with 0');
      if (++numbers > expressionLimits.numbers) throw new SyntaxProblem('too many numbers');
      tokens.push(Number(digits));
      i += digits.length - 1;
    } else if (!/[ \t\r\n]/.test(character)) {
      throw new SyntaxProblem(`the character ${JSON.stringify(character)} is not allowed`);
    }
    i++;
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #numbers: number[] = [];
  readonly #steps: string[] = [];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Evaluation {
    if (this.#tokens.length === 0) throw new SyntaxProblem('nothing to evaluate');
    const value = this.#expression();
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw new SyntaxProblem(`${rest} where an operation or the end should be`);
    return { kind: 'value', value, numbers: this.#numbers, steps: this.#steps };
  }

  #expression(): Rational {
    let value = this.#term();
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token !== '+' && token !== '-') return value;
      this.#at++;
      const right = this.#term();
      value = this.#step(value, token, right, token === '+' ? add(value, right) : subtract(value, right));
    }
  }

  #term(): Rational {
    let value = this.#factor();
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token !== '*' && token !== '/') return value;
      this.#at++;
      const right = this.#factor();
      const result = token === '*' ? multiply(value, right) : divide(value, right);
      if (result === undefined) throw new SyntaxProblem('division by 0');
      value = this.#step(value, token, right, result);
    }
  }

  #factor(): Rational {
    const token = this.#tokens[this.#at++];
    if (typeof token === 'number') {
      this.#numbers.push(token);
      return rational(BigInt(token))!;
    }
    if (token !== '(') throw new SyntaxProblem(`${token ?? 'the end'} where a number should be`);
    if (++this.#depth > expressionLimits.depth) throw new SyntaxProblem('parentheses nested too deeply');
    const value = this.#expression();
    if (this.#tokens[this.#at] !== ')') throw new SyntaxProblem('a ( is not closed');
    this.#at++;
    this.#depth--;
    return value;
  }

  #step(left: Rational, operation: string, right: Rational, result: Rational): Rational {
    this.#steps.push(`${formatRational(left)}${operation}${formatRational(right)}=${formatRational(result)}`);
    return result;
  }
}
