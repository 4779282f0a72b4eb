/** `aha pipeline`: staged recipes, run and shown. `aha train r1` is the same under the name of its most famous one. */
import { Command } from 'commander';
import { addSandboxFlags } from '../sandbox-flags.ts';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { collect, integer, seed } from '../option-parsers.ts';
import type { PipelineFlags } from '../pipeline/run.ts';

const help = `
A recipe is YAML: named stages in order (pretrain, cold-start, sft, grpo, rejection-sample, merge-data, distill,
evaluate), each with its inputs, settings and, if asked, a gate. What a stage makes is kept under the hash of everything
that made it. The same command goes on after Ctrl-C, a crash or a changed recipe, and runs only what is missing.

Examples:
  $ aha train r1 recipes/r1.yaml                       the R1 recipe, small, from nothing
  $ aha pipeline run recipes/zero.yaml --set stages.rl.settings.steps=60
  $ aha pipeline show recipes/r1.yaml                  the graph with states, times and scores
  $ aha pipeline show runs/r1`;

type Flags = CommonFlags & PipelineFlags;

function addPipelineFlags(command: Command): Command {
  return addCommonFlags(
    command
      .option('-o, --output <folder>', 'where everything is kept (default: runs/NAME of the recipe)')
      .option(
        '--set <key=value>',
        'change a key of the recipe, such as stages.rl.settings.steps=60 (repeatable)',
        collect,
      )
      .option('--seed <seed>', 'names every random stream of the run', seed)
      .option(
        '--threads <count>',
        'threads that compute (default: all cores)',
        integer({ min: 1, max: 1024 }),
      )
      .addHelpText('after', help),
  );
}

function runner(command: Command, words: readonly string[]): Command {
  return addSandboxFlags(addPipelineFlags(command.argument('<recipe>', 'a YAML file'))).action(
    async (recipe: string, flags: Flags) => {
      await runCommand(flags, 'work', async (context) => {
        const { runPipelineCommand } = await import('../pipeline/run.ts');
        return runPipelineCommand(recipe, flags, words, context);
      });
    },
  );
}

/** `aha train r1 RECIPE` */
export function trainR1Command(): Command {
  return runner(
    new Command('r1')
      .summary('a staged recipe: cold start, reinforcement, rejection sampling, distillation')
      .description(
        'Runs a recipe of stages, such as that of DeepSeek-R1, and goes on with one that was interrupted.',
      ),
    ['train', 'r1'],
  );
}

export function pipelineCommand(): Command {
  const show = addPipelineFlags(
    new Command('show')
      .summary('draw the graph of a recipe with states, times and scores')
      .description('Draws the graph of a recipe with the state, time and score of each stage.')
      .argument('<recipe>', 'a YAML file, or the folder of a run'),
  ).action(async (recipe: string, flags: Flags) => {
    await runCommand(flags, 'content', async (context) => {
      const { showPipeline } = await import('../pipeline/show.ts');
      return showPipeline(recipe, flags, context);
    });
  });
  return new Command('pipeline')
    .summary('run and show recipes of several stages')
    .description('Recipes of several stages, each run once and kept.')
    .addCommand(
      runner(
        new Command('run')
          .summary('run a recipe, or go on with it')
          .description('Runs a recipe, or goes on with it.'),
        ['pipeline', 'run'],
      ),
    )
    .addCommand(show);
}
