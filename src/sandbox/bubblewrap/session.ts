/**
 * One sandbox for one program: started ahead, given the program, watched to its end, gone. Everything inside is in a
 * process namespace whose first process is ours (init-script.ts); when it ends or bubblewrap is killed, the kernel
 * ends the rest.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { AhaError } from '../../errors.ts';
import { systemClock } from '../../util/clock.ts';
import { Capture } from '../capture.ts';
import type { LimitName, Limits, RunResult } from '../sandbox.ts';
import { signalName } from '../signals.ts';
import { bubblewrapArguments, buildFolder, type View } from './arguments.ts';
import { initScript } from './init-script.ts';
import { seccompFilter } from './seccomp.ts';
import type { ControlGroup } from './control-group.ts';

export interface Stage {
  readonly name: 'compile' | 'run';
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: Limits;
  /** Bytes of address space of one process; 0 for languages whose runtimes reserve much more than they use. */
  readonly addressBytes: number;
}

export interface Job {
  readonly files: Readonly<Record<string, string>>;
  /** The last is the program itself. */
  readonly stages: readonly Stage[];
  readonly stdin: string;
  readonly signal?: AbortSignal | undefined;
}

export interface SessionOptions {
  readonly bubblewrap: string;
  readonly perl: string;
  readonly view: View;
  /** Host user of the program; 0 where the program keeps ours (mapped, in a user namespace). */
  readonly user: number;
  /** Undefined where control groups cannot be had; processes are then measured by polling. */
  readonly controlGroup: ControlGroup | undefined;
}

/** How long starting may take, in milliseconds, before it counts as failed; a loaded machine is slow. */
const setupMs = 60_000;
/** Bytes and files of file systems before their program is known. */
const initialBytes = 1024 * 1024;
/** Bytes that compilers may write. */
const buildBytes = 512 * 1024 * 1024;
/** A file system holds one file for each so many bytes of its limit, and a few: inodes are memory, too. */
const bytesPerFile = 4096;
const fewFiles = 256;

interface Ended {
  readonly stage: string;
  /** As wait(2) gives it. */
  readonly status: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly limit: LimitName | null;
}

export class Session {
  readonly #child: ChildProcess;
  readonly #options: SessionOptions;
  readonly #closed: Promise<void>;
  readonly #ready: Promise<void>;
  #events: (line: string) => void = () => undefined;
  #failure: string | undefined;
  #complaints = '';

  constructor(options: SessionOptions) {
    this.#options = options;
    const words = [...bubblewrapArguments(options.view, initialBytes), '--info-fd', '7', '--'];
    words.push(options.perl, '-e', initScript, process.arch, String(options.user), '/tmp/box');
    // Empty, so that nothing of ours is in the memory of anything inside (/proc/1/environ).
    this.#child = spawn(options.bubblewrap, words, {
      env: {},
      cwd: '/',
      stdio: Array<'pipe'>(8).fill('pipe'),
    });
    for (const stream of this.#child.stdio) stream?.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', (error) => {
        this.#failure = error.message;
        resolve();
      });
    });
    try {
      if (this.#child.pid !== undefined)
        setPriority(this.#child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // Ended already; its failure is reported below.
    }
    this.#ready = this.#start();
    // Reported by `run`; a spare that fails must not end this process.
    this.#ready.catch(() => undefined);
  }

  /** Kills everything inside. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    // Nobody reads them any more; unread, they would never close.
    for (const stream of this.#child.stdio) stream?.destroy();
    await this.#closed;
    await this.#options.controlGroup?.remove();
  }

  /** Once only. Rejects with `AhaError` sandbox-failed or the reason of the job's signal. */
  async run(job: Job): Promise<RunResult> {
    const abort = () => this.#child.kill('SIGKILL');
    job.signal?.addEventListener('abort', abort, { once: true });
    try {
      job.signal?.throwIfAborted();
      await this.#ready;
      const result = await this.#execute(job);
      job.signal?.throwIfAborted();
      return result;
    } finally {
      job.signal?.removeEventListener('abort', abort);
      await this.end();
    }
  }

  async #start(): Promise<void> {
    readLines(this.#pipe(4), (line) => this.#events(line));
    const pid = new Promise<number>((resolve) => {
      let text = '';
      this.#pipe(7).on('data', (chunk: Uint8Array) => {
        text += Buffer.from(chunk).toString();
        const match = /"child-pid": (\d+)/.exec(text);
        if (match !== null) resolve(Number(match[1]));
      });
    });
    this.#child.stderr?.on('data', (chunk: Uint8Array) => {
      if (this.#complaints.length < 2000) this.#complaints += Buffer.from(chunk).toString();
    });
    const ready = new Promise<void>((resolve, reject) => {
      this.#events = (line) => {
        if (line === 'ready') resolve();
        else reject(this.#failed(line));
      };
      const timer = setTimeout(() => reject(this.#failed('it did not start in time')), setupMs);
      void this.#closed.then(() => reject(this.#failed()));
      void this.#closed.then(() => clearTimeout(timer));
    });
    await ready;
    this.#child.stderr?.removeAllListeners('data');
    this.#options.controlGroup?.add(await pid);
  }

  async #execute(job: Job): Promise<RunResult> {
    const { limits } = job.stages.at(-1)!;
    this.#options.controlGroup?.limit(job.stages[0]!.limits);
    const run = { out: this.#child.stdout!, error: this.#child.stderr! };
    const compile = { out: this.#pipe(5), error: this.#pipe(6) };
    const state: {
      limit: LimitName | null;
      stage: Stage | undefined;
      ended: Ended | undefined;
      begun: number;
    } = {
      limit: null,
      stage: undefined,
      ended: undefined,
      begun: systemClock.monotonic(),
    };
    const stop = (limit: LimitName) => {
      state.limit ??= limit;
      this.#child.kill('SIGKILL');
    };
    const first = job.stages[0]!;
    const captures = {
      run: [run.out, run.error].map(
        (stream) => new Capture(stream, limits.outputBytes, () => stop('output')),
      ),
      compile: [compile.out, compile.error].map(
        (stream) => new Capture(stream, first.limits.outputBytes, () => stop('output')),
      ),
    };
    let timer = setTimeout(() => {
      this.#failure = 'it did not take the program in time';
      this.#child.kill('SIGKILL');
    }, setupMs);
    let wallMs = 0;
    this.#events = (line) => {
      const [word, name, ...rest] = line.split(' ');
      if (word === 'next') {
        this.#options.controlGroup?.limit(limits);
        (this.#child.stdio[3] as Writable).end(record('next', []));
      } else if (word === 'begin') {
        clearTimeout(timer);
        state.stage = job.stages.find((stage) => stage.name === name);
        state.begun = systemClock.monotonic();
        const { wallMs } = state.stage!.limits;
        if (Number.isFinite(wallMs)) timer = setTimeout(() => stop('wall'), wallMs);
      } else if (word === 'end') {
        clearTimeout(timer);
        wallMs = systemClock.monotonic() - state.begun;
        const [status, cpu, peak, limit] = rest;
        state.ended = {
          stage: name ?? '',
          status: Number(status),
          cpuMs: Number(cpu) / 1000,
          peakBytes: Number(peak),
          limit: limit === 'memory' || limit === 'cpu' ? limit : null,
        };
      } else this.#failure ??= line;
    };
    this.#send(job);
    await this.#closed;
    clearTimeout(timer);
    job.signal?.throwIfAborted();
    const { stage } = state;
    if (stage === undefined || this.#failure !== undefined) throw this.#failed(captures.run[1]?.text());
    const ended = state.ended?.stage === stage.name ? state.ended : undefined;
    const usage = this.#options.controlGroup?.usage();
    if (ended === undefined && state.limit === null && usage?.outOfMemory !== true) {
      throw this.#failed('its first process ended early');
    }
    if (ended === undefined) wallMs = systemClock.monotonic() - state.begun;
    const signal = ended === undefined ? 'SIGKILL' : signalName(ended.status & 0x7f);
    const memory = usage?.outOfMemory === true ? 'memory' : null;
    const limit = state.limit ?? ended?.limit ?? memory ?? limitOfSignal(signal);
    const [stdout, stderr] = captures[stage.name] as [Capture, Capture];
    return {
      stage: stage.name,
      exitCode: signal === null && limit === null ? (ended!.status >> 8) & 0xff : null,
      signal,
      stdout: stdout.text(),
      stderr: stderr.text(),
      stdoutTruncated: stdout.truncated,
      stderrTruncated: stderr.truncated,
      wallMs,
      cpuMs: ended?.cpuMs ?? usage?.cpuMs ?? null,
      peakMemoryBytes: usage?.peakBytes ?? ended?.peakBytes ?? null,
      limit,
    };
  }

  /** Node.js types the first five only. */
  #pipe(descriptor: number): Readable {
    return (this.#child.stdio as readonly unknown[])[descriptor] as Readable;
  }

  #send(job: Job): void {
    const { fileBytes } = job.stages.at(-1)!.limits;
    const bytes = Math.min(fileBytes, Number.MAX_SAFE_INTEGER);
    const sizes: [string, number][] = [
      ['/tmp', bytes],
      ['/dev/shm', bytes],
    ];
    if (job.stages.length > 1) sizes.push([buildFolder, buildBytes]);
    const to = this.#child.stdio[3] as Writable;
    to.cork();
    for (const [path, size] of sizes) {
      // The program's own files are on top.
      const own =
        path === '/tmp' ? Object.values(job.files).reduce((sum, text) => sum + 4096 + text.length * 3, 0) : 0;
      const files = fewFiles + Math.ceil(size / bytesPerFile) + Object.keys(job.files).length * 2;
      to.write(record('mount', [path, size + own, files]));
    }
    to.write(record('seccomp', seccompFilter()));
    for (const [path, text] of Object.entries(job.files)) to.write(record('file', [path, text]));
    for (const { name, command, environment, limits, addressBytes } of job.stages) {
      const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
      const numbers = [limits.wallMs, limits.cpuMs, limits.memoryBytes, addressBytes, limits.fileBytes];
      const whole = numbers.map((value) => Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER));
      to.write(
        record('stage', [name, ...whole, limits.processes, variables.length, ...variables, ...command]),
      );
    }
    to.write(record('go', []));
    if (job.stages.length === 1) to.end();
    to.uncork();
    this.#child.stdin?.end(job.stdin);
  }

  #failed(found?: string): AhaError {
    const detail = this.#failure ?? (this.#complaints.trim() || found);
    return new AhaError({
      code: 'sandbox-failed',
      boundary: 'sandbox',
      what: 'The bubblewrap sandbox failed',
      ...(detail === undefined ? {} : { found: detail }),
      expected: 'the program to be started and watched to its end',
      fix: "Run 'aha doctor' to see whether bubblewrap works on this machine.",
    });
  }
}

function record(name: string, content: Uint8Array | readonly (string | number)[]): Buffer {
  const bytes = content instanceof Uint8Array ? content : Buffer.from(content.join('\0'));
  return Buffer.concat([Buffer.from(`${name} ${bytes.length}\n`), bytes]);
}

function readLines(stream: Readable, take: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Uint8Array) => {
    const lines = (rest + Buffer.from(chunk).toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}

function limitOfSignal(signal: string | null): LimitName | null {
  if (signal === 'SIGXCPU') return 'cpu';
  return signal === 'SIGXFSZ' ? 'file' : null;
}
