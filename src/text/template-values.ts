/** Values of a running template, seen as Python sees them: how they print, when they are equal, how large they are. */
import { library, type Value } from './jinja-library.ts';

/** Turns a JavaScript value into one of the template's. */
export function toValue(value: unknown): Value {
  return new library.Environment().set('value', value);
}

export function isUndefined(value: Value): boolean {
  return value.type === 'UndefinedValue';
}

export function isString(value: Value): value is Value & { readonly value: string } {
  return value.type === 'StringValue';
}

export function isList(value: Value): value is Value & { readonly value: readonly Value[] } {
  return value.type === 'ArrayValue' || value.type === 'TupleValue';
}

export function isMapping(value: Value): value is Value & { readonly value: ReadonlyMap<string, Value> } {
  return (
    value.type === 'ObjectValue' || value.type === 'KeywordArgumentsValue' || value.type === 'NamespaceValue'
  );
}

function isNumber(value: Value): value is Value & { readonly value: number | boolean } {
  return value.type === 'IntegerValue' || value.type === 'FloatValue' || value.type === 'BooleanValue';
}

/** `str(value)` */
export function pythonString(value: Value): string {
  return isString(value) ? value.value : isUndefined(value) ? '' : pythonRepr(value);
}

function pythonRepr(value: Value): string {
  if (isString(value)) return quote(value.value);
  if (isList(value)) {
    const items = value.value.map(pythonRepr);
    if (value.type === 'ArrayValue') return `[${items.join(', ')}]`;
    return items.length === 1 ? `(${items[0]!},)` : `(${items.join(', ')})`;
  }
  if (isMapping(value)) {
    return `{${[...value.value].map(([key, item]) => `${quote(key)}: ${pythonRepr(item)}`).join(', ')}}`;
  }
  switch (value.type) {
    case 'NullValue':
      return 'None';
    case 'BooleanValue':
      return value.value === true ? 'True' : 'False';
    case 'UndefinedValue':
      return 'Undefined';
    default:
      return value.toString();
  }
}

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\r', String.raw`\r`)
    .replaceAll('\t', String.raw`\t`)
    .replaceAll(mark, `\\${mark}`);
  return `${mark}${escaped}${mark}`;
}

/** `a == b` */
export function pythonEquals(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value);
  if (isList(a) && isList(b)) {
    const other = b.value;
    return a.value.length === other.length && a.value.every((item, i) => pythonEquals(item, other[i]!));
  }
  if (isMapping(a) && isMapping(b)) {
    if (a.value.size !== b.value.size) return false;
    for (const [key, item] of a.value) {
      const other = b.value.get(key);
      if (other === undefined || !pythonEquals(item, other)) return false;
    }
    return true;
  }
  return a.type === b.type && !isList(a) && !isMapping(a) && a.value === b.value;
}

/** What `str.strip()` strips: Unicode's white space and the separators U+001C to U+001F. */
function isPythonSpace(character: string): boolean {
  return /\p{White_Space}/u.test(character) || (character >= '\u001c' && character <= '\u001f');
}

/** `str.strip(characters)`; both sides, or one. */
export function pythonStrip(
  text: string,
  characters: string | undefined,
  side: 'both' | 'left' | 'right',
): string {
  const set = characters === undefined ? undefined : new Set(characters);
  const strips = (character: string): boolean =>
    set === undefined ? isPythonSpace(character) : set.has(character);
  let start = 0;
  let end = text.length;
  if (side !== 'right') {
    while (start < end) {
      const character = String.fromCodePoint(text.codePointAt(start)!);
      if (!strips(character)) break;
      start += character.length;
    }
  }
  if (side !== 'left') {
    while (end > start) {
      const low = text.charCodeAt(end - 1);
      const length = low >= 0xdc00 && low <= 0xdfff && end - start > 1 ? 2 : 1;
      if (!strips(text.slice(end - length, end))) break;
      end -= length;
    }
  }
  return text.slice(start, end);
}

const sizes = new WeakMap<object, number>();

/**
 * How much there is in a value when written out: characters, and one per value, counted as often as they occur.
 * Lists and mappings cannot change once made, so their sizes are remembered; a namespace can, so it may not be in
 * another value (`Infinity`): a template could tie a knot with it, or make it grow unseen.
 */
export function sizeOf(value: Value): number {
  if (isString(value)) return 1 + value.value.length;
  if (value.type === 'NamespaceValue')
    return sizeOfItems((value.value as ReadonlyMap<string, Value>).values());
  if (!isList(value) && !isMapping(value)) return 1;
  let size = sizes.get(value);
  if (size === undefined) {
    size = isList(value)
      ? sizeOfItems(value.value.values())
      : sizeOfItems(value.value.values()) + [...value.value.keys()].reduce((sum, key) => sum + key.length, 0);
    sizes.set(value, size);
  }
  return size;
}

function sizeOfItems(items: Iterable<Value>): number {
  let size = 1;
  for (const item of items) size += item.type === 'NamespaceValue' ? Infinity : sizeOf(item);
  return size;
}
