/** A fair queue: at most so many tasks at once, first come, first served. Waiting costs one closure a task. */

export class Queue {
  readonly #concurrency: number;
  #running = 0;
  /** In order of arrival; those that gave up are skipped when their turn comes. */
  #waiting = new Set<() => void>();

  constructor(concurrency: number) {
    this.#concurrency = Math.max(1, Math.floor(concurrency));
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Rejects with the signal's reason when aborted before its turn; later, aborting is the task's own business. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running >= this.#concurrency) await this.#turn(signal);
    else this.#running++;
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  /** The place of one that ends goes straight to the next in line, so that nobody can overtake. */
  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) this.#running--;
    else {
      this.#waiting.delete(first);
      first();
    }
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(begin);
        reject(signal?.reason as Error);
      };
      this.#waiting.add(begin);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }
}
