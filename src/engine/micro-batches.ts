/**
 * Grouping sequences of mixed lengths into micro-batches. A micro-batch is padded to its longest sequence, so
 * sequences of similar length go together; the grouping that computes the fewest positions is found exactly, by
 * dynamic programming over the sequences in order of length.
 */

/** What starting another micro-batch costs, in positions: why short sequences share one. */
const overheadPositions = 48;

export interface MicroBatch {
  /** Indices into the lengths that were given. */
  readonly members: readonly number[];
  /** The longest of their lengths. */
  readonly length: number;
}

/**
 * Groups so that members × length is at most `budget` (a single longer sequence goes alone), longest first, so that
 * a lack of memory shows at once.
 */
export function planMicroBatches(lengths: readonly number[], budget: number): MicroBatch[] {
  const order = Array.from(lengths.keys()).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  // best[i]: the least cost of grouping the first i sequences; from[i]: where the last of those groups starts.
  const best = new Float64Array(order.length + 1).fill(Infinity);
  const from = new Int32Array(order.length + 1);
  best[0] = 0;
  for (let start = 0; start < order.length; start++) {
    const longest = lengths[order[start]!]!;
    for (let end = start + 1; end <= order.length; end++) {
      const positions = (end - start) * longest;
      if (positions > budget && end > start + 1) break;
      const cost = best[start]! + positions + overheadPositions;
      if (cost < best[end]!) {
        best[end] = cost;
        from[end] = start;
      }
    }
  }
  const batches: MicroBatch[] = [];
  for (let end = order.length; end > 0; end = from[end]!) {
    const members = order.slice(from[end], end);
    batches.push({ members, length: lengths[members[0]!]! });
  }
  return batches.toReversed();
}
