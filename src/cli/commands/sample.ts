/** `aha sample`: ask a model. */
import { Command, Option } from 'commander';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { collect, integer, real, seed } from '../option-parsers.ts';

export interface SampleFlags extends CommonFlags {
  readonly prompt?: 'auto' | 'raw' | 'r1-zero' | 'chat';
  readonly system?: string;
  readonly raw?: boolean;
  readonly maxTokens: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly stop?: readonly string[];
  readonly count: number;
  readonly seed: number | string;
  readonly threads?: number;
}

const help = `
Examples:
  $ aha sample ./SmolLM2-135M-Instruct                       a conversation
  $ aha sample ./SmolLM2-135M-Instruct "What is 7 times 6?"
  $ aha sample runs/demo "3+4-2="                            the model of a run
  $ aha sample ./model.gguf --raw "Once upon a time" --temperature 0.9 --max-tokens 200
  $ cat question.txt | aha sample Qwen/Qwen3-0.6B --json | jq -r .text

Without a prompt a terminal gets a conversation; otherwise the prompt is read from standard input. Reasoning between
<think> tags is shown dimmed. Without sampling flags those of the model's generation_config.json are used, if it says
that it is to be sampled from, else temperature 0.7.`;

export function sampleCommand(): Command {
  const command = new Command('sample')
    .summary('ask a model')
    .description('Puts a prompt to a model and prints what it says while it says it.')
    .argument('<model>', "a folder, a GGUF file, a run's folder, or a Hub id")
    .argument('[prompt]', 'what to say to it')
    .option('--system <text>', 'the system message')
    .option('--raw', 'continue the prompt as it is, without chat template (same as --prompt raw)')
    .addOption(
      new Option('--prompt <form>', 'how the prompt is put to the model').choices([
        'auto',
        'raw',
        'r1-zero',
        'chat',
      ]),
    )
    .option(
      '-m, --max-tokens <count>',
      'tokens after which the response is cut off',
      integer({ min: 1 }),
      1024,
    )
    .option('--temperature <number>', 'divides the logits; 0 takes the most likely token', real({ min: 0 }))
    .option('--top-k <count>', 'keep the k most likely tokens (0: all)', integer({ min: 0 }))
    .option(
      '--top-p <share>',
      'keep the smallest set of tokens with this probability',
      real({ min: 0, above: true, max: 1 }),
    )
    .option('--min-p <share>', 'drop tokens below this share of the most likely', real({ min: 0, max: 1 }))
    .option('--stop <text>', 'end the response at this text (repeatable)', collect)
    .option('-n, --count <count>', 'responses to draw', integer({ min: 1, max: 1024 }), 1)
    .option('--seed <seed>', 'draws the same again', seed, 0)
    .option('--threads <count>', 'threads that compute (default: all cores)', integer({ min: 1, max: 1024 }))
    .addHelpText('after', help);
  return addCommonFlags(command).action(
    async (model: string, prompt: string | undefined, flags: SampleFlags) => {
      await runCommand(flags, 'content', async (context) => {
        const { sample } = await import('../sample/sample.ts');
        return sample(model, prompt, flags, context);
      });
    },
  );
}
