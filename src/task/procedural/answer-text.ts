/**
 * The answer of a response to a generated puzzle, and the small syntaxes that answers are written in. Reading is
 * strict: an answer stands alone, and what does not fit its syntax is no answer. It is fair: brackets, quotes,
 * `\boxed{}`, a code fence, bold type and a final full stop around an answer do not count.
 */

/** Longer answers are turned away unread. */
export const longestAnswer = 4000;

/**
 * What follows the last line that begins with `Answer:` (with or without bold type), or everything; of that, the
 * content of the last `\boxed{}` if there is one; without a fence, dollar signs or a final full stop around it.
 */
export function answerText(response: string): string {
  let start = 0;
  for (const marker of response.matchAll(/^[ \t>]*(?:\*\*)?(?:final )?answer(?:\*\*)?[ \t]*:(?:\*\*)?/gim)) {
    start = marker.index + marker[0].length;
  }
  let text = response.slice(start).trim();
  // Nothing inside of a longer text is looked at, so that what follows stays linear.
  if (text.length > longestAnswer) return text;
  text = lastBoxed(text)?.trim() ?? text;
  const fence = /^```[a-z]*\n([^]*?)\n?```$/.exec(text);
  if (fence !== null && !fence[1]!.includes('```')) text = fence[1]!.trim();
  for (const [open, close] of [
    ['$$', '$$'],
    ['$', '$'],
    ['**', '**'],
    ['`', '`'],
  ] as const) {
    if (text.length > open.length + close.length && text.startsWith(open) && text.endsWith(close)) {
      const inside = text.slice(open.length, -close.length);
      if (!inside.includes(open)) text = inside.trim();
    }
  }
  return text.replace(/(?<=[\w)}\]])\.$/, '').trim();
}

function lastBoxed(text: string): string | undefined {
  const start = text.lastIndexOf('\\boxed{');
  if (start < 0) return undefined;
  const from = start + '\\boxed{'.length;
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return text.slice(from, i);
  }
  return '';
}

/** The items of a list with commas (or semicolons), with or without one pair of brackets around it. */
export function listItems(text: string): string[] {
  const inside = withoutBrackets(text);
  return inside === '' ? [] : inside.split(/[,;]/).map((item) => item.trim());
}

/** A list of integers with commas or blanks between them; undefined when it is something else. */
export function integerList(text: string): number[] | undefined {
  const inside = withoutBrackets(text);
  if (inside === '') return [];
  const items = inside.includes(',') ? inside.split(',').map((item) => item.trim()) : inside.split(/\s+/);
  const numbers = items.map(readInteger);
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

/** An integer of at most 15 digits: `-12`, `−12`, `+3`, `007`; undefined when it is something else. */
export function readInteger(text: string): number | undefined {
  return /^[-+−]?[0-9]{1,15}$/.test(text) ? Number(text.replace('−', '-')) + 0 : undefined;
}

/**
 * `name = value` pairs with commas, semicolons or line ends between them; `:` and `is` stand for `=`. Undefined
 * when an item is no pair, or a name stands twice. Names and values as they are written.
 */
export function assignments(text: string): Map<string, string> | undefined {
  const pairs = new Map<string, string>();
  const items = withoutBrackets(text)
    .split(/[,;\n]/)
    .map((item) => item.trim().replace(/^(?:and|[-*•])\s+/i, ''))
    .filter((item) => item !== '');
  for (const item of items) {
    const match = /^"?([\p{L}\p{N}_]+)"?\s*(?:=|:|\bis\b(?:\s+an?\b)?)\s*"?([^\s"=:][^"=:]*?)"?$/u.exec(item);
    if (match === null || pairs.has(match[1]!)) return undefined;
    pairs.set(match[1]!, match[2]!.trim());
  }
  return pairs;
}

/** Rows of single characters: one a line, blanks, commas and `|` between the cells ignored. */
export function gridRows(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replaceAll(/[\s,|[\]]/g, ''))
    .filter((line) => line !== '');
}

function withoutBrackets(text: string): string {
  const trimmed = text.trim();
  const pair = /^(?:\[[^]*\]|\{[^]*\}|\([^]*\)|\\\{[^]*\\\})$/.test(trimmed);
  if (!pair) return trimmed;
  return trimmed.startsWith('\\{') ? trimmed.slice(2, -2).trim() : trimmed.slice(1, -1).trim();
}
