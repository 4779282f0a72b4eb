/** Values of command-line flags, checked where they are read; what does not fit is a usage error. */
import { InvalidArgumentError } from 'commander';

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  /** Whether `min` itself is refused. */
  readonly above?: boolean;
}

export function integer(bounds: Bounds = {}): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || !within(value, bounds)) {
      throw new InvalidArgumentError(`Expected an integer${describe(bounds)}.`);
    }
    return value;
  };
}

export function real(bounds: Bounds = {}): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || !within(value, bounds)) {
      throw new InvalidArgumentError(`Expected a number${describe(bounds)}.`);
    }
    return value;
  };
}

/** A seed: an integer, or any text. */
export function seed(text: string): number | string {
  if (text === '') throw new InvalidArgumentError('Expected an integer or a word.');
  const value = Number(text);
  return /^-?\d+$/.test(text) && Number.isSafeInteger(value) ? value : text;
}

/** Comma-separated words, none empty. */
export function words(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === '')) {
    throw new InvalidArgumentError('Expected words with commas between them.');
  }
  return parts;
}

/** For flags that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

function within(value: number, { min, max, above }: Bounds): boolean {
  if (min !== undefined && (above === true ? value <= min : value < min)) return false;
  return max === undefined || value <= max;
}

function describe({ min, max, above }: Bounds): string {
  const low = min === undefined ? '' : above === true ? ` greater than ${min}` : ` of at least ${min}`;
  const high = max === undefined ? '' : `${low === '' ? ' of' : ' and'} at most ${max}`;
  return low + high;
}
