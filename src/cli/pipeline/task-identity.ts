/** What tells a task from another as the input of a stage: its problems, its options, and the file of a task of one's own. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { AhaError } from '../../errors.ts';
import { builtInTasks, fileOptions } from '../../task/load.ts';
import type { Problem, Split } from '../../task/problem.ts';
import type { Task } from '../../task/task.ts';
import { taskFileHash } from '../task/task-file-hash.ts';
import { hashOf } from '../../train/pipeline/plan.ts';
import { digestFile } from '../../util/digest.ts';
import { storageError } from '../../util/files.ts';

/** Problems of each level and split that tell a task from another, where they are generated without end. */
const fingerprintedProblems = 200;

/** `task` is what `name` opened with `options`. */
export async function identityOfTask(
  task: Task,
  name: string,
  options: Readonly<Record<string, unknown>>,
): Promise<string> {
  // What is in files counts, not where they are.
  const files = new Set(fileOptions(name));
  return hashOf({
    name: task.name,
    builtIn: Object.hasOwn(builtInTasks, name),
    file: (await taskFileHash(name)) ?? null,
    options: Object.fromEntries(Object.entries(options).filter(([key]) => !files.has(key))),
    problems: problemsOf(task),
  });
}

/** All problems of both splits, or the first of those that have no end, hashed. */
function problemsOf(task: Task): string {
  const hash = createHash('sha256');
  for (const split of ['train', 'heldOut'] satisfies Split[]) {
    for (const level of task.levels) {
      const size = task.size(split, level);
      const count = Number.isFinite(size) ? size : fingerprintedProblems;
      for (let index = 0; index < count; index++) {
        const problem = task.problem({ split, index, level });
        hash.update(`${split} ${level} ${textOf(problem)}\n`);
      }
    }
  }
  return hash.digest('hex');
}

/** With what it is judged by, such as tests, as far as that is data. */
function textOf(problem: Problem): string {
  try {
    return JSON.stringify(problem);
  } catch {
    // A module's own problems may hold anything; its file counts as a whole.
    return JSON.stringify([problem.prompt, problem.answer ?? null]);
  }
}

/** SHA-256. Throws `AhaError` data-not-a-file, and what reading throws. */
export async function hashOfFile(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isFile()) {
      throw new AhaError({
        code: 'data-not-a-file',
        boundary: 'data',
        what: `${path} is no file of rows`,
        expected: 'a .jsonl or .parquet file',
      });
    }
    return (await digestFile(path)).sha256;
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
}
