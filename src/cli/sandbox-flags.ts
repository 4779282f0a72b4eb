/** The flags of commands that may run programs which a model wrote. */
import { type Command, Option } from 'commander';
import type { TierName } from '../sandbox/open.ts';

const names = ['auto', 'deno', 'bubblewrap', 'piston', 'sandbox-fusion'] as const satisfies readonly (
  'auto' | TierName
)[];

interface SandboxFlags {
  readonly sandbox?: (typeof names)[number];
  readonly sandboxUrl?: string;
  readonly sandboxTokenVariable?: string;
  readonly dangerouslyRunUnprotected?: boolean;
}

/** Adds the flags; the sandbox is opened as they say when a verifier first needs one. */
export function addSandboxFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--sandbox <name>',
        'where programs of responses run (default: the best of this machine)',
      ).choices(names),
    )
    .option('--sandbox-url <url>', 'of the service, for piston and sandbox-fusion')
    .option('--sandbox-token-variable <name>', "environment variable that holds the service's token")
    .option(
      '--dangerously-run-unprotected',
      'where no sandbox works, run programs as plain processes that may do all that you may',
    )
    .hook('preAction', async (_command, action) => {
      const { sandbox, sandboxUrl, sandboxTokenVariable, dangerouslyRunUnprotected } =
        action.opts<SandboxFlags>();
      const { configureSharedSandbox } = await import('../verify/code/shared-sandbox.ts');
      configureSharedSandbox({
        ...(sandbox === undefined ? {} : { tier: sandbox }),
        ...(sandboxUrl === undefined ? {} : { url: sandboxUrl }),
        ...(sandboxTokenVariable === undefined ? {} : { tokenVariable: sandboxTokenVariable }),
        ...(dangerouslyRunUnprotected === undefined ? {} : { dangerouslyRunUnprotected }),
      });
    });
}
