/** `peers.py` as a process that stays: commands go in and answers come out, one JSON line each. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Elapsed } from '../rounds.ts';

export interface PeerAnswer extends Elapsed {
  /** Of `seconds`, those that went into generation. */
  readonly generation?: number;
  readonly packages?: Readonly<Record<string, string>>;
}

export class Peer implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #lastWords = '';

  constructor(python: string, script: string, threads: number) {
    this.#child = spawn(python, [script], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, AHA_THREADS: String(threads) },
    });
    this.#child.on('error', (error) => {
      this.#lastWords = error.message;
    });
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#lastWords = `${this.#lastWords}${chunk.toString()}`.slice(-2000);
    });
    // A peer that ends early shows in the answer that does not come.
    this.#child.stdin!.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** @throws Error with what the peer said if it fails or ends. */
  async ask(command: Readonly<Record<string, unknown>>): Promise<PeerAnswer> {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`Python ended: ${this.#lastWords.trim() || 'without a word'}`);
    const answer = JSON.parse(value) as PeerAnswer & { readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  [Symbol.dispose](): void {
    this.#child.stdin!.end();
    this.#child.kill();
  }
}
