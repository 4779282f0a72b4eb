/**
 * Ctrl-C, SIGTERM and a closed terminal. While something is worth saving (`defer`), the first signal asks the work
 * to stop at its next safe point and says so; a second one quits at once. Otherwise the first one quits.
 */
import type { Clock } from '../util/clock.ts';
import { exitCodes } from './exit-codes.ts';

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface InterruptionOptions {
  readonly clock: Clock;
  readonly source: SignalSource;
  /** Tells the reader that the first signal was heard. */
  readonly announce: (text: string) => void;
  /** Leaves the program now. */
  readonly quit: (exitCode: number) => void;
}

const signalCodes: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.hangup,
};

/** npm passes on the Ctrl-C that the terminal has sent to us already: two within this time are one. */
const sameKeyPressMilliseconds = 400;

export class Interruption {
  readonly #options: InterruptionOptions;
  readonly #controller = new AbortController();
  #messages: string[] = [];
  #heardAt = Number.NEGATIVE_INFINITY;
  #exitCode: number | undefined;

  constructor(options: InterruptionOptions) {
    this.#options = options;
    for (const signal of Object.keys(signalCodes) as NodeJS.Signals[]) {
      options.source.on(signal, this.#onSignal);
    }
  }

  /** Aborted by the first signal that came while `defer` was held. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit status to leave with after an interruption; undefined when there was none. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** While held, the first signal says `message` and aborts `signal` instead of quitting. */
  defer(message: string): Disposable {
    this.#messages.push(message);
    return {
      [Symbol.dispose]: () => {
        const index = this.#messages.lastIndexOf(message);
        if (index >= 0) this.#messages.splice(index, 1);
      },
    };
  }

  /** Stops the work as a signal would, for reasons of our own: nobody reads any longer. */
  request(exitCode: number): void {
    if (this.#messages.length === 0) {
      this.#options.quit(exitCode);
      return;
    }
    this.#exitCode ??= exitCode;
    this.#controller.abort();
  }

  dispose(): void {
    for (const signal of Object.keys(signalCodes) as NodeJS.Signals[]) {
      this.#options.source.off(signal, this.#onSignal);
    }
  }

  #onSignal = (signal: NodeJS.Signals): void => {
    const now = this.#options.clock.monotonic();
    const exitCode = signalCodes[signal] ?? exitCodes.failure;
    const message = this.#messages.at(-1);
    if (message === undefined) {
      this.#options.quit(exitCode);
      return;
    }
    if (this.#controller.signal.aborted) {
      if (now - this.#heardAt >= sameKeyPressMilliseconds) this.#options.quit(this.#exitCode ?? exitCode);
      return;
    }
    this.#heardAt = now;
    this.#exitCode = exitCode;
    this.#options.announce(message);
    this.#controller.abort();
  };
}
