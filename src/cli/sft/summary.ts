/** What a run of supervised steps says at its end: held-out loss and accuracy before and after, and what to do next. */
import type { LearnEvaluation } from '../../train/events.ts';
import type { CommandResult } from '../command.ts';
import { commandLine } from '../command-line.ts';
import type { RunCommand } from '../runs/run-files.ts';
import type { Reporter } from '../terminal/reporter.ts';
import { describeEvaluation } from '../terminal/steps-view.ts';
import { evaluationResult } from '../zero/summary.ts';
import type { LearnOutcome } from './learn-run.ts';

export function reportLearning(
  folder: string,
  command: RunCommand,
  task: string | undefined,
  outcome: LearnOutcome,
  reporter: Reporter,
): CommandResult {
  const before = outcome.evaluations[0]?.metrics;
  const after = outcome.evaluations.at(-1)?.metrics;
  const resume = commandLine([...command.split(' '), '--resume', folder]);
  reporter.line();
  if (before !== undefined && after !== undefined) {
    reporter.line(`before          ${describeEvaluation(before)}`);
    reporter.line(`after ${`${outcome.steps} steps`.padEnd(9)} ${describeEvaluation(after)}`);
  }
  if (outcome.reason === 'interrupted') {
    reporter.line(`Stopped after ${outcome.steps} steps and saved. To go on:`);
    reporter.line(`  ${resume}`);
  } else {
    reporter.line(`The model is in ${outcome.model}. Next:`);
    reporter.line(`  ${commandLine(['sample', folder])}`);
    if (task !== undefined) reporter.line(`  ${commandLine(['evaluate', folder, '--task', task])}`);
  }
  return {
    result: {
      run: folder,
      reason: outcome.reason,
      steps: outcome.steps,
      loss: outcome.loss,
      heldOutBefore: recordOf(before),
      heldOutAfter: recordOf(after),
      seconds: outcome.seconds,
      ...outcome.counts,
      model: outcome.model ?? null,
      ...(outcome.adapter === undefined ? {} : { adapter: outcome.adapter }),
      ...(outcome.reason === 'interrupted' ? { resume } : {}),
    },
  };
}

function recordOf(evaluation: LearnEvaluation | undefined): Readonly<Record<string, unknown>> | null {
  if (evaluation === undefined) return null;
  return { loss: evaluation.loss, task: evaluationResult(evaluation.task ?? undefined) };
}
