/**
 * Numbers as people write them in prose, read exactly or not at all: `1,234`, `$5.00`, `-2.5`, `3/4`, `1 1/2`,
 * `50%`, `5 million`, `12 apples`, and the same in LaTeX. Whatever could mean two things (`1 000`, `1,23`, `5-6`,
 * `3:30`, `5k`, an expression that was not worked out) is *unclear* and equals nothing.
 */
import {
  endsPhrase,
  fractionWord,
  operator,
  readToken,
  scales,
  tokenize,
  unitOf,
  wordOf,
  type TokenNumber,
} from './number-token.ts';
import { multiply, rational, type Rational } from './rational.ts';

/** A number with what stands beside it. */
export interface Quantity {
  readonly value: Rational;
  /** `percent`, `$`, `apple` (lower case, plural s dropped), or absent. */
  readonly unit?: string;
}

/** The longest text that is read; a longer answer is no number, and of a longer text only the end is read. */
export const longestNumberText = 1000;

/**
 * The one number of a short text that states an answer. Words around it are allowed, and of a chain such as
 * `3 + 4 = 7` the last side counts. Undefined when there is no number, an unclear one, or more than one.
 */
export function readQuantity(text: string): Quantity | undefined {
  if (text.length > longestNumberText) return undefined;
  const sides = splitSides(tokenize(text));
  const found = candidates(sides.at(-1)!, true);
  const [last] = found;
  if (found.length !== 1 || last === undefined || last === 'unclear') return undefined;
  return sides.slice(0, -1).every((side) => leadsTo(side, last)) ? last : undefined;
}

/** The last number of a longer text; undefined when there is none or the last one is unclear. */
export function lastQuantity(text: string): Quantity | undefined {
  let tail = text;
  if (text.length > longestNumberText) {
    // Cut at white space: half a number would be another number.
    tail = text.slice(-longestNumberText);
    const space = tail.search(/\s/);
    if (space < 0) return undefined;
    tail = tail.slice(space);
  }
  for (const side of splitSides(tokenize(tail)).reverse()) {
    const last = candidates(side, false).at(-1);
    if (last !== undefined) return last === 'unclear' ? undefined : last;
  }
  return undefined;
}

/** The sides of `a = b = c` that hold a digit (`x = 7` and `7 = x` both say 7); at least one, maybe empty. */
function splitSides(tokens: readonly string[]): string[][] {
  const sides: string[][] = [[]];
  for (const token of tokens) {
    if (token === '=') sides.push([]);
    else sides.at(-1)!.push(token);
  }
  const telling = sides.filter((side) => side.some((token) => /\p{N}/u.test(token)));
  return telling.length === 0 ? [[]] : telling;
}

/**
 * Whether an earlier side of a chain may stand before `last` in an answer: plain arithmetic, or the same number.
 * Anything else (`x = 5 or y = 6`, `5; 1 + 5 = 6`) states more than one answer.
 */
function leadsTo(side: readonly string[], last: Quantity): boolean {
  const numbers = candidates(side, true);
  const [only] = numbers;
  if (numbers.length === 1 && only !== undefined && only !== 'unclear') {
    return only.value.numerator === last.value.numerator && only.value.denominator === last.value.denominator;
  }
  return side.every((token, i) => {
    if (/\p{L}/u.test(token) || endsPhrase(token)) return false;
    return !(/\d/.test(token) && /\d$/.test(side[i - 1] ?? ''));
  });
}

/** Words that are no unit when they follow a number. */
const noUnit = new Set(
  `a about additional after all altogether an and are as at away because before but by each every extra for from had
  has have how if in into is it left less long longer many more much of old on or over per remain remaining she he
  so still than that the then there these they this to together total until was were when which while will with
  would you`.split(/\s+/),
);

/** Words before a number that change what it says. */
const changesNext = new Set(['minus', 'negative', 'plus', 'times', 'not', 'x']);

/** Words after a number that change what it says. */
const changesLast = new Set([
  'plus',
  'minus',
  'times',
  'squared',
  'cubed',
  'factorial',
  'divided',
  'multiplied',
]);

/** The numbers that the tokens state, in order; `unclear` where one stands that cannot be read for certain. */
function candidates(tokens: readonly string[], exclamationIsFactorial: boolean): (Quantity | 'unclear')[] {
  const found: (Quantity | 'unclear')[] = [];
  let i = 0;
  while (i < tokens.length) {
    const token = tokens[i]!;
    if (!/\p{N}/u.test(token) || isName(token)) {
      i++;
      continue;
    }
    const number = readToken(token, exclamationIsFactorial);
    if (number === undefined || isChangedBefore(tokens, i)) {
      found.push('unclear');
      i++;
      continue;
    }
    const read = readPhrase(tokens, i, number);
    found.push(read.quantity);
    i = read.next;
  }
  return found;
}

/** The number at token `start` together with the tokens after it that belong to it. */
function readPhrase(
  tokens: readonly string[],
  start: number,
  number: TokenNumber,
): { readonly quantity: Quantity | 'unclear'; readonly next: number } {
  let { value, unit, ends } = number;
  let next = start + 1;
  if (!ends) {
    // 1 1/2, 1 and 1/2
    const at = tokens[next] === 'and' ? next + 1 : next;
    const second = tokens[at] === undefined ? undefined : readToken(tokens[at], true);
    if (second?.isFraction === true) {
      const proper = second.value.numerator >= 0n && second.value.numerator < second.value.denominator;
      if (!number.isInteger || unit !== undefined || value.numerator < 0n || !proper) {
        return { quantity: 'unclear', next: at + 1 };
      }
      const { denominator } = second.value;
      value = rational(value.numerator * denominator + second.value.numerator, denominator)!;
      ({ unit, ends } = second);
      next = at + 1;
    } else if (/^\d{3}(?!\d)/.test(tokens[next] ?? '') && /^[-+$€£¥₹]*\d{1,3}$/.test(tokens[start]!)) {
      // `1 000`: a thousand, or two numbers?
      while (/^\d{3}(?!\d)/.test(tokens[next] ?? '')) next++;
      return { quantity: 'unclear', next };
    } else if (/^-[$€£¥₹]?\d/.test(tokens[next] ?? '')) {
      // `10 -5`: a difference, or two numbers?
      return { quantity: 'unclear', next: next + 1 };
    }
  }
  for (let scale = scales.get(wordOf(tokens[next])); scale !== undefined && !ends;) {
    value = multiply(value, { numerator: scale, denominator: 1n });
    ends = endsPhrase(tokens[next]);
    next++;
    scale = scales.get(wordOf(tokens[next]));
  }
  if (isOperator(tokens[next])) return { quantity: 'unclear', next };
  const words = ends ? [] : tokens.slice(next, next + 4).map(wordOf);
  const [first = '', second = ''] = words;
  if (changesLast.has(first) || speaksOfFraction(words)) return { quantity: 'unclear', next };
  if (unit === undefined && first === 'per' && second === 'cent') unit = 'percent';
  else if (unit === undefined && first !== '' && !noUnit.has(first)) unit = unitOf(first);
  return { quantity: unit === undefined ? { value } : { value, unit }, next };
}

/** A word with a number in it, such as Q4 or CO2. Other tokens that begin with letters (US$5, twenty-5) are unclear. */
function isName(token: string): boolean {
  return /^[*'‘_]*\p{L}{1,3}\d{1,3}\p{L}?[.,;:!?'’*_]*$/u.test(token) && !/^(?:usd|eur|gbp|rs)/i.test(token);
}

/** Whether what stands before token `i` makes the number there something else than it says. */
function isChangedBefore(tokens: readonly string[], i: number): boolean {
  const before = tokens[i - 1];
  if (before === undefined) return false;
  if (isOperator(before) || before === '%' || /\d[*+/^–-]$/.test(before)) return true;
  const word = wordOf(before);
  const earlier = tokens[i - 2] ?? '';
  if (changesNext.has(word) || scales.has(word)) return true;
  if (word === 'and') return scales.has(wordOf(earlier));
  if (word === 'or' || word === 'to') return /\d/.test(earlier);
  return word === 'by' && ['divided', 'multiplied'].includes(wordOf(earlier));
}

/** A token that joins the numbers beside it into an expression. */
function isOperator(token: string | undefined): boolean {
  return token !== undefined && (token === operator || /^[*+/^–-]$/.test(token) || /^[*/^–]\d/.test(token));
}

/** `5 and a half`, `2 thirds`: the digits alone are not the number. (`3 quarters` may be coins: a unit.) */
function speaksOfFraction(words: readonly string[]): boolean {
  const [first = '', ...rest] = words;
  if (first === 'and') return rest.some((word) => fractionWord.test(word) || /^[¼½¾⅓⅔]/.test(word));
  return (fractionWord.test(first) && !first.startsWith('quarter')) || /^[¼½¾⅓⅔]/.test(first);
}
