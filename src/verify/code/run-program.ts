/** Runs of programs that report by marked lines of JSON among whatever else is printed. */
import { randomBytes } from 'node:crypto';
import { AhaError } from '../../errors.ts';
import type { Limits, Program, RunResult, Sandbox } from '../../sandbox/sandbox.ts';
import type { Pause } from '../deadline.ts';

export interface RunSettings {
  readonly sandbox: Sandbox;
  readonly limits: Partial<Limits>;
  readonly signal: AbortSignal | undefined;
  /** Stops the verdict's deadline while a program waits for its turn. */
  readonly pause: Pause | undefined;
}

/** Runs a program when its turn comes; until then the verdict's time stands still. */
export async function runInTurn(
  program: Program,
  stdin: string,
  limits: Partial<Limits>,
  { sandbox, signal, pause }: RunSettings,
): Promise<RunResult> {
  const resume = pause?.() ?? (() => undefined);
  try {
    return await sandbox.run(program, stdin === '' ? {} : { stdin }, {
      limits,
      onStart: resume,
      ...(signal === undefined ? {} : { signal }),
    });
  } finally {
    resume();
  }
}

/** Records may be long: results are data. */
const outputBytes = 8 * 1024 * 1024;

export function newMarker(): string {
  return `@aha-${randomBytes(12).toString('hex')}@`;
}

/** Runs a program and takes the records that follow `marker` at the start of a line. */
export async function runForRecords(
  program: Program,
  input: string,
  marker: string,
  settings: RunSettings,
): Promise<{ readonly records: readonly Record<string, unknown>[]; readonly result: RunResult }> {
  const result = await runInTurn(program, input, { outputBytes, ...settings.limits }, settings);
  const records: Record<string, unknown>[] = [];
  for (const line of result.stdout.split('\n')) {
    if (!line.startsWith(marker)) continue;
    try {
      const record: unknown = JSON.parse(line.slice(marker.length));
      if (typeof record === 'object' && record !== null) records.push(record as Record<string, unknown>);
    } catch {
      // Cut off, or written by the program itself: no record.
    }
  }
  return { records, result };
}

/** How a run ended, for people: `exit 1: NameError: …`. */
export function describeEnd(result: RunResult): string {
  const end =
    result.limit === null
      ? result.signal === null
        ? `exit ${result.exitCode}`
        : `signal ${result.signal}`
      : `limit: ${result.limit}`;
  const last = result.stderr.trim().split('\n').at(-1) ?? '';
  return last === '' ? end : `${end}: ${last.slice(0, 200)}`;
}

/** The tests' own program does not work: nobody's answer is to blame. */
export class BrokenTests extends AhaError {
  constructor(found: string) {
    super({
      code: 'tests-broken',
      boundary: 'verifier',
      what: 'The tests cannot be run',
      found,
      expected: 'tests that load without the answer',
    });
  }
}
