/**
 * Native programs on Linux, each in a sandbox of its own made by bubblewrap: see arguments.ts for what it sees,
 * init-script.ts for how it is limited. Sandboxes are started ahead, so that a program does not wait for its
 * namespaces, and used once, so that nothing of one program is ever visible to another.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { AhaError, describeError } from '../../errors.ts';
import { prepareProgram, resolveLimits, type PreparedCommand, type PreparedProgram } from '../program.ts';
import { Queue } from '../../util/queue.ts';
import {
  defaultLimits,
  type Language,
  type Limits,
  type Program,
  type ProgramInput,
  type RunOptions,
  type RunResult,
  type Sandbox,
} from '../sandbox.ts';
import type { View } from './arguments.ts';
import { controlGroupVersion, createControlGroup } from './control-group.ts';
import { Session, type Job, type Stage } from './session.ts';
import { findToolchains } from './find-toolchains.ts';
import { baseEnvironment, find, type Toolchain } from './toolchains.ts';
import { unusedUser } from './user.ts';

export interface BubblewrapOptions {
  /** Programs at once. Default: one for each core. */
  readonly concurrency?: number;
  /** Of compilers. */
  readonly compileLimits?: Partial<Limits>;
  /** Folders that commands need besides /usr and the toolchains', read-only at the same path. */
  readonly folders?: readonly string[];
  /** Whether to use control groups where they can be had. Default: true. */
  readonly controlGroups?: boolean;
}

const mebibyte = 1024 * 1024;
export const defaultCompileLimits: Limits = {
  ...defaultLimits,
  wallMs: 60_000,
  cpuMs: 60_000,
  memoryBytes: 1024 * mebibyte,
  fileBytes: 256 * mebibyte,
  outputBytes: mebibyte / 4,
};

/** Throws `AhaError` bubblewrap-unavailable, with the reason. */
export async function openBubblewrapSandbox(options: BubblewrapOptions = {}): Promise<Sandbox> {
  const path = process.env['PATH'] ?? '';
  if (process.platform !== 'linux') throw unavailable('It needs Linux', process.platform);
  const bubblewrap = find(['bwrap'], `${path}:/usr/bin`);
  if (bubblewrap === undefined) throw unavailable('bubblewrap is not installed');
  const perl = find(['perl'], '/usr/bin:/bin');
  if (perl === undefined) throw unavailable('perl, which starts the programs, is not in /usr/bin');
  if (process.arch !== 'x64' && process.arch !== 'arm64') {
    throw unavailable('The processor is not supported', process.arch);
  }
  const version = await versionOf(bubblewrap);
  const toolchains = await findToolchains(path);
  const sandbox = new BubblewrapSandbox({ bubblewrap, perl, toolchains, options });
  try {
    await sandbox.prove();
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    const reason = describeError(error);
    throw unavailable(`bubblewrap ${version} does not work here`, reason);
  }
  return sandbox;
}

interface Parts {
  readonly bubblewrap: string;
  readonly perl: string;
  readonly toolchains: readonly Toolchain[];
  readonly options: BubblewrapOptions;
}

class BubblewrapSandbox implements Sandbox {
  readonly name = 'bubblewrap';
  readonly languages: ReadonlySet<Language | 'command'>;
  readonly #parts: Parts;
  readonly #view: View;
  readonly #queue: Queue;
  readonly #compileLimits: Limits;
  readonly #groups: 1 | 2 | undefined;
  readonly #spares: Session[] = [];
  readonly #running = new Set<Session>();
  #closed = false;

  constructor(parts: Parts) {
    const { options, toolchains } = parts;
    this.#parts = parts;
    const folders = [...toolchains.flatMap((one) => one.folders), ...(options.folders ?? [])];
    this.#view = { folders: [...new Set(folders)], root: process.getuid?.() === 0 };
    this.#queue = new Queue(options.concurrency ?? availableParallelism());
    this.#compileLimits = resolveLimits({ ...defaultCompileLimits, ...options.compileLimits });
    this.#groups = options.controlGroups === false ? undefined : controlGroupVersion();
    this.languages = new Set([...toolchains.map(({ language }) => language), 'command' as const]);
  }

  async run(program: Program, input: ProgramInput = {}, options: RunOptions = {}): Promise<RunResult> {
    const prepared = prepareProgram(program, this.languages, this.name);
    const limits = resolveLimits(options.limits);
    const { signal } = options;
    return this.#queue.run(async () => {
      options.onStart?.();
      const stages = await this.#stages(prepared, limits);
      return this.#run({ files: prepared.files, stages, stdin: input.stdin ?? '', signal });
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const all = [...this.#spares, ...this.#running];
    this.#spares.length = 0;
    await Promise.all(all.map(async (session) => session.end()));
  }

  /** Whether anything can be run at all. */
  async prove(): Promise<void> {
    const result = await this.run({
      language: 'command',
      command: ['/bin/sh', '-c', 'echo works'],
      files: {},
    });
    if (result.stdout !== 'works\n') {
      throw new AhaError({
        code: 'sandbox-failed',
        boundary: 'sandbox',
        what: 'The bubblewrap sandbox does not run a shell',
        found: result.stderr.trim() || result.stdout,
      });
    }
  }

  async #run(job: Job): Promise<RunResult> {
    if (this.#closed) {
      throw new AhaError({
        code: 'sandbox-failed',
        boundary: 'sandbox',
        what: 'The bubblewrap sandbox is closed',
      });
    }
    const session = this.#spares.shift() ?? this.#start();
    this.#running.add(session);
    // The next one's namespaces are made while this one runs.
    if (this.#spares.length < this.#queue.concurrency) this.#spares.push(this.#start());
    try {
      return await session.run(job);
    } finally {
      this.#running.delete(session);
    }
  }

  #start(): Session {
    const { bubblewrap, perl } = this.#parts;
    return new Session({
      bubblewrap,
      perl,
      view: this.#view,
      user: this.#view.root ? unusedUser() : 0,
      controlGroup: this.#groups === undefined ? undefined : createControlGroup(this.#groups),
    });
  }

  async #stages(prepared: PreparedProgram | PreparedCommand, limits: Limits): Promise<Stage[]> {
    const stage = (
      name: Stage['name'],
      command: readonly string[],
      {
        limits,
        environment = {},
        reserves,
      }: { limits: Limits; environment?: Toolchain['environment']; reserves: boolean },
    ): Stage => ({
      name,
      command,
      environment: { ...baseEnvironment, ...environment },
      limits,
      // Far above the limit: for what outruns polling. Python then sees a MemoryError.
      addressBytes:
        reserves || !Number.isFinite(limits.memoryBytes) ? 0 : limits.memoryBytes * 2 + 512 * mebibyte,
    });
    if (prepared.language === 'command') {
      return [stage('run', prepared.command, { limits, reserves: true })];
    }
    const toolchain = this.#parts.toolchains.find(({ language }) => language === prepared.language)!;
    const { environment } = toolchain;
    const { compile, run, reserves } = await toolchain.recipe(prepared, limits);
    const stages = [stage('run', run, { limits, environment, reserves })];
    if (compile !== undefined) {
      stages.unshift(stage('compile', compile, { limits: this.#compileLimits, environment, reserves: true }));
    }
    return stages;
  }
}

async function versionOf(bubblewrap: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(bubblewrap, ['--version'], { env: {}, timeout: 10_000 }, (_, stdout) => {
      resolve(/\d+(\.\d+)*/.exec(stdout)?.[0] ?? 'of unknown version');
    });
  });
}

function unavailable(what: string, found?: string): AhaError {
  return new AhaError({
    code: 'bubblewrap-unavailable',
    boundary: 'sandbox',
    what,
    ...(found === undefined ? {} : { found }),
    expected: 'Linux on x64 or arm64 with bubblewrap 0.6 or newer, perl, and user namespaces (or root)',
    fix: 'On Debian and Ubuntu: apt-get install bubblewrap. In a container, user namespaces may have to be allowed.',
  });
}
