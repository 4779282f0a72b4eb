/**
 * The one error type of aha. A failure belongs to a boundary (who is responsible), has a stable code (what a
 * program may test), and a message that says what happened, the value found, the one expected, and what to do.
 */

export type Boundary =
  | 'configuration'
  | 'data'
  | 'engine'
  | 'graph'
  | 'model'
  | 'provider'
  | 'runtime'
  | 'sandbox'
  | 'storage'
  | 'task'
  | 'text'
  | 'verifier';

export interface ErrorDetail {
  /** Stable, kebab-case, unique to the kind of failure: `tensor-missing`. */
  readonly code: string;
  readonly boundary: Boundary;
  /** What happened, as a sentence without its full stop. */
  readonly what: string;
  /** The value that was found. */
  readonly found?: unknown;
  /** What would have been accepted. */
  readonly expected?: unknown;
  /** The next step for the person who reads it, as a sentence. */
  readonly fix?: string;
  /** Anything else a program may want: file, line, tensor. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class AhaError extends Error {
  readonly code: string;
  readonly boundary: Boundary;
  readonly found: unknown;
  readonly expected: unknown;
  readonly fix: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(detail: ErrorDetail) {
    super(messageOf(detail), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'AhaError';
    this.code = detail.code;
    this.boundary = detail.boundary;
    this.found = detail.found;
    this.expected = detail.expected;
    this.fix = detail.fix;
    this.fields = detail.fields ?? {};
  }
}

/** Whether `error` is ours, optionally with this code. */
export function isAhaError(error: unknown, code?: string): error is AhaError {
  return error instanceof AhaError && (code === undefined || error.code === code);
}

/** One line for a human, whatever was thrown. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : show(error);
}

function messageOf(detail: ErrorDetail): string {
  let message = detail.what;
  if (detail.found !== undefined) message += `: found ${show(detail.found)}`;
  if (detail.expected !== undefined) {
    message += `${detail.found === undefined ? ': ' : ', '}expected ${show(detail.expected)}`;
  }
  message += '.';
  if (detail.fix !== undefined) message += ` ${detail.fix}`;
  return message;
}

/** A value in at most 200 characters, control characters escaped: messages may quote untrusted text. */
function show(value: unknown): string {
  let text: string | undefined;
  if (typeof value === 'string') text = value;
  else if (value instanceof Error) text = value.message;
  else if (typeof value === 'bigint') text = `${value}`;
  else {
    try {
      text = JSON.stringify(value) ?? String(value);
    } catch {
      // A cycle, a throwing toJSON, or nesting deeper than the stack, for which String would throw, too.
      text = Object.prototype.toString.call(value);
    }
  }
  // oxlint-disable-next-line no-control-regex
  text = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
}
