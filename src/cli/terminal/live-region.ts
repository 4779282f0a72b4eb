/**
 * The bottom of a terminal as a region that is redrawn in place: several views on top of each other, above which
 * permanent lines scroll by. Never wider or higher than the terminal, redrawn when it is resized, at most ten
 * times a second. Not for streams that are no terminals.
 */
import { createLogUpdate } from 'log-update';
import stringWidth from 'string-width';
import { truncateToWidth } from './layout.ts';
import type { Terminal } from './terminal.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Draws a view as lines; called often, so it must be quick. Lines wider than `columns` are cut. */
export type Render = (size: Size) => readonly string[];

const redrawMilliseconds = 100;
/** Clocks and estimates move on even when nothing happens. */
const idleTicks = 10;

export class LiveRegion {
  readonly #terminal: Terminal;
  readonly #log: ReturnType<typeof createLogUpdate>;
  readonly #views = new Set<Render>();
  #timer: NodeJS.Timeout | undefined;
  #dirty = false;
  #ticks = 0;
  #lines: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#log = createLogUpdate(terminal.stream as NodeJS.WriteStream);
  }

  add(view: Render): void {
    this.#views.add(view);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => {
        this.#tick();
      }, redrawMilliseconds);
      this.#timer.unref();
      this.#terminal.stream.on('resize', this.#onResize);
    }
    this.draw();
  }

  /** Takes the view away, leaving `lines` of it behind as permanent text. */
  remove(view: Render, lines: readonly string[] = []): void {
    if (!this.#views.delete(view)) return;
    this.erase();
    if (lines.length > 0) this.#terminal.stream.write(`${lines.join('\n')}\n`);
    if (this.#views.size > 0) {
      this.draw();
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#terminal.stream.off('resize', this.#onResize);
    this.#log.done();
  }

  /** Ends every view; what they show stays as text. */
  close(): void {
    for (const view of this.#views) this.remove(view, view(this.#size()));
  }

  /** Asks for a redraw soon. */
  refresh(): void {
    this.#dirty = true;
  }

  /** Takes the region off the screen, so that permanent text can be written; it comes back with the next tick. */
  erase(): void {
    if (this.#lines.length === 0) return;
    this.#log.clear();
    this.#lines = [];
    this.#dirty = true;
  }

  draw(): void {
    const size = this.#size();
    const lines: string[] = [];
    for (const view of this.#views) {
      lines.push(...view({ columns: size.columns, rows: Math.max(0, size.rows - lines.length) }));
    }
    const visible = lines.slice(0, size.rows).map((line) => truncateToWidth(line, size.columns));
    // log-update's patches move lines of unequal frames wrongly: start over when the height changes.
    if (visible.length !== this.#lines.length) this.erase();
    this.#log(visible.join('\n'));
    this.#lines = visible;
    this.#dirty = false;
    this.#ticks = 0;
  }

  /** One column and one row stay free, so that nothing ever wraps or scrolls. */
  #size(): Size {
    const { columns, rows } = this.#terminal;
    return { columns: Math.max(1, columns - 1), rows: Math.max(1, rows - 1) };
  }

  #tick(): void {
    this.#ticks++;
    if (this.#dirty || this.#ticks >= idleTicks) this.draw();
  }

  /** A narrower terminal breaks the lines that are on it: erase the rows they take now, not the ones they took. */
  #onResize = (): void => {
    const { columns } = this.#terminal;
    const extra = this.#lines.reduce(
      (sum, line) => sum + Math.max(0, Math.ceil(stringWidth(line) / columns) - 1),
      0,
    );
    this.erase();
    if (extra > 0) this.#terminal.stream.write(`\u001B[${extra}A\r\u001B[J`);
    this.draw();
  };
}
