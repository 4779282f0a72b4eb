/** `aha train sft`: supervised fine-tuning on worked examples. */
import { Command } from 'commander';
import type { CommandContext, CommandResult } from '../command.ts';
import { collect, integer } from '../option-parsers.ts';
import { exampleFlags, type RecipeFlag, taskFlags } from '../recipe/recipe-flags.ts';
import type { StoredRecipe } from '../runs/run-files.ts';
import {
  absolutePath,
  absoluteTask,
  absoluteTaskOptions,
  missing,
  nameOfRun,
  trainingCommand,
  type Training,
} from './training-command.ts';

const help = `
Rows are JSON objects or Parquet rows in one of three forms:
  {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
  {"prompt": "…", "completion": "…"}        either text, or lists of messages
  {"text": "…"}
Only what the assistant says is learned; a message may say "train": true or false for itself.

Examples:
  $ aha train sft ./SmolLM2-135M --data examples.jsonl --lora --epochs 3
  $ aha train sft Qwen/Qwen3-0.6B --data hf:open-r1/OpenR1-Math-220k --set learn=last --steps 200
  $ aha train sft runs/base --data a.jsonl --data b.parquet --task arithmetic
  $ aha train sft --config recipes/sft-lora.yaml --set optimizer.learningRate=2e-5
  $ aha train sft --resume runs/sft-smollm2        go on after Ctrl-C, a crash or a power cut`;

const flags: readonly RecipeFlag[] = [
  ...taskFlags,
  ...exampleFlags,
  {
    flags: '--learn <turns>',
    key: ['learn'],
    description: 'which turns of the assistant are learned',
    choices: ['all', 'last'],
  },
  {
    flags: '--max-tokens <count>',
    key: ['maxTokens'],
    description: 'longest example (default: what the model can take)',
    parse: integer({ min: 2 }),
  },
];

export function trainSftCommand(): Command {
  const command = new Command('sft')
    .summary('supervised fine-tuning on worked examples')
    .description('Trains a model to say what the assistant says in conversations, or what completes prompts.')
    .argument('[model]', "a folder, a GGUF file, a run's folder, or a Hub id")
    .option('-d, --data <file>', 'a file of examples or hf:org/name (repeatable)', collect);
  return trainingCommand<'train sft'>(
    command,
    { commands: ['train sft'], flags, help, load },
    ([model], { data }) => ({
      ...(model === undefined ? {} : { model }),
      ...(data === undefined ? {} : { data }),
    }),
  );
}

async function load(): Promise<Training<'train sft'>> {
  const { parseSftRecipe, sftRecipeSchema } = await import('../recipe/sft-recipe.ts');
  const { withLearningRate } = await import('../recipe/recipe.ts');
  return {
    schema: sftRecipeSchema,
    parse: parseSftRecipe,
    // Adapters bear ten times the learning rate of full training (Schulman et al. 2025, "LoRA without regret").
    derive: (value) => withLearningRate(value, { lora: 1e-4 }),
    require(value) {
      const example = ['train', 'sft', './model', '--data', 'examples.jsonl'];
      if (value['model'] === undefined) throw missing('model', 'a folder, a GGUF file or a Hub id', example);
      if (value['data'] === undefined) throw missing('data', 'files of examples', example);
    },
    absolute: async (recipe) => ({
      ...recipe,
      model: await absolutePath(recipe.model),
      data: await Promise.all(recipe.data.map(absolutePath)),
      ...(recipe.task === undefined
        ? {}
        : {
            task: await absoluteTask(recipe.task),
            taskOptions: await absoluteTaskOptions(recipe.task, recipe.taskOptions),
          }),
    }),
    runName: ({ model }) => nameOfRun('sft', model),
    run,
  };
}

async function run(
  folder: string,
  stored: StoredRecipe<'train sft'>,
  context: CommandContext,
): Promise<CommandResult> {
  const { runSft } = await import('../sft/run-sft.ts');
  const { reportLearning } = await import('../sft/summary.ts');
  const outcome = await runSft(folder, stored, context);
  return reportLearning(folder, stored.command, stored.recipe.task, outcome, context.reporter);
}
