/**
 * The default tier, from npm alone: TypeScript and JavaScript in Deno without any permission. Each program has a
 * process of its own, started ahead of time and used once. Python runs as Pyodide in such a process, which is kept
 * and put back to its beginning before each program (`python-host.ts`).
 *
 * TypeScript is stripped of its types, not checked.
 */
import { setMaxListeners } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { closed, hasEnded, killTree, startChild, type Child } from '../child.ts';
import { Guardian } from '../guardian.ts';
import { prepareProgram, resolveLimits, type PreparedProgram } from '../program.ts';
import { Queue } from '../../util/queue.ts';
import { eitherSignal } from '../../util/signals.ts';
import type { Language, Program, ProgramInput, RunOptions, RunResult, Sandbox } from '../sandbox.ts';
import { supervise } from '../supervise.ts';
import { usageOf } from '../usage.ts';
import { denoBinary } from './binary.ts';
import { PythonPool } from './python-pool.ts';
import { denoCommand, denoEnvironment, denoScript } from './deno-command.ts';

export interface DenoSandboxOptions {
  /** Programs at once. Default: one for each core. */
  readonly concurrency?: number;
}

/** Throws `AhaError`: deno-missing, sandbox-failed. */
export async function openDenoSandbox(options: DenoSandboxOptions = {}): Promise<Sandbox> {
  const binary = denoBinary();
  const guardian = await Guardian.open('aha-sandbox-');
  await mkdir(join(guardian.folder, 'empty'));
  return new DenoSandbox(binary, guardian, options.concurrency ?? availableParallelism());
}

class DenoSandbox implements Sandbox {
  readonly name = 'deno';
  readonly languages: ReadonlySet<Language | 'command'> = new Set<Language>([
    'typescript',
    'javascript',
    'python',
  ]);
  readonly #binary: string;
  /** Where the processes start: empty, and they can neither read nor write it. */
  readonly #folder: string;
  /** Its folder holds that, and for each process that strips types what Deno keeps while it lasts. */
  readonly #guardian: Guardian;
  readonly #queue: Queue;
  /** Started, waiting for their one program; by the V8 flags they were started with and whether they strip types. */
  readonly #warm = new Map<string, Promise<Child>[]>();
  readonly #running = new Set<Child>();
  readonly #python: PythonPool;
  readonly #closing = new AbortController();

  constructor(binary: string, guardian: Guardian, concurrency: number) {
    this.#binary = binary;
    this.#guardian = guardian;
    this.#folder = join(guardian.folder, 'empty');
    this.#python = new PythonPool(binary, { folder: this.#folder, guardian });
    this.#queue = new Queue(concurrency);
    // Everything that waits or runs listens.
    setMaxListeners(0, this.#closing.signal);
  }

  async run(program: Program, input: ProgramInput = {}, options: RunOptions = {}): Promise<RunResult> {
    const prepared = prepareProgram(program, this.languages, this.name);
    const limits = resolveLimits(options.limits);
    const signal = eitherSignal(this.#closing.signal, options.signal);
    return this.#queue.run(async () => {
      if (prepared.language === 'python') {
        return this.#python.use(async (python) => {
          options.onStart?.();
          return python.run(prepared, input.stdin ?? '', limits, signal);
        });
      }
      const flags = heapFlags(limits.memoryBytes);
      const words = (prepared as PreparedProgram).arguments;
      // Arguments are given when a process starts, so one that has been started cannot be used.
      const stripsTypes = prepared.language === 'typescript';
      const child =
        words.length === 0
          ? await this.#take(flags, stripsTypes)
          : await this.#start(flags, stripsTypes, words);
      this.#running.add(child);
      options.onStart?.();
      try {
        const cpuBefore = child.pid === undefined ? undefined : (await usageOf(child.pid))?.cpuMs;
        const result = await supervise(child, {
          limits,
          input: message(prepared as PreparedProgram, input.stdin ?? ''),
          signal,
          cpuBefore: cpuBefore ?? 0,
        });
        return withNames(result, (prepared as PreparedProgram).entry);
      } finally {
        this.#running.delete(child);
        killTree(child);
      }
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(
      new AhaError({ code: 'sandbox-closed', boundary: 'sandbox', what: 'The sandbox has been closed' }),
    );
    const warm = await Promise.allSettled([...this.#warm.values()].flat());
    this.#warm.clear();
    const children = [
      ...this.#running,
      ...warm.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    ];
    for (const child of children) killTree(child);
    await Promise.all([...children.map(closed), this.#python.close()]);
    await this.#guardian.close();
  }

  /** A process that waits for a program; another is started in its place. */
  async #take(flags: readonly string[], stripsTypes: boolean): Promise<Child> {
    const key = [...flags, stripsTypes].join(',');
    const waiting = this.#warm.get(key) ?? [];
    this.#warm.set(key, waiting);
    const first = waiting.shift();
    while (waiting.length < this.#queue.concurrency && !this.#closing.signal.aborted) {
      const started = this.#start(flags, stripsTypes);
      // Whoever takes it learns what went wrong.
      started.catch(() => undefined);
      waiting.push(started);
    }
    const child = await first?.catch(() => undefined);
    return child === undefined || hasEnded(child) ? this.#start(flags, stripsTypes) : child;
  }

  async #start(
    flags: readonly string[],
    stripsTypes: boolean,
    words: readonly string[] = [],
  ): Promise<Child> {
    const script = denoScript('bootstrap');
    const start = (cache?: string) =>
      startChild([...denoCommand(this.#binary, script, flags), ...words], {
        folder: this.#folder,
        environment: denoEnvironment(script, cache),
        guardian: this.#guardian,
      });
    if (!stripsTypes) return start();
    const cache = await mkdtemp(join(this.#guardian.folder, 'cache-'));
    const discard = () => rm(cache, { recursive: true, force: true });
    try {
      // Where Deno would keep `localStorage` and `caches` of the program: a file, below which nothing can be made.
      await writeFile(join(cache, 'location_data'), '');
      const child = await start(cache);
      // What cannot be removed now goes with the sandbox's folder.
      closed(child)
        .then(discard)
        .catch(() => undefined);
      return child;
    } catch (error) {
      await discard();
      throw error;
    }
  }
}

/** V8 counts its heap only; the memory of the whole process is watched from outside. */
function heapFlags(memoryBytes: number): string[] {
  return Number.isFinite(memoryBytes)
    ? [`--max-old-space-size=${Math.max(16, Math.floor(memoryBytes / 1024 / 1024))}`]
    : [];
}

/** As bootstrap.ts reads it. */
function message(program: PreparedProgram, stdin: string): Uint8Array {
  const { files, entry } = program;
  const body = Buffer.from(JSON.stringify({ files, entry }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body, Buffer.from(stdin)]);
}

/** The program was run from memory; where it is quoted, it has its own name. */
function withNames(result: RunResult, entry: string): RunResult {
  const stderr = result.stderr
    .replaceAll(/blob:null\/[0-9a-f-]{36}/g, () => entry)
    .replaceAll('file:///program/', '')
    .replaceAll(/^ +at async file:\/\/\/.*\/bootstrap\.[jt]s.*\n?/gm, '');
  return { ...result, stderr };
}
