/** Choosing a tier: what the caller names, or the best that works on this machine. Never none. */
import { AhaError, describeError } from '../errors.ts';
import { openBubblewrapSandbox } from './bubblewrap/bubblewrap-sandbox.ts';
import { openDenoSandbox } from './deno/deno-sandbox.ts';
import { openPistonSandbox } from './remote/piston.ts';
import { openSandboxFusion } from './remote/sandbox-fusion.ts';
import type { Sandbox } from './sandbox.ts';

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
  throw new AhaError({
    code: 'no-sandbox',
    boundary: 'sandbox',
    what: `No sandbox works on this machine, so programs cannot be run. ${reasons.join(' ')}`,
    fix: "Run 'aha doctor' to see what each of them needs.",
  });
}
