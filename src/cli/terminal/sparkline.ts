/** A series of numbers as one line of characters. */

const blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ascii = ['_', '.', ',', '-', '=', '+', '*', '#'];

export interface SparklineOptions {
  /** Characters at most; a longer series is averaged into this many cells. */
  readonly width: number;
  /** The ends of the scale; by default the smallest and the largest value. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** False: seven-bit characters only. Default true. */
  readonly unicode?: boolean;
}

/** Values that are not finite are gaps. A series without any spread is drawn at half height. */
export function sparkline(values: readonly number[], options: SparklineOptions): string {
  const cells = condense(values, Math.max(0, Math.floor(options.width)));
  const finite = cells.filter((value) => Number.isFinite(value));
  const levels = options.unicode === false ? ascii : blocks;
  const low = options.minimum ?? Math.min(...finite);
  const high = options.maximum ?? Math.max(...finite);
  return cells
    .map((value) => {
      if (!Number.isFinite(value)) return ' ';
      const height = high > low ? (value - low) / (high - low) : 0.5;
      const level = Math.floor(Math.min(1, Math.max(0, height)) * levels.length);
      return levels[Math.min(levels.length - 1, level)]!;
    })
    .join('');
}

/** At most `width` means of neighbours, each over an equal share of the series. */
function condense(values: readonly number[], width: number): readonly number[] {
  if (values.length <= width) return values;
  return Array.from({ length: width }, (_, cell) => {
    const from = Math.floor((cell * values.length) / width);
    const until = Math.floor(((cell + 1) * values.length) / width);
    const part = values.slice(from, until).filter((value) => Number.isFinite(value));
    return part.length === 0 ? Number.NaN : part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
