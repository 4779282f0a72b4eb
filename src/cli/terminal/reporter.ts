/**
 * Everything a command says. For people: lines, notes, progress, a live view; on a terminal these are redrawn in
 * place, elsewhere they are plain lines. For programs: with `json`, the last line of standard output is one JSON
 * object, and all text for people goes to standard error.
 *
 * Texts that come from models, files or the network must go through `printable` before they come here.
 */
import type { Clock } from '../../util/clock.ts';
import { progressBar } from './bar.ts';
import { LiveRegion, type Render } from './live-region.ts';
import { truncateToWidth } from './layout.ts';
import { Pace } from './pace.ts';
import { formatBytes, formatCount, formatDuration, formatShare } from './quantities.ts';
import { describeTerminal, type Environment, type OutputStream, type Terminal } from './terminal.ts';

export interface ReporterOptions {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: Environment;
  readonly clock: Clock;
  /** Standard output is for one JSON object. */
  readonly json?: boolean;
  /** By default what the terminal can do. */
  readonly color?: boolean | undefined;
  /**
   * `work`: what a person reads is how the work goes, on standard output. `content`: standard output is for the
   * content that was asked for (a completion, scores), progress goes to standard error. Default `work`.
   */
  readonly about?: 'work' | 'content';
}

export interface ProgressOptions {
  readonly label: string;
  /** How many units there are, once known. */
  readonly total?: number;
  readonly unit?: 'count' | 'bytes';
  /** Units done before this began. */
  readonly done?: number;
  /** Where nothing can be redrawn, say nothing before ten seconds have passed: it may be over by then. */
  readonly quiet?: boolean;
}

export interface Progress {
  update(done: number, total?: number): void;
  /** Ends it; without a text the last state is what stays. */
  finish(text?: string): void;
}

export interface View {
  refresh(): void;
  /** Takes the view away, leaving `lines` behind. */
  close(lines?: readonly string[]): void;
}

/** Plain output says how far something is at most this often. */
const plainSeconds = 10;

export class Reporter {
  readonly json: boolean;
  /** Where people read. */
  readonly terminal: Terminal;
  /** Where progress is shown: the same, or standard error when standard output is for content. */
  readonly progressTerminal: Terminal;
  readonly #options: ReporterOptions;
  readonly #region: LiveRegion | undefined;
  readonly #stderr: Terminal;
  #endsWithNewline = true;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.json = options.json ?? false;
    const describe = (stream: OutputStream) =>
      describeTerminal(stream, options.environment, { color: options.color });
    this.#stderr = describe(options.stderr);
    this.terminal = this.json ? this.#stderr : describe(options.stdout);
    this.progressTerminal = options.about === 'content' ? this.#stderr : this.terminal;
    this.#region = this.progressTerminal.live ? new LiveRegion(this.progressTerminal) : undefined;
  }

  get colors(): Terminal['colors'] {
    return this.terminal.colors;
  }

  /** Text without a newline of its own, such as a completion as it is drawn. */
  write(text: string): void {
    if (text === '') return;
    this.#region?.erase();
    this.#endsWithNewline = text.endsWith('\n');
    this.terminal.stream.write(text);
  }

  line(text = ''): void {
    this.write(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  /** Ends a line that `write` left open. */
  endLine(): void {
    if (!this.#endsWithNewline) this.write('\n');
  }

  /** How the work goes, said once; beside the content, not in it. */
  note(text: string): void {
    this.endLine();
    this.#region?.erase();
    this.progressTerminal.stream.write(`${this.progressTerminal.colors.dim(text)}\n`);
  }

  /** Something that the reader should know, on standard error. */
  warn(text: string): void {
    this.endLine();
    this.#region?.erase();
    const { colors } = this.#stderr;
    this.#options.stderr.write(`${colors.yellow('warning:')} ${text}\n`);
  }

  /** Why the command failed, on standard error. */
  failure(texts: readonly string[]): void {
    this.endLine();
    this.#region?.erase();
    const { colors } = this.#stderr;
    for (const text of texts) {
      const mark = /^(error:|  next:|caused by:)/.exec(text)?.[0] ?? '';
      const rest = text.slice(mark.length);
      const painted = mark === 'error:' ? colors.red(colors.bold(mark)) : colors.bold(mark);
      this.#options.stderr.write(`${mark === '' ? '' : painted}${rest}\n`);
    }
  }

  /** Leaves the terminal as it was found. What views still show stays as text. */
  close(): void {
    this.endLine();
    this.#region?.close();
  }

  /** Once everything written has left the process. */
  async flushed(): Promise<void> {
    const drain = (stream: OutputStream) =>
      new Promise<void>((resolve) => {
        stream.write('', () => {
          resolve();
        });
      });
    await Promise.all([drain(this.#options.stdout), drain(this.#options.stderr)]);
  }

  /** Shows a view in place while it is open; undefined where nothing can be redrawn. */
  show(render: Render): View | undefined {
    const region = this.#region;
    if (region === undefined) return undefined;
    this.endLine();
    region.add(render);
    return {
      refresh: () => {
        region.refresh();
      },
      close: (lines) => {
        region.remove(render, lines);
      },
    };
  }

  progress(options: ProgressOptions): Progress {
    const { clock } = this.#options;
    const pace = new Pace(clock, options.done ?? 0);
    const state = { done: options.done ?? 0, total: options.total };
    const { unicode, colors } = this.progressTerminal;
    const describe = () => describeProgress(options.label, state, pace, options.unit ?? 'count');
    const view = this.show(({ columns }) => {
      const text = describe();
      const room = Math.min(24, columns - text.length - 3);
      const bar =
        state.total === undefined || room < 6
          ? ''
          : ` ${colors.cyan(progressBar(state.done / state.total, room, unicode))}`;
      return [truncateToWidth(text, columns) + bar];
    });
    let said = clock.monotonic();
    if (view === undefined && options.quiet !== true) this.note(options.label);
    let open = true;
    return {
      update: (done, total) => {
        if (!open) return;
        state.done = done;
        if (total !== undefined) state.total = total;
        pace.update(done);
        view?.refresh();
        if (view === undefined && clock.monotonic() - said >= plainSeconds * 1000) {
          said = clock.monotonic();
          this.note(describe());
        }
      },
      finish: (text) => {
        if (!open) return;
        open = false;
        view?.close();
        if (text !== undefined) this.note(text);
      },
    };
  }

  /** The last line of standard output, with `json`. Nothing without. */
  result(value: unknown): void {
    if (!this.json) return;
    this.endLine();
    this.#region?.erase();
    this.#options.stdout.write(`${JSON.stringify(value)}\n`);
  }
}

function describeProgress(
  label: string,
  state: { readonly done: number; readonly total: number | undefined },
  pace: Pace,
  unit: 'count' | 'bytes',
): string {
  const format = unit === 'bytes' ? formatBytes : formatCount;
  const parts = [label];
  if (state.total === undefined) {
    if (state.done > 0) parts.push(format(state.done));
  } else {
    parts.push(`${format(state.done)} of ${format(state.total)}`);
    parts.push(formatShare(state.total === 0 ? 1 : state.done / state.total, 0));
    const left = pace.secondsLeft(state.total);
    if (left !== undefined && state.done < state.total) parts.push(`${formatDuration(left)} left`);
  }
  return parts.join(' · ');
}
