/** The metrics of a step, from its rollout and its updates. */
import { accuracyOf } from '../verify/verdict.ts';
import { type Advantages, mean, standardDeviation } from './advantages.ts';
import type { Phase, RolloutRecord, StepMetrics } from './events.ts';
import { type LossTotals, readLossTotals } from './loss-metrics.ts';
import type { RewardShape } from './rewards.ts';
import type { Rollout } from './rollout-file.ts';
import type { Group } from './rollout.ts';

/** What the updates of a step have done so far: plain JSON. */
export interface UpdateTotals {
  loss: number;
  gradientNorm: number;
  /** Updates that were computed. */
  updates: number;
  /** Updates whose gradient was not finite. */
  skipped: number;
  trainedTokens: number;
  readonly seconds: Partial<Record<Phase, number>>;
  readonly tokens: LossTotals;
}

export interface StepParts {
  readonly rollout: Rollout;
  readonly advantages: Advantages;
  /** Components of the reward [N][K] in the order of `shape`. */
  readonly components: readonly (readonly (number | null)[])[];
  readonly shape: RewardShape;
  readonly totals: UpdateTotals;
  readonly learningRate: number;
  readonly learnedSequences: number;
  readonly learnedTokens: number;
  readonly seconds: number;
}

export function stepMetrics(parts: StepParts): StepMetrics {
  const { rollout, advantages, components, shape, totals } = parts;
  const completions = rollout.groups.flatMap((group) => group.completions);
  const scored = completions.flatMap(({ verdict }) => (verdict.outcome === 'scored' ? [verdict] : []));
  const lengths = completions.map(({ tokens }) => tokens.length);
  const shareOf = (count: number, of: number) => (of === 0 ? 0 : count / of);
  const truncated = completions.filter(({ finish }) => finish === 'length').length;
  const loss = readLossTotals(totals.tokens);
  const seconds: Partial<Record<Phase, number>> = { ...totals.seconds, ...rollout.seconds };
  const perSecond = (count: number, time = 0) => (time > 0 ? count / time : 0);
  const orZero = (value: number) => (Number.isNaN(value) ? 0 : value);
  return {
    rewardMean: orZero(mean(advantages.rewards)),
    rewardStd: standardDeviation(advantages.rewards),
    rewardComponents: Object.fromEntries(
      shape.names.flatMap((name, k) => {
        const value = mean(components.map((row) => row[k] ?? Number.NaN));
        return Number.isNaN(value) ? [] : [[name, value]];
      }),
    ),
    accuracy: orZero(mean(scored.map(accuracyOf))),
    lengthMean: orZero(mean(lengths)),
    lengthMax: lengths.reduce((a, b) => Math.max(a, b), 0),
    truncatedShare: shareOf(truncated, completions.length),
    zeroVarianceShare: shareOf(
      advantages.zeroVariance.filter(Boolean).length,
      advantages.zeroVariance.length,
    ),
    refilledGroups: rollout.replaced.length,
    failedVerdictShare: shareOf(completions.length - scored.length, completions.length),
    entropy: shareOf(-completions.reduce((sum, one) => sum + total(one.logprobs), 0), total(lengths)),
    learnedEntropy: loss.tokens === 0 ? null : loss.entropy,
    kl: loss.kl,
    clipShare: loss.clipShare,
    clipLowShare: loss.clipLowShare,
    clipHighShare: loss.clipHighShare,
    ratioMean: loss.ratioMean,
    ratioMin: loss.ratioMin,
    ratioMax: loss.ratioMax,
    loss: shareOf(totals.loss, totals.updates),
    gradientNorm: shareOf(totals.gradientNorm, totals.updates),
    skippedUpdates: totals.skipped,
    learningRate: parts.learningRate,
    learnedSequences: parts.learnedSequences,
    learnedTokens: parts.learnedTokens,
    sampledTokensPerSecond: perSecond(rollout.sampledTokens, seconds.sample),
    trainedTokensPerSecond: perSecond(totals.trainedTokens, seconds.train),
    seconds: parts.seconds,
    timeShares: Object.fromEntries(
      Object.entries(seconds).map(([phase, time]) => [phase, shareOf(time, parts.seconds)]),
    ),
  };
}

function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** What listeners see of completions. `advantages` and `rewards` are per completion, group by group. */
export function rolloutRecords(
  groups: readonly Group[],
  identify: (problem: Group['problem']) => string,
  numbers: {
    readonly shape: RewardShape;
    readonly components: readonly (readonly (number | null)[])[];
    readonly rewards: ArrayLike<number>;
    readonly advantages?: ArrayLike<number>;
  },
): RolloutRecord[] {
  let n = -1;
  return groups.flatMap(({ problem, prompt, completions }) =>
    completions.map(({ response, tokens, finish, verdict }): RolloutRecord => {
      n++;
      const reward = numbers.rewards[n]!;
      return {
        problem: identify(problem),
        prompt: prompt.text,
        response,
        reward: Number.isNaN(reward) ? null : reward,
        ...(verdict.outcome === 'failed' ? { failure: `${verdict.boundary}: ${verdict.reason}` } : {}),
        components: Object.fromEntries(
          numbers.shape.names.map((name, k) => [name, numbers.components[n]![k]!]),
        ),
        advantage: numbers.advantages?.[n] ?? 0,
        tokens: tokens.length,
        finish,
      };
    }),
  );
}
