/** Errors as people and programs read them: what happened and the next step; a stack only when asked for. */
import { AhaError, describeError } from '../errors.ts';
import { printable } from '../text/printable.ts';
import { exitCodes } from './exit-codes.ts';

/** The form of an error in the last line of `--json` output. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly boundary?: string;
  readonly fix?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export function errorRecord(error: unknown): ErrorRecord {
  if (!(error instanceof AhaError)) return { code: 'unexpected', message: describeError(error) };
  return {
    code: error.code,
    message: error.message,
    boundary: error.boundary,
    ...(error.fix === undefined ? {} : { fix: error.fix }),
    ...(Object.keys(error.fields).length === 0 ? {} : { fields: error.fields }),
  };
}

/** Lines for the terminal. Whatever an error quotes, it cannot control the terminal. */
export function describeFailure(error: unknown, verbose: boolean): string[] {
  const { message, fix } = parts(error);
  const lines = [`error: ${printable(message)}`];
  if (fix !== undefined) lines.push(`  next: ${printable(fix)}`);
  if (verbose) {
    let current: unknown = error;
    for (let depth = 0; current instanceof Error && depth < 8; depth++) {
      if (depth > 0) lines.push('caused by:');
      lines.push(...printable(current.stack ?? current.message).split('\n'));
      current = current.cause;
    }
  }
  return lines;
}

/** What was asked is wrong, or doing it went wrong. */
export function exitCodeOf(error: unknown): number {
  return error instanceof AhaError && error.boundary === 'configuration'
    ? exitCodes.usage
    : exitCodes.failure;
}

function parts(error: unknown): { message: string; fix?: string } {
  if (error instanceof AhaError) {
    const { message, fix } = error;
    if (fix === undefined) return { message };
    return { message: message.endsWith(` ${fix}`) ? message.slice(0, -fix.length - 1) : message, fix };
  }
  return {
    message: `unexpected: ${describeError(error)}`,
    fix: 'This should not happen. Run the command again with --verbose and report what it prints.',
  };
}
