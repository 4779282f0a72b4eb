/**
 * Tasks by name or by file. Whatever is loaded is checked before it is handed out (`check.ts`): a task whose own
 * reference does not score 1 is refused.
 */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { AhaError } from '../errors.ts';
import type { HubOptions } from '../hub/client.ts';
import { nearestWord } from '../util/schema.ts';
import { arithmeticSchema, arithmeticTask } from './arithmetic.ts';
import { bouncingBallSchema, bouncingBallTask } from './bouncing-ball.ts';
import { builtIn, type BuiltInTask } from './built-in.ts';
import { checkTask, type CheckOptions } from './check.ts';
import { countdownSchema, countdownTask } from './countdown.ts';
import { describedTask, rowsTask } from './file-task.ts';
import { gsm8kSchema, gsm8kTask } from './gsm8k.ts';
import { mathTask, mathTaskSchema } from './math.ts';
import { humanEvalSchema, humanEvalTask } from './humaneval.ts';
import { mbppSchema, mbppTask } from './mbpp.ts';
import { moduleTask } from './module-task.ts';
import { proceduralTasks } from './procedural/procedural-tasks.ts';
import type { Task, TaskOptions } from './task.ts';
import { typeScriptFunctionsSchema, typeScriptFunctionsTask } from './typescript-functions.ts';

export type { BuiltInTask } from './built-in.ts';

export const builtInTasks: Readonly<Record<string, BuiltInTask>> = Object.fromEntries(
  [
    builtIn(
      'arithmetic',
      'Integer expressions of several steps, made for models trained from nothing.',
      arithmeticSchema,
      arithmeticTask,
    ),
    builtIn(
      'countdown',
      'Reach a target with given numbers and + - * /, each number used once.',
      countdownSchema,
      countdownTask,
    ),
    builtIn(
      'gsm8k',
      'Grade school word problems from a file or the Hub, judged by the final number.',
      gsm8kSchema,
      gsm8kTask,
      ['train', 'heldOut'],
    ),
    builtIn(
      'math',
      'Competition mathematics in the format of MATH from files or the Hub, judged by the final answer.',
      mathTaskSchema,
      mathTask,
      ['train', 'heldOut'],
    ),
    builtIn(
      'humaneval',
      'Python functions from their documentation, from a file or the Hub, judged by unit tests.',
      humanEvalSchema,
      humanEvalTask,
      ['file'],
    ),
    builtIn(
      'mbpp',
      'Small Python programs from a sentence, from a file or the Hub, judged by assertions.',
      mbppSchema,
      mbppTask,
      ['file'],
    ),
    builtIn(
      'typescript-functions',
      'Generated TypeScript functions, judged by the compiler and by tests.',
      typeScriptFunctionsSchema,
      typeScriptFunctionsTask,
    ),
    builtIn(
      'bouncing-ball',
      'A TypeScript function that simulates a ball in a convex polygon, judged law by law.',
      bouncingBallSchema,
      bouncingBallTask,
    ),
    ...proceduralTasks,
  ].map((task) => [task.name, task]),
);

export interface LoadTaskOptions extends TaskOptions {
  /** The task's own options. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** How thoroughly to check it; false only where the same task has just been checked. */
  readonly check?: CheckOptions | false;
  /** How data sets on the Hub are downloaded, and who is told how far it is. Default: nobody. */
  readonly hub?: HubOptions;
}

/** A built-in task by its name, or a task file: .ts, .mts, .js, .mjs, .cjs, .yaml, .yml, .json or .jsonl. */
export async function loadTask(nameOrPath: string, options: LoadTaskOptions = {}): Promise<Task> {
  const { options: own = {}, check = {}, hub, ...taskOptions } = options;
  const task = (await open(nameOrPath, own, hub)).configure(taskOptions);
  if (check !== false) await checkTask(task, check);
  return task;
}

/** The options of a task that name files: paths from the folder that one is in, or data sets on the Hub. */
export function fileOptions(nameOrPath: string): readonly string[] {
  if (Object.hasOwn(builtInTasks, nameOrPath)) return builtInTasks[nameOrPath]!.files ?? [];
  return /\.(?:jsonl|ndjson)$/i.test(nameOrPath) ? ['heldOut'] : [];
}

async function open(
  nameOrPath: string,
  own: Readonly<Record<string, unknown>>,
  hub: HubOptions | undefined,
): Promise<Task> {
  if (Object.hasOwn(builtInTasks, nameOrPath)) return builtInTasks[nameOrPath]!.create(own, hub);
  switch (extname(nameOrPath).toLowerCase()) {
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
    case '.cjs':
      return moduleTask(nameOrPath, own);
    case '.jsonl':
    case '.ndjson':
      return rowsTask(nameOrPath, own, hub);
    case '.yaml':
    case '.yml':
    case '.json':
      if (Object.keys(own).length > 0) {
        throw new AhaError({
          code: 'invalid-configuration',
          boundary: 'task',
          what: `Task file ${nameOrPath} takes no options`,
          found: Object.keys(own).join(', '),
          expected: 'no options',
          fix: 'Write them into the file.',
        });
      }
      return describedTask(nameOrPath, hub);
    default: {
      const known = Object.keys(builtInTasks);
      const nearest = nearestWord(nameOrPath, known);
      const exists = existsSync(nameOrPath);
      throw new AhaError({
        code: 'task-unknown',
        boundary: 'task',
        what: exists ? `${nameOrPath} is no task file` : 'There is no such task',
        found: nameOrPath,
        expected: `${known.join(', ')}, or a file that ends in .ts, .js, .mjs, .yaml or .jsonl`,
        ...(nearest === undefined ? {} : { fix: `Did you mean ${nearest}?` }),
      });
    }
  }
}
