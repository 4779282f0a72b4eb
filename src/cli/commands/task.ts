/** `aha task`: what tasks there are, what their problems look like, and whether they prove themselves. */
import { Command } from 'commander';
import { addSandboxFlags } from '../sandbox-flags.ts';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { collect, integer } from '../option-parsers.ts';

export interface TaskFlags extends CommonFlags {
  readonly set?: readonly string[];
  readonly problems: number;
  readonly form?: string;
  readonly concurrency: number;
}

const help = `
Examples:
  $ aha task list
  $ aha task show typescript-functions --problems 3
  $ aha task check countdown
  $ aha task check humaneval --set file=HumanEval.jsonl.gz --problems 164
  $ aha task check ./my-task.mjs`;

export function taskCommand(): Command {
  const list = new Command('list')
    .summary('list the built-in tasks')
    .description('Lists the built-in tasks.')
    .addHelpText('after', help);
  addCommonFlags(list).action(async (flags: CommonFlags) => {
    await runCommand(flags, 'content', async (context) => {
      const { listTasks } = await import('../task/check-task.ts');
      return listTasks(context);
    });
  });
  const show = withTaskFlags(
    new Command('show')
      .summary('print problems of a task')
      .description('Prints problems, one a line, as JSON.'),
    5,
  ).action(async (name: string, flags: TaskFlags) => {
    await runCommand(flags, 'content', async (context) => {
      const { showProblems } = await import('../task/check-task.ts');
      return showProblems(name, flags, context);
    });
  });
  const check = withTaskFlags(
    addSandboxFlags(new Command('check'))
      .summary('run the verifier on references and on corrupted ones')
      .description(
        'Proves a task: every reference must score 1, and no corrupted one may. Reports how many checks a second.',
      ),
    50,
  ).action(async (name: string, flags: TaskFlags) => {
    await runCommand(flags, 'work', async (context) => {
      const { proveTask } = await import('../task/check-task.ts');
      return proveTask(name, flags, context);
    });
  });
  return new Command('task')
    .summary('list, show and check tasks')
    .description('Lists, shows and checks tasks.')
    .addHelpText('after', help)
    .addCommand(list)
    .addCommand(show)
    .addCommand(check);
}

function withTaskFlags(command: Command, problems: number): Command {
  return addCommonFlags(
    command
      .argument('<task>', 'a built-in task or a task file')
      .option('--set <key=value>', 'an option of the task (repeatable)', collect)
      .option(
        '--problems <count>',
        'how many problems of each split and level',
        integer({ min: 1, max: 1_000_000 }),
        problems,
      )
      .option('--form <form>', 'how problems are put: raw, r1-zero or chat')
      .option('--concurrency <count>', 'responses that are judged at once', integer({ min: 1, max: 1024 }), 8)
      .addHelpText('after', help),
  );
}
