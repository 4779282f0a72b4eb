/**
 * Strict schemas with errors for people: everything that comes from outside (options, configuration files, task
 * definitions) is parsed by a zod schema, and what does not fit becomes one `AhaError` that names the place, the
 * value found and the values accepted. An unknown key is an error that names the nearest known one.
 *
 * Write schemas with `z.strictObject`, so that a misspelt key is never ignored.
 */
import { z } from 'zod';
import { AhaError, type Boundary } from '../errors.ts';

export interface SchemaContext {
  /** What is parsed, as the start of a sentence: `The options of task countdown`, `zero.yaml`. */
  readonly what: string;
  /** Default `configuration`. */
  readonly boundary?: Boundary;
  /** Default `invalid-configuration`. */
  readonly code?: string;
  /** What to do when there is nothing better to say (no nearest key). */
  readonly fix?: string;
}

/** One thing that does not fit. */
export interface SchemaIssue {
  /** `grpo.levels[2]`; empty for the value as a whole. */
  readonly path: string;
  readonly problem: string;
  readonly found?: unknown;
  readonly expected?: string;
  readonly fix?: string;
}

/** Parses `value`, or throws an `AhaError` that describes the first issue and lists all in `fields.issues`. */
export function parseWithSchema<S extends z.ZodType>(
  schema: S,
  value: unknown,
  context: SchemaContext,
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => describeIssue(schema, value, issue));
  const first = issues[0]!;
  const rest = issues.length - 1;
  const place = first.path === '' ? '' : ` at ${first.path}`;
  const more = rest === 0 ? '' : ` (and ${rest} more)`;
  const fix = first.fix ?? context.fix;
  throw new AhaError({
    code: context.code ?? 'invalid-configuration',
    boundary: context.boundary ?? 'configuration',
    what: `${context.what}: ${first.problem}${place}${more}`,
    ...('found' in first ? { found: first.found === undefined ? 'nothing' : first.found } : {}),
    ...(first.expected === undefined ? {} : { expected: first.expected }),
    ...(fix === undefined ? {} : { fix }),
    fields: { issues },
  });
}

/**
 * The member of `known` that `word` was most likely meant to be: the smallest edit distance (insertions,
 * deletions, substitutions, neighbouring swaps; case ignored), at most a third of the longer word's length unless
 * both begin the same way (`verifier`, `verify`).
 */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  const wanted = word.slice(0, 64).toLowerCase();
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const limit = Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3));
    const distance = editDistance(wanted, other);
    if ((distance <= limit || sharesStem(wanted, other)) && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `grpo.levels[2]` */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}

function describeIssue(root: z.ZodType, value: unknown, issue: z.core.$ZodIssue): SchemaIssue[] {
  const path = formatPath(issue.path);
  const found = valueAt(value, issue.path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = [...knownKeys(root, issue.path)];
      return issue.keys.map((key) => {
        const nearest = nearestWord(key, known);
        return {
          path,
          problem: `unknown key ${JSON.stringify(key.slice(0, 100))}`,
          ...(known.length === 0 ? {} : { expected: `one of ${known.join(', ')}` }),
          ...(nearest === undefined ? {} : { fix: `Did you mean ${JSON.stringify(nearest)}?` }),
        };
      });
    }
    case 'invalid_value': {
      const words = issue.values.map((word) => String(word));
      const nearest = typeof found === 'string' ? nearestWord(found, words) : undefined;
      const fix = nearest === undefined || nearest === found ? {} : { fix: `Did you mean "${nearest}"?` };
      return [{ path, problem: 'this value cannot be used', found, expected: words.join(' | '), ...fix }];
    }
    case 'invalid_union': {
      const branches = issue.errors.map((errors) =>
        errors.flatMap((inner) =>
          describeIssue(root, value, { ...inner, path: [...issue.path, ...inner.path] }),
        ),
      );
      // A branch whose own type fits but whose inside does not says most; else name every accepted type.
      const inside = branches.filter((branch) => branch.length > 0 && branch.every((b) => b.path !== path));
      const unknownKeys = branches.filter((branch) =>
        branch.every((b) => b.problem.startsWith('unknown key')),
      );
      const candidates = inside.length > 0 ? inside : unknownKeys;
      if (candidates.length > 0) return candidates.reduce((a, b) => (b.length < a.length ? b : a));
      const kinds = [...new Set(branches.flatMap((branch) => branch.map((b) => b.expected ?? b.problem)))];
      return [
        {
          path,
          problem: 'this value cannot be used',
          found,
          expected: kinds.length === 0 ? issue.message : kinds.join(' | '),
        },
      ];
    }
    case 'invalid_type': {
      if (found === undefined && issue.path.length > 0) {
        return [{ path, problem: 'a value is missing', expected: issue.expected }];
      }
      const shown = typeof found === 'number' ? String(found) : found;
      const fix = issue.expected === 'array' ? listHint(found) : {};
      return [{ path, problem: 'this value cannot be used', found: shown, expected: issue.expected, ...fix }];
    }
    case 'too_small':
      return [{ path, problem: 'this value is too small', found, expected: sizeOf(issue, 'at least') }];
    case 'too_big':
      return [{ path, problem: 'this value is too large', found, expected: sizeOf(issue, 'at most') }];
    case 'not_multiple_of':
      return [
        { path, problem: 'this value cannot be used', found, expected: `a multiple of ${issue.divisor}` },
      ];
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return [{ path, problem: 'this value cannot be used', found, expected: issue.message }];
  }
}

/** For a value that stands where a list of such values should. */
function listHint(found: unknown): { fix?: string } {
  if (typeof found !== 'number' && typeof found !== 'string' && typeof found !== 'boolean') return {};
  return { fix: `Did you mean the list ${JSON.stringify([found]).slice(0, 100)}?` };
}

function sizeOf(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  word: 'at least' | 'at most',
): string {
  const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum;
  const strict = issue.inclusive === false ? (word === 'at least' ? 'more than' : 'less than') : word;
  const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' elements' : '';
  return `${strict} ${bound}${unit}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

/** The keys that the object schemas at `path` inside `root` accept; unions give the keys of all branches. */
function knownKeys(root: z.ZodType, path: readonly PropertyKey[]): Set<string> {
  let schemas: z.core.$ZodType[] = [root];
  for (const part of path) schemas = schemas.flatMap((schema) => childSchemas(schema, part));
  const keys = new Set<string>();
  for (const schema of schemas.flatMap((inner) => unwrap(inner))) {
    if (schema instanceof z.ZodObject) for (const key of Object.keys(schema.shape)) keys.add(key);
  }
  return keys;
}

function childSchemas(schema: z.core.$ZodType, part: PropertyKey): z.core.$ZodType[] {
  return unwrap(schema).flatMap((inner): z.core.$ZodType[] => {
    if (inner instanceof z.ZodObject) {
      const child = (inner.shape as Record<PropertyKey, z.core.$ZodType | undefined>)[part];
      return child === undefined ? [] : [child];
    }
    if (inner instanceof z.ZodArray) return [inner.element];
    if (inner instanceof z.ZodRecord) return [inner.valueType];
    if (inner instanceof z.ZodTuple && typeof part === 'number') {
      const item = inner.def.items[part] ?? inner.def.rest;
      return item === undefined || item === null ? [] : [item];
    }
    return [];
  });
}

/** The schemas inside optional, default, nullable, pipes and unions. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodNonOptional ||
    schema instanceof z.ZodCatch
  ) {
    return unwrap(schema.def.innerType);
  }
  if (schema instanceof z.ZodPipe) return [...unwrap(schema.def.in), ...unwrap(schema.def.out)];
  if (schema instanceof z.ZodLazy) return unwrap(schema.def.getter());
  if (schema instanceof z.ZodUnion) return schema.def.options.flatMap((option) => unwrap(option));
  return [schema];
}

/** Whether both begin with the same four or more characters, which make up most of the shorter word. */
function sharesStem(a: string, b: string): boolean {
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return common >= 4 && common >= 0.75 * Math.min(a.length, b.length);
}

/** Optimal string alignment distance. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforeLast[j - 2]! + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
