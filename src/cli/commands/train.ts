/** `aha train zero`: reinforcement learning on a task, straight from a model, as DeepSeek-R1-Zero was trained. */
import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { Command } from 'commander';
import { AhaError } from '../../errors.ts';
import {
  addCommonFlags,
  runCommand,
  type CommandContext,
  type CommandResult,
  type CommonFlags,
} from '../command.ts';
import { commandLine } from '../command-line.ts';
import { addRecipeFlags, recipeValue } from '../recipe/recipe-flags.ts';
import type { Recipe } from '../recipe/recipe.ts';

interface TrainFlags extends CommonFlags {
  readonly output?: string;
  readonly resume?: string;
  readonly printConfig?: boolean;
  readonly helpConfig?: boolean;
}

const help = `
Examples:
  $ aha train zero ./SmolLM2-135M-Instruct --task countdown --lora --steps 200
  $ aha train zero Qwen/Qwen2.5-0.5B --task gsm8k --prompt r1-zero --max-tokens 512
  $ aha train zero ./model.gguf --task ./my-task.mjs --output runs/mine
  $ aha train zero scratch --task arithmetic             a new small model, pre-trained on worked examples
  $ aha train zero --config recipes/countdown-lora.yaml --set kl.beta=0.01
  $ aha train zero --resume runs/mine                    go on after Ctrl-C, a crash or a power cut

Ctrl-C finishes the step, saves, and says how to go on; a second Ctrl-C quits at once. The run's folder holds its
recipe, its log, its checkpoints and, at the end, the trained model as a Hugging Face folder.`;

export function trainCommand(): Command {
  const zero = new Command('zero')
    .summary('reinforcement learning (GRPO) with rewards from a task')
    .description(
      'Trains a model on a task by GRPO: responses are sampled in groups, a program judges them, and what is better ' +
        'than the rest of its group becomes more likely.',
    )
    .argument('[model]', "a folder, a GGUF file, a run's folder, a Hub id, or scratch");
  addRecipeFlags(zero)
    .option('-o, --output <folder>', 'where to save the run (default: runs/TASK-MODEL)')
    .option('--resume <folder>', 'go on with the run in this folder')
    .option('--print-config', 'print the whole recipe in YAML, defaults filled in, and stop')
    .option('--help-config', 'list every key of a recipe, and stop')
    .addHelpText('after', help);
  addCommonFlags(zero).action(async (model: string | undefined, flags: TrainFlags) => {
    await runCommand(flags, 'work', async (context) => trainZero(model, flags, context));
  });
  return new Command('train').summary('train a model').description('Trains a model.').addCommand(zero);
}

async function trainZero(
  model: string | undefined,
  flags: TrainFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter } = context;
  if (flags.helpConfig === true) return helpConfig(context);
  const { readStoredRecipe, checkNewRunFolder, freeFolder } = await import('../runs/run-files.ts');
  const { deriveDefaults, parseRecipe } = await import('../recipe/recipe.ts');
  const { value, what } = await recipeValue({ ...flags });
  if (flags.resume !== undefined) {
    const stored = await readStoredRecipe(flags.resume);
    if (stored === undefined) throw noRun(flags.resume);
    if (model !== undefined || flags.output !== undefined) {
      throw new AhaError({
        code: 'resume-with-model',
        boundary: 'configuration',
        what: 'A resumed run has its model and its folder already',
        found: model ?? `--output ${flags.output}`,
        expected: `only --resume ${flags.resume}`,
      });
    }
    const { mergeRecipes } = await import('../recipe/recipe.ts');
    const recipe = parseRecipe(mergeRecipes(stored.recipe, value), what);
    if (flags.printConfig === true) return printConfig(recipe, context);
    return run(flags.resume, { ...stored, recipe }, context);
  }
  if (model !== undefined) value['model'] = model;
  if (typeof value['model'] !== 'string' || typeof value['task'] !== 'string') {
    const missing = typeof value['model'] === 'string' ? 'task' : 'model';
    if (value[missing] === undefined) {
      throw new AhaError({
        code: `${missing}-missing`,
        boundary: 'configuration',
        what: `No ${missing} was named`,
        expected:
          missing === 'model' ? 'a folder, a GGUF file, a Hub id, or scratch' : 'a built-in task or a file',
        fix: `For example: ${commandLine(['train', 'zero', 'scratch', '--task', 'arithmetic'])}`,
      });
    }
  }
  const recipe = await withAbsolutePaths(parseRecipe(deriveDefaults(value), what));
  if (flags.printConfig === true) return printConfig(recipe, context);
  const folder = flags.output ?? (await freeFolder('runs', runName(recipe)));
  await checkNewRunFolder(folder, (path) => commandLine(['train', 'zero', '--resume', path]));
  reporter.note(`Saving to ${folder}`);
  return run(folder, { command: 'train zero', recipe }, context);
}

async function run(
  folder: string,
  stored: { readonly command: 'train zero' | 'demo'; readonly recipe: Recipe },
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter } = context;
  const { runZero } = await import('../zero/run-zero.ts');
  const { accuracyLines, curveLines, evaluationResult } = await import('../zero/summary.ts');
  const outcome = await runZero(folder, stored, context);
  const resume = commandLine(['train', 'zero', '--resume', folder]);
  reporter.line();
  reporter.lines([...accuracyLines(outcome), ...curveLines(outcome, reporter.terminal)]);
  if (outcome.reason === 'interrupted') {
    reporter.line(`Stopped after step ${outcome.steps} of ${stored.recipe.steps} and saved. To go on:`);
    reporter.line(`  ${resume}`);
  } else {
    reporter.line(`The model is in ${outcome.model}. Next:`);
    reporter.line(`  ${commandLine(['sample', folder])}`);
    reporter.line(`  ${commandLine(['evaluate', folder, '--task', stored.recipe.task])}`);
  }
  return {
    result: {
      run: folder,
      reason: outcome.reason,
      steps: outcome.steps,
      heldOutBefore: evaluationResult(outcome.before),
      heldOutAfter: evaluationResult(outcome.after),
      seconds: outcome.seconds,
      model: outcome.model ?? null,
      ...(outcome.adapter === undefined ? {} : { adapter: outcome.adapter }),
      ...(outcome.reason === 'interrupted' ? { resume } : {}),
    },
  };
}

async function printConfig(recipe: Recipe, { reporter }: CommandContext): Promise<CommandResult> {
  const { stringify } = await import('yaml');
  reporter.write(stringify(recipe));
  return { result: { recipe } };
}

async function helpConfig({ reporter }: CommandContext): Promise<CommandResult> {
  const { recipeSchema } = await import('../recipe/recipe.ts');
  const { describeKeys } = await import('../recipe/schema-help.ts');
  const { wrapToWidth } = await import('../terminal/layout.ts');
  const keys = describeKeys(recipeSchema);
  const { colors, columns } = reporter.terminal;
  for (const { key, type, defaultValue, description } of keys) {
    const value = defaultValue === undefined ? '' : ` (default ${defaultValue})`;
    reporter.line(`${colors.bold(key)}: ${type}${value}`);
    for (const line of wrapToWidth(description, Math.min(100, columns) - 4)) reporter.line(`    ${line}`);
  }
  return { result: { keys } };
}

/** A run must find its model and its task from wherever it is resumed. Hub ids and built-in names stay. */
async function withAbsolutePaths(recipe: Recipe): Promise<Recipe> {
  const { builtInTasks } = await import('../../task/load.ts');
  const absolute = async (path: string) =>
    stat(path).then(
      () => resolve(path),
      () => path,
    );
  return {
    ...recipe,
    model: recipe.model === 'scratch' ? recipe.model : await absolute(recipe.model),
    task: Object.hasOwn(builtInTasks, recipe.task) ? recipe.task : await absolute(recipe.task),
  };
}

/** `countdown-smollm2-135m` */
function runName({ model, task }: Recipe): string {
  const short = (path: string) => basename(path, extname(path).length > 5 ? '' : extname(path));
  return `${short(task)}-${short(model)}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .slice(0, 60);
}

function noRun(folder: string): AhaError {
  return new AhaError({
    code: 'no-such-run',
    boundary: 'configuration',
    what: `There is no run in ${folder}`,
    expected: 'a folder that aha train zero has written (it holds recipe.json)',
    fix: 'Check the path.',
  });
}
