/** Choosing a tier: what the caller names, or the best that works on this machine. Never none. */
import { AhaError, describeError } from '../errors.ts';
import { openBubblewrapSandbox } from './bubblewrap/bubblewrap-sandbox.ts';
import { openDenoSandbox } from './deno/deno-sandbox.ts';
import { openPistonSandbox } from './remote/piston.ts';
import { openSandboxFusion } from './remote/sandbox-fusion.ts';
import type { Language, Sandbox } from './sandbox.ts';
import { openUnprotectedSandbox } from './unprotected/unprotected-sandbox.ts';

export type TierName = 'deno' | 'bubblewrap' | RemoteTierName;
export type RemoteTierName = 'piston' | 'sandbox-fusion';

export interface OpenSandboxOptions {
  /** `auto`, the default: the first that works here, in the order of `tierNames`. */
  readonly tier?: 'auto' | TierName;
  /** Programs at once. Default: one for each core. */
  readonly concurrency?: number;
  /** Of the service, for the remote tiers. */
  readonly url?: string;
  /** Name of the environment variable with the service's token. */
  readonly tokenVariable?: string;
  /**
   * Where no sandbox works, runs programs as plain processes that may do all that you may. `auto` still prefers a
   * sandbox.
   */
  readonly dangerouslyRunUnprotected?: boolean;
}

/** In the order in which `auto` tries them; it never asks a service. */
export const tierNames = ['deno', 'bubblewrap'] as const satisfies readonly TierName[];

const openers: Readonly<
  Record<(typeof tierNames)[number], (options: { concurrency?: number }) => Promise<Sandbox>>
> = {
  deno: openDenoSandbox,
  bubblewrap: openBubblewrapSandbox,
};
const services = { piston: openPistonSandbox, 'sandbox-fusion': openSandboxFusion } as const;

/** Throws `AhaError`: no-sandbox when none works, unknown-sandbox, sandbox-url-missing, and what opening the named one throws. */
export async function openSandbox(options: OpenSandboxOptions = {}): Promise<Sandbox> {
  const { tier = 'auto' } = options;
  const common = options.concurrency === undefined ? {} : { concurrency: options.concurrency };
  if (tier !== 'auto') {
    if (tier === 'piston' || tier === 'sandbox-fusion') {
      const { url, tokenVariable } = options;
      if (url === undefined) {
        throw new AhaError({
          code: 'sandbox-url-missing',
          boundary: 'sandbox',
          what: `The sandbox '${tier}' is a service, and no URL says where it is`,
          fix: 'Configure its URL, such as http://localhost:2000.',
        });
      }
      return services[tier]({ url, ...common, ...(tokenVariable === undefined ? {} : { tokenVariable }) });
    }
    if (!Object.hasOwn(openers, tier)) {
      throw new AhaError({
        code: 'unknown-sandbox',
        boundary: 'sandbox',
        what: 'There is no such sandbox',
        found: tier,
        expected: ['auto', ...tierNames, ...Object.keys(services)].join(', '),
      });
    }
    return openers[tier](common);
  }
  const reasons: string[] = [];
  for (const name of tierNames) {
    try {
      return await openers[name](common);
    } catch (error) {
      reasons.push(`${name}: ${describeError(error)}`);
    }
  }
  if (options.dangerouslyRunUnprotected === true) return openUnprotectedSandbox(common);
  throw new AhaError({
    code: 'no-sandbox',
    boundary: 'sandbox',
    what: `No sandbox works on this machine, so programs cannot be run. ${reasons.join(' ')}`,
    fix: "Run 'aha doctor' to see what each of them needs. Only if you know what will run: --dangerously-run-unprotected (dangerouslyRunUnprotected) runs programs as plain processes.",
  });
}

/** What became of running a trivial program in each language of a tier. */
export interface TierTrial {
  readonly tier: TierName;
  /** Those whose trivial program printed what it should. */
  readonly languages: readonly string[];
  /** Why the tier, or one of its languages, does not work. */
  readonly error?: Error;
}

const trials: Partial<Record<Language | 'command', { readonly file: string; readonly text: string }>> = {
  typescript: { file: 'main.ts', text: 'const n: number = 42; console.log(n)' },
  javascript: { file: 'main.js', text: 'console.log(42)' },
  node: { file: 'main.js', text: 'console.log(42)' },
  python: { file: 'main.py', text: 'print(42)' },
};

/** Opens each tier and runs a program in each scripting language that it offers. Never rejects. */
export async function trySandboxes(): Promise<TierTrial[]> {
  const results: TierTrial[] = [];
  for (const tier of tierNames) {
    const languages: string[] = [];
    try {
      await using sandbox = await openers[tier]({ concurrency: 1 });
      for (const language of sandbox.languages) {
        const trial = trials[language];
        if (language === 'command') continue;
        if (trial !== undefined) {
          const { stdout, stderr } = await sandbox.run({ language, files: { [trial.file]: trial.text } });
          if (stdout.trim() !== '42') {
            throw new AhaError({
              code: 'sandbox-failed',
              boundary: 'sandbox',
              what: `A trivial program in ${language} did not print what it should`,
              found: stdout || stderr,
              expected: '42',
            });
          }
        }
        languages.push(language);
      }
      results.push({ tier, languages });
    } catch (error) {
      results.push({ tier, languages, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  return results;
}
