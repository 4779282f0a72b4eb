/**
 * Tasks without a program: a file of rows and a named verifier, as a YAML or JSON file that describes both, or as
 * the JSONL file alone.
 *
 *     name: capitals
 *     prompts: ./capitals.jsonl
 *     verify: exact
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { HubOptions } from '../hub/client.ts';
import { isHubData } from '../hub/data-reference.ts';
import { storageError } from '../util/files.ts';
import { parseWithSchema } from '../util/schema.ts';
import { referenceQuantity } from '../verify/final-number.ts';
import { readRows, type RowProblem } from './rows.ts';
import { defineTask, type Task } from './task.ts';

const rowsOptionsSchema = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  /** Default: `number` when every answer is one, else `exact`. */
  verify: z.enum(['exact', 'number']).optional(),
  /** A second file, or a data set on the Hub; without it, problems are held out by content. */
  heldOut: z.string().min(1).optional(),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
  /** The columns that hold prompt and answer. */
  fields: z.strictObject({ prompt: z.string().optional(), answer: z.string().optional() }).default({}),
  maxBadShare: z.number().min(0).max(1).default(0.01),
});

/** A number that survived parsing as it was written. */
const exactNumber = z
  .number()
  .refine(
    (value) => (Number.isInteger(value) ? Number.isSafeInteger(value) : !String(value).includes('e')),
    'a number with at most 15 digits; write longer ones in quotes',
  );

const fileTaskSchema = rowsOptionsSchema.extend({
  /** A JSONL or Parquet file, a data set on the Hub, or the rows themselves. */
  prompts: z.union([
    z.string().min(1),
    z.array(z.object({ prompt: z.string(), answer: z.union([z.string(), exactNumber]) })).min(1),
  ]),
});

type RowsOptions = z.output<typeof rowsOptionsSchema>;

const longestTaskFile = 2 ** 24;

/** A task from a JSONL file of prompts and answers. `options` as in a YAML task, without `prompts`. */
export async function rowsTask(path: string, options: unknown, hub?: HubOptions): Promise<Task<RowProblem>> {
  const parsed = parseWithSchema(rowsOptionsSchema, options, {
    what: `The options of task file ${path}`,
    boundary: 'task',
  });
  return build(path, parsed, path, '.', hub);
}

/** A task from a YAML or JSON file. Paths in it are relative to the file. */
export async function describedTask(path: string, hub?: HubOptions): Promise<Task<RowProblem>> {
  const parsed = parseWithSchema(fileTaskSchema, parseYaml(path, await readWhole(path)), {
    what: `Task file ${path}`,
    boundary: 'task',
    code: 'invalid-task',
  });
  const { prompts, ...options } = parsed;
  return build(path, options, prompts, dirname(path), hub);
}

async function build(
  path: string,
  options: RowsOptions,
  prompts: string | readonly { readonly prompt: string; readonly answer: string | number }[],
  folder: string,
  hub: HubOptions | undefined,
): Promise<Task<RowProblem>> {
  const notes: string[] = [];
  const read = async (file: string, split: 'train' | 'test'): Promise<RowProblem[]> => {
    const rows = await readRows(isHubData(file) ? file : resolve(folder, file), {
      query: { split },
      ...(hub === undefined ? {} : { hub }),
      fields: definedOnly(options.fields),
      maxBadShare: options.maxBadShare,
      ...(options.verify === 'number' ? { fault: numberFault } : {}),
    });
    notes.push(...rows.notes);
    return rows.problems;
  };
  const train =
    typeof prompts === 'string'
      ? await read(prompts, 'train')
      : prompts.map((row): RowProblem => ({ ...row, answer: String(row.answer) }));
  const heldOut = options.heldOut === undefined ? undefined : await read(options.heldOut, 'test');
  const all = [...train, ...(heldOut ?? [])];
  const verify = options.verify ?? (all.every((row) => isBareNumber(row.answer)) ? 'number' : 'exact');
  if (options.verify === undefined) {
    notes.push(
      `verifier: ${verify}, since ${verify === 'number' ? 'every answer is' : 'not every answer is'} a number`,
    );
  }
  return defineTask<RowProblem>({
    name: options.name ?? nameOf(path),
    ...(options.description === undefined ? {} : { description: options.description }),
    prompts: heldOut === undefined ? train : { train, heldOut },
    verify,
    heldOutShare: options.heldOutShare,
    notes,
  });
}

function numberFault(row: RowProblem): string | undefined {
  return referenceQuantity(row.answer) === undefined ? 'the answer is not one clear number' : undefined;
}

/** Digits with at most a sign, a currency, separators and a percent sign: no words that `exact` should compare. */
function isBareNumber(answer: string): boolean {
  return /^\s*[-+]?[$€£¥₹]?[\d.,/]+%?\s*$/.test(answer) && referenceQuantity(answer) !== undefined;
}

async function readWhole(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > longestTaskFile) {
      throw new AhaError({
        code: 'task-file-too-large',
        boundary: 'task',
        what: `Task file ${path} is too large`,
        found: `${size} bytes`,
        expected: `at most ${longestTaskFile}`,
        fix: 'Put the rows into a JSONL file and name it in the task file: prompts: ./rows.jsonl.',
      });
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
}

function parseYaml(path: string, text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw new AhaError({
      code: 'invalid-task',
      boundary: 'task',
      what: `Task file ${path} is no YAML`,
      found: problem.message.split('\n')[0],
      expected: 'keys such as name, prompts and verify',
      fields: { line: problem.linePos?.[0].line },
      cause: problem,
    });
  }
  try {
    // Bounds what aliases can blow up to.
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new AhaError({
      code: 'invalid-task',
      boundary: 'task',
      what: `Task file ${path} cannot be read`,
      found: error instanceof Error ? error.message : 'a failure',
      expected: 'YAML without aliases that multiply',
      cause: error,
    });
  }
}

/** A task name from a file name. */
function nameOf(path: string): string {
  const name = basename(path, extname(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 64)
    .replaceAll(/^-+|-+$/g, '');
  return name === '' ? 'task' : name;
}

function definedOnly(fields: { prompt?: string | undefined; answer?: string | undefined }): {
  prompt?: string;
  answer?: string;
} {
  return {
    ...(fields.prompt === undefined ? {} : { prompt: fields.prompt }),
    ...(fields.answer === undefined ? {} : { answer: fields.answer }),
  };
}
