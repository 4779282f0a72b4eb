/**
 * Finds stop strings in text that arrives in pieces, wherever the pieces are cut. Holds back no more text than could
 * still be the beginning of a stop string.
 */
import { AhaError } from '../errors.ts';

export interface StopResult {
  /** Text that is certain to come before any stop string. */
  readonly text: string;
  /** Whether a stop string was found; `text` then ends where it begins, and nothing more is read. */
  readonly stopped: boolean;
}

export class StopStringMatcher {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #pending = '';
  #stopped = false;

  /** Throws `AhaError` (text) for an empty stop string, which would match at once. */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) {
      throw new AhaError({
        code: 'stop-string-empty',
        boundary: 'text',
        what: 'A stop string is empty',
        expected: 'at least one character',
      });
    }
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** Takes the next piece. The stop string that is complete first wins; of those that end together, the longest. */
  push(piece: string): StopResult {
    if (this.#stopped) return { text: '', stopped: true };
    this.#pending += piece;
    const found = this.#stops
      .map((stop) => ({ start: this.#pending.indexOf(stop), length: stop.length }))
      .filter(({ start }) => start >= 0)
      .sort((a, b) => a.start + a.length - (b.start + b.length) || a.start - b.start);
    if (found.length > 0) {
      const text = this.#pending.slice(0, found[0]!.start);
      this.#pending = '';
      this.#stopped = true;
      return { text, stopped: true };
    }
    const kept = this.#beginningLength();
    const text = this.#pending.slice(0, this.#pending.length - kept);
    this.#pending = this.#pending.slice(this.#pending.length - kept);
    return { text, stopped: false };
  }

  /** The text that was held back, when no more will come. */
  finish(): string {
    const rest = this.#pending;
    this.#pending = '';
    return rest;
  }

  /** How long the longest end of the pending text is that begins a stop string. */
  #beginningLength(): number {
    for (let length = Math.min(this.#longest - 1, this.#pending.length); length > 0; length--) {
      const end = this.#pending.slice(-length);
      if (this.#stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}
