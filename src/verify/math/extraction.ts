/**
 * The final answer of a response, as text. Where it is taken from, first match wins:
 *
 * 1. after the last `####`, the rest of that line;
 * 2. after `final answer is` or `final answer:`, where no `\boxed{}` follows it;
 * 3. the last `\boxed{}` with balanced braces, together with those before it that only commas and `and` separate;
 * 4. after the last `answer is` or `answer:`;
 * 5. what the answer tags enclose;
 * 6. the whole text where it is one answer, else its last formula, else its last number.
 *
 * All of it where `locateAnswer` finds the answer. The choice depends on the response alone, never on the reference.
 */
import { locateAnswer } from '../format.ts';
import { scales } from '../number-token.ts';
import { lastQuantity } from '../number.ts';
import { formatRational } from '../rational.ts';
import { longestAnswer } from './limits.ts';
import { parseAnswer } from './parser.ts';

export interface ExtractedAnswer {
  readonly text: string;
  readonly source:
    '####' | 'final answer' | 'boxed' | 'answer is' | 'tags' | 'whole' | 'formula' | 'last number';
}

/** Of a longer text only the end is read. */
const longestTail = 20_000;

export function extractAnswer(response: string): ExtractedAnswer | undefined {
  const located = locateAnswer(response);
  if (located === undefined) return undefined;
  const text = located.text.slice(-longestTail).replaceAll(/<\|[a-z_]{1,30}\|>/g, ' ');
  const marker = text.lastIndexOf('####');
  if (marker >= 0) return found('####', clean(firstLine(text.slice(marker + 4))));
  const boxes = lastBoxes(text);
  const final = phraseAfter(text, /final answer\b[*_ ]*(?:is\b|:)/gi);
  if (final !== undefined && (boxes === undefined || final.start > boxes.end)) {
    const chosen = bestOf(sentenceOf(final.text));
    if (chosen !== undefined) return { text: chosen.text, source: 'final answer' };
  }
  if (boxes !== undefined) return found('boxed', boxes.text);
  const answer = phraseAfter(text, /\banswers?\b[*_ ]*(?:is\b|are\b|:)/gi);
  if (answer !== undefined) {
    const chosen = bestOf(sentenceOf(answer.text));
    if (chosen !== undefined) return { text: chosen.text, source: 'answer is' };
  }
  const chosen = bestOf(text);
  if (chosen === undefined) return undefined;
  if (located.tagged && chosen.source !== 'whole' && !isSingle(text)) return undefined;
  return located.tagged ? { text: chosen.text, source: 'tags' } : chosen;
}

/** The answer that a reference states: what it boxes or announces, else all of it. */
export function referenceAnswer(reference: string): string {
  if (/\\boxed\s*\{|####|final answer/i.test(reference)) return extractAnswer(reference)?.text ?? '';
  return clean(reference);
}

function found(source: ExtractedAnswer['source'], text: string): ExtractedAnswer | undefined {
  return text === '' || text.length > longestAnswer ? undefined : { text, source };
}

/** White space, emphasis, delimiters of formulas and the full stop around an answer taken off. */
export function clean(text: string): string {
  let result = text.trim();
  // Commands that were escaped once too often, where no matrix gives `\\` a meaning.
  if (!result.includes('\\begin')) {
    result = result.replaceAll(
      /\\\\(?=(?:le|ge|leq|geq|frac|dfrac|sqrt|pi|cup|in|infty|text|left|right|cdot|times|pm)(?![A-Za-z]))/g,
      '\\',
    );
  }
  for (let round = 0; round < 6; round++) {
    const before = result;
    result = result
      .replace(/^(?:\*\*|__|`)+|(?:\*\*|__|`)+$/g, '')
      .replace(/(?<=[^.])[.,;:]+$/, '')
      .trim();
    result = withoutDelimiters(result);
    if (result === before) break;
  }
  // An odd `$` before a number is money, not a delimiter.
  const dollars = result.match(/(?<!\\)\$/g)?.length ?? 0;
  if (dollars % 2 === 1) result = result.replace(/(?<!\\)\$(?=\s?[\d.])/, '\\$');
  return result;
}

function withoutDelimiters(text: string): string {
  for (const [open, close] of [
    ['$$', '$$'],
    ['$', '$'],
    ['\\(', '\\)'],
    ['\\[', '\\]'],
  ] as const) {
    if (text.length < open.length + close.length || !text.startsWith(open) || !text.endsWith(close)) continue;
    const inside = text.slice(open.length, -close.length);
    if (!inside.includes(open) && !inside.includes(close)) return inside.trim();
  }
  return text;
}

function firstLine(text: string): string {
  const line = text.trimStart();
  const end = line.indexOf('\n');
  // `####` with nothing on its own line announces nothing.
  if (/^[^\S\n]*\n/.test(text)) return '';
  return end < 0 ? line : line.slice(0, end);
}

function phraseAfter(
  text: string,
  pattern: RegExp,
): { readonly start: number; readonly text: string } | undefined {
  let last: RegExpMatchArray | undefined;
  for (const match of text.matchAll(pattern)) last = match;
  if (last === undefined) return undefined;
  const start = last.index! + last[0].length;
  return { start, text: text.slice(start, start + longestAnswer) };
}

/** Up to the end of the sentence or line that is not inside a formula. */
function sentenceOf(text: string): string {
  const start = text.replace(/^[\s:*_]+/, '');
  const formula = /^(?:\$\$[^$]*\$\$|\$[^$]*\$|\\\([^]*?\\\)|\\\[[^]*?\\\])[^.\n]{0,40}/.exec(start);
  if (formula !== null) return formula[0];
  const end = /\.(?:\s|$)|\n/.exec(start);
  return end === null ? start : start.slice(0, end.index);
}

/** The answer that a short text states. */
function bestOf(text: string): ExtractedAnswer | undefined {
  const whole = clean(text);
  if (!hasProse(text) && isReadable(whole)) return found('whole', whole);
  const is = whole.lastIndexOf(' is ');
  if (is >= 0 && !whole.slice(is).includes('\n')) {
    const after = clean(whole.slice(is + 4));
    const isWord = formulasOf(text).length > 0 && /^[A-Za-z ]+$/.test(after) && after.length > 1;
    if (!isWord && isReadable(after)) return found('whole', after);
  }
  const formulas = formulasOf(text);
  const last = formulas.at(-1);
  if (last !== undefined) {
    const after = text.slice(text.lastIndexOf(last) + last.length).replace(/^[\s$\\)\]]+/, '');
    // $3$ million is not 3.
    if (scales.has(/^[a-z]*/i.exec(after)![0].toLowerCase())) return undefined;
    if (!isReadable(clean(last))) return undefined;
    if (after.startsWith('%')) return found('formula', `${clean(last)}\\%`);
    return found('formula', clean(last));
  }
  if (/\\[([]/.test(text)) return undefined;
  const choice = /(?:^|[\s(*])([A-H])[)*.\s]*$/.exec(text.slice(-40));
  if (choice !== null && text.length < 200) return found('whole', choice[1]!);
  const number = lastQuantity(text);
  if (number === undefined) return undefined;
  const { value, unit } = number;
  const isKnown = unit === 'percent' || (unit !== undefined && '$€£¥₹'.includes(unit));
  const shown = unit === 'percent' ? '%' : isKnown ? unit : '';
  return found(
    'last number',
    `${isKnown && shown !== '%' ? `\\${shown}`.replace(/^\\(?!\$)/, '') : ''}${formatRational(value)}${shown === '%' ? '%' : ''}`,
  );
}

/** The contents of `$…$`, `$$…$$`, `\(…\)` and `\[…\]`; those in one line break nothing. */
function formulasOf(text: string): string[] {
  const tail = text.slice(-4 * longestAnswer);
  const pattern =
    /\$\$([^$]{1,2000})\$\$|(?<![\\$])\$(?!\s*\d[\d.,]*\s[a-z])([^$\n]{1,2000})\$|\\\(([^\n]{1,2000}?)\\\)|\\\[([^]{1,2000}?)\\\]/g;
  return [...tail.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? match[4] ?? '');
}

/** Whether words stand beside formulas. */
function hasProse(text: string): boolean {
  const formulas = formulasOf(text);
  if (formulas.length === 0) return false;
  let rest = text.slice(-4 * longestAnswer);
  for (const formula of formulas) rest = rest.replace(formula, ' ');
  return (rest.match(/(?<!\\)\b[A-Za-z]{2,}/g) ?? []).some((word) => !/^(?:and|or)$/i.test(word));
}

/** Whether a text holds one formula, or one number and no formula. */
function isSingle(text: string): boolean {
  const formulas = formulasOf(text);
  if (formulas.length > 0) return formulas.length === 1;
  return (text.match(/\d+(?:[.,/]\d+)*/g)?.length ?? 0) <= 1;
}

function isReadable(text: string): boolean {
  if (text === '' || text.length > longestAnswer) return false;
  try {
    const answer = parseAnswer(text);
    // Prose is text, too; only a few words are an answer.
    return answer.kind !== 'text' || answer.text.split(' ').length <= 4;
  } catch {
    return false;
  }
}

// --- boxes --------------------------------------------------------------------------------------------------------

interface Box {
  readonly start: number;
  readonly end: number;
  readonly content: string;
}

/** The last box, and those that belong to it; text '' when the last one never closes. */
function lastBoxes(text: string): { readonly text: string; readonly end: number } | undefined {
  const last = boxBefore(text, text.length);
  if (last === undefined) return undefined;
  if (last === 'open') return { text: '', end: text.length };
  const contents = [last.content];
  let first = last;
  for (let count = 0; count < 20; count++) {
    const before = boxBefore(text, first.start);
    if (before === undefined || before === 'open') break;
    const between = text.slice(before.end, first.start);
    if (between.length > 40 || !isSeparator(between)) break;
    contents.unshift(before.content);
    first = before;
  }
  return { text: clean(contents.map(clean).join(' , ')), end: last.end };
}

function boxBefore(text: string, end: number): Box | 'open' | undefined {
  const start = end <= 0 ? -1 : text.lastIndexOf('\\boxed', end - 1);
  if (start < 0) return undefined;
  const brace = /\s*\{/y;
  brace.lastIndex = start + '\\boxed'.length;
  if (!brace.test(text)) return 'open';
  let depth = 1;
  const from = brace.lastIndex;
  for (let i = from; i < text.length; i++) {
    const character = text[i];
    if (character === '\\') i++;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return { start, end: i + 1, content: text.slice(from, i) };
  }
  return 'open';
}

/** Whether what stands between two boxes makes a list of them. */
function isSeparator(between: string): boolean {
  const plain = between
    .replaceAll(/\\(?:text|mbox|textrm)\s*\{([^{}]*)\}/g, ' $1 ')
    .replaceAll(/\\q?quad|\\[,;:! ()[\]]|\$|~/g, ' ')
    .trim();
  if (plain === '' || plain === ',' || plain === ';') return true;
  return !/[.\n=]/.test(plain) && /(?:^|[\s,])(?:and|or)$/.test(plain);
}
