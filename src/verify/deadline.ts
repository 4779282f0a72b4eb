/**
 * The time that one verdict may take. Waiting for others does not count: whoever waits for a turn in a sandbox or a
 * compiler pauses the deadline, so that a verdict has the same time on a machine with a thousand others in line.
 */
import type { Clock } from '../util/clock.ts';

/** Stops the time until the function that it returns is called; once is enough, more often does no harm. */
export type Pause = () => () => void;

export class Deadline {
  readonly #clock: Clock;
  readonly #onPassed: () => void;
  /** Milliseconds, as of `#since`. */
  #left: number;
  #since: number;
  #pauses = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number, clock: Clock, onPassed: () => void) {
    this.#clock = clock;
    this.#onPassed = onPassed;
    this.#left = milliseconds;
    this.#since = clock.monotonic();
    this.#arm();
  }

  /** Whether the time is over, even if nothing has been able to say so. */
  get passed(): boolean {
    return this.#pauses === 0 && this.#clock.monotonic() - this.#since > this.#left;
  }

  readonly pause: Pause = () => {
    if (this.#pauses++ === 0) {
      clearTimeout(this.#timer);
      this.#left -= this.#clock.monotonic() - this.#since;
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (--this.#pauses > 0) return;
      this.#since = this.#clock.monotonic();
      this.#arm();
    };
  };

  /** Nothing happens from now on. */
  end(): void {
    clearTimeout(this.#timer);
    this.#pauses = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    this.#timer = setTimeout(this.#onPassed, Math.max(0, this.#left));
  }
}
