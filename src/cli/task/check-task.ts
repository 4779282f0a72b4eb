/** Lists tasks, shows their problems, and proves them on their own references and on corrupted ones. */
import { AhaError } from '../../errors.ts';
import { checkTask } from '../../task/check.ts';
import { builtInTasks } from '../../task/load.ts';
import type { Problem, ProblemAddress } from '../../task/problem.ts';
import type { Task } from '../../task/task.ts';
import { printable } from '../../text/printable.ts';
import { randomStream } from '../../util/random.ts';
import { accuracyOf } from '../../verify/verdict.ts';
import { openTask } from './open-task.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import type { TaskFlags } from '../commands/task.ts';
import { exitCodes } from '../exit-codes.ts';
import { parseOptions } from '../verify/verify-rows.ts';
import { corruptionsOf } from './corruptions.ts';

export function listTasks({ reporter }: CommandContext): CommandResult {
  const tasks = Object.values(builtInTasks).map(({ name, description }) => ({ name, description }));
  const width = Math.max(...tasks.map(({ name }) => name.length));
  for (const { name, description } of tasks) reporter.line(`${name.padEnd(width)}  ${description}`);
  return { result: { tasks } };
}

export async function showProblems(
  name: string,
  flags: TaskFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter } = context;
  const task = await open(name, flags, context);
  const problems = problemsOf(task, flags.problems).map(({ problem }) => problem);
  for (const problem of problems) {
    reporter.line(
      JSON.stringify({ problem, prompt: task.prompt(problem), reference: task.reference(problem) ?? null }),
    );
  }
  return { result: { task: task.name, problems: problems.length } };
}

export async function proveTask(
  name: string,
  flags: TaskFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter, interruption, clock } = context;
  const task = await open(name, flags, context);
  await checkTask(task, { perLevel: 2, budget: 5000, signal: interruption.signal });
  const found = problemsOf(task, flags.problems);
  const { signal } = interruption;
  const failures: { readonly kind: string; readonly prompt: string; readonly verdict: unknown }[] = [];
  const failedVerdicts: string[] = [];
  const tally: Record<string, { checked: number; right: number }> = {};
  let checks = 0;
  const references = found.map(({ problem }) => task.reference(problem));
  const start = clock.monotonic();
  const progress = reporter.progress({ label: `Checking ${task.name}`, total: found.length });
  let done = 0;
  const one = async (index: number) => {
    const { problem } = found[index]!;
    const reference = references[index];
    if (reference !== undefined) {
      // Another problem may have the same answer.
      const other = references.find(
        (text, at) =>
          text !== undefined && text !== reference && found[at]!.problem.answer !== problem.answer,
      );
      const own = task.corrupted(problem, randomStream(task.seed, 'corrupted', index));
      const responses: (readonly [string, string | undefined])[] = [
        ['reference', reference],
        ...corruptionsOf(reference, { other, own }),
      ];
      for (const [kind, response] of responses) {
        if (response === undefined || (kind !== 'reference' && response === reference)) continue;
        const verdict = await task.verify(problem, response, { signal, finish: 'stop' });
        checks++;
        const entry = (tally[kind] ??= { checked: 0, right: 0 });
        entry.checked++;
        if (verdict.outcome === 'failed')
          failedVerdicts.push(`${kind}: ${verdict.boundary}: ${verdict.reason}`);
        const full = verdict.outcome === 'scored' && accuracyOf(verdict) === 1;
        if (full === (kind === 'reference')) entry.right++;
        else failures.push({ kind, prompt: problem.prompt.slice(0, 200), verdict });
      }
    }
    progress.update(++done);
  };
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(flags.concurrency, found.length) }, async () => {
      while (next < found.length && !signal.aborted) await one(next++);
    }),
  );
  signal.throwIfAborted();
  progress.finish();
  const seconds = (clock.monotonic() - start) / 1000;
  for (const [kind, { checked, right }] of Object.entries(tally)) {
    const says = kind === 'reference' ? 'score 1' : 'do not score 1';
    reporter.line(`${kind.padEnd(34)} ${right} of ${checked} ${says}`);
  }
  reporter.line(`${checks} checks in ${seconds.toFixed(1)} s: ${(checks / seconds).toFixed(1)} a second`);
  for (const { kind, prompt, verdict } of failures.slice(0, 10)) {
    reporter.line(
      `  ${kind}: ${printable(JSON.stringify(prompt))}: ${printable(JSON.stringify(verdict)).slice(0, 400)}`,
    );
  }
  if (failedVerdicts.length > 0) {
    reporter.line(
      `${failedVerdicts.length} checks reached no verdict; the first: ${printable(failedVerdicts[0]!)}`,
    );
  }
  // A corrupted answer may happen to be right (half of a list of one, another way to write a number): people look.
  const broken = (tally['reference']?.checked ?? 0) !== (tally['reference']?.right ?? 0);
  const proved = !broken && failures.length === 0 && failedVerdicts.length === 0;
  return {
    result: {
      task: task.name,
      proved,
      checks,
      seconds,
      perSecond: checks / seconds,
      tally,
      failures: failures.slice(0, 50),
    },
    ...(proved ? {} : { exitCode: exitCodes.failure }),
  };
}

async function open(name: string, flags: TaskFlags, context: CommandContext): Promise<Task> {
  const form = flags.form;
  if (form !== undefined && form !== 'raw' && form !== 'r1-zero' && form !== 'chat') {
    throw new AhaError({
      code: 'invalid-option',
      boundary: 'configuration',
      what: 'There is no such form',
      found: form,
      expected: 'raw, r1-zero or chat',
    });
  }
  const options = parseOptions(flags.set ?? []);
  return openTask(name, { options, check: false, ...(form === undefined ? {} : { form }) }, context);
}

/** Up to `count` problems of each split, and of each level of a generator. */
function problemsOf(
  task: Task,
  count: number,
): { readonly address: ProblemAddress; readonly problem: Problem }[] {
  const addresses: ProblemAddress[] = [];
  for (const split of ['heldOut', 'train'] as const) {
    if (Number.isFinite(task.size(split))) {
      for (let index = 0; index < Math.min(count, task.size(split)); index++)
        addresses.push({ split, index });
    } else {
      for (const level of task.levels) {
        for (let index = 0; index < count; index++) addresses.push({ split, index, level });
      }
    }
  }
  return addresses.map((address) => ({ address, problem: task.problem(address) }));
}
