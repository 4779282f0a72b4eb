/** How fast something proceeds, and how long the rest takes at the recent rate. */
import type { Clock } from '../../util/clock.ts';

export class Pace {
  readonly #clock: Clock;
  readonly #start: number;
  #done: number;
  #time: number;
  #secondsPerUnit: number | undefined;

  /** `done`: units that were there before the measurement began (a resumed run, a partial download). */
  constructor(clock: Clock, done = 0) {
    this.#clock = clock;
    this.#start = clock.monotonic();
    this.#time = this.#start;
    this.#done = done;
  }

  get elapsedSeconds(): number {
    return (this.#clock.monotonic() - this.#start) / 1000;
  }

  get done(): number {
    return this.#done;
  }

  /** Seconds a unit took lately, once known. */
  get secondsPerUnit(): number | undefined {
    return this.#secondsPerUnit;
  }

  update(done: number): void {
    const units = done - this.#done;
    if (units <= 0) return;
    const now = this.#clock.monotonic();
    const sample = (now - this.#time) / 1000 / units;
    // Ten-unit memory for steps; for many small units (bytes) about two seconds.
    const memory = Math.max(0.1, Math.min(1, (now - this.#time) / 2000));
    this.#secondsPerUnit =
      this.#secondsPerUnit === undefined
        ? sample
        : this.#secondsPerUnit + (sample - this.#secondsPerUnit) * Math.min(memory, 0.3);
    this.#done = done;
    this.#time = now;
  }

  /** Seconds until `total` units are done, or undefined while nothing is known. */
  secondsLeft(total: number): number | undefined {
    if (this.#secondsPerUnit === undefined) return undefined;
    const sinceUpdate = (this.#clock.monotonic() - this.#time) / 1000;
    const left = (total - this.#done) * this.#secondsPerUnit;
    return Math.max(0, left - Math.min(sinceUpdate, this.#secondsPerUnit));
  }
}
