/** `aha verify`: runs any verifier over rows, to debug a reward without a model. */
import { Command } from 'commander';
import { addSandboxFlags } from '../sandbox-flags.ts';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { collect, integer } from '../option-parsers.ts';

export interface VerifyFlags extends CommonFlags {
  readonly file?: string;
  readonly set?: readonly string[];
  readonly list?: boolean;
  readonly concurrency: number;
}

const help = `
Examples:
  $ aha verify math < rows.jsonl                       rows: {"reference": "1/2", "response": "so it is 0.5"}
  $ aha verify python --set scoring=all < rows.jsonl   rows: {"tests": {"kind": "assertions", …}, "response": "…"}
  $ aha verify countdown < rows.jsonl                  a task's own verifier; rows: {"problem": {…}, "response": "…"}
  $ aha verify ./my-task.mjs --file rows.jsonl
  $ aha verify --list

Prints one verdict a line as JSON, with the line number of its row. A row that cannot be read gives a line with an error
and counts; the exit status is then 1.`;

export function verifyCommand(): Command {
  const command = new Command('verify')
    .summary('run a verifier over rows of responses')
    .description('Judges the responses of a JSONL file, one verdict a line.')
    .argument('[verifier]', 'a verifier (see --list), a built-in task, or a task file')
    .option('--file <file>', 'the rows; default: standard input')
    .option('--set <key=value>', 'an option of the verifier or of the task (repeatable)', collect)
    .option('--concurrency <count>', 'rows that are judged at once', integer({ min: 1, max: 1024 }), 16)
    .option('--list', 'list the verifiers, and stop')
    .addHelpText('after', help);
  return addCommonFlags(addSandboxFlags(command)).action(
    async (name: string | undefined, flags: VerifyFlags) => {
      await runCommand(flags, 'content', async (context) => {
        const { listVerifiers, verifyRows } = await import('../verify/verify-rows.ts');
        return flags.list === true ? listVerifiers(context) : verifyRows(name, flags, context);
      });
    },
  );
}
