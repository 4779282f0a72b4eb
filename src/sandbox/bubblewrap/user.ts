/**
 * Users for programs, when ours is root: one that nobody has, for each sandbox another, because the kernel counts
 * processes by user and does not count root's.
 */
import { readFileSync } from 'node:fs';

/** Away from those of systems, of people, of systemd's services and containers. */
const first = 1_900_000_000;
const perProcess = 256;
const processes = 900_000;
let next = 0;

/** Within what our user namespace maps; a container's may map few. */
export function unusedUser(map: string = readMap()): number {
  const index = (process.pid % processes) * perProcess + (next++ % perProcess);
  const extents = map
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(
      (extent): extent is [number, number, number] => extent.length === 3 && extent.every(Number.isFinite),
    );
  const wanted = first + index;
  if (
    extents.length === 0 ||
    extents.some(([start, , length]) => wanted >= start && wanted < start + length)
  ) {
    return wanted;
  }
  // The upper half of the largest extent.
  const [start, , length] = extents.toSorted((a, b) => b[2] - a[2])[0]!;
  const half = Math.max(1, Math.floor(length / 2));
  return start + (length - half) + (index % half);
}

function readMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'utf8');
  } catch {
    return '';
  }
}
