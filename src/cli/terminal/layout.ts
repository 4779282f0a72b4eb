/** Text into columns and lines of a given width, counted as terminals count them (wide characters, escapes). */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

/** Cut to `width` columns; an ellipsis marks the cut. Colours are kept and closed. */
export function truncateToWidth(text: string, width: number): string {
  if (width <= 0) return '';
  return stringWidth(text) <= width ? text : cliTruncate(text, width);
}

/** Filled with spaces up to `width` columns, or cut. */
export function fitToWidth(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cut = truncateToWidth(text, width);
  const space = ' '.repeat(Math.max(0, width - stringWidth(cut)));
  return align === 'left' ? cut + space : space + cut;
}

/** Lines of at most `width` columns, broken between words where possible. At most `limit` lines; then "…". */
export function wrapToWidth(text: string, width: number, limit = Number.POSITIVE_INFINITY): string[] {
  const lines = text.split('\n').flatMap((line) => {
    const [first, ...rest] = wrapAnsi(line, Math.max(1, width), { hard: true, trim: false }).split('\n');
    // Indentation is the line's own; the space at which it was broken is not.
    return [first!.trimEnd(), ...rest.map((part) => part.trim())];
  });
  if (lines.length <= limit) return lines;
  if (limit <= 0) return [];
  const kept = lines.slice(0, limit);
  const last = kept[limit - 1]!;
  kept[limit - 1] = stringWidth(last) < width ? `${last}…` : truncateToWidth(`${last} `, width);
  return kept;
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/**
 * A table as lines of at most `width` columns: titles, a rule, rows. The widest columns give way first; a cell
 * that does not fit is cut.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  unicode = true,
): string[] {
  const gap = 2;
  const sizes = columns.map((column, index) =>
    Math.max(stringWidth(column.title), ...rows.map((row) => stringWidth(row[index] ?? ''))),
  );
  const available = Math.max(columns.length, width - gap * (columns.length - 1));
  while (sizes.reduce((sum, size) => sum + size, 0) > available) {
    const widest = sizes.indexOf(Math.max(...sizes));
    sizes[widest]!--;
  }
  const render = (cells: readonly string[]) =>
    columns
      .map((column, index) => fitToWidth(cells[index] ?? '', sizes[index]!, column.align))
      .join(' '.repeat(gap))
      .trimEnd();
  return [
    render(columns.map((column) => column.title)),
    render(sizes.map((size) => (unicode ? '─' : '-').repeat(size))),
    ...rows.map((row) => render(row)),
  ];
}

/** Two texts beside each other, wrapped, each under its title. */
export function sideBySide(
  left: { readonly title: string; readonly text: string },
  right: { readonly title: string; readonly text: string },
  width: number,
  limit = Number.POSITIVE_INFINITY,
): string[] {
  const size = Math.max(1, Math.floor((width - 3) / 2));
  const a = [left.title, ...wrapToWidth(left.text, size, limit)];
  const b = [right.title, ...wrapToWidth(right.text, size, limit)];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, index) =>
    `${fitToWidth(a[index] ?? '', size)} │ ${truncateToWidth(b[index] ?? '', size)}`.trimEnd(),
  );
}
