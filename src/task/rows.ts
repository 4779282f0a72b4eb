/**
 * Rows of a file as problems: JSON lines, one object a line, or Parquet, on this machine or on the Hub (`hf:org/name`).
 * Reads line by line with bounded memory per line. A row that cannot be used is counted and reported with its line
 * number; too many of them, or none that can be used, refuse the file.
 */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AhaError } from '../errors.ts';
import type { HubOptions } from '../hub/client.ts';
import type { DataQuery } from '../hub/data-choice.ts';
import { openDataFiles, type DataFiles } from '../hub/data-files.ts';
import { readRowFile } from '../util/row-file.ts';
import { nearestWord } from '../util/schema.ts';
import { canonicalPrompt, problemFault, type Problem } from './problem.ts';

export interface RowsOptions {
  /** The keys of a row that hold the prompt and the answer. Default `prompt` and `answer`. */
  readonly fields?: { readonly prompt?: string; readonly answer?: string };
  /** The largest share of rows that may be left out. Default 0.01. */
  readonly maxBadShare?: number;
  /** What is wrong with a problem beyond its form, or undefined. */
  readonly fault?: (problem: RowProblem) => string | undefined;
  /** Whether one prompt may have several answers: where more than the prompt makes a problem. Default false. */
  readonly severalAnswers?: boolean;
  /** What a data set on the Hub that is named without a file stands for. Default: its split `train`. */
  readonly query?: DataQuery;
  /** How downloads are made and reported. */
  readonly hub?: HubOptions;
}

/** A row as a problem. Its other columns are kept. */
export interface RowProblem extends Problem {
  readonly answer: string;
  readonly [column: string]: unknown;
}

export interface Rows {
  readonly problems: RowProblem[];
  /** For people: rows that were left out. Empty when all were used. */
  readonly notes: string[];
  /** Where the rows were. */
  readonly data: DataFiles;
}

const mostRows = 5_000_000;

/**
 * The rows of a path or of `hf:org/name[@revision][/path]`.
 * Throws `AhaError` (boundary `data` or `storage`) that names the file and the first bad lines; for the Hub, see
 * `openDataFiles`.
 */
export async function readRows(path: string | URL, options: RowsOptions = {}): Promise<Rows> {
  const file = path instanceof URL ? fileURLToPath(path) : path;
  const data = await openDataFiles(file, options.query ?? { split: 'train' }, options.hub);
  const name = basename(file);
  const problems: RowProblem[] = [];
  const bad: { readonly file: string; readonly line: number; readonly fault: string }[] = [];
  const answers = new Map<string, string>();
  let count = 0;
  for await (const row of rowsOf(data.files)) {
    count++;
    if (count > mostRows) {
      throw new AhaError({
        code: 'too-many-rows',
        boundary: 'data',
        what: `${file} has more rows than can be held`,
        expected: `at most ${mostRows}`,
      });
    }
    const { file: of, line } = row;
    const parsed = row.value === undefined ? row.fault! : problemOf(row.value, options);
    if (typeof parsed === 'string') {
      bad.push({ file: of, line, fault: parsed });
      continue;
    }
    const key = canonicalPrompt(parsed);
    const earlier = answers.get(key);
    if (options.severalAnswers !== true && earlier !== undefined && earlier !== parsed.answer) {
      bad.push({ file: of, line, fault: 'an earlier row has the same prompt with another answer' });
      continue;
    }
    answers.set(key, parsed.answer);
    problems.push(parsed);
  }
  const firstBad = bad
    .slice(0, 3)
    .map(
      ({ file: of, line, fault }) =>
        `${data.files.length > 1 ? `${basename(of)} ` : ''}line ${line}: ${fault}`,
    )
    .join('; ');
  const share = options.maxBadShare ?? 0.01;
  if (bad.length > share * count || problems.length === 0) {
    throw new AhaError({
      code: count === 0 ? 'no-rows' : 'bad-rows',
      boundary: 'data',
      what: count === 0 ? `${file} has no rows` : `${file} has rows that cannot be used`,
      found: count === 0 ? 'an empty file' : `${bad.length} bad rows of ${count} (${firstBad})`,
      expected:
        count === 0
          ? 'one JSON object a line, with a prompt and an answer'
          : `at most ${+(share * 100).toFixed(3)} % of the rows, and one good row`,
      fix: count === 0 ? 'Check the path.' : 'Correct them, or allow more with maxBadShare.',
      fields: { file, bad: bad.slice(0, 20) },
    });
  }
  const notes = bad.length === 0 ? [] : [`${name}: ${bad.length} of ${count} rows left out (${firstBad})`];
  return { problems, notes, data };
}

async function* rowsOf(files: readonly string[]) {
  for (const file of files) yield* readRowFile(file);
}

/** One row, or what is wrong with it. */
function problemOf(columns: Readonly<Record<string, unknown>>, options: RowsOptions): RowProblem | string {
  const promptKey = options.fields?.prompt ?? 'prompt';
  const answerKey = options.fields?.answer ?? 'answer';
  for (const key of [promptKey, answerKey]) {
    if (columns[key] === null) return `${key} is null`;
    if (!Object.hasOwn(columns, key)) {
      const nearest = nearestWord(key, Object.keys(columns).slice(0, 100));
      return `no ${key}${nearest === undefined ? '' : ` (is ${JSON.stringify(nearest)} meant?)`}`;
    }
  }
  const answer = textOf(columns[answerKey]);
  if (answer === undefined) return `${answerKey} is neither text nor a number that JSON holds exactly`;
  if (answer.trim() === '') return `${answerKey} is empty`;
  const rest = Object.fromEntries(
    Object.entries(columns).filter(([key]) => key !== promptKey && key !== answerKey),
  );
  const problem = { ...rest, prompt: columns[promptKey], answer };
  const fault = problemFault(problem);
  if (fault !== undefined) return fault.what;
  return options.fault?.(problem as RowProblem) ?? (problem as RowProblem);
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  const text = String(value);
  const exact = Number.isInteger(value) ? Number.isSafeInteger(value) : !text.includes('e');
  return exact ? text : undefined;
}
