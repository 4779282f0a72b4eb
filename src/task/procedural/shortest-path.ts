/**
 * The shortest way between two places of a road map with lengths. Any way of the least length is right; it is
 * judged by walking it. The map is connected, and start and goal are never neighbours by the shortest way.
 */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';

export interface Road {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

interface PathPuzzle {
  readonly places: number;
  /** Both directions are open. */
  readonly roads: readonly Road[];
  readonly start: number;
  readonly goal: number;
  readonly shortest: number;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Dijkstra's algorithm: a shortest path, or undefined when there is none. */
export function shortestPath(
  places: number,
  roads: readonly Road[],
  start: number,
  goal: number,
): { readonly path: number[]; readonly length: number } | undefined {
  const distance = Array.from({ length: places }, () => Number.POSITIVE_INFINITY);
  const before = Array.from({ length: places }, () => -1);
  const open = new Set(distance.keys());
  distance[start] = 0;
  while (open.size > 0) {
    let here = -1;
    for (const place of open) if (here < 0 || distance[place]! < distance[here]!) here = place;
    if (distance[here] === Number.POSITIVE_INFINITY) return undefined;
    if (here === goal) break;
    open.delete(here);
    for (const { from, to, length } of roads) {
      if (from !== here && to !== here) continue;
      const there = from === here ? to : from;
      if (distance[here]! + length < distance[there]!) {
        distance[there] = distance[here]! + length;
        before[there] = here;
      }
    }
  }
  const path = [goal];
  while (path[0] !== start) path.unshift(before[path[0]!]!);
  return { path, length: distance[goal]! };
}

function writePath(path: readonly number[]): string {
  return path.map((place) => letters[place]).join(' -> ');
}

function roadBetween(roads: readonly Road[], a: number, b: number): Road | undefined {
  return roads.find(({ from, to }) => (from === a && to === b) || (from === b && to === a));
}

export const shortestPathTask = proceduralTask<
  { readonly places: number; readonly roads: number; readonly length: number },
  PathPuzzle
>({
  name: 'shortest-path',
  description: 'Find a shortest way between two places of a road map.',
  knobs: {
    places: z.int().min(3).max(26),
    /** How many roads beyond those that connect the map. */
    roads: z.int().min(0).max(100),
    /** The longest road. */
    length: z.int().min(1).max(99),
  },
  levels: [
    { places: 5, roads: 3, length: 5 },
    { places: 7, roads: 6, length: 6 },
    { places: 10, roads: 10, length: 20 },
    { places: 14, roads: 18, length: 30 },
    { places: 20, roads: 30, length: 50 },
  ],
  draw(random, { places, roads: extra, length }) {
    const drawLength = () => 1 + random.integer(length);
    const order = random.shuffle(Array.from({ length: places }, (_, i) => i));
    const roads: Road[] = [];
    for (let i = 1; i < places; i++) {
      roads.push({ from: order[random.integer(i)]!, to: order[i]!, length: drawLength() });
    }
    for (let i = 0; i < extra; i++) {
      const [from, to] = [random.integer(places), random.integer(places)];
      if (from === to || roadBetween(roads, from, to) !== undefined) continue;
      roads.push({ from, to, length: drawLength() });
    }
    const [start, goal] = random.shuffle(order) as [number, number];
    const found = shortestPath(places, roads, start, goal)!;
    if (found.path.length < 3) return undefined;
    return { places, roads: random.shuffle(roads), start, goal, shortest: found.length };
  },
  question: ({ roads, start, goal }) =>
    `These roads are open in both directions: ${roads
      .map(({ from, to, length }) => `${letters[from]}-${letters[to]} (length ${length})`)
      .join(', ')}. Find a shortest way from ${letters[start]} to ${letters[goal]}. ` +
    'Answer with all places on it in order, such as A -> B -> C',
  answer: ({ places, roads, start, goal }) => writePath(shortestPath(places, roads, start, goal)!.path),
  reasoning({ places, roads, start, goal }) {
    const { path, length } = shortestPath(places, roads, start, goal)!;
    const lengths = path.slice(1).map((place, i) => roadBetween(roads, path[i]!, place)!.length);
    return `${writePath(path)} has the length ${lengths.join(' + ')} = ${length}, and no other way is shorter.`;
  },
  check({ roads, start, goal, shortest }, answer) {
    const names = answer.split(/\s*(?:->|→|,|\\to|\\rightarrow)\s*/);
    if (!names.every((name) => /^[A-Za-z]$/.test(name))) return 'not of the form A -> B -> C';
    const path = names.map((name) => letters.indexOf(name.toUpperCase()));
    if (path[0] !== start) return `does not start at ${letters[start]}`;
    if (path.at(-1) !== goal) return `does not end at ${letters[goal]}`;
    let length = 0;
    for (const [i, place] of path.slice(1).entries()) {
      const road = roadBetween(roads, path[i]!, place);
      if (road === undefined) return `no road ${letters[path[i]!]}-${letters[place]}`;
      length += road.length;
    }
    return length === shortest ? undefined : `length ${length}, and there is one of ${shortest}`;
  },
  corrupt({ places, roads, start, goal, shortest }, random) {
    const { path } = shortestPath(places, roads, start, goal)!;
    // One place of the way is left out or another put in; what happens to be as short is tried again.
    for (let attempt = 0; attempt < 50; attempt++) {
      const wrong = [...path];
      const at = 1 + random.integer(path.length - 2);
      if (random.next() < 0.5) wrong.splice(at, 1);
      else wrong[at] = random.integer(places);
      const total = wrong
        .slice(1)
        .reduce((sum, place, i) => sum + (roadBetween(roads, wrong[i]!, place)?.length ?? Number.NaN), 0);
      if (total !== shortest) return writePath(wrong);
    }
    return undefined;
  },
});
