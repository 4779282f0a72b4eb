/**
 * From a text to tokens, and from one token to one number. LaTeX is reduced to plain text first; what would make
 * the numbers beside it part of a larger expression becomes the token `operator`.
 */
import { rational, type Rational } from './rational.ts';

/** Digits of one number at most, so that BigInt arithmetic stays cheap. */
const mostDigits = 60;

export const operator = '⊘';

/** Tokens of a text of bounded length. `=` is a token of its own. */
export function tokenize(text: string): string[] {
  const plain = text
    // `$…$` as mathematics, by pandoc's rule; a lone `$` is a currency.
    .replaceAll(/(?<!\\)\$(?=\S)([^$]*?\S)(?<!\\)\$(?!\d)/g, ' $1 ')
    .replaceAll(/\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}/g, ' $1 ')
    .replaceAll(/\\(?:begin|end)\s*\{[^{}]*\}|\\\\/g, ' ')
    .replaceAll(/\{,\}|,\\!/g, ',')
    .replaceAll(
      /(-?)\s*\\[dtc]?frac\s*(\{\d+\}|\d)\s*(\{\d+\}|\d(?!\d))/g,
      (_all, sign: string, a: string, b: string) => {
        return ` ${sign}${a.replaceAll(/[{}]/g, '')}/${b.replaceAll(/[{}]/g, '')} `;
      },
    )
    .replaceAll(/\^\s*(?:\\circ|\{\\circ\})|\\degree|°/g, ' degrees ')
    .replaceAll(/\\([$%])/g, '$1')
    .replaceAll('$$', ' ')
    // Braces that are left belong to a command that is not read: what they hold is part of something larger.
    .replaceAll(/[{}]/g, ` ${operator} `)
    .replaceAll(/\\(?:left|right|quad)(?![A-Za-z])|\\[()[\],;:! ]/g, ' ')
    .replaceAll(/\\[A-Za-z]+/g, ` ${operator} `)
    // A digit or a letter against a bracket, or two brackets, is a product or a function call.
    .replaceAll(/([\p{L}\p{N}])\(|\)(?=\s*\()|\)(?=[\p{L}\p{N}])/gu, `$1 ${operator} `)
    .replaceAll(/[()[\]"“”`|—]/g, ' ')
    .replaceAll('−', '-')
    .replaceAll(/[⁄∕]/g, '/')
    .replaceAll(/[×÷·^√≈≠<>≤≥±~∗⋅²³]/g, ` ${operator} `)
    .replaceAll(/[=＝]/g, ' = ');
  return plain.split(/\s+/).filter((token) => token !== '');
}

export interface TokenNumber {
  readonly value: Rational;
  readonly unit?: string;
  readonly isInteger: boolean;
  readonly isFraction: boolean;
  /** Punctuation ends the phrase here: the next word is no unit. */
  readonly ends: boolean;
}

/** Units that may be glued to the digits (5kg, 3pm); any other letter there makes the number unclear. */
const gluedUnits = new Set(
  'kg g mg lb lbs oz km cm mm ft in mi mph kmh kph h hr hrs min mins s sec secs ml l am pm cents'.split(' '),
);

export const scales: ReadonlyMap<string, bigint> = new Map([
  ['dozen', 12n],
  ['dozens', 12n],
  ['hundred', 100n],
  ['hundreds', 100n],
  ['thousand', 1000n],
  ['thousands', 1000n],
  ['million', 1_000_000n],
  ['millions', 1_000_000n],
  ['billion', 1_000_000_000n],
  ['billions', 1_000_000_000n],
  ['trillion', 1_000_000_000_000n],
]);

export const fractionWord =
  /^(?:half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|hundredths?|thousandths?)$/;

const numberToken = new RegExp(
  [
    '^(?<sign>[+-]?)(?<currency>[$€£¥₹]?)(?<sign2>-?)',
    String.raw`(?<number>(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?)(?:/(?<denominator>\d+))?`,
    '(?<close>[$€£¥₹]?)(?<percent>%?)(?<glued>-?[A-Za-z][A-Za-z-]*)?$',
  ].join(''),
);

/** The number that a token states, or undefined when it is none or unclear. */
export function readToken(token: string, exclamationIsFactorial: boolean): TokenNumber | undefined {
  const bare = token.replace(/^[*'‘_#:,;]+/, '').replace(/[*'’_]+$/, '');
  const trailing = /[.,;:!?…*'’_]+$/.exec(bare)?.[0] ?? '';
  if (exclamationIsFactorial && trailing.includes('!')) return undefined;
  const text = bare.slice(0, bare.length - trailing.length);
  if (text.length > mostDigits) return undefined;
  const match = numberToken.exec(text)?.groups as Record<string, string | undefined> | undefined;
  if (match === undefined) return undefined;
  const {
    sign = '',
    currency = '',
    sign2 = '',
    number = '',
    denominator,
    close = '',
    percent,
    glued,
  } = match;
  if (number === '' || /^0[\d,]/.test(number) || (sign !== '' && sign2 !== '')) return undefined;
  if (denominator !== undefined && (!/^\d+$/.test(number) || denominator.startsWith('0'))) return undefined;

  const units: string[] = [];
  if (percent === '%') units.push('percent');
  if (currency !== '') units.push(currency);
  // A lone `$` after the digits may be the end of mathematics whose beginning was cut off.
  if (close !== '' && close !== '$') units.push(close);
  if (glued !== undefined) {
    const word = glued.toLowerCase();
    const words = word.split('-').filter((part) => part !== '');
    if (words.some((part) => scales.has(part) || fractionWord.test(part))) return undefined;
    if (word.startsWith('-')) units.push(unitOf(words.join('-')));
    else if (gluedUnits.has(word)) units.push(word);
    else return undefined;
  }
  if (units.length > 1) return undefined;

  const [whole = '', decimals = ''] = number.replaceAll(',', '').split('.');
  const digits = BigInt(`${whole}${decimals}`);
  const value = rational(
    sign === '-' || sign2 === '-' ? -digits : digits,
    denominator === undefined ? 10n ** BigInt(decimals.length) : BigInt(denominator),
  )!;
  const [unit] = units;
  return {
    value,
    ...(unit === undefined ? {} : { unit }),
    isInteger: denominator === undefined && decimals === '',
    isFraction: denominator !== undefined,
    ends: /[.,;:!?…]/.test(trailing),
  };
}

/** The word that a token states, in lower case without what surrounds it; '' when it is none. */
export function wordOf(token: string | undefined): string {
  return /^[*'‘_]*([\p{L}%€£¥₹¼½¾⅓⅔'-]+)/u.exec(token ?? '')?.[1]?.toLowerCase() ?? '';
}

/** Whether a phrase ends with this token. */
export function endsPhrase(token: string | undefined): boolean {
  return /[.,;:!?…][*'’_]*$/.test(token ?? '');
}

/** Names that two ways of writing the same unit share; else the word without its plural s. */
export function unitOf(word: string): string {
  switch (word) {
    case 'dollar':
    case 'dollars':
    case 'usd':
      return '$';
    case 'euro':
    case 'euros':
    case 'eur':
    case '€':
      return '€';
    case '%':
      return 'percent';
    default:
      return word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;
  }
}
