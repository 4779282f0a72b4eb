/**
 * Configuration from a YAML file and from flags, as one plain value that a strict schema then parses. YAML 1.2
 * core: no tags, aliases bounded, one document, keys unique. What cannot be read names the file and the line.
 */
import { open } from 'node:fs/promises';
import { LineCounter, parseDocument, visit } from 'yaml';
import { AhaError, describeError } from '../../errors.ts';
import { storageError } from '../../util/files.ts';

/** A recipe is a page of text; anything near this size is some other file. */
const maximumBytes = 1 << 20;
/** Deeper than any schema of ours. */
const maximumDepth = 40;

export type ConfigValue = { [key: string]: unknown };

/** Reads the YAML (or JSON) mapping in `path`. */
export async function readConfigFile(path: string): Promise<ConfigValue> {
  return parseConfigText(await readTextFile(path, maximumBytes), path);
}

/** Parses a YAML mapping; `name` is the file's name for messages. */
export function parseConfigText(text: string, name: string): ConfigValue {
  refuseDeepFlow(text, name);
  const lines = new LineCounter();
  let value: unknown;
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) {
      const { line, col } = lines.linePos(problem.pos[0]);
      throw invalid(name, `line ${line}, column ${col}: ${firstLine(problem.message)}`, { line });
    }
    visit(document, {
      Node: (_key, _node, path) => {
        if (path.length > maximumDepth * 2) throw invalid(name, `nested more than ${maximumDepth} deep`);
      },
    });
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof AhaError) throw error;
    throw invalid(name, firstLine(describeError(error)), {}, error);
  }
  if (value === null || value === undefined) {
    throw invalid(name, 'it is empty');
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(name, `found ${Array.isArray(value) ? 'a list' : `a single ${typeof value}`}`);
  }
  return value as ConfigValue;
}

/** `a.b=c` from the command line: the path, and the value read as YAML. */
export function parseSetting(setting: string): { path: string[]; value: unknown } {
  const equals = setting.indexOf('=');
  const path = setting.slice(0, Math.max(0, equals)).split('.');
  if (equals <= 0 || path.some((part) => !/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part))) {
    throw new AhaError({
      code: 'invalid-setting',
      boundary: 'configuration',
      what: 'This --set cannot be used',
      found: setting,
      expected: 'KEY=VALUE or SECTION.KEY=VALUE',
      fix: 'Write for example --set kl.beta=0.01.',
    });
  }
  const text = setting.slice(equals + 1);
  if (text === '') return { path, value: '' };
  // Parsed as the value of a key, so that every YAML form of a value is understood and nothing else is.
  const value = parseConfigText(`value: ${text}`, `--set ${path.join('.')}`);
  if (Object.keys(value).length !== 1) throw invalid(`--set ${path.join('.')}`, 'more than one value');
  return { path, value: value['value'] };
}

/** Puts `value` at `path`, making objects on the way. What is in the way and is no object is replaced. */
export function setAt(target: ConfigValue, path: readonly string[], value: unknown): void {
  let current = target;
  for (const part of path.slice(0, -1)) {
    const next = Object.hasOwn(current, part) ? current[part] : undefined;
    if (typeof next === 'object' && next !== null && !Array.isArray(next)) {
      current = next as ConfigValue;
    } else {
      const made: ConfigValue = {};
      define(current, part, made);
      current = made;
    }
  }
  define(current, path.at(-1)!, value);
}

/** Reads a text file of at most `limit` bytes, as strict UTF-8. */
export async function readTextFile(path: string, limit: number): Promise<string> {
  let bytes: Buffer;
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > limit) throw tooLarge(path, size, limit);
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
  // A pipe or a device says nothing about its size beforehand.
  if (bytes.length > limit) throw tooLarge(path, bytes.length, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(path, 'it is not UTF-8 text', {}, error);
  }
}

/** `__proto__` is a key like any other: an own property that the schema then refuses. */
function define(target: ConfigValue, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Brackets nested by the thousand would exhaust the parser's stack. */
function refuseDeepFlow(text: string, name: string): void {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > 1000) throw invalid(name, 'more than 1000 brackets are open at once');
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.replace(/[.:]$/, '');
}

function tooLarge(path: string, bytes: number, limit: number): AhaError {
  return new AhaError({
    code: 'configuration-too-large',
    boundary: 'configuration',
    what: `${path} is too large to be what it should be`,
    found: `${bytes} bytes`,
    expected: `at most ${limit} bytes`,
    fix: 'Check that the right file was named.',
  });
}

function invalid(
  name: string,
  problem: string,
  fields: Record<string, unknown> = {},
  cause?: unknown,
): AhaError {
  return new AhaError({
    code: 'invalid-configuration-file',
    boundary: 'configuration',
    what: `${name} cannot be read as a configuration`,
    found: problem,
    expected: 'a YAML mapping of keys to values',
    fix: 'See recipes/ for examples.',
    fields: { file: name, ...fields },
    ...(cause === undefined ? {} : { cause }),
  });
}
