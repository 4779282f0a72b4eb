/**
 * Grouping sequences of mixed lengths into micro-batches. A micro-batch is padded to its longest sequence, so
 * sequences of similar length go together, and a beginning that several of its sequences share is computed once, so
 * these go together, too. In a given order the grouping that computes the fewest positions is found exactly, by
 * dynamic programming; two orders are tried, by length and by beginning.
 */

/** What starting another micro-batch costs, in positions: why short sequences share one. */
const overheadPositions = 48;

/** What has to be computed for a sequence. */
export interface Extent<P extends Prefix = Prefix> {
  /** Positions of its own. */
  readonly length: number;
  /** The beginning before them, which others may share; absent if it has none or shares none. */
  readonly prefix?: P;
}

/** Sequences with the same beginning have the same object. */
export interface Prefix {
  readonly length: number;
}

export interface MicroBatch<P extends Prefix = Prefix> {
  /** Indices into the sequences that were given. */
  readonly members: readonly number[];
  /** The longest of their own lengths. */
  readonly length: number;
  /** Their different beginnings. */
  readonly prefixes: readonly P[];
}

/** Positions that a micro-batch computes, padding counted. */
export function positionsOf({ members, length, prefixes }: MicroBatch): number {
  return members.length * length + prefixes.length * longest(prefixes);
}

/**
 * Groups so that each computes at most `budget` positions (a single longer sequence goes alone), longest first, so
 * that a lack of memory shows at once. Sequences with a beginning and without never go together.
 */
export function planMicroBatches<P extends Prefix>(
  sequences: readonly Extent<P>[],
  budget: number,
): MicroBatch<P>[] {
  const indices = [...sequences.keys()];
  const alone = indices.filter((index) => sequences[index]!.prefix === undefined);
  const sharing = indices.filter((index) => sequences[index]!.prefix !== undefined);
  const byLength = (a: number, b: number) => sequences[b]!.length - sequences[a]!.length || a - b;
  // Beginnings in the order of the longest sequence that each has.
  const rank = new Map<Prefix, number>();
  for (const index of sharing.toSorted(byLength)) {
    const prefix = sequences[index]!.prefix!;
    if (!rank.has(prefix)) rank.set(prefix, rank.size);
  }
  const rankOf = (index: number) => rank.get(sequences[index]!.prefix!)!;
  const orders = [
    sharing.toSorted((a, b) => sequences[b]!.length - sequences[a]!.length || rankOf(a) - rankOf(b) || a - b),
    sharing.toSorted((a, b) => rankOf(a) - rankOf(b) || byLength(a, b)),
  ];
  const [first, second] = orders.map((order) => cut(order, sequences, budget)) as [Cut<P>, Cut<P>];
  return [
    ...cut(alone.toSorted(byLength), sequences, budget).batches,
    ...(second.cost < first.cost ? second : first).batches,
  ].toSorted((a, b) => positionsOf(b) - positionsOf(a));
}

interface Cut<P extends Prefix> {
  readonly cost: number;
  readonly batches: readonly MicroBatch<P>[];
}

/** Cuts `order` where the least is computed. */
function cut<P extends Prefix>(
  order: readonly number[],
  sequences: readonly Extent<P>[],
  budget: number,
): Cut<P> {
  // best[i]: the least cost of grouping the first i sequences; from[i]: where the last of those groups starts.
  const best = new Float64Array(order.length + 1).fill(Infinity);
  const from = new Int32Array(order.length + 1);
  best[0] = 0;
  for (let start = 0; start < order.length; start++) {
    let length = 0;
    const prefixes = new Set<Prefix>();
    let prefixLength = 0;
    for (let end = start + 1; end <= order.length; end++) {
      const { length: own, prefix } = sequences[order[end - 1]!]!;
      length = Math.max(length, own);
      if (prefix !== undefined) {
        prefixes.add(prefix);
        prefixLength = Math.max(prefixLength, prefix.length);
      }
      const positions = (end - start) * length + prefixes.size * prefixLength;
      if (positions > budget && end > start + 1) break;
      const cost = best[start]! + positions + overheadPositions;
      if (cost < best[end]!) {
        best[end] = cost;
        from[end] = start;
      }
    }
  }
  const batches: MicroBatch<P>[] = [];
  for (let end = order.length; end > 0; end = from[end]!) {
    const members = order.slice(from[end], end);
    const prefixes = members.flatMap((member) => sequences[member]!.prefix ?? []);
    batches.push({
      members,
      length: longest(members.map((member) => sequences[member]!)),
      prefixes: [...new Set(prefixes)],
    });
  }
  return { cost: best[order.length]!, batches: batches.toReversed() };
}

/** 0 for none. */
export function longest(extents: readonly { readonly length: number }[]): number {
  return extents.reduce((most, { length }) => Math.max(most, length), 0);
}
