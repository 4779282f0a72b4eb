/**
 * JSON against a schema (JSON Schema, draft 2020-12 or draft-07), for answers that programs read. The JSON is the
 * answer as a whole, or the content of its last fenced block; nothing is searched for in prose.
 *
 * The schema is the task author's and is compiled once; one that `ajv` cannot use is refused when it is made. The
 * answer is untrusted: it is bounded in length, depth and number of values before the schema sees it, and validation
 * itself has a deadline, since patterns and recursive alternatives can take exponential time. What runs late is
 * `failed` at the verifier, not scored. Formats are checked for the few that have an exact meaning; an unknown
 * format is refused, never passed over.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Ajv, type ValidateFunction } from 'ajv';
import { AhaError, describeError } from '../../errors.ts';
import { withDeadline } from '../../text/deadline.ts';
import { failed, scored, type Verdict, type Verifier } from '../verdict.ts';

export interface JsonSchemaOptions {
  /** Characters of the answer. Default 100 000. */
  readonly length?: number;
  /** How deeply arrays and objects may nest. Default 64. */
  readonly depth?: number;
  /** Objects, arrays and simple values, all together. Default 10 000. */
  readonly values?: number;
  /** Milliseconds that validation may take. Default 1000. */
  readonly deadline?: number;
}

export type JsonReading =
  { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'error'; readonly problem: string };

/** Scores 1 when the answer is JSON that fits the schema, else 0 with the first faults as evidence. */
export function jsonVerifier(schema: unknown, options: JsonSchemaOptions = {}): Verifier {
  const check = compileJsonSchema(schema, options);
  return (_problem, answer) => check(answer);
}

/** Throws `AhaError` (invalid-json-schema) for a schema that cannot be used. */
export function compileJsonSchema(
  schema: unknown,
  options: JsonSchemaOptions = {},
): (answer: string) => Verdict {
  const { deadline = 1000 } = options;
  const fix = 'Simplify the patterns and alternatives of the schema.';
  const validate = withDeadline(10_000, 'Compiling a JSON schema', fix, () => compile(schema));
  const fits = (value: unknown) =>
    withDeadline(deadline, 'Checking an answer against its JSON schema', fix, () => validate(value));
  return (answer) => {
    const reading = readJson(answer, options);
    if (reading.kind === 'error') return scored(0, { evidence: { problem: reading.problem } });
    try {
      if (fits(reading.value)) return scored(1);
    } catch (error) {
      return failed('verifier', describeError(error));
    }
    const faults = (validate.errors ?? [])
      .slice(0, 5)
      .map(
        (error) => `${error.instancePath.slice(0, 100) || 'the value'} ${error.message ?? 'does not fit'}`,
      );
    return scored(0, { evidence: { problem: 'does not fit the schema', faults } });
  };
}

/** The JSON value of an answer: all of it, or its last fenced block. */
export function readJson(answer: string, options: JsonSchemaOptions = {}): JsonReading {
  const { length = 100_000, depth = 64, values = 10_000 } = options;
  if (answer.length > length) return { kind: 'error', problem: `longer than ${length} characters` };
  const text = jsonText(answer);
  if (text === '') return { kind: 'error', problem: 'no JSON' };
  const excess = sizeFault(text, depth, values);
  if (excess !== undefined) return { kind: 'error', problem: excess };
  try {
    return { kind: 'value', value: JSON.parse(text) as unknown };
  } catch {
    return { kind: 'error', problem: 'no JSON' };
  }
}

/** The content of the last fenced block that is closed, or all of the text. */
function jsonText(answer: string): string {
  const fences = [...answer.matchAll(/^[ \t]*```([^\n`]*)$/gm)];
  if (fences.length < 2) return answer.trim();
  // Fences come in pairs from the top; one that is left open at the end is no block.
  const last = fences.length - (fences.length % 2);
  const open = fences[last - 2]!;
  const close = fences[last - 1]!;
  return answer.slice(open.index + open[0].length, close.index).trim();
}

/** Counts brackets and separators outside of strings, so that the parser never meets too much. */
function sizeFault(text: string, depth: number, values: number): string | undefined {
  let level = 0;
  let count = 1;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
      continue;
    }
    if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      count++;
      if (++level > depth) return `nested deeper than ${depth}`;
    } else if (code === 0x5d || code === 0x7d) level--;
    else if (code === 0x2c && ++count > values) return `more than ${values} values`;
  }
  return undefined;
}

const formats: Readonly<Record<string, RegExp>> = {
  date: /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/,
  time: /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/,
  'date-time':
    /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  email: /^[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)+$/,
};

function compile(schema: unknown): ValidateFunction {
  const refuse = (found: unknown, expected: string, cause?: unknown): AhaError =>
    new AhaError({
      code: 'invalid-json-schema',
      boundary: 'task',
      what: 'A JSON schema cannot be used',
      found,
      expected,
      ...(cause === undefined ? {} : { cause }),
    });
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    throw refuse(schema, 'an object of JSON Schema');
  }
  const declared = (schema as { $schema?: unknown }).$schema;
  const draft7 = typeof declared === 'string' && declared.includes('draft-07');
  const settings = {
    strict: true,
    allErrors: false,
    formats: { ...formats },
    allowUnionTypes: true,
  } as const;
  try {
    const ajv = draft7 ? new Ajv(settings) : new Ajv2020(settings);
    return ajv.compile(schema);
  } catch (error) {
    throw refuse(
      describeError(error),
      'a valid JSON Schema (2020-12 or draft-07) without outside references',
      error,
    );
  }
}
