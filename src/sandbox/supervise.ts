/**
 * Watches one process to its end: feeds it, takes its output up to the limit, and kills the whole group when a limit
 * is passed or the caller gives up. Everything is enforced from here, outside, whatever the program does.
 */
import { systemClock } from '../util/clock.ts';
import { Capture } from './capture.ts';
import { hasEnded, killTree, type Child } from './child.ts';
import type { LimitName, Limits, RunResult } from './sandbox.ts';
import { pollInterval, usageOf, type Usage } from './usage.ts';

export interface SuperviseOptions {
  readonly limits: Limits;
  /** Written to standard input, which is then closed. */
  readonly input: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** What the program has used; polled. Default: what its one process has. */
  readonly usage?: (pid: number) => Promise<Usage | undefined>;
  /** Processor time that the process had used before the program began, in milliseconds. */
  readonly cpuBefore?: number;
}

/** How long the pipes of a process that has ended may stay open (a child of its own may hold them). */
const lingerMs = 100;

/** Rejects only with the reason of `signal`. */
export async function supervise(child: Child, options: SuperviseOptions): Promise<RunResult> {
  const { limits, signal } = options;
  const start = systemClock.monotonic();
  const state: { limit: LimitName | null; usage: Usage | undefined } = { limit: null, usage: undefined };
  const stop = (limit: LimitName) => {
    if (hasEnded(child)) return;
    state.limit ??= limit;
    killTree(child);
  };
  const stdout = new Capture(child.stdout, limits.outputBytes, () => stop('output'));
  const stderr = new Capture(child.stderr, limits.outputBytes, () => stop('output'));
  const cpuBefore = options.cpuBefore ?? 0;
  const usage = options.usage ?? usageOf;
  const look = async () => {
    if (child.pid === undefined || hasEnded(child)) return;
    const now = await usage(child.pid);
    if (now === undefined || now.residentBytes === 0) return;
    state.usage = now;
    if (now.residentBytes > limits.memoryBytes) stop('memory');
    else if (now.cpuMs - cpuBefore > limits.cpuMs) stop('cpu');
  };
  const poll = setInterval(() => void look(), pollInterval);
  const deadline = Number.isFinite(limits.wallMs) ? setTimeout(() => stop('wall'), limits.wallMs) : undefined;
  const abort = () => killTree(child);
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    child.stdin.end(options.input);
    await ended(child);
    // What the program started and left behind goes with it.
    killTree(child);
    await drained(child);
  } finally {
    clearInterval(poll);
    clearTimeout(deadline);
    signal?.removeEventListener('abort', abort);
  }
  signal?.throwIfAborted();
  return {
    stage: 'run',
    exitCode: state.limit === null ? child.exitCode : null,
    signal: child.signalCode,
    stdout: stdout.text(),
    stderr: stderr.text(),
    stdoutTruncated: stdout.truncated,
    stderrTruncated: stderr.truncated,
    wallMs: systemClock.monotonic() - start,
    cpuMs: state.usage === undefined ? null : Math.max(0, state.usage.cpuMs - cpuBefore),
    peakMemoryBytes: state.usage?.peakBytes ?? null,
    limit: state.limit,
  };
}

async function ended(child: Child): Promise<void> {
  if (hasEnded(child)) return;
  await new Promise<void>((resolve) => child.once('exit', () => resolve()));
}

async function drained(child: Child): Promise<void> {
  if (child.stdout.closed && child.stderr.closed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
      resolve();
    }, lingerMs);
    child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
