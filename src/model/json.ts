/**
 * What checkpoints need of JSON beyond `JSON.parse`: reading a small file with clear errors, finding a repeated
 * key, and describing untrusted values without printing (or descending into) them.
 */
import { open } from 'node:fs/promises';
import type { z } from 'zod';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';

/** Larger than any configuration, index or adapter configuration that exists. */
const maxJsonBytes = 64 << 20;

/** Reads a file that must hold a JSON object. Throws `AhaError` (model, or storage if it cannot be opened). */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const text = await readSmallFile(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const found =
      text.length === 0 ? 'an empty file' : error instanceof Error ? error.message : 'something else';
    throw invalidJson(path, found);
  }
  if (!isRecord(json)) throw invalidJson(path, kindOf(json));
  const twice = duplicateKey(text);
  if (twice !== undefined) throw invalidJson(path, `the key ${JSON.stringify(twice)} twice`);
  return json;
}

async function readSmallFile(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const stat = await file.stat();
    if (!stat.isFile()) throw invalidJson(path, stat.isDirectory() ? 'a folder' : 'a device');
    if (stat.size > maxJsonBytes) throw invalidJson(path, `${stat.size} bytes`);
    const bytes = await file.readFile();
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw invalidJson(path, 'bytes that are not UTF-8');
    throw storageError(`Could not read ${path}`, error);
  }
}

function invalidJson(path: string, found: string): AhaError {
  return new AhaError({
    code: 'json-invalid',
    boundary: 'model',
    what: `${path} is not a JSON object`,
    found,
    expected: 'a JSON object in UTF-8',
    fix: 'Download or copy the file again.',
    fields: { file: path },
  });
}

/**
 * The first key of the outermost object that repeats an earlier one: `JSON.parse` keeps the last of two equal keys
 * without a word. `text` must be valid JSON.
 */
export function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  let keyExpected = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      if (depth === 1 && keyExpected) {
        const key = JSON.parse(text.slice(start, i + 1)) as string;
        if (seen.has(key)) return key;
        seen.add(key);
        keyExpected = false;
      }
    } else if (character === '{' || character === '[') {
      depth++;
      keyExpected = depth === 1;
    } else if (character === '}' || character === ']') depth--;
    else if (character === ',' && depth === 1) keyExpected = true;
  }
  return undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** "an array", "a string", … */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** The first thing that a schema found wrong, in one line. */
export function problemIn(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return error.message;
  const where = issue.path.map(String).join('.');
  return where === '' ? issue.message : `${where}: ${issue.message}`;
}
