/** The sandbox of verifiers that bring none: as configured, or the best of this machine; opened when first needed. */
import { openSandbox, type OpenSandboxOptions } from '../../sandbox/open.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

let shared: Promise<Sandbox> | undefined;
let configured: OpenSandboxOptions = {};

/** How the shared sandbox is opened, unless it is open already. */
export function configureSharedSandbox(options: OpenSandboxOptions): void {
  configured = options;
}

export function sharedSandbox(): Promise<Sandbox> {
  if (shared === undefined) {
    shared = openSandbox(configured);
    // The next one to ask may have more luck.
    shared.catch(() => {
      shared = undefined;
    });
  }
  return shared;
}

/** Verifiers without a sandbox of their own use this one from now on. Whoever opened it closes it. */
export function useSandbox(sandbox: Sandbox): void {
  shared = Promise.resolve(sandbox);
}

export async function closeSharedSandbox(): Promise<void> {
  const open = shared;
  shared = undefined;
  if (open !== undefined) await (await open)[Symbol.asyncDispose]();
}
