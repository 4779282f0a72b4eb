/** Choosing a tier: what the caller names, or the best that works on this machine. Never none. */
import { AhaError, describeError } from '../errors.ts';
import { openBubblewrapSandbox } from './bubblewrap/bubblewrap-sandbox.ts';
import { openDenoSandbox } from './deno/deno-sandbox.ts';
import type { Sandbox } from './sandbox.ts';

export type TierName = 'deno' | 'bubblewrap';

export interface OpenSandboxOptions {
  /** `auto`, the default: the first that works here, in the order of `tierNames`. */
  readonly tier?: 'auto' | TierName;
  /** Programs at once. Default: one for each core. */
  readonly concurrency?: number;
}

/** In the order in which `auto` tries them. */
export const tierNames: readonly TierName[] = ['deno', 'bubblewrap'];

const openers: Readonly<Record<TierName, (options: { concurrency?: number }) => Promise<Sandbox>>> = {
  deno: openDenoSandbox,
  bubblewrap: openBubblewrapSandbox,
};

/** Throws `AhaError`: no-sandbox when none works, unknown-sandbox, and what opening the named one throws. */
export async function openSandbox(options: OpenSandboxOptions = {}): Promise<Sandbox> {
  const { tier = 'auto' } = options;
  const common = options.concurrency === undefined ? {} : { concurrency: options.concurrency };
  if (tier !== 'auto') {
    if (!Object.hasOwn(openers, tier)) {
      throw new AhaError({
        code: 'unknown-sandbox',
        boundary: 'sandbox',
        what: 'There is no such sandbox',
        found: tier,
        expected: ['auto', ...tierNames].join(', '),
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
  throw new AhaError({
    code: 'no-sandbox',
    boundary: 'sandbox',
    what: `No sandbox works on this machine, so programs cannot be run. ${reasons.join(' ')}`,
    fix: "Run 'aha doctor' to see what each of them needs.",
  });
}
