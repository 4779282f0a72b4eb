/** The tasks that an evaluation was asked for, with their options and their numbers of problems. */
import { AhaError } from '../../errors.ts';
import type { EvaluateOptions } from '../../evaluate/evaluate.ts';
import { builtInTasks } from '../../task/load.ts';
import { taskFileHash } from '../task/task-file-hash.ts';
import type { PromptForm } from '../../task/presentation.ts';
import type { Task } from '../../task/task.ts';
import { divide } from '../terminal/bar.ts';
import type { CommandContext } from '../command.ts';
import { openTask } from '../task/open-task.ts';
import type { EvaluateFlags } from '../commands/evaluate.ts';
import { parseSetting, setAt, type ConfigValue } from '../recipe/config-file.ts';
import type { Lineage } from './lineage.ts';

export interface NamedTask {
  readonly task: Task;
  readonly count: number;
  /** JSON: what else it depends on. */
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Loads and checks the tasks. For a model that a run has made, the task of the run stands in when none is named, and
 * the options of the run hold for its task unless others are set.
 */
export async function loadTasks(
  flags: EvaluateFlags,
  lineage: Lineage | undefined,
  context: CommandContext,
): Promise<NamedTask[]> {
  const names = flags.task ?? (lineage?.task === undefined ? [] : [lineage.task]);
  if (names.length === 0) {
    throw new AhaError({
      code: 'task-missing',
      boundary: 'configuration',
      what: 'No task was named',
      expected: `--task with ${Object.keys(builtInTasks).slice(0, 6).join(', ')}, …, or a file`,
      fix: 'For example: aha evaluate ./model --task arithmetic',
    });
  }
  const settings = taskSettings(flags.set ?? [], names);
  const counts = problemCounts(flags, names.length);
  return Promise.all(
    names.map(async (name, index) => {
      const own = settings.get(name) ?? {};
      const ofRun = lineage?.task === name && Object.keys(own).length === 0;
      const options = ofRun ? lineage.taskOptions : own;
      const seed = lineage?.seed;
      const task = await openTask(name, { options, ...(seed === undefined ? {} : { seed }) }, context);
      const sha256 = await taskFileHash(name);
      const details = { options, ...(sha256 === undefined ? {} : { sha256 }) };
      return { task, count: counts[index]!, details };
    }),
  );
}

/** The tasks as `evaluate` takes them, in the form that suits the model. */
export function taskShares(
  tasks: readonly NamedTask[],
  form: PromptForm,
  flags: EvaluateFlags,
): EvaluateOptions['tasks'] {
  return tasks.map(({ task, count, details }) => ({
    task: task.configure({ form }),
    count,
    level: flags.level,
    split: flags.split,
    details,
  }));
}

/** `countdown.numbers=4`, or `numbers=4` where there is one task. */
function taskSettings(settings: readonly string[], names: readonly string[]): Map<string, ConfigValue> {
  const values = new Map<string, ConfigValue>();
  for (const setting of settings) {
    const { path, value } = parseSetting(setting);
    const named = path.length > 1 ? names.find((name) => name === path[0]) : undefined;
    const target = named ?? (names.length === 1 ? names[0] : undefined);
    if (target === undefined) {
      throw new AhaError({
        code: 'task-unknown',
        boundary: 'configuration',
        what: 'An option is for none of the tasks',
        found: setting,
        expected: names.map((name) => `${name}.KEY=VALUE`).join(', '),
      });
    }
    const own = values.get(target) ?? {};
    setAt(own, named === undefined ? path : path.slice(1), value);
    values.set(target, own);
  }
  return values;
}

function problemCounts({ problems, weights }: EvaluateFlags, tasks: number): number[] {
  const wrong = (what: string, found: number) =>
    new AhaError({
      code: 'mixture-mismatch',
      boundary: 'configuration',
      what,
      found: `${found} for ${tasks} tasks`,
      expected: 'one number for each task',
    });
  if (problems.length > 1 && problems.length !== tasks)
    throw wrong('--problems does not fit', problems.length);
  if (weights === undefined) return Array.from({ length: tasks }, (_, i) => problems[i] ?? problems[0]!);
  if (weights.length !== tasks) throw wrong('--weights does not fit', weights.length);
  const total = problems.length === 1 ? problems[0]! : problems.reduce((sum, one) => sum + one, 0);
  return divide(weights, total).map((count) => Math.max(1, count));
}
