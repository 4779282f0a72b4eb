/** `aha score`: the log-probability of every token of given texts or of given token ids. */
import { Command } from 'commander';
import { AhaError } from '../../errors.ts';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { collect, integer, real } from '../option-parsers.ts';

export interface ScoreFlags extends CommonFlags {
  readonly text?: readonly string[];
  readonly file?: readonly string[];
  readonly tokens?: string;
  readonly temperature: number;
  readonly special: boolean;
  readonly threads?: number;
}

const help = `
Examples:
  $ aha score ./SmolLM2 --text "The capital of France is Paris."
  $ aha score ./SmolLM2 --file essay.txt --temperature 0.7
  $ aha score ./SmolLM2 --tokens ids.json --json      ids.json: [[1, 15043, 3186], [1, 450]]

The log-probability of a token is that of softmax(logits / temperature) given the tokens before it, in nats. The first
token of a sequence has none.`;

export function scoreCommand(): Command {
  const command = new Command('score')
    .summary('the log-probability of every token of a text')
    .description('Prints how likely a model finds each token of given texts, or of given token ids.')
    .argument('<model>', "a folder, a GGUF file, a run's folder, or a Hub id")
    .option('--text <text>', 'a text to score (repeatable)', collect)
    .option('--file <file>', 'a text file to score as one text (repeatable)', collect)
    .option('--tokens <file>', 'a JSON file with a list of token ids, or a list of such lists')
    .option('--temperature <number>', 'divides the logits', real({ min: 0, above: true }), 1)
    .option('--no-special', 'do not put the tokens around a text that the tokenizer puts there (<s>)')
    .option('--threads <count>', 'threads that compute (default: all cores)', integer({ min: 1, max: 1024 }))
    .addHelpText('after', help);
  return addCommonFlags(command).action(async (model: string, flags: ScoreFlags) => {
    await runCommand(flags, 'content', async (context) => {
      const given = (flags.text ?? []).length + (flags.file ?? []).length;
      if (given === 0 && flags.tokens === undefined) {
        throw new AhaError({
          code: 'nothing-to-score',
          boundary: 'configuration',
          what: 'There is nothing to score',
          expected: '--text, --file or --tokens',
          fix: `For example: aha score ${model} --text "Hello."`,
        });
      }
      const { scoreTexts } = await import('../score/score.ts');
      return scoreTexts(model, flags, context);
    });
  });
}
