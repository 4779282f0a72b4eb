/**
 * The folder of an evaluation. Every response is appended as soon as it is judged, so that a process that is killed
 * at any moment loses only what was being drawn; the next one goes on from there.
 *
 *     evaluation.json    what was asked (`EvaluationIdentity`)
 *     responses.jsonl    a `ResponseRecord` a line; in the order of the problems once all are there
 *     seconds.json       what it has taken so far, gone once the report is there
 *     report.json        the numbers; written last
 *     report.md, report.html    the same for people
 */
import { mkdir, open, readFile, rm, truncate, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AhaError, describeError } from '../errors.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { parseWithSchema } from '../util/schema.ts';
import { recordKey, type ResponseRecord, responseRecordSchema } from './record.ts';
import { type EvaluationIdentity, type EvaluationReport, reportSchema } from './report.ts';

export function evaluationFiles(folder: string) {
  return {
    identity: join(folder, 'evaluation.json'),
    responses: join(folder, 'responses.jsonl'),
    seconds: join(folder, 'seconds.json'),
    report: join(folder, 'report.json'),
    markdown: join(folder, 'report.md'),
    html: join(folder, 'report.html'),
  };
}

export class EvaluationFolder implements AsyncDisposable {
  readonly folder: string;
  /** Responses of earlier processes, by `recordKey`. */
  readonly known: ReadonlyMap<string, ResponseRecord>;
  /** Lines that could not be read; what they held is done again. */
  readonly damagedLines: number;
  /** Seconds that earlier processes worked on it. */
  readonly earlierSeconds: number;
  readonly #file: FileHandle;
  #notedSeconds: number;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    folder: string,
    known: ReadonlyMap<string, ResponseRecord>,
    damaged: number,
    earlierSeconds: number,
    file: FileHandle,
  ) {
    this.folder = folder;
    this.known = known;
    this.damagedLines = damaged;
    this.earlierSeconds = earlierSeconds;
    this.#notedSeconds = earlierSeconds;
    this.#file = file;
  }

  /**
   * Creates the folder, or goes on with the evaluation in it.
   * @throws AhaError `evaluation-differs` if it holds another evaluation; storage errors
   */
  static async open(folder: string, identity: EvaluationIdentity): Promise<EvaluationFolder> {
    const files = evaluationFiles(folder);
    // As it will be read back: without undefined.
    const own = JSON.parse(JSON.stringify(identity)) as EvaluationIdentity;
    const stored = await readJson(files.identity);
    if (stored !== undefined && !isDeepStrictEqual(stored, own)) {
      throw new AhaError({
        code: 'evaluation-differs',
        boundary: 'configuration',
        what: `${folder} holds another evaluation`,
        found: firstDifference(stored, own, ''),
        expected: 'the same model, tasks and settings',
        fix: 'Choose another folder with --output, or delete this one.',
      });
    }
    try {
      await mkdir(folder, { recursive: true });
    } catch (error) {
      throw storageError(`Could not create ${folder}`, error);
    }
    if (stored === undefined) await writeFileAtomic(files.identity, `${JSON.stringify(own, null, 2)}\n`);
    const { records, damaged, goodBytes } = await readLines(files.responses);
    try {
      // A line that a crash has cut off would swallow the next one.
      if (goodBytes !== undefined) await truncate(files.responses, goodBytes);
      const file = await open(files.responses, 'a');
      const seconds = await readSeconds(files);
      const known = new Map(records.map((r) => [recordKey(r), r]));
      return new EvaluationFolder(folder, known, damaged, seconds, file);
    } catch (error) {
      throw storageError(`Could not write ${files.responses}`, error);
    }
  }

  /** Keeps a response, and about once a second how long it all has taken. Errors reach the caller of `written`. */
  append(record: ResponseRecord, seconds: number): void {
    const { seconds: path } = evaluationFiles(this.folder);
    this.#writing = this.#writing.then(async () => this.#file.appendFile(`${JSON.stringify(record)}\n`));
    if (seconds - this.#notedSeconds >= 1) {
      this.#notedSeconds = seconds;
      this.#writing = this.#writing.then(async () => writeFileAtomic(path, `${seconds}\n`));
    }
    this.#writing.catch(() => undefined);
  }

  /** Once everything appended is on its way to the disk. */
  async written(): Promise<void> {
    try {
      await this.#writing;
    } catch (error) {
      throw storageError(`Could not write ${evaluationFiles(this.folder).responses}`, error);
    }
  }

  /** Writes responses in their final order, then the report in its forms. */
  async finish(
    records: readonly ResponseRecord[],
    report: EvaluationReport,
    texts: { readonly markdown: string; readonly html: string },
  ): Promise<void> {
    await this.written();
    const files = evaluationFiles(this.folder);
    await writeFileAtomic(files.responses, lines(records));
    await writeFileAtomic(files.markdown, texts.markdown);
    await writeFileAtomic(files.html, texts.html);
    await writeFileAtomic(files.report, `${JSON.stringify(report, null, 2)}\n`);
    await rm(files.seconds, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#file.close();
  }
}

/** Noted on the way, or by the report if it is finished. What is damaged counts as nothing: less is lost than by refusing. */
async function readSeconds(files: ReturnType<typeof evaluationFiles>): Promise<number> {
  const noted = await readFile(files.seconds, 'utf8').catch(() => undefined);
  const report = (await readJson(files.report).catch(() => undefined)) as { seconds?: unknown } | undefined;
  return Math.max(0, ...[noted, report?.seconds].map(Number).filter(Number.isFinite));
}

/** A finished evaluation. Throws `AhaError` (storage) for a folder that holds none. */
export async function readEvaluation(
  folder: string,
): Promise<{ readonly report: EvaluationReport; readonly records: readonly ResponseRecord[] }> {
  const files = evaluationFiles(folder);
  const value = await readJson(files.report);
  if (value === undefined) {
    throw new AhaError({
      code: 'report-missing',
      boundary: 'storage',
      what: `There is no finished evaluation in ${folder}`,
      expected: 'a folder that aha evaluate has written (it holds report.json)',
      fix: 'Check the path, or run the evaluation to its end.',
    });
  }
  parseWithSchema(reportSchema, value, {
    what: files.report,
    boundary: 'storage',
    code: 'report-unreadable',
  });
  const { records, damaged } = await readLines(files.responses);
  if (damaged > 0 || records.length === 0) {
    throw new AhaError({
      code: 'report-unreadable',
      boundary: 'storage',
      what: `${files.responses} is not as it was written`,
      found: `${records.length} good lines and ${damaged} damaged ones`,
      fix: 'Run the evaluation again: the same command does again what is damaged.',
    });
  }
  return { report: value as EvaluationReport, records };
}

function* lines(records: readonly ResponseRecord[]): Generator<Uint8Array> {
  for (const record of records) yield Buffer.from(`${JSON.stringify(record)}\n`);
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(`Could not read ${path}`, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AhaError({
      code: 'report-unreadable',
      boundary: 'storage',
      what: `${path} is not JSON`,
      found: describeError(error),
      fix: 'Restore it from a copy, or evaluate into another folder.',
      cause: error,
    });
  }
}

/** `goodBytes`: where the file must be cut, if its last line is not whole. */
async function readLines(
  path: string,
): Promise<{ records: ResponseRecord[]; damaged: number; goodBytes: number | undefined }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return { records: [], damaged: 0, goodBytes: undefined };
    throw storageError(`Could not read ${path}`, error);
  }
  const records: ResponseRecord[] = [];
  let damaged = 0;
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const record = parseLine(bytes.toString('utf8', start, end));
    if (record === undefined) damaged++;
    else records.push(record);
    start = end + 1;
  }
  return { records, damaged, goodBytes: start < bytes.length ? start : undefined };
}

function parseLine(line: string): ResponseRecord | undefined {
  try {
    return responseRecordSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** `settings.temperature: 0.7, not 1` */
function firstDifference(stored: unknown, own: unknown, path: string): string {
  if (isObject(stored) && isObject(own)) {
    for (const key of new Set([...Object.keys(own), ...Object.keys(stored)])) {
      if (isDeepStrictEqual(stored[key], own[key])) continue;
      return firstDifference(stored[key], own[key], path === '' ? key : `${path}.${key}`);
    }
  }
  return `${path}: ${JSON.stringify(stored)}, not ${JSON.stringify(own)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
