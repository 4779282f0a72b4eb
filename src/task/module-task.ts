/**
 * Tasks that are programs: a JavaScript or TypeScript module whose default export is what `defineTask` gives, the
 * definition itself, or a function from options to either. The module runs in this process with all its rights:
 * it is the user's own program.
 */
import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AhaError, describeError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { defineTask, isTask, type Task, type TaskDefinition } from './task.ts';
import { provideOwnPackage } from './own-package.ts';
import type { Problem } from './problem.ts';

/** Milliseconds that a module may take to load. */
const loadDeadline = 60_000;

/** Throws `AhaError` (boundary `task`) that names the file, whatever is wrong with it. */
export async function moduleTask(path: string, options: Readonly<Record<string, unknown>>): Promise<Task> {
  const file = resolve(path);
  try {
    const found = await stat(file);
    if (!found.isFile()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
  } catch (error) {
    throw storageError(`Could not read task file ${path}`, error);
  }
  provideOwnPackage();
  const load = async () => {
    const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
    let exported = unwrapDefault(module.default);
    if (typeof exported === 'function')
      exported = unwrapDefault(await (exported as (o: unknown) => unknown)(options));
    else if (Object.keys(options).length > 0) {
      throw new AhaError({
        code: 'invalid-configuration',
        boundary: 'task',
        what: `Task file ${path} takes no options`,
        found: Object.keys(options).join(', '),
        expected: 'no options, or a module whose default export is a function of them',
      });
    }
    return exported;
  };
  const exported = await withDeadline(load(), path).catch((error: unknown) => {
    throw explainLoadError(path, error);
  });
  if (isTask(exported)) return exported;
  if (typeof exported === 'object' && exported !== null && ('prompts' in exported || 'verify' in exported)) {
    return defineTask(exported as TaskDefinition<Problem>);
  }
  throw new AhaError({
    code: 'invalid-task',
    boundary: 'task',
    what: `Task file ${path} exports no task`,
    found:
      exported === undefined ? 'no default export' : `a default export that is ${describeKind(exported)}`,
    expected: 'export default defineTask({ name, prompts, verify })',
  });
}

/** Turns what importing a module threw into an error that says what to do. Passes ours through. */
export function explainLoadError(path: string, error: unknown): AhaError {
  if (error instanceof AhaError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const found = describeError(error);
  const base = { boundary: 'task' as const, found, cause: error };
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && isTypeScript(path)) {
    return new AhaError({
      ...base,
      code: 'typescript-not-supported',
      what: `This Node.js cannot load the TypeScript file ${path}`,
      found: `Node.js ${process.versions.node}`,
      expected: 'Node.js 22.18 or later, which strips types by itself',
      fix: `Use a newer Node.js, or turn the file into JavaScript (npx esbuild ${path} --format=esm --outfile=${path.replace(/\.[mc]?tsx?$/, '.mjs')}) and name that.`,
    });
  }
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' || code === 'ERR_INVALID_TYPESCRIPT_SYNTAX') {
    return new AhaError({
      ...base,
      code: 'typescript-not-supported',
      what: `Node.js cannot strip the types of ${path}`,
      expected: 'TypeScript without enums, namespaces and parameter properties',
    });
  }
  if (code === 'ERR_MODULE_NOT_FOUND' && /Cannot find package 'aha'/.test(found)) {
    return new AhaError({
      ...base,
      code: 'task-import-missing',
      what: `Task file ${path} imports aha, which is not installed beside it`,
      expected: 'an installed package, or no import',
      fix: 'Run npm install aha there, or export the plain object { name, prompts, verify } without defineTask.',
    });
  }
  return new AhaError({
    ...base,
    code: code === 'ERR_MODULE_NOT_FOUND' ? 'task-import-missing' : 'task-load-failed',
    what: `Task file ${path} could not be loaded`,
    fix: `Mend it: node ${path} shows the line.`,
  });
}

async function withDeadline<T>(promise: Promise<T>, path: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new AhaError({
          code: 'task-load-failed',
          boundary: 'task',
          what: `Task file ${path} did not finish loading`,
          found: `nothing after ${loadDeadline / 1000} s`,
          expected: 'a default export',
          fix: 'Look for a top-level await that never ends.',
        }),
      );
    }, loadDeadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The default export of a CommonJS file that a compiler wrote from ES module syntax lies one level deeper. */
function unwrapDefault(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !isTask(value) && 'default' in value)
    return value.default;
  return value;
}

function isTypeScript(path: string): boolean {
  return ['.ts', '.mts', '.cts', '.tsx'].includes(extname(path));
}

function describeKind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object'
    ? `an object with keys ${Object.keys(value).slice(0, 5).join(', ')}`
    : `a ${typeof value}`;
}
