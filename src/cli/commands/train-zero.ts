/** `aha train zero`: reinforcement learning on a task, straight from a model, as DeepSeek-R1-Zero was trained. */
import { Command } from 'commander';
import type { CommandContext, CommandResult } from '../command.ts';
import { commandLine } from '../command-line.ts';
import type { StoredRecipe } from '../runs/run-files.ts';
import { zeroFlags } from '../zero/zero-flags.ts';
import {
  absolutePath,
  absoluteTask,
  absoluteTaskOptions,
  missing,
  nameOfRun,
  trainingCommand,
  type Training,
} from './training-command.ts';

type ZeroCommand = 'train zero' | 'demo';

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

export function trainZeroCommand(): Command {
  const command = new Command('zero')
    .summary('reinforcement learning (GRPO) with rewards from a task')
    .description(
      'Trains a model on a task by GRPO: responses are sampled in groups, a program judges them, and what is better ' +
        'than the rest of its group becomes more likely.',
    )
    .argument('[model]', "a folder, a GGUF file, a run's folder, a Hub id, or scratch");
  return trainingCommand<ZeroCommand>(
    command,
    { commands: ['train zero', 'demo'], flags: zeroFlags, help, load },
    ([model]) => (model === undefined ? {} : { model }),
  );
}

async function load(): Promise<Training<ZeroCommand>> {
  const { deriveDefaults, parseRecipe, recipeSchema } = await import('../recipe/recipe.ts');
  return {
    schema: recipeSchema,
    parse: parseRecipe,
    derive: deriveDefaults,
    require(value) {
      const example = ['train', 'zero', 'scratch', '--task', 'arithmetic'];
      if (value['model'] === undefined) {
        throw missing('model', 'a folder, a GGUF file, a Hub id, or scratch', example);
      }
      if (value['task'] === undefined) throw missing('task', 'a built-in task or a file', example);
    },
    absolute: async (recipe) => ({
      ...recipe,
      model: recipe.model === 'scratch' ? recipe.model : await absolutePath(recipe.model),
      task: await absoluteTask(recipe.task),
      taskOptions: await absoluteTaskOptions(recipe.task, recipe.taskOptions),
      ...(recipe.solveRates === undefined
        ? {}
        : { solveRates: { ...recipe.solveRates, file: await absolutePath(recipe.solveRates.file) } }),
    }),
    runName: ({ model, task }) => nameOfRun(task, model),
    run,
  };
}

async function run(
  folder: string,
  stored: StoredRecipe<ZeroCommand>,
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
