/**
 * Programs that misbehave, as data. Each says what must hold of its result; the suite checks for all of them that
 * they end in time, that the planted secret is nowhere in the output, and that the sandbox works afterwards.
 */
import type { Language, Limits, RunResult } from '../../../src/sandbox/sandbox.ts';

export interface AbuseProgram {
  readonly name: string;
  readonly language: Language;
  readonly files: Readonly<Record<string, string>>;
  readonly entry?: string;
  readonly stdin?: string;
  readonly limits?: Partial<Limits>;
  /** Tiers in which it means something. Default: all that have the language. */
  readonly tiers?: readonly string[];
  /** Says what is wrong, if anything. */
  readonly holds: (result: RunResult) => string | undefined;
}

/** In the environment of the host while the suite runs. */
export const plantedSecret = { name: 'AHA_PLANTED_SECRET', value: 'planted-secret-4f1c9a' } as const;

/** It printed exactly this. */
export function prints(text: string): AbuseProgram['holds'] {
  return ({ stdout, stderr }) =>
    stdout.trimEnd() === text
      ? undefined
      : `printed ${JSON.stringify(stdout.slice(0, 200))}, not ${text}; stderr: ${stderr.slice(0, 300)}`;
}

/** One of these limits ended it. */
export function hits(...limits: (RunResult['limit'] | 'crash')[]): AbuseProgram['holds'] {
  return (result) => {
    const crashed = result.limit === null && result.exitCode !== 0;
    return limits.includes(result.limit) || (crashed && limits.includes('crash'))
      ? undefined
      : `limit ${result.limit}, exit ${result.exitCode}, not ${limits.join(' or ')}; ${result.stderr.slice(0, 300)}`;
  };
}
