/**
 * Runs inside Deno, without any permission: takes one program from standard input, runs it, and ends with it. What
 * follows the program on standard input is the program's own.
 *
 * The program is imported dynamically from memory, never from a file: Deno checks permissions for every module of a
 * dynamic import, while static imports of a main module may read any local file without one.
 */

interface DenoNamespace {
  readonly stdin: { readSync(buffer: Uint8Array): number | null };
  readonly stderr: { writeSync(bytes: Uint8Array): number };
  exit(this: void, code: number): never;
}
declare const Deno: DenoNamespace;

/** What newer versions of `node:module` than our types have. */
interface Hooks {
  stripTypeScriptTypes(this: void, source: string, options?: { mode: 'transform' }): string;
  registerHooks(
    this: void,
    hooks: {
      resolve(specifier: string, context: Context, next: Next): unknown;
      load(url: string, context: Context, next: Next): unknown;
    },
  ): void;
}
interface Context {
  readonly parentURL?: string;
}
type Next = (subject: string, context: Context) => unknown;

/** What the host sends: the length in 4 bytes, big-endian, then this as JSON. */
interface Message {
  readonly files: Readonly<Record<string, string>>;
  readonly entry: string;
}

const { stdin, stderr, exit } = Deno;

function read(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = stdin.readSync(bytes.subarray(filled));
    // The host closed the pipe before there was a program: this process is no longer needed.
    if (count === null) return exit(0);
    filled += count;
  }
  return bytes;
}

function mediaType(path: string): string {
  if (/\.[cm]?ts$/.test(path)) return 'application/typescript';
  return path.endsWith('.tsx') ? 'text/tsx' : 'text/javascript';
}

/** The only file, for Deno to strip of its types. */
function blobOf(path: string): string {
  return URL.createObjectURL(new Blob([message.files[path]!], { type: mediaType(path) }));
}

/** Several files, which import each other by relative paths. */
async function serve(entry: string): Promise<string> {
  const { registerHooks, stripTypeScriptTypes } = (await import('node:module')) as unknown as Hooks;
  const root = 'file:///program/';
  const strip = (source: string): string => {
    try {
      return stripTypeScriptTypes(source);
    } catch {
      // Enums, namespaces and parameter properties: code is made for them, and positions move.
      return stripTypeScriptTypes(source, { mode: 'transform' });
    }
  };
  registerHooks({
    resolve(specifier, context, next) {
      const url = URL.canParse(specifier, context.parentURL)
        ? new URL(specifier, context.parentURL).href
        : '';
      if (!url.startsWith(root)) return next(specifier, context);
      const path = decodeURIComponent(url.slice(root.length));
      if (Object.hasOwn(message.files, path)) return { url, shortCircuit: true };
      throw new Error(`The program has no file ${path}`);
    },
    load(url, context, next) {
      if (!url.startsWith(root)) return next(url, context);
      const path = decodeURIComponent(url.slice(root.length));
      const source = message.files[path]!;
      if (path.endsWith('.json')) return { format: 'json', source, shortCircuit: true };
      return {
        format: 'module',
        source: /\.[cm]?tsx?$/.test(path) ? strip(source) : source,
        shortCircuit: true,
      };
    },
  });
  return root + entry.split('/').map(encodeURIComponent).join('/');
}

const length = new DataView(read(4).buffer).getUint32(0);
const message = JSON.parse(new TextDecoder().decode(read(length))) as Message;

try {
  // One file is much faster than several: nothing of Deno's Node.js compatibility is loaded.
  await import(Object.keys(message.files).length === 1 ? blobOf(message.entry) : await serve(message.entry));
} catch (error) {
  const text = error instanceof Error ? (error.stack ?? String(error)) : String(error);
  stderr.writeSync(new TextEncoder().encode(`error: Uncaught ${text}\n`));
  exit(1);
}
