/** The texts that a model was trained on, as far as they are known: files that the user names, and the run's own task. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { TrainingTexts } from '../../evaluate/contamination.ts';
import { loadTask } from '../../task/load.ts';
import type { Task } from '../../task/task.ts';
import { storageError } from '../../util/files.ts';
import type { Recipe } from '../recipe/recipe.ts';

/** Training problems of a run that are looked at: more would take longer than the evaluation. */
const mostOfRun = 100_000;

/** undefined when nothing is known. */
export async function trainingTexts(
  files: readonly string[],
  recipe: Recipe | undefined,
): Promise<TrainingTexts | undefined> {
  if (files.length === 0 && recipe === undefined) return undefined;
  for (const file of files) {
    // Said now, not after hours of sampling.
    await stat(file).catch((error: unknown) => {
      throw storageError(`Could not read the training data ${file}`, error);
    });
  }
  const task =
    recipe === undefined
      ? undefined
      : await loadTask(recipe.task, { options: recipe.taskOptions, seed: recipe.seed, check: false });
  return {
    sources: [
      ...files,
      ...(task === undefined ? [] : [`the training problems of the run (task ${task.name})`]),
    ],
    async *texts() {
      for (const file of files) yield* textsOfFile(file);
      if (task !== undefined && recipe !== undefined) {
        yield* problemsOfRun(task, recipe.steps * recipe.problemsPerStep);
      }
    },
  };
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
