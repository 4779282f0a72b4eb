/** From verdicts to rewards: named components, and the soft penalty for length. */
import { overlongPenalty, type OverlongOptions } from '../verify/format/length.ts';
import type { Verdict } from '../verify/verdict.ts';

/** Names of the components of a reward and their weights, in order. */
export interface RewardShape {
  readonly names: readonly string[];
  readonly weights: readonly number[];
}

/** `overlong` is a component of its own, of weight 1, where it is asked for. */
export function rewardShape(
  weights: Readonly<Record<string, number>>,
  overlong: OverlongOptions | undefined,
): RewardShape {
  const entries = Object.entries(weights);
  if (overlong !== undefined) entries.push(['overlong', 1]);
  return { names: entries.map(([name]) => name), weights: entries.map(([, weight]) => weight) };
}

/**
 * The components of one completion's reward in the order of `shape`. A failed verdict has none: it is missing, never
 * 0. A part that this verdict does not have is missing, too.
 */
export function rewardComponents(
  shape: RewardShape,
  verdict: Verdict,
  length: { readonly tokens: number; readonly limit: number; readonly overlong: OverlongOptions | undefined },
): (number | null)[] {
  if (verdict.outcome === 'failed') return shape.names.map(() => null);
  return shape.names.map((name) => {
    if (name === 'score') return verdict.score;
    if (name === 'overlong' && length.overlong !== undefined) {
      return overlongPenalty(length.tokens, length.limit, length.overlong);
    }
    return Object.hasOwn(verdict.parts, name) ? verdict.parts[name]! : null;
  });
}
