/**
 * What a stream can show: its size, whether it is a terminal that redraws, colour, and characters beyond ASCII.
 * Honours NO_COLOR (no-color.org), FORCE_COLOR, TERM=dumb and CI.
 */
import picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

/** The part of `tty.WriteStream` that is used; a pipe has no `isTTY`. */
export interface OutputStream {
  write(text: string, done?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Terminal {
  readonly stream: OutputStream;
  /** Whether frames can be redrawn in place. */
  readonly live: boolean;
  readonly unicode: boolean;
  readonly colors: Colors;
  /** Current width; 80 when it is not a terminal. */
  readonly columns: number;
  /** Current height; unlimited when it is not a terminal. */
  readonly rows: number;
}

export function describeTerminal(
  stream: OutputStream,
  environment: Environment,
  options: { readonly color?: boolean | undefined; readonly platform?: string } = {},
): Terminal {
  const isTerminal = stream.isTTY === true;
  const dumb = environment['TERM'] === 'dumb';
  return {
    stream,
    live: isTerminal && !dumb && !isSet(environment['CI']),
    unicode: supportsUnicode(environment, options.platform ?? process.platform),
    colors: picocolors.createColors(options.color ?? wantsColor(environment, isTerminal && !dumb)),
    get columns() {
      return isTerminal ? Math.max(1, stream.columns ?? 80) : 80;
    },
    get rows() {
      return isTerminal ? Math.max(1, stream.rows ?? 24) : Number.POSITIVE_INFINITY;
    },
  };
}

/** NO_COLOR wins over FORCE_COLOR, which wins over what the stream is. An empty variable counts as not set. */
function wantsColor(environment: Environment, capable: boolean): boolean {
  if (isSet(environment['NO_COLOR'])) return false;
  const force = environment['FORCE_COLOR'];
  if (isSet(force)) return force !== '0' && force !== 'false';
  return capable;
}

/** Everything but the Linux console and the old Windows one. */
function supportsUnicode(environment: Environment, platform: string): boolean {
  if (platform !== 'win32') return environment['TERM'] !== 'linux';
  return (
    isSet(environment['WT_SESSION']) ||
    isSet(environment['TERM_PROGRAM']) ||
    isSet(environment['ConEmuTask']) ||
    (environment['TERM'] ?? '').startsWith('xterm')
  );
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
