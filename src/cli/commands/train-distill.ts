/** `aha train distill`: a student learns from a teacher. */
import { Command } from 'commander';
import type { CommandContext, CommandResult } from '../command.ts';
import { collect } from '../option-parsers.ts';
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
Three different things are called distillation:
  logit      on given examples, the student's probabilities of every token move towards the teacher's. Both need the
             same tokenizer.
  text       the teacher answers problems of a task, a program keeps what is right, the student learns the texts. Any
             model will do as the teacher, behind an OpenAI-compatible endpoint as well.
  on-policy  the student answers, the teacher scores each token of the answers. Both need the same tokenizer.

Examples:
  $ aha train distill --method logit --teacher ./big --student ./small --data examples.jsonl
  $ aha train distill --method logit --teacher ./big --student ./small --data a.jsonl --set logit.topK=64 --epochs 3
  $ aha train distill --method text --teacher ./big --student ./small --task arithmetic
  $ aha train distill --method text --teacher http://127.0.0.1:8000/v1 --student ./small --task gsm8k \\
      --set text.model=qwen3-8b --set text.terms="Apache-2.0" --set text.budget.requests=5000
  $ aha train distill --method on-policy --teacher ./big --student ./small --task arithmetic --steps 100
  $ aha train distill --resume runs/distill-small        go on after Ctrl-C, a crash or a power cut`;

const flags: readonly RecipeFlag[] = [
  ...taskFlags,
  {
    flags: '--method <method>',
    key: ['method'],
    description: 'which distillation',
    choices: ['logit', 'text', 'on-policy'],
  },
  {
    flags: '--teacher <model>',
    key: ['teacher'],
    description: 'a model, or for text the address of an endpoint',
  },
  { flags: '--student <model>', key: ['model'], description: 'the model that is trained' },
  ...exampleFlags,
];

export function trainDistillCommand(): Command {
  const command = new Command('distill')
    .summary('a student learns from a teacher: by its probabilities, its texts, or its judgement')
    .description('Trains a student on what a teacher knows.')
    .option('-d, --data <file>', 'a file of examples or hf:org/name (repeatable)', collect);
  return trainingCommand<'train distill'>(
    command,
    { commands: ['train distill'], flags, help, load },
    (_, { data }) => (data === undefined ? {} : { data }),
  );
}

async function load(): Promise<Training<'train distill'>> {
  const { distillRecipeSchema, parseDistillRecipe } = await import('../recipe/distill-recipe.ts');
  const { withLearningRate } = await import('../recipe/recipe.ts');
  return {
    schema: distillRecipeSchema,
    parse: parseDistillRecipe,
    derive: (value) => withLearningRate(value, { lora: 1e-4 }),
    require(value) {
      const line = 'train distill --method text --teacher ./big --student ./small --task arithmetic';
      const example = line.split(' ');
      if (value['method'] === undefined) throw missing('method', 'logit, text or on-policy', example);
      if (value['teacher'] === undefined) throw missing('teacher', 'a model or an endpoint', example);
      if (value['model'] === undefined) throw missing('student', 'the model to train', example);
    },
    absolute: async (recipe) => ({
      ...recipe,
      model: await absolutePath(recipe.model),
      teacher: await absolutePath(recipe.teacher),
      data: await Promise.all(recipe.data.map(absolutePath)),
      ...(recipe.task === undefined
        ? {}
        : {
            task: await absoluteTask(recipe.task),
            taskOptions: await absoluteTaskOptions(recipe.task, recipe.taskOptions),
          }),
    }),
    runName: ({ model, method }) => nameOfRun('distill', method, model),
    run,
  };
}

async function run(
  folder: string,
  stored: StoredRecipe<'train distill'>,
  context: CommandContext,
): Promise<CommandResult> {
  const { runDistill } = await import('../distill/run-distill.ts');
  const { reportLearning } = await import('../sft/summary.ts');
  const outcome = await runDistill(folder, stored, context);
  return reportLearning(folder, stored.command, stored.recipe.task, outcome, context.reporter);
}
