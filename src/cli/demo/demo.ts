/**
 * The main job (`npm start`): from random numbers to a model that reasons, with what a newcomer wants to see at the
 * end: accuracy before and after, responses side by side, how reward and length went, and what to try next.
 */
import { AhaError } from '../../errors.ts';
import { printable } from '../../text/printable.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { commandLine } from '../command-line.ts';
import type { DemoFlags } from '../commands/demo.ts';
import { demoModel, demoPretraining, demoTaskOptions, demoTraining } from '../demo-settings.ts';
import { parseRecipe, type Recipe } from '../recipe/recipe.ts';
import { checkNewRunFolder, freeFolder, readStoredRecipe } from '../runs/run-files.ts';
import { sideBySide } from '../terminal/layout.ts';
import { formatDuration } from '../terminal/quantities.ts';
import { runZero } from '../zero/run-zero.ts';
import { accuracyLines, curveLines } from '../zero/summary.ts';
import { responsePairs } from './response-pairs.ts';

/** Responses that are shown side by side. */
const shownPairs = 4;

export function demoRecipe(flags: Pick<DemoFlags, 'seed' | 'threads'>): Recipe {
  return parseRecipe(
    {
      ...demoTraining,
      model: 'scratch',
      task: 'arithmetic',
      taskOptions: demoTaskOptions,
      prompt: 'raw',
      scratch: { ...demoModel, pretrain: demoPretraining },
      ...(flags.seed === undefined ? {} : { seed: flags.seed }),
      ...(flags.threads === undefined ? {} : { engine: { threads: flags.threads } }),
    },
    'The settings of the demo',
  );
}

export async function runDemo(flags: DemoFlags, context: CommandContext): Promise<CommandResult> {
  const { reporter } = context;
  const { folder, recipe } = await placeRun(flags, context);
  const { colors } = reporter.terminal;
  reporter.line(colors.bold('A model learns to reason, from nothing.'));
  reporter.line('First it imitates guesses and worked solutions; then only right answers are rewarded.');
  reporter.line();
  const outcome = await runZero(folder, { command: 'demo', recipe }, context);
  const { before, after } = outcome;
  if (outcome.reason === 'interrupted') {
    const resume = resumeCommand(folder, context);
    reporter.line();
    reporter.line('Stopped and saved. To go on:');
    reporter.line(`  ${resume}`);
    return {
      result: { reason: 'interrupted', run: folder, steps: outcome.steps, seconds: outcome.seconds, resume },
    };
  }
  if (before === undefined || after === undefined || outcome.model === undefined) {
    throw new AhaError({
      code: 'demo-without-evaluation',
      boundary: 'configuration',
      what: 'The demo was run without an evaluation, so that there is nothing to show',
      fix: 'Keep evaluation.problems above 0 in the settings of the demo.',
    });
  }
  const pairs = await responsePairs(folder, shownPairs);
  const { columns } = reporter.terminal;
  reporter.line();
  for (const { prompt, before: first, after: last } of pairs) {
    reporter.line(colors.bold(printable(prompt)));
    const titled = (when: string, { response, reward }: { response: string; reward: number | null }) => ({
      title: `${when}: ${reward === 1 ? 'right' : 'wrong'}`,
      text: printable(response).trim(),
    });
    reporter.lines(sideBySide(titled('before', first), titled('after', last), Math.min(columns - 1, 100), 6));
    reporter.line();
  }
  reporter.lines([...accuracyLines(outcome), '', ...curveLines(outcome, reporter.terminal), '']);
  reporter.line(`Done in ${formatDuration(outcome.seconds)}. The model is in ${outcome.model}. Try next:`);
  reporter.line(`  ${commandLine(['sample', folder, pairs[0]?.prompt ?? '3+4-2='])}`);
  reporter.line(`  ${commandLine(['evaluate', folder, '--task', recipe.task, '--samples', '8'])}`);
  reporter.line(`  ${commandLine(['train', 'zero', '--help'])}`);
  return {
    result: {
      heldOutBefore: before.accuracy,
      heldOutAfter: after.accuracy,
      lengthBefore: before.lengthMean,
      lengthAfter: after.lengthMean,
      seconds: outcome.seconds,
      model: outcome.model,
      heldOutBeforeInterval: [before.accuracyLow, before.accuracyHigh],
      heldOutAfterInterval: [after.accuracyLow, after.accuracyHigh],
      problems: after.problems,
      steps: outcome.steps,
      run: folder,
    },
  };
}

/** Which folder the run is in. A finished demo is kept: the next one gets a folder of its own. */
async function placeRun(
  flags: DemoFlags,
  context: CommandContext,
): Promise<{ readonly folder: string; readonly recipe: Recipe }> {
  const { reporter } = context;
  if (flags.resume === true) {
    const stored = await readStoredRecipe(flags.output);
    if (stored?.command === 'demo') return { folder: flags.output, recipe: stored.recipe };
    throw new AhaError({
      code: 'no-such-run',
      boundary: 'configuration',
      what: `There is no demo to go on with in ${flags.output}`,
      fix: 'Name its folder with --output, or leave --resume out to start one.',
    });
  }
  const isDefault = flags.output === 'runs/demo';
  const folder = isDefault ? await freeFolder('runs', 'demo') : flags.output;
  await checkNewRunFolder(folder, (path) => resumeCommand(path, context));
  reporter.note(`Saving to ${folder}`);
  return { folder, recipe: demoRecipe(flags) };
}

/** `npm start -- --resume` for whom `npm start` was the beginning. */
function resumeCommand(folder: string, { environment }: CommandContext): string {
  const rest = ['--resume', ...(folder === 'runs/demo' ? [] : ['--output', folder])];
  return environment['npm_lifecycle_event'] === 'start'
    ? commandLine(['--', ...rest], 'npm start')
    : commandLine(['demo', ...rest]);
}
