/** The only places where time enters the program. Pass a `Clock` in where a test must control it. */

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. For durations. */
  monotonic(): number;
  /** Milliseconds since 1970. For records. */
  wall(): number;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};
