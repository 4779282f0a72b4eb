/** So many requests at a time, and none at all while a server has asked for a pause. */
import type { Clock } from '../util/clock.ts';

/** Waits; rejects at once with the signal's reason when aborted. */
export type Sleep = (milliseconds: number, signal?: AbortSignal) => Promise<void>;

export const sleep: Sleep = async (milliseconds, signal) => {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
};

export class Throttle {
  readonly #clock: Clock;
  readonly #sleep: Sleep;
  readonly #waiting: (() => void)[] = [];
  #free: number;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(concurrency: number, clock: Clock, sleep: Sleep) {
    this.#free = concurrency;
    this.#clock = clock;
    this.#sleep = sleep;
  }

  /** Nobody sends anything for this long. */
  pause(milliseconds: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.monotonic() + milliseconds);
  }

  /** Runs `work` when there is room. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Waits until no pause holds. */
  async resumed(signal?: AbortSignal): Promise<void> {
    for (;;) {
      const left = this.#pausedUntil - this.#clock.monotonic();
      if (left <= 0) return;
      await this.#sleep(left, signal);
    }
  }

  async #enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        const index = this.#waiting.indexOf(enter);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(signal!.reason as Error);
      };
      this.#waiting.push(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
