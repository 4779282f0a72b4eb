/** The texts that a model was trained on, as far as they are known: files that the user names, and the run's own task. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { AhaError } from '../../errors.ts';
import type { TrainingTexts } from '../../evaluate/contamination.ts';
import type { Task } from '../../task/task.ts';
import { storageError } from '../../util/files.ts';
import type { CommandContext } from '../command.ts';
import { openTask } from '../task/open-task.ts';
import type { Lineage } from './lineage.ts';

/** Training problems of a run that are looked at: more would take longer than the evaluation. */
const mostOfRun = 100_000;

/** undefined when nothing is known. Files that are named must be there; those of a run may be gone by now. */
export async function trainingTexts(
  named: readonly string[],
  lineage: Lineage | undefined,
  context: CommandContext,
): Promise<TrainingTexts | undefined> {
  for (const file of named) {
    // Said now, not after hours of sampling.
    await stat(file).catch((error: unknown) => {
      throw storageError(`Could not read the training data ${file}`, error);
    });
    if (!isText(file)) throw notText(file);
  }
  const ofRun: string[] = [];
  for (const file of lineage?.data ?? []) if (isText(file) && (await isFile(file))) ofRun.push(file);
  const files = [...new Set([...named, ...ofRun])];
  const task =
    lineage?.task === undefined || lineage.drawnProblems === 0
      ? undefined
      : await openTask(
          lineage.task,
          { options: lineage.taskOptions, seed: lineage.seed, check: false },
          context,
        );
  if (files.length === 0 && task === undefined) return undefined;
  return {
    sources: [
      ...files,
      ...(task === undefined ? [] : [`the training problems of the run (task ${task.name})`]),
    ],
    async *texts() {
      for (const file of files) yield* textsOfFile(file);
      if (task !== undefined) yield* problemsOfRun(task, lineage?.drawnProblems ?? 0);
    },
  };
}

function isText(file: string): boolean {
  return !/\.(?:parquet|gz|zst|zip|arrow|bin)$/i.test(file);
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

function notText(file: string): AhaError {
  return new AhaError({
    code: 'training-data-not-text',
    boundary: 'configuration',
    what: `The training data ${file} cannot be compared`,
    found: 'a packed or binary file',
    expected: 'JSON lines or text',
    fix: 'Write it as JSON lines first.',
  });
}

/** The strings of each row of JSON lines; any other text line by line. */
async function* textsOfFile(file: string): AsyncGenerator<readonly string[]> {
  try {
    const input = createReadStream(file);
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === '') continue;
      const strings: string[] = [];
      try {
        collectStrings(JSON.parse(line), strings);
      } catch {
        strings.push(line);
      }
      if (strings.length > 0) yield strings;
    }
  } catch (error) {
    throw storageError(`Could not read the training data ${file}`, error);
  }
}

function collectStrings(value: unknown, strings: string[], depth = 0): void {
  if (typeof value === 'string') strings.push(value);
  else if (typeof value === 'object' && value !== null && depth < 20) {
    for (const inner of Object.values(value)) collectStrings(inner, strings, depth + 1);
  }
}

async function* problemsOfRun(task: Task, drawn: number): AsyncGenerator<readonly string[]> {
  for (const level of [undefined, ...task.levels]) {
    const count = Math.min(task.size('train', level), drawn, mostOfRun);
    for (let index = 0; index < count; index++) {
      const { prompt } = task.problem({ split: 'train', index, ...(level === undefined ? {} : { level }) });
      yield [prompt];
    }
  }
}
