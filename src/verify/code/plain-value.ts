/**
 * Values that cross from a program's process to the checker: plain data, written by exact type, never objects. What
 * the program returns as anything else arrives as `opaque` and equals nothing, whatever its own `__eq__`, `toJSON`
 * or `valueOf` says.
 *
 * Two values are equal when their canonical texts are: Python's equality of plain data (1 == 1.0 == True, a list is
 * no tuple, the order of sets and dictionaries does not count, NaN equals nothing).
 */

/** As the programs inside write it; see `python-candidate.ts` and `script-candidate.ts`. */
export type PlainValue =
  | null
  | boolean
  | string
  | readonly PlainValue[]
  | { readonly i: string }
  | { readonly f: string }
  | { readonly b: string }
  | { readonly c: readonly [string, string] }
  | { readonly t: readonly PlainValue[] }
  | { readonly S: readonly PlainValue[] }
  | { readonly d: readonly (readonly [PlainValue, PlainValue])[] }
  | { readonly u: 1 }
  /** Whatever is no plain data, by the name of its type. */
  | { readonly o: string };

/** What a program did with one call. */
export type CallOutcome =
  | { readonly returned: PlainValue }
  /** Names of the exception's type and of the built-in types it derives from. */
  | { readonly raised: readonly string[] };

export interface CanonicalOptions {
  /** Tuples as lists: for expected values that come from JSON, which has no tuples. */
  readonly tuplesAsLists?: boolean;
}

const deepest = 200;

/** Undefined where there is none: opaque values, NaN, what is nested too deeply or malformed. */
export function canonical(value: unknown, options: CanonicalOptions = {}, depth = 0): string | undefined {
  if (depth > deepest) return undefined;
  if (value === null) return 'null';
  if (value === true) return '1';
  if (value === false) return '0';
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return list('[', value, options, depth);
  if (typeof value !== 'object') return undefined;
  const [key, ...more] = Object.keys(value);
  if (key === undefined || more.length > 0) return undefined;
  const content = (value as Record<string, unknown>)[key];
  switch (key) {
    case 'i':
      return typeof content === 'string' && /^-?\d{1,100000}$/.test(content)
        ? BigInt(content).toString()
        : undefined;
    case 'f':
      return typeof content === 'string' ? canonicalFloat(content) : undefined;
    case 'b':
      return typeof content === 'string' ? `b${content}` : undefined;
    case 'c': {
      if (!Array.isArray(content)) return undefined;
      const [real, imaginary] = content.map((part) => canonicalFloat(String(part)));
      if (real === undefined || imaginary === undefined) return undefined;
      return imaginary === '0' ? real : `c(${real},${imaginary})`;
    }
    case 't':
      return Array.isArray(content)
        ? list(options.tuplesAsLists === true ? '[' : '(', content, options, depth)
        : undefined;
    case 'S': {
      if (!Array.isArray(content)) return undefined;
      const items = content.map((item) => canonical(item, options, depth + 1));
      if (items.includes(undefined)) return undefined;
      return `{${[...new Set(items as string[])].sort(byText).join(',')}}`;
    }
    case 'd': {
      if (!Array.isArray(content)) return undefined;
      const entries: string[] = [];
      for (const entry of content as unknown[]) {
        if (!Array.isArray(entry)) return undefined;
        const name = canonical(entry[0], options, depth + 1);
        const held = canonical(entry[1], options, depth + 1);
        if (name === undefined || held === undefined) return undefined;
        entries.push(`${name}:${held}`);
      }
      return `d{${entries.sort(byText).join(',')}}`;
    }
    case 'u':
      return 'undefined';
    default:
      return undefined;
  }
}

export function samePlain(a: unknown, b: unknown, options: CanonicalOptions = {}): boolean {
  const text = canonical(a, options);
  return text !== undefined && text === canonical(b, options);
}

/** A JSON value as a plain one. Numbers keep their value; -0 is 0, as in Python's and JSON's equality. */
export function plainFromJson(value: unknown): PlainValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { i: String(value + 0) } : { f: String(value) };
  if (Array.isArray(value)) return value.map(plainFromJson);
  return { d: Object.entries(value as object).map(([key, held]) => [key, plainFromJson(held)] as const) };
}

/** For people: short, in the notation of JSON as far as it goes. */
export function showPlain(value: unknown, longest = 200): string {
  const text = show(value, 0);
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

function show(value: unknown, depth: number): string {
  if (depth > 8) return '…';
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'undefined';
  const items = (list: unknown) =>
    (Array.isArray(list) ? list : []).slice(0, 50).map((item: unknown) => show(item, depth + 1));
  if (Array.isArray(value)) return `[${items(value).join(', ')}]`;
  const [[key, content] = ['', undefined]] = Object.entries(value);
  switch (key) {
    case 'i':
    case 'f':
      return String(content);
    case 'b':
      return `bytes ${String(content)}`;
    case 'c':
      return `(${items(content).join(' + ')}i)`;
    case 't':
      return `(${items(content).join(', ')})`;
    case 'S':
      return `set {${items(content).join(', ')}}`;
    case 'd':
      return `{${(Array.isArray(content) ? (content as unknown[][]) : [])
        .slice(0, 50)
        .map((entry) => `${show(entry[0], depth + 1)}: ${show(entry[1], depth + 1)}`)
        .join(', ')}}`;
    case 'u':
      return 'undefined';
    case 'o':
      return `an object of type ${String(content)}`;
    default:
      return '?';
  }
}

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function list(
  open: string,
  items: readonly unknown[],
  options: CanonicalOptions,
  depth: number,
): string | undefined {
  const texts: string[] = [];
  for (const item of items) {
    const text = canonical(item, options, depth + 1);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return `${open}${texts.join(',')}${open === '[' ? ']' : ')'}`;
}

/** Integral floats as integers, exactly; infinities by name. */
function canonicalFloat(text: string): string | undefined {
  const value = /^-?inf(?:inity)?$/i.test(text)
    ? text.startsWith('-')
      ? -Infinity
      : Infinity
    : Number(text);
  if (Number.isNaN(value) || text.trim() === '') return undefined;
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Number.isInteger(value) ? BigInt(value).toString() : `f${value}`;
}
