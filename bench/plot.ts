/** Lines over a numeric axis as an SVG: for the pictures in docs/. */

export interface Line {
  readonly name: string;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly low: number;
    readonly high: number;
  }[];
}

export interface PlotOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Horizontal lines to compare with. */
  readonly levels: readonly { readonly name: string; readonly y: number }[];
}

/** Told apart by people who see colours differently, too (Okabe & Ito 2008). */
const colors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7'];
const size = { width: 760, height: 440 };
const area = { left: 64, right: 600, top: 44, bottom: 384 };

/** A chart of `lines` with their intervals as bands; y runs from 0 to 1. */
export function linePlot(lines: readonly Line[], options: PlotOptions): string {
  const most = Math.max(...lines.flatMap(({ points }) => points.map(({ x }) => x)));
  const step = niceStep(most / 5);
  const limit = Math.ceil(most / step) * step;
  const x = (value: number) => area.left + (value / limit) * (area.right - area.left);
  const y = (value: number) => area.bottom - value * (area.bottom - area.top);
  const parts = [
    `<rect width="${size.width}" height="${size.height}" fill="white"/>`,
    text(area.left, 24, options.title, 'font-size="15" font-weight="bold"'),
  ];
  for (let at = 0; at <= 1.0001; at += 0.2) {
    parts.push(rule(area.left, y(at), area.right, y(at), '#dddddd'));
    parts.push(text(area.left - 8, y(at) + 4, `${Math.round(at * 100)} %`, 'text-anchor="end"'));
  }
  for (let at = 0; at <= limit * 1.0001; at += step) {
    parts.push(rule(x(at), area.bottom, x(at), area.bottom + 5, '#555555'));
    parts.push(text(x(at), area.bottom + 19, String(+at.toPrecision(6)), 'text-anchor="middle"'));
  }
  const middle = (area.left + area.right) / 2;
  parts.push(rule(area.left, area.bottom, area.right, area.bottom, '#555555'));
  parts.push(text(middle, area.bottom + 42, options.x, 'text-anchor="middle"'));
  const turned = `text-anchor="middle" transform="rotate(-90 16 ${(area.top + area.bottom) / 2})"`;
  parts.push(text(16, (area.top + area.bottom) / 2, options.y, turned));
  const labels: { name: string; at: number; color: string }[] = [];
  for (const { name, y: level } of options.levels) {
    parts.push(
      `${rule(area.left, y(level), area.right, y(level), '#777777').slice(0, -2)} stroke-dasharray="5 4"/>`,
    );
    labels.push({ name, at: y(level), color: '#555555' });
  }
  for (const [index, { name, points }] of lines.entries()) {
    const color = colors[index % colors.length]!;
    const path = (of: readonly [number, number][]) =>
      of.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(' ');
    const band: [number, number][] = [
      ...points.map((point): [number, number] => [point.x, point.high]),
      ...points.toReversed().map((point): [number, number] => [point.x, point.low]),
    ];
    parts.push(`<polygon points="${path(band)}" fill="${color}" opacity="0.12"/>`);
    const line = path(points.map((point) => [point.x, point.y]));
    parts.push(`<polyline points="${line}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const point of points) {
      parts.push(
        `<circle cx="${x(point.x).toFixed(1)}" cy="${y(point.y).toFixed(1)}" r="3" fill="${color}"/>`,
      );
    }
    labels.push({ name, at: y(points.at(-1)!.y), color });
  }
  for (const { name, at, color } of apart(labels)) {
    parts.push(text(area.right + 10, at + 4, name, `fill="${color}" font-weight="bold"`));
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" ` +
    `font-family="sans-serif" font-size="12">\n${parts.join('\n')}\n</svg>\n`
  );
}

/** Labels keep a line's height from each other, in the order of what they name. */
function apart<T extends { readonly at: number }>(labels: readonly T[]): T[] {
  let free = -Infinity;
  const placed = labels
    .toSorted((a, b) => a.at - b.at)
    .map((label) => {
      const at = Math.max(label.at, free);
      free = at + 16;
      return { ...label, at };
    });
  // Those that were pushed below the axis move up together.
  const excess = Math.max(0, (placed.at(-1)?.at ?? 0) - area.bottom);
  return placed.map((label) => ({ ...label, at: label.at - excess }));
}

/** 1, 2 or 5 times a power of ten, at least `value`. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= value)!;
}

function rule(x1: number, y1: number, x2: number, y2: number, color: string): string {
  return `<line x1="${x1}" y1="${y1.toFixed(1)}" x2="${x2}" y2="${y2.toFixed(1)}" stroke="${color}"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`;
}
