/**
 * A deadline for synchronous work on untrusted patterns. A regular expression from somebody's `tokenizer.json` can
 * take exponential time; nothing inside the language stops it, but the engine checks for interruption while it
 * backtracks, which `vm` makes use of. Costs about 0.1 ms a call, so it wraps only what is not known to be harmless.
 */
import { createContext, Script } from 'node:vm';
import { AhaError } from '../errors.ts';

const script = new Script('run()');

/** What `run` returns, or an `AhaError` (text, `deadline-exceeded`) after `milliseconds`. */
export function withDeadline<T>(milliseconds: number, what: string, fix: string, run: () => T): T {
  try {
    return script.runInContext(createContext({ run }), { timeout: milliseconds }) as T;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      throw new AhaError({
        code: 'deadline-exceeded',
        boundary: 'text',
        what: `${what} took more than ${milliseconds / 1000} s and was stopped`,
        fix,
        cause: error,
      });
    }
    throw error;
  }
}
