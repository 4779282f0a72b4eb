/**
 * Zebra puzzles: houses in a row, each with one value of every attribute, and clues that leave one arrangement.
 * An arrangement holds, for every attribute, the house of each value.
 */
import type { RandomStream } from '../../util/random.ts';

/** A value of an attribute, both by index. */
export interface Item {
  readonly attribute: number;
  readonly value: number;
}

export type Clue =
  | { readonly kind: 'at' | 'not-at'; readonly a: Item; readonly house: number }
  | { readonly kind: 'same' | 'next' | 'left' | 'left-of'; readonly a: Item; readonly b: Item };

/** `arrangement[attribute][value]` is a house, from 0. */
export type Arrangement = readonly (readonly number[])[];

export function clueHolds(clue: Clue, arrangement: Arrangement): boolean {
  const a = arrangement[clue.a.attribute]![clue.a.value]!;
  if ('house' in clue) return (a === clue.house) === (clue.kind === 'at');
  const b = arrangement[clue.b.attribute]![clue.b.value]!;
  switch (clue.kind) {
    case 'same':
      return a === b;
    case 'next':
      return Math.abs(a - b) === 1;
    case 'left':
      return a === b - 1;
    case 'left-of':
      return a < b;
  }
}

export function permutations(count: number): number[][] {
  if (count === 0) return [[]];
  return permutations(count - 1).flatMap((rest) =>
    Array.from({ length: count }, (_, at) => [...rest.slice(0, at), count - 1, ...rest.slice(at)]),
  );
}

/** How many arrangements, up to `limit`, satisfy all clues: attribute by attribute, each clue as soon as it can be. */
export function countArrangements(
  clues: readonly Clue[],
  attributes: number,
  orders: readonly (readonly number[])[],
  limit: number,
): number {
  const lastOf = (clue: Clue) =>
    'b' in clue ? Math.max(clue.a.attribute, clue.b.attribute) : clue.a.attribute;
  const byLast = Array.from({ length: attributes }, (_, i) => clues.filter((clue) => lastOf(clue) === i));
  const chosen: (readonly number[])[] = [];
  let count = 0;
  const choose = (attribute: number): void => {
    if (attribute === attributes) {
      count++;
      return;
    }
    for (const order of orders) {
      chosen[attribute] = order;
      if (byLast[attribute]!.every((clue) => clueHolds(clue, chosen))) choose(attribute + 1);
      if (count >= limit) return;
    }
  };
  choose(0);
  return count;
}

/** An arrangement and clues that leave only it, none of which can be left out. */
export function drawZebra(
  random: RandomStream,
  houses: number,
  attributes: number,
): { readonly arrangement: number[][]; readonly clues: Clue[] } {
  const orders = permutations(houses);
  const arrangement = Array.from({ length: attributes }, () => [...random.pick(orders)]);
  let clues = drawClues(random, arrangement, houses);
  // Halving first: most clues are not needed, and each look is a search.
  for (let size = Math.ceil(clues.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < clues.length;) {
      const without = [...clues.slice(0, start), ...clues.slice(start + size)];
      if (countArrangements(without, attributes, orders, 2) === 1) clues = without;
      else start += size;
    }
  }
  return { arrangement, clues };
}

/** True clues of all kinds in random order, those that say where something is last, since they say most. */
function drawClues(random: RandomStream, arrangement: Arrangement, houses: number): Clue[] {
  const items = arrangement.flatMap((row, attribute) => row.map((_, value) => ({ attribute, value })));
  const relations: Clue[] = [];
  const places: Clue[] = [];
  for (const a of items) {
    const house = arrangement[a.attribute]![a.value]!;
    places.push({ kind: 'at', a, house });
    const other = random.integer(houses);
    if (other !== house) places.push({ kind: 'not-at', a, house: other });
    for (const b of items) {
      if (b === a) continue;
      const kinds = ['same', 'next', 'left', 'left-of'] as const;
      // A relation that reads the same both ways is taken once.
      const ordered = a.attribute < b.attribute || (a.attribute === b.attribute && a.value < b.value);
      for (const kind of kinds) {
        if ((kind === 'same' || kind === 'next') && !ordered) continue;
        if (kind === 'same' && a.attribute === b.attribute) continue;
        const clue: Clue = { kind, a, b };
        if (clueHolds(clue, arrangement)) relations.push(clue);
      }
    }
  }
  return [...random.shuffle(places), ...random.shuffle(relations)];
}
