/** The command line: which commands there are, and what happens to arguments that make no sense. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { exportCommand } from './commands/export.ts';
import { sampleCommand } from './commands/sample.ts';
import { scoreCommand } from './commands/score.ts';
import { taskCommand } from './commands/task.ts';
import { trainCommand } from './commands/train.ts';
import { verifyCommand } from './commands/verify.ts';
import { pipelineCommand } from './commands/pipeline.ts';
import { exitCodes } from './exit-codes.ts';

const help = `
Examples:
  $ aha demo                                             a model learns to reason, from nothing, in minutes
  $ aha train zero ./SmolLM2 --task countdown --lora     reinforcement learning on a checkpoint of yours
  $ aha sample ./SmolLM2 "What is 7 * 6?"                ask a model
  $ aha evaluate runs/demo --task arithmetic             how good is it?
  $ aha export runs/demo --to model                      a folder for transformers and llama.cpp
  $ aha doctor                                           what can this machine run?

Every command has --help with examples, and --json for programs.
Exit status: 0 done, 1 failed, 2 wrong arguments or configuration, 130 after Ctrl-C.`;

export function createProgram(): Command {
  const program = new Command('aha')
    .description('Trains language models to reason: reinforcement learning with rewards computed by rules.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', help)
    .showSuggestionAfterError(true)
    .exitOverride();
  for (const command of [
    demoCommand(),
    trainCommand(),
    pipelineCommand(),
    sampleCommand(),
    evaluateCommand(),
    scoreCommand(),
    exportCommand(),
    verifyCommand(),
    taskCommand(),
    doctorCommand(),
  ])
    program.addCommand(command);
  for (const command of allCommands(program)) {
    command.exitOverride().configureOutput({
      writeErr: (text) => process.stderr.write(text),
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'error: '));
      },
    });
    command.showHelpAfterError(`  next: See ${commandPath(command)} --help.`);
  }
  return program;
}

/** Runs the command line. Ends the process itself, or sets its exit status. */
export async function main(args: readonly string[]): Promise<void> {
  // Help that nobody reads to its end (`| head`) is no crash. Commands listen for themselves, too.
  process.stdout.on('error', () => undefined);
  const program = createProgram();
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    // Asked for JSON, a program gets JSON, even about arguments that could not be read.
    const separator = args.indexOf('--');
    const flags = separator === -1 ? args : args.slice(0, separator);
    if (error.exitCode !== 0 && flags.includes('--json')) {
      const message = error.message.replace(/^error: /, '');
      process.stdout.write(`${JSON.stringify({ error: { code: 'usage', message } })}\n`);
    }
  }
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => allCommands(child))];
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
