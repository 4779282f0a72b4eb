/** Whether the bubblewrap tier works on this machine, and what it can run; tests of it are skipped with the reason. */
import { describeError } from '../../src/errors.ts';
import { openBubblewrapSandbox } from '../../src/sandbox/bubblewrap/bubblewrap-sandbox.ts';
import type { Language } from '../../src/sandbox/sandbox.ts';

export interface BubblewrapHere {
  /** Undefined where it works. */
  readonly reason: string | undefined;
  readonly languages: ReadonlySet<Language | 'command'>;
  /** For the title of a group of tests. */
  readonly title: string;
}

export async function bubblewrapHere(): Promise<BubblewrapHere> {
  try {
    await using sandbox = await openBubblewrapSandbox();
    return { reason: undefined, languages: sandbox.languages, title: 'works here' };
  } catch (error) {
    const reason = describeError(error);
    return { reason, languages: new Set(), title: `is skipped: ${reason}` };
  }
}
