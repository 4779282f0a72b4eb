/**
 * The host's side of one warm Python process (`python-host.ts`): runs one program at a time in it, enforces the limits
 * from outside, and says when the process can no longer be used.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { systemClock } from '../../util/clock.ts';
import { closed, hasEnded, killTree, startChild, type Child, type ChildOptions } from '../child.ts';
import type { PreparedProgram } from '../program.ts';
import type { LimitName, Limits, RunResult } from '../sandbox.ts';
import { pollInterval, usageOf } from '../usage.ts';
import { denoCommand, denoEnvironment, denoScript } from './deno-command.ts';
import { FrameReader, type FrameKind, type PythonEnding, type PythonJob } from './frames.ts';

/** Deep recursion of Python needs more stack than V8 takes by default (kilobytes). */
const v8Flags = ['--stack-size=3900'];
const longestFrame = 256 * 1024 * 1024;
const startDeadlineMs = 180_000;
/** A process that has grown by more than this is not used again: WebAssembly memory never shrinks. */
const keepableGrowth = 64 * 1024 * 1024;
const programsPerProcess = 5000;

/** The files of the npm package `pyodide`, in the order in which `python-host.ts` takes them. */
const parts = [
  'pyodide.mjs',
  'pyodide.asm.mjs',
  'pyodide.asm.wasm',
  'python_stdlib.zip',
  'pyodide-lock.json',
];

export interface Assets {
  readonly files: readonly Uint8Array[];
  /** Of a started interpreter, once there has been one: starting from it takes a fifth of the time. */
  snapshot?: Uint8Array;
}

let shared: Promise<Assets> | undefined;

/** The same for all sandboxes of this process. Throws `AhaError` pyodide-missing. */
export async function pyodideAssets(): Promise<Assets> {
  shared ??= readPyodide();
  return shared;
}

async function readPyodide(): Promise<Assets> {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('pyodide/package.json'));
    return { files: await Promise.all(parts.map(async (name) => readFile(join(folder, name)))) };
  } catch (cause) {
    throw new AhaError({
      code: 'pyodide-missing',
      boundary: 'sandbox',
      what: 'Python cannot run in the sandbox: the npm package pyodide is missing or incomplete',
      fix: 'Install the dependencies again (npm ci).',
      cause,
    });
  }
}

interface Running {
  readonly frame: (kind: FrameKind, bytes: Uint8Array) => void;
  readonly end: () => void;
}

/** Where a process starts, and who ends it if we cannot. */
export type PythonPlace = Pick<ChildOptions, 'folder' | 'guardian'>;

export class PythonProcess {
  readonly #child: Child;
  #running: Running | undefined;
  #programs = 0;
  #usable = true;
  #baseBytes = 0;
  /** The end of standard error, which only Deno itself writes to. */
  #complaints = '';

  private constructor(child: Child) {
    this.#child = child;
    const reader = new FrameReader(longestFrame);
    child.stdout.on('data', (chunk: Uint8Array) => {
      try {
        for (const { kind, bytes } of reader.push(chunk)) this.#running?.frame(kind, bytes);
      } catch {
        this.kill();
      }
    });
    child.stderr.on('data', (chunk: Uint8Array) => {
      this.#complaints = (this.#complaints + Buffer.from(chunk).toString()).slice(-2000);
    });
    child.once('exit', () => {
      this.#usable = false;
    });
    child.once('close', () => this.#running?.end());
  }

  /** Resolves when the interpreter is ready. Throws `AhaError` sandbox-failed. */
  static async start(binary: string, place: PythonPlace, assets: Assets): Promise<PythonProcess> {
    const script = denoScript('python-host');
    const child = await startChild(denoCommand(binary, script, v8Flags), {
      ...place,
      environment: denoEnvironment(script),
    });
    const python = new PythonProcess(child);
    for (const asset of assets.files) python.#send(asset);
    python.#send(assets.snapshot ?? new Uint8Array(0));
    const ready = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), startDeadlineMs);
      python.#running = {
        frame: (kind, bytes) => {
          clearTimeout(timer);
          // Made before the interpreter has seen any program.
          if (bytes.length > 0) assets.snapshot ??= Uint8Array.from(bytes);
          resolve(kind === 'ready');
        },
        end: () => {
          clearTimeout(timer);
          resolve(false);
        },
      };
    });
    python.#running = undefined;
    if (!ready) {
      await python.close();
      throw new AhaError({
        code: 'sandbox-failed',
        boundary: 'sandbox',
        what: 'Python did not start in the sandbox',
        found: python.#complaints || `nothing within ${startDeadlineMs / 1000} s`,
        fix: "Run 'aha doctor', and report its output if it finds nothing wrong.",
      });
    }
    python.#baseBytes = (await usageOf(child.pid ?? 0))?.residentBytes ?? 0;
    return python;
  }

  get usable(): boolean {
    return this.#usable;
  }

  kill(): void {
    this.#usable = false;
    killTree(this.#child);
  }

  async close(): Promise<void> {
    this.kill();
    await closed(this.#child);
  }

  /** Rejects only with the reason of `signal`. */
  async run(
    program: PreparedProgram,
    stdin: string,
    limits: Limits,
    signal: AbortSignal,
  ): Promise<RunResult> {
    const pid = this.#child.pid ?? 0;
    const before = await usageOf(pid);
    const start = systemClock.monotonic();
    const output = { stdout: new Output(limits.outputBytes), stderr: new Output(limits.outputBytes) };
    const state: { limit: LimitName | null; ending?: PythonEnding; last: typeof before } = {
      limit: null,
      last: before,
    };
    const stop = (limit: LimitName) => {
      if (state.ending !== undefined) return;
      state.limit ??= limit;
      this.kill();
    };
    const look = async () => {
      const now = hasEnded(this.#child) ? undefined : await usageOf(pid);
      if (now === undefined || now.residentBytes === 0) return;
      state.last = now;
      if (now.residentBytes > this.#baseBytes + limits.memoryBytes) stop('memory');
      else if (before !== undefined && now.cpuMs - before.cpuMs > limits.cpuMs) stop('cpu');
    };
    const poll = setInterval(() => void look(), pollInterval);
    const deadline = Number.isFinite(limits.wallMs)
      ? setTimeout(() => stop('wall'), limits.wallMs)
      : undefined;
    const abort = () => this.kill();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await new Promise<void>((resolve) => {
        if (!this.#usable) {
          resolve();
          return;
        }
        this.#running = {
          frame: (kind, bytes) => {
            if (kind === 'stdout' || kind === 'stderr') {
              if (output[kind].add(bytes)) return;
              stop('output');
            } else if (kind === 'end') {
              state.ending = JSON.parse(Buffer.from(bytes).toString()) as PythonEnding;
              resolve();
            }
          },
          end: resolve,
        };
        const job: PythonJob = {
          files: program.files,
          entry: program.entry,
          arguments: program.arguments,
          // JSON has no Infinity.
          memoryBytes: Math.min(limits.memoryBytes, Number.MAX_SAFE_INTEGER),
          fileBytes: Math.min(limits.fileBytes, Number.MAX_SAFE_INTEGER),
          outputBytes: Math.min(limits.outputBytes, Number.MAX_SAFE_INTEGER),
        };
        this.#send(Buffer.from(JSON.stringify(job)));
        this.#send(Buffer.from(stdin));
        if (signal.aborted) abort();
      });
    } finally {
      this.#running = undefined;
      clearInterval(poll);
      clearTimeout(deadline);
      signal.removeEventListener('abort', abort);
    }
    signal.throwIfAborted();
    const wallMs = systemClock.monotonic() - start;
    const { ending } = state;
    const after = (ending === undefined ? undefined : await usageOf(pid)) ?? state.last;
    this.#programs++;
    if (ending !== undefined) this.#judge(ending);
    const measured = {
      wallMs,
      cpuMs: before === undefined || after === undefined ? null : after.cpuMs - before.cpuMs,
      peakMemoryBytes: ending?.memoryBytes ?? state.last?.residentBytes ?? null,
    };
    return result(ending, state.limit, output.stdout, output.stderr, measured);
  }

  /** Whether another program may run here after this one. */
  #judge(ending: PythonEnding): void {
    const grown = ending.memoryBytes - initialMemoryBytes;
    if (ending.violation !== null || grown > keepableGrowth || this.#programs >= programsPerProcess)
      this.kill();
  }

  #send(bytes: Uint8Array): void {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    this.#child.stdin.write(length);
    this.#child.stdin.write(bytes);
  }
}

/** Of Pyodide's WebAssembly module. */
const initialMemoryBytes = 30 * 1024 * 1024;

function result(
  ending: PythonEnding | undefined,
  limit: LimitName | null,
  stdout: Output,
  stderr: Output,
  measured: Pick<RunResult, 'wallMs' | 'cpuMs' | 'peakMemoryBytes'>,
): RunResult {
  const overflow = ending?.overflow ?? null;
  const streams = {
    stdoutTruncated: stdout.truncated || overflow === 'stdout',
    stderrTruncated: stderr.truncated || overflow === 'stderr',
    stdout: stdout.text(),
    stderr: stderr.text(),
    ...measured,
  };
  if (ending === undefined) {
    return { stage: 'run', exitCode: null, signal: 'SIGKILL', limit, ...streams };
  }
  if (overflow !== null) return { stage: 'run', exitCode: null, signal: null, limit: 'output', ...streams };
  if (ending.crash !== null) {
    // What a C program's stack overflow or wild pointer would be.
    const text = `Fatal Python error: ${ending.crash}\n`;
    return {
      stage: 'run',
      exitCode: null,
      signal: 'SIGSEGV',
      limit: null,
      ...streams,
      stderr: streams.stderr + text,
    };
  }
  if (ending.violation !== null) {
    const text = `The sandbox ended this program: it called ${ending.violation}, which reaches out of Python.\n`;
    return {
      stage: 'run',
      exitCode: null,
      signal: 'SIGSYS',
      limit: null,
      ...streams,
      stderr: streams.stderr + text,
    };
  }
  return {
    stage: 'run',
    exitCode: ending.exitCode,
    signal: null,
    limit: ending.memoryRefused && ending.exitCode !== 0 ? 'memory' : null,
    ...streams,
  };
}

class Output {
  truncated = false;
  readonly #limit: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when it was too much. */
  add(bytes: Uint8Array): boolean {
    const room = this.#limit - this.#length;
    // Copied: the chunk that it came in is larger.
    this.#chunks.push(Uint8Array.from(bytes.subarray(0, room)));
    this.#length += Math.min(bytes.length, room);
    this.truncated ||= bytes.length > room;
    return !this.truncated;
  }

  text(): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(this.#chunks));
  }
}
