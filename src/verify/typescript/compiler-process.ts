/**
 * One TypeScript compiler, started once and kept warm: its library is parsed and bound a single time, and each batch
 * replaces only the files that are checked. It sees nothing but the files it is given here and its own library: every
 * question about a file is answered by this module, so `import '/etc/passwd'` finds nothing.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { AhaError, describeError } from '../../errors.ts';
import { JsonRpc, type Peer } from './json-rpc.ts';

export interface Diagnostic {
  /** UTF-16 offset. */
  readonly pos: number;
  readonly code: number;
  readonly text: string;
}

/** Files that one program holds at most; more of them go into the next batch. */
export const slots = 64;

const folder = '/aha';

/**
 * What programs may use beside the language: what every runtime has. The DOM is left out, since it costs ten times
 * the rest.
 */
const ambient = `
interface AhaConsole { log(...data: unknown[]): void; error(...data: unknown[]): void; warn(...data: unknown[]): void;
  info(...data: unknown[]): void; debug(...data: unknown[]): void; }
declare var console: AhaConsole;
declare function structuredClone<T>(value: T): T;
declare function queueMicrotask(callback: () => void): void;
declare function setTimeout(callback: (...parameters: never[]) => void, milliseconds?: number): number;
declare function clearTimeout(id: number | undefined): void;
`;

const compilerOptions = {
  strict: true,
  noEmit: true,
  target: 'es2023',
  lib: ['es2023'],
  module: 'esnext',
  moduleResolution: 'bundler',
  // Every file is a module: what it declares is its own.
  moduleDetection: 'force',
  noResolve: true,
  types: [],
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  checkers: 2,
};

interface SnapshotResponse {
  readonly snapshot: number;
  readonly projects: readonly { readonly id: string }[];
}

export class CompilerProcess {
  readonly #peer: Peer;
  readonly #rpc: JsonRpc;
  readonly #files: Map<string, string>;
  #snapshot: SnapshotResponse | undefined;
  /** Slots that hold something. */
  #used = 0;

  private constructor(peer: Peer, rpc: JsonRpc, files: Map<string, string>) {
    this.#peer = peer;
    this.#rpc = rpc;
    this.#files = files;
  }

  /** Throws `AhaError` compiler-missing or compiler-failed. */
  static async start(): Promise<CompilerProcess> {
    const { executable, library } = locateCompiler();
    const files = new Map<string, string>();
    const names = Array.from({ length: slots }, (_, index) => slotPath(index));
    for (const name of names) files.set(name, '');
    files.set(`${folder}/ambient.d.ts`, ambient);
    files.set(
      `${folder}/tsconfig.json`,
      JSON.stringify({ compilerOptions, files: [`${folder}/ambient.d.ts`, ...names] }),
    );
    const isLibrary = (path: unknown) => typeof path === 'string' && path.startsWith(library);
    const known = (path: unknown) => files.has(path as string);
    const peer = spawn(
      executable,
      [
        '--api',
        '--async',
        '--cwd',
        folder,
        '--callbacks=readFile,fileExists,directoryExists,getAccessibleEntries,realpath',
      ],
      {
        stdio: ['pipe', 'pipe', 'ignore'],
        cwd: dirname(executable),
        // Nothing of ours; a soft bound for its garbage collector.
        env: {
          GOMEMLIMIT: '768MiB',
          ...(process.env['SystemRoot'] ? { SystemRoot: process.env['SystemRoot'] } : {}),
        },
      },
    );
    const rpc = new JsonRpc(peer, {
      // `null` means "ask the real file system", which only the library may be asked for.
      readFile: (path) => (isLibrary(path) ? null : { content: files.get(path as string) ?? null }),
      fileExists: (path) => (isLibrary(path) ? null : known(path)),
      directoryExists: (path) => (isLibrary(path) ? null : path === folder),
      getAccessibleEntries: () => ({ files: [], directories: [] }),
      realpath: (path) => path,
    });
    const compiler = new CompilerProcess(peer, rpc, files);
    try {
      await rpc.request('initialize', null);
      compiler.#snapshot = (await rpc.request('updateSnapshot', {
        openProjects: [`${folder}/tsconfig.json`],
      })) as SnapshotResponse;
      keepAlive(peer, false);
    } catch (error) {
      compiler.kill();
      throw new AhaError({
        code: 'compiler-failed',
        boundary: 'verifier',
        what: 'The TypeScript compiler did not start',
        found: describeError(error),
        fix: "Run 'npx tsc --version' to see whether it works on this machine.",
        cause: error,
      });
    }
    return compiler;
  }

  /** Diagnostics of each source, checked as modules of one program. Rejects when the process ends. */
  async check(sources: readonly string[]): Promise<Diagnostic[][]> {
    const changed: string[] = [];
    for (let index = 0; index < Math.max(sources.length, this.#used); index++) {
      this.#files.set(slotPath(index), sources[index] ?? '');
      changed.push(slotPath(index));
    }
    this.#used = sources.length;
    keepAlive(this.#peer, true);
    try {
      return await this.#ask(sources.length, changed);
    } finally {
      keepAlive(this.#peer, false);
    }
  }

  async #ask(count: number, changed: readonly string[]): Promise<Diagnostic[][]> {
    const previous = this.#snapshot!;
    this.#snapshot = (await this.#rpc.request('updateSnapshot', {
      fileChanges: { changed },
    })) as SnapshotResponse;
    const { snapshot, projects } = this.#snapshot;
    const where = { snapshot, project: projects[0]!.id };
    const [, syntactic, semantic] = await Promise.all([
      this.#rpc.request('release', { snapshot: previous.snapshot }).catch(() => undefined),
      this.#rpc.request('getSyntacticDiagnostics', where),
      this.#rpc.request('getSemanticDiagnostics', where),
    ]);
    const found = Array.from({ length: count }, (): Diagnostic[] => []);
    for (const list of [syntactic, semantic] as (
      (Diagnostic & { fileName?: string; category: number })[] | null
    )[]) {
      for (const { fileName, pos, code, text, category } of list ?? []) {
        const index = Number(/\/s(\d+)\.ts$/.exec(fileName ?? '')?.[1]);
        // 1 is an error; the rest are suggestions.
        if (category === 1) found[index]?.push({ pos, code, text });
      }
    }
    return found;
  }

  /** Bytes of resident memory, or undefined where the system does not say. */
  async residentBytes(): Promise<number | undefined> {
    try {
      const text = await readFile(`/proc/${this.#peer.pid}/statm`, 'latin1');
      return Number(text.split(' ')[1]) * 4096;
    } catch {
      return undefined;
    }
  }

  /** Ends it at once; whatever was waiting is rejected. */
  kill(): void {
    this.#peer.kill('SIGKILL');
  }
}

/** A compiler that waits must not keep a finished program alive; one that works must. */
function keepAlive(peer: Peer, on: boolean): void {
  const pipes = [peer.stdin, peer.stdout] as unknown as { ref?(): void; unref?(): void }[];
  for (const one of [peer, ...pipes]) {
    if (on) one.ref?.();
    else one.unref?.();
  }
}

function slotPath(index: number): string {
  return `${folder}/s${index}.ts`;
}

function locateCompiler(): { readonly executable: string; readonly library: string } {
  try {
    const require = createRequire(import.meta.url);
    const packageFile = createRequire(require.resolve('typescript/package.json')).resolve(
      `@typescript/typescript-${process.platform}-${process.arch}/package.json`,
    );
    const library = realpathSync(join(dirname(packageFile), 'lib'));
    const executable = join(library, process.platform === 'win32' ? 'tsc.exe' : 'tsc');
    return { executable, library: `${library.replaceAll('\\', '/')}/` };
  } catch (error) {
    throw new AhaError({
      code: 'compiler-missing',
      boundary: 'verifier',
      what: 'The TypeScript compiler is not installed for this machine',
      found: `${process.platform}-${process.arch}`,
      expected: 'the optional package of typescript 7 for it',
      fix: 'Run npm install typescript, without --omit=optional.',
      cause: error,
    });
  }
}
