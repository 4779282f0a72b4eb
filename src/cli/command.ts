/**
 * What every command has in common: flags for output, signals, errors and the exit status. A command is a
 * function from a context to its result; it never writes to a stream, exits or catches signals itself.
 */
import type { Command } from 'commander';
import { AhaError } from '../errors.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import { exitCodes } from './exit-codes.ts';
import { describeFailure, errorRecord, exitCodeOf } from './failure.ts';
import { Interruption } from './interruption.ts';
import { Reporter, type ReporterOptions } from './terminal/reporter.ts';
import type { Environment } from './terminal/terminal.ts';

/** The flags that every command has. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
}

export interface CommandContext {
  readonly reporter: Reporter;
  readonly interruption: Interruption;
  readonly clock: Clock;
  readonly environment: Environment;
  readonly verbose: boolean;
}

export interface CommandResult {
  /** The one object that `--json` prints. */
  readonly result: Readonly<Record<string, unknown>>;
  /** Default 0, or the signal's after an interruption. */
  readonly exitCode?: number;
}

export function addCommonFlags(command: Command): Command {
  return command
    .option('--json', 'print one JSON object as the last line of standard output, all else on standard error')
    .option('--verbose', 'print the stack of an error')
    .option('--no-color', 'print without colours (as NO_COLOR=1 does)');
}

/** Runs `body` and leaves the program with its exit status. */
export async function runCommand(
  flags: CommonFlags,
  about: NonNullable<ReporterOptions['about']>,
  body: (context: CommandContext) => Promise<CommandResult>,
): Promise<void> {
  const environment: Environment = process.env;
  const verbose = flags.verbose === true || (environment['AHA_DEBUG'] ?? '') !== '';
  const reporter = new Reporter({
    stdout: process.stdout,
    stderr: process.stderr,
    environment,
    clock: systemClock,
    json: flags.json === true,
    color: flags.color === false ? false : undefined,
    about,
  });
  const interruption = new Interruption({
    clock: systemClock,
    source: process,
    announce: (text) => {
      reporter.note(text);
    },
    quit: (exitCode) => {
      reporter.result({ error: { code: 'interrupted', message: 'Interrupted before there was a result.' } });
      reporter.close();
      process.exit(exitCode);
    },
  });
  let broken = false;
  const onBrokenPipe = (error: NodeJS.ErrnoException) => {
    // The reader has what it wanted (`| head`). A closed terminal gives EIO.
    if (broken) return;
    broken = true;
    const quiet = error.code === 'EPIPE' || error.code === 'EIO';
    interruption.request(quiet ? exitCodes.ok : exitCodes.failure);
  };
  process.stdout.on('error', onBrokenPipe);
  process.stderr.on('error', onBrokenPipe);
  const fail = (error: unknown): number => {
    const lines = describeFailure(error, verbose);
    reporter.failure(lines);
    reporter.result({ error: errorRecord(error) });
    return exitCodeOf(error);
  };
  const crash = (error: unknown) => {
    const exitCode = fail(error);
    reporter.close();
    process.exit(exitCode);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  let exitCode: number;
  try {
    const outcome = await body({ reporter, interruption, clock: systemClock, environment, verbose });
    reporter.result(outcome.result);
    exitCode = outcome.exitCode ?? interruption.exitCode ?? exitCodes.ok;
  } catch (error) {
    // What fails because it was told to stop is no failure.
    if (interruption.exitCode !== undefined && isAbort(error)) {
      reporter.result({ error: { code: 'interrupted', message: 'Interrupted before there was a result.' } });
      exitCode = interruption.exitCode;
    } else {
      exitCode = fail(error);
    }
  }
  reporter.close();
  await reporter.flushed();
  // Worker threads and timers must not keep a finished command alive.
  process.exit(exitCode);
}

function isAbort(error: unknown): boolean {
  if (error instanceof AhaError) return error.code === 'aborted' || isAbort(error.cause);
  return error instanceof Error && error.name === 'AbortError';
}
