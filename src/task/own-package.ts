/**
 * Lets a task file import `aha` wherever it lies: what is not installed beside it is the program that loads it. An
 * installed package wins, so that a file means the same to Node.js as it does here.
 */
import * as nodeModule from 'node:module';
import { extname } from 'node:path';

type Resolution = { url: string; shortCircuit?: boolean };
type ResolveHook = (
  specifier: string,
  context: unknown,
  next: (specifier: string, context: unknown) => Resolution,
) => Resolution;

/** Node.js 22.15 and later; earlier ones run hooks in a thread of their own. */
const { registerHooks } = nodeModule as { registerHooks?: (hooks: { resolve: ResolveHook }) => unknown };

let registered = false;

/** From now on `import 'aha'` finds at least this program. */
export function provideOwnPackage(): void {
  if (registered) return;
  registered = true;
  const own = new URL(`../index${extname(import.meta.url)}`, import.meta.url).href;
  if (registerHooks !== undefined) {
    registerHooks({
      resolve: (specifier, context, next) => {
        if (specifier !== 'aha') return next(specifier, context);
        try {
          return next(specifier, context);
        } catch {
          return { url: own, shortCircuit: true };
        }
      },
    });
    return;
  }
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier !== 'aha') return next(specifier, context);
    try {
      return await next(specifier, context);
    } catch {
      return { url: ${JSON.stringify(own)}, shortCircuit: true };
    }
  }`;
  nodeModule.register(`data:text/javascript,${encodeURIComponent(hook)}`);
}
