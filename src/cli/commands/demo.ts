/** `aha demo`: a model learns to reason, from nothing, in minutes. */
import { Command } from 'commander';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { seed, integer } from '../option-parsers.ts';

export interface DemoFlags extends CommonFlags {
  readonly output: string;
  readonly resume?: boolean;
  readonly fresh?: boolean;
  readonly seed?: number | string;
  readonly threads?: number;
  readonly set?: readonly string[];
}

const help = `
Examples:
  $ aha demo
  $ aha demo --resume                     go on after Ctrl-C, a crash or a power cut
  $ aha demo --seed 7 --output runs/seven
  $ aha demo --json | tail -n 1 | jq .heldOutAfter

What happens: a character-level model is pre-trained on worked examples of arithmetic problems, most of which only
guess the answer; then GRPO rewards right final answers, and nothing else. Reasoning wins because it is right more
often.`;

export function demoCommand(): Command {
  const command = new Command('demo')
    .summary('a model learns to reason, from nothing, in minutes')
    .description(
      'Pre-trains a small model on guesses and worked solutions, then lets reinforcement learning choose.',
    )
    .option('-o, --output <folder>', 'where to save the run', 'runs/demo')
    .option('--resume', 'go on with the run in that folder')
    .option('--seed <seed>', 'names every random stream of the run', seed)
    .option('--threads <count>', 'threads that compute (default: all cores)', integer({ min: 1, max: 1024 }))
    .addHelpText('after', help);
  return addCommonFlags(command).action(async (flags: DemoFlags) => {
    await runCommand(flags, 'work', async (context) => {
      const { runDemo } = await import('../demo/demo.ts');
      return runDemo(flags, context);
    });
  });
}
