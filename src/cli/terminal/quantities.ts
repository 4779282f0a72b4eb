/** Numbers as people read them: durations, counts, bytes, shares. Nothing here is for machines to parse. */

const missing = '–';

/** `0.4 s`, `12 s`, `3m 05s`, `2h 07m`, `3d 04h`. Negative or not finite: a dash. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return missing;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** Three significant digits with a decimal prefix: `7`, `12.3k`, `3.41M`, `1.2B`. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return missing;
  return scaled(value, 1000, ['', 'k', 'M', 'B', 'T'], '');
}

/** `812 B`, `12.3 KB`, `1.2 GB` (powers of 1000, as disks and downloads are sold). */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return missing;
  return scaled(bytes, 1000, ['B', 'KB', 'MB', 'GB', 'TB', 'PB'], ' ');
}

/** Tokens of a response: `8.2`, `134.5`, `1.23k`. */
export function formatLength(tokens: number): string {
  if (!Number.isFinite(tokens)) return missing;
  return tokens < 999.95 ? tokens.toFixed(1) : formatCount(tokens);
}

/** A share in [0, 1] as `73.1 %`; whole numbers without their decimal from 99.95 % on. */
export function formatShare(share: number, digits = 1): string {
  if (!Number.isFinite(share)) return missing;
  const text = (share * 100).toFixed(digits);
  return `${text === (100).toFixed(digits) ? '100' : text} %`;
}

/** A plain number in about `digits` significant digits, never in a form wider than nine characters. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return missing;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(Math.max(0, digits - 2));
  const before = size < 1 ? 1 : Math.floor(Math.log10(size)) + 1;
  return value.toFixed(Math.max(0, Math.min(6, size !== 0 && size < 0.1 ? digits + 1 : digits - before + 1)));
}

function scaled(value: number, step: number, units: readonly string[], space: string): string {
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= step * 0.9995 && unit < units.length - 1) {
    size /= step;
    unit++;
  }
  const digits = unit === 0 || Math.abs(size) >= 100 ? 0 : Math.abs(size) >= 10 ? 1 : 2;
  return `${size.toFixed(digits)}${space}${units[unit]!}`;
}
