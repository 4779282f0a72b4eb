/**
 * Threads that compare answers, and are ended from outside when one comparison takes too long: whatever a response
 * contains, its judgement comes within the deadline. The budget of the comparison (`limits.ts`) makes that rare.
 *
 * Questions go to a thread one after another, several at a time so that it never waits; it answers in order. When
 * it is late, its first unanswered question is judged `late`, the thread is ended, and the others go to a new one.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { AhaError } from '../../errors.ts';
import { systemClock } from '../../util/clock.ts';
import type { EquivalenceOptions } from './equivalence.ts';
import type { Judgement } from './judgement.ts';

export interface Question {
  readonly reference: string;
  /** Absent: is the reference one that can be compared with? */
  readonly response?: string;
  readonly options: EquivalenceOptions;
}

export interface PoolOptions {
  readonly threads?: number;
  /** Milliseconds that one comparison may take. */
  readonly deadline?: number;
}

/** Questions that wait at one thread. */
const mostInFlight = 32;

/** Milliseconds that a thread may take to start, on a machine that is busy. */
const longestStart = 60_000;

/** Memory of one thread, in MiB: beyond it the thread ends, not the program. */
const heap = 256;

interface Waiting {
  readonly question: Question;
  readonly settle: (judgement: Judgement) => void;
}

export class ComparisonPool {
  private readonly threads: Thread[] = [];
  private readonly queue: Waiting[] = [];
  private readonly most: number;
  readonly deadline: number;

  constructor(options: PoolOptions = {}) {
    this.most = options.threads ?? 2;
    this.deadline = options.deadline ?? 5000;
  }

  ask(question: Question): Promise<Judgement> {
    const file = workerFile();
    return new Promise((resolve) => {
      this.queue.push({ question, settle: resolve });
      if (this.threads.length < this.most && this.threads.every((thread) => thread.load > 0)) {
        this.threads.push(new Thread(file, this.deadline, () => this.distribute()));
      }
      this.distribute();
    });
  }

  /** Ends all threads; questions that wait are never answered. */
  async close(): Promise<void> {
    this.queue.length = 0;
    await Promise.all(this.threads.splice(0).map((thread) => thread.end()));
  }

  private distribute(): void {
    for (let next = this.queue[0]; next !== undefined; next = this.queue[0]) {
      const [thread] = [...this.threads].sort((a, b) => a.load - b.load);
      if (thread === undefined || thread.load >= mostInFlight) return;
      this.queue.shift();
      thread.take(next);
    }
  }
}

class Thread {
  private readonly file: string;
  private readonly deadline: number;
  private readonly onFree: () => void;
  private worker: Worker | undefined;
  private waiting: Waiting[] = [];
  private ready = false;
  private progress = 0;
  private checked = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(file: string, deadline: number, onFree: () => void) {
    this.file = file;
    this.deadline = deadline;
    this.onFree = onFree;
  }

  get load(): number {
    return this.waiting.length;
  }

  take(waiting: Waiting): void {
    if (this.waiting.length === 0) this.progress = systemClock.monotonic();
    this.waiting.push(waiting);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
    this.open().postMessage(waiting.question);
    this.watch();
  }

  async end(): Promise<void> {
    clearInterval(this.timer);
    const { worker } = this;
    this.worker = undefined;
    this.waiting = [];
    await worker?.terminate();
  }

  private open(): Worker {
    if (this.worker !== undefined) {
      this.worker.ref();
      return this.worker;
    }
    const worker = new Worker(this.file, {
      resourceLimits: { maxOldGenerationSizeMb: heap, stackSizeMb: 4 },
      // Nothing of the program's own flags: the thread needs none, and some may not be given to threads.
      execArgv: [],
      env: {},
    });
    this.ready = false;
    worker.on('message', (judgement: Judgement | 'ready') => {
      if (worker !== this.worker) return;
      this.progress = systemClock.monotonic();
      if (judgement === 'ready') {
        this.ready = true;
        return;
      }
      this.waiting.shift()?.settle(judgement);
      this.rest();
      this.onFree();
    });
    // Out of memory; a comparison never throws.
    worker.on('error', (error: Error) =>
      this.replace(worker, { outcome: 'undecided', reason: error.message }),
    );
    worker.on('exit', () => this.replace(worker, { outcome: 'undecided', reason: 'the thread ended' }));
    this.worker = worker;
    return worker;
  }

  /** An idle thread keeps no program alive. */
  private rest(): void {
    if (this.waiting.length > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.worker?.unref();
  }

  private watch(): void {
    if (this.timer !== undefined) return;
    const pause = Math.max(5, this.deadline / 8);
    this.checked = systemClock.monotonic();
    this.timer = setInterval(() => {
      const now = systemClock.monotonic();
      // This program was itself held up: answers may wait to be read, so the clock starts again.
      if (now - this.checked > 2 * pause + 50) this.progress = now;
      this.checked = now;
      const allowed = this.ready ? this.deadline : longestStart;
      if (now - this.progress > allowed && this.worker !== undefined) {
        this.replace(this.worker, { outcome: 'late', reason: `no result within ${this.deadline} ms` });
      }
    }, pause);
  }

  /** Ends a thread, gives its first question this judgement, and asks a new thread the others. */
  private replace(worker: Worker, judgement: Judgement): void {
    if (worker !== this.worker) return;
    this.worker = undefined;
    void worker.terminate();
    const [first, ...others] = this.waiting;
    this.waiting = [];
    this.progress = systemClock.monotonic();
    first?.settle(judgement);
    for (const one of others) this.take(one);
    this.rest();
    this.onFree();
  }
}

/** A thread is started from built JavaScript, in the sources as in the package. */
function workerFile(): string {
  const file = fileURLToPath(
    new URL(
      import.meta.url.endsWith('.ts') ? '../../../dist/verify/math/worker.js' : './worker.js',
      import.meta.url,
    ),
  );
  if (!existsSync(file)) {
    throw new AhaError({
      code: 'worker-missing',
      boundary: 'verifier',
      what: 'The program of the comparison threads is missing',
      found: `nothing at ${file}`,
      expected: 'the built package',
      fix: 'Run npm run build.',
    });
  }
  return file;
}
