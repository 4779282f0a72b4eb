/**
 * Problems in the format of MATH (Hendrycks et al. 2021): `problem`, `solution`, `level` ("Level 3" or 3), `type` or
 * `subject`, and `answer` where it is given; else the answer is what the solution boxes. Read from a JSONL or Parquet
 * file, here or on the Hub, or from a folder of .json files, one problem each, at any depth.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { AhaError, describeError } from '../errors.ts';
import type { HubOptions } from '../hub/client.ts';
import type { DataQuery } from '../hub/data-choice.ts';
import { openDataFiles, type DataFiles } from '../hub/data-files.ts';
import { isHubData } from '../hub/data-reference.ts';
import { storageError } from '../util/files.ts';
import { longestLine } from '../util/lines.ts';
import { readRowFile } from '../util/row-file.ts';
import { judgeReference } from '../verify/math/judgement.ts';
import { extractAnswer } from '../verify/math/extraction.ts';
import type { Problem } from './problem.ts';

export interface MathProblem extends Problem {
  /** The final answer, in LaTeX. */
  readonly answer: string;
  /** 1 to 5. */
  readonly level: number;
  /** `Algebra`, `Number Theory`, …; '' where the data does not say. */
  readonly subject: string;
  readonly solution: string;
}

export interface MathData {
  readonly problems: MathProblem[];
  /** For people: problems that were left out. */
  readonly notes: string[];
  readonly data: DataFiles;
}

export const mathLevels = 5;

const mostFiles = 200_000;

/** Throws `AhaError` when more than `maxBadShare` of the problems cannot be used, or none can. */
export async function readMathProblems(
  path: string,
  maxBadShare: number,
  query: DataQuery = { split: 'train' },
  hub?: HubOptions,
): Promise<MathData> {
  const data = await openDataFiles(path, query, hub);
  const problems: MathProblem[] = [];
  const bad: { readonly place: string; readonly fault: string }[] = [];
  for await (const { place, problem } of entries(data.files, isHubData(path))) {
    if (typeof problem === 'string') bad.push({ place, fault: problem });
    else problems.push(problem);
  }
  const count = problems.length + bad.length;
  const firstBad = bad
    .slice(0, 3)
    .map(({ place, fault }) => `${place}: ${fault}`)
    .join('; ');
  if (bad.length > maxBadShare * count || problems.length === 0) {
    throw new AhaError({
      code: count === 0 ? 'no-rows' : 'bad-rows',
      boundary: 'data',
      what: count === 0 ? `${path} has no problems` : `${path} has problems that cannot be used`,
      found: count === 0 ? 'nothing to read' : `${bad.length} bad ones of ${count} (${firstBad})`,
      expected:
        count === 0
          ? 'a JSONL file, or a folder of .json files, with problem, solution, level and type'
          : `at most ${+(maxBadShare * 100).toFixed(3)} % of them, and one good one`,
      fix: count === 0 ? 'Check the path.' : 'Correct them, or allow more with maxBadShare.',
      fields: { path, bad: bad.slice(0, 20) },
    });
  }
  const notes =
    bad.length === 0 ? [] : [`${basename(path)}: ${bad.length} of ${count} problems left out (${firstBad})`];
  return { problems, notes, data };
}

interface Entry {
  /** `line 3`, `algebra/12.json` */
  readonly place: string;
  readonly problem: MathProblem | string;
}

async function* entries(files: readonly string[], downloaded: boolean): AsyncGenerator<Entry> {
  for (const file of files) yield* downloaded ? rowsOf(file) : entriesAt(file);
}

async function* entriesAt(path: string): AsyncGenerator<Entry> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
  if (isFolder) {
    for (const file of await filesOf(path)) {
      const place = relative(path, file);
      const text = await read(file);
      yield { place, problem: text === undefined ? `more than ${longestLine} bytes` : parseProblem(text) };
    }
    return;
  }
  yield* rowsOf(path);
}

async function* rowsOf(file: string): AsyncGenerator<Entry> {
  for await (const { line, value, fault } of readRowFile(file)) {
    yield { place: `line ${line}`, problem: value === undefined ? fault! : problemOf(value) };
  }
}

async function filesOf(folder: string): Promise<string[]> {
  let found;
  try {
    found = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    throw storageError(`Could not read ${folder}`, error);
  }
  const files = found
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length > mostFiles) {
    throw new AhaError({
      code: 'too-many-rows',
      boundary: 'data',
      what: `${folder} has more files than can be held`,
      found: `${files.length} files`,
      expected: `at most ${mostFiles}`,
    });
  }
  return files;
}

async function read(file: string): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    return size > longestLine ? undefined : await readFile(file, 'utf8');
  } catch (error) {
    throw storageError(`Could not read ${file}`, error);
  }
}

/** A problem, or what is wrong with it. */
function parseProblem(text: string): MathProblem | string {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (error) {
    return `not JSON (${describeError(error).slice(0, 80)})`;
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return 'no JSON object';
  return problemOf(row as Record<string, unknown>);
}

function problemOf(row: Readonly<Record<string, unknown>>): MathProblem | string {
  const { problem, solution = '', answer, level, type, subject } = row;
  if (typeof problem !== 'string' || problem.trim() === '') return 'no text under problem';
  if (typeof solution !== 'string') return 'solution is no text';
  const own = levelOf(level);
  if (own === undefined) return `level is ${JSON.stringify(level)}, not 1 to ${mathLevels}`;
  const final = answerOf(answer, solution);
  if (final === undefined) return 'neither an answer nor a \\boxed{} in the solution';
  const fault = judgeReference(final);
  if (fault.outcome !== 'equal') {
    return `the answer ${JSON.stringify(final.slice(0, 60))} cannot be compared with (${fault.reason})`;
  }
  const named = subject ?? type ?? '';
  return {
    prompt: problem.trim(),
    answer: final,
    level: own,
    subject: typeof named === 'string' ? named : '',
    solution: solution.trim(),
  };
}

function levelOf(level: unknown): number | undefined {
  const value = typeof level === 'string' ? Number(/^(?:Level )?(\d)$/.exec(level.trim())?.[1]) : level;
  const isLevel = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= mathLevels;
  return isLevel ? value : undefined;
}

function answerOf(answer: unknown, solution: string): string | undefined {
  if (typeof answer === 'string' && answer.trim() !== '') return answer.trim();
  if (typeof answer === 'number' && Number.isSafeInteger(answer)) return `${answer}`;
  const extracted = extractAnswer(solution);
  return extracted?.source === 'boxed' ? extracted.text : undefined;
}
