/**
 * The patterns of a `tokenizer.json`: a literal string, or a regular expression in the Oniguruma dialect that Rust's
 * `tokenizers` uses, translated to JavaScript by `@huggingface/tokenizers`.
 *
 * A pattern is `trusted` when it is a literal or one of the well-known expressions, all of which take linear time.
 * Others may be hostile and are run under a deadline by the tokenizer.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { library } from './tokenizers-library.ts';

export const patternSchema = z.union([
  z.object({ String: z.string() }),
  z.object({ Regex: z.string().max(65_536) }),
]);

export interface Pattern {
  /** Global and unicode-aware; its `lastIndex` is the user's to set. */
  readonly regex: RegExp;
  readonly trusted: boolean;
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const PREFIX = String.raw`[^\r\n\p{L}\p{N}]?`;

/** Where byte-level tokenizers cut text before merging, by the name of the model family that introduced it. */
export const SPLITS = {
  gpt2: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  llama3: String.raw`${CONTRACTIONS}|${PREFIX}\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|${SPACES}`,
  qwen2: String.raw`${CONTRACTIONS}|${PREFIX}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|${SPACES}`,
  qwen35: String.raw`${CONTRACTIONS}|${PREFIX}[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${SPACES}`,
  tekken: String.raw`${PREFIX}${UPPER}*${LOWER}+|${PREFIX}${UPPER}+${LOWER}*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${SPACES}`,
  gpt4o: String.raw`${PREFIX}${UPPER}*${LOWER}+${CONTRACTIONS}?|${PREFIX}${UPPER}+${LOWER}*${CONTRACTIONS}?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${SPACES}`,
  deepseek3: String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${SPACES}`,
  deepseek3Han: '[一-龥\u3040-ゟ゠-ヿ]+',
  digit: String.raw`\p{N}`,
  digits: String.raw`\p{N}+`,
  digitTriple: String.raw`\p{N}{1,3}`,
  asciiDigitTriple: '[0-9][0-9][0-9]',
  punctuation: String.raw`[\p{P}\$\+<=>\^~\|]+`,
  falconPunctuation: String.raw`[\p{P}\$\+<=>\^~\|${'`'}]+`,
  lineBreak: String.raw`[\r\n]`,
  spacedLetters: String.raw`\s?\p{L}+`,
  spacedPunctuation: String.raw`\s?\p{P}+`,
  han: '[一-龥ࠀ-一가-퟿]+',
} as const;

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.values(SPLITS),
  ' {2,}',
  String.raw`\s`,
  String.raw`\s+`,
]);

export function compilePattern(pattern: z.output<typeof patternSchema>): Pattern {
  if ('String' in pattern) {
    return {
      regex: new RegExp(pattern.String.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`), 'gu'),
      trusted: true,
    };
  }
  const source = pattern.Regex;
  let regex: RegExp | null;
  try {
    const split = { pattern: { Regex: source }, behavior: 'Isolated', invert: false };
    regex = new library.SplitPreTokenizer(split).pattern;
  } catch (error) {
    throw unsupportedPattern(source, error);
  }
  if (regex === null) throw unsupportedPattern(source, undefined);
  return { regex, trusted: KNOWN.has(source) };
}

function unsupportedPattern(source: string, cause: unknown): AhaError {
  return new AhaError({
    code: 'tokenizer-unsupported',
    boundary: 'text',
    what: 'The tokenizer has a regular expression that cannot be translated to JavaScript',
    found: source,
    fix: 'Check that tokenizer.json is not damaged; if transformers loads it, please report the expression.',
    cause,
  });
}

/** A function that replaces every match by `content`, taken literally. */
export function replacerOf(
  pattern: z.output<typeof patternSchema>,
  content: string,
): (text: string) => string {
  // `$` means something in a replacement string; the string form is several times as fast.
  const literal = content.replaceAll('$', '$$$$');
  if ('String' in pattern) {
    const from = pattern.String;
    if (from === '') return (text) => text;
    // Most tokens have no match, and looking is several times as fast as replacing.
    return (text) => (text.includes(from) ? text.replaceAll(from, literal) : text);
  }
  const { regex } = compilePattern(pattern);
  return (text) => text.replaceAll(regex, literal);
}

/**
 * Calls `visit` for the stretches of `text` between matches and for the matches, in order; empty ones are left out.
 * Throws an `AhaError` where a stretch is too long for the regular expression engine (millions of characters).
 */
export function forEachMatch(
  regex: RegExp,
  text: string,
  visit: (start: number, end: number, isMatch: boolean) => void,
): void {
  regex.lastIndex = 0;
  let position = 0;
  for (;;) {
    const match = nextMatch(regex, text);
    if (match === null) break;
    const start = match.index;
    const end = start + match[0].length;
    if (start > position) visit(position, start, false);
    if (end > start) visit(start, end, true);
    else regex.lastIndex = end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
    position = end;
  }
  if (position < text.length) visit(position, text.length, false);
}

function nextMatch(regex: RegExp, text: string): RegExpExecArray | null {
  try {
    return regex.exec(text);
  } catch (error) {
    // V8 reports an exhausted backtracking stack as a RangeError: one match of millions of characters.
    if (!(error instanceof RangeError)) throw error;
    throw new AhaError({
      code: 'text-too-long',
      boundary: 'text',
      what: 'The text has a stretch without a break that is too long to tokenize',
      found: `${text.length} characters`,
      expected: 'stretches (words, runs of spaces) of less than a million characters',
      fix: 'Split the text into lines or paragraphs.',
      cause: error,
    });
  }
}
