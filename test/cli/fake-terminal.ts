/** A terminal to test against: xterm's own emulator behind the interface of a tty stream. */
import xterm from '@xterm/headless';
import type { Clock } from '../../src/util/clock.ts';

export class FakeTerminal {
  readonly isTTY = true;
  readonly #screen: InstanceType<typeof xterm.Terminal>;
  readonly #listeners = new Set<() => void>();
  /** Every byte that was written. */
  written = '';

  constructor(columns = 80, rows = 24) {
    this.#screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
  }

  get columns(): number {
    return this.#screen.cols;
  }

  get rows(): number {
    return this.#screen.rows;
  }

  write(text: string, done?: (error?: Error | null) => void): boolean {
    this.written += text;
    this.#screen.write(text, () => done?.());
    return true;
  }

  on(_event: 'resize', listener: () => void): this {
    this.#listeners.add(listener);
    return this;
  }

  off(_event: 'resize', listener: () => void): this {
    this.#listeners.delete(listener);
    return this;
  }

  /** What `log-update` asks of a stream beside this. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.settled();
    this.#screen.resize(columns, rows);
    for (const listener of this.#listeners) listener();
    await this.settled();
  }

  async settled(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#screen.write('', resolve);
    });
  }

  /** Everything on the screen and above it, without the empty lines at the end. */
  async text(): Promise<string> {
    await this.settled();
    const buffer = this.#screen.buffer.active;
    const lines = Array.from({ length: buffer.length }, (_, row) =>
      buffer.getLine(row)!.translateToString(true),
    );
    return lines.join('\n').trimEnd();
  }

  /** Only what is visible now. */
  async visible(): Promise<string[]> {
    await this.settled();
    const buffer = this.#screen.buffer.active;
    return Array.from({ length: this.rows }, (_, row) =>
      buffer.getLine(buffer.viewportY + row)!.translateToString(true),
    );
  }
}

/** A pipe: no terminal, everything kept. */
export class FakePipe {
  written = '';

  write(text: string, done?: (error?: Error | null) => void): boolean {
    this.written += text;
    done?.();
    return true;
  }

  on(): this {
    return this;
  }

  off(): this {
    return this;
  }
}

export class FakeClock implements Clock {
  milliseconds = 1000;

  monotonic(): number {
    return this.milliseconds;
  }

  wall(): number {
    return this.milliseconds;
  }

  advance(seconds: number): void {
    this.milliseconds += seconds * 1000;
  }
}
