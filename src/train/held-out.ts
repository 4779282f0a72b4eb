/** Held-out evaluation: the same problems every time, never trained on, drawn greedily unless asked otherwise. */
import type { Policy } from '../engine/policy.ts';
import { accuracyInterval } from '../evaluate/statistics.ts';
import type { Problem } from '../task/problem.ts';
import type { Task } from '../task/task.ts';
import type { Clock } from '../util/clock.ts';
import { accuracyOf } from '../verify/verdict.ts';
import { mean } from './advantages.ts';
import type { EvaluationMetrics, RolloutRecord } from './events.ts';
import type { PromptCodec } from './prompt-codec.ts';
import { type FailedVerdictPolicy, type PosedProblem, sampleAndScore } from './rollout.ts';
import { rolloutRecords } from './step-metrics.ts';

export interface HeldOutOptions {
  readonly policy: Policy;
  readonly task: Task;
  readonly codec: PromptCodec;
  /** Held-out problems, as `task.heldOut` gives them; those whose prompt leaves no room are left out. */
  readonly problems: readonly Problem[];
  readonly samples: number;
  readonly temperature: number;
  readonly maxCompletionTokens: number;
  readonly seed: number | string;
  readonly failedVerdicts: FailedVerdictPolicy;
  readonly clock: Clock;
}

export interface HeldOutResult {
  readonly metrics: EvaluationMetrics;
  readonly rollouts: readonly RolloutRecord[];
}

/**
 * Accuracy is the mean over problems of the mean over their scored completions; problems of which no completion could
 * be checked do not count, and are reported in `failed`.
 */
export async function evaluateHeldOut(options: HeldOutOptions): Promise<HeldOutResult> {
  const { policy, task, codec, clock, samples } = options;
  const start = clock.monotonic();
  const { contextLength } = policy.capabilities;
  const posed = options.problems.flatMap((problem, index): PosedProblem[] => {
    const prompt = codec.encodePrompt(task.prompt(problem));
    const fits = prompt.tokens.length + options.maxCompletionTokens <= contextLength;
    return fits ? [{ address: { split: 'heldOut', index }, problem, prompt }] : [];
  });
  const groups = await sampleAndScore(policy, task, codec, posed, {
    size: samples,
    sampling: { maxTokens: options.maxCompletionTokens, temperature: options.temperature },
    seed: options.seed,
    // The same draws at every evaluation: what differs between two of them is the model.
    stream: (problem) => ['evaluate', problem],
    failures: options.failedVerdicts,
  });

  const all = groups.flatMap((group) => group.completions);
  const verdicts = all.map(({ verdict }) => verdict);
  const rewards = verdicts.map((verdict) => (verdict.outcome === 'scored' ? verdict.score : Number.NaN));
  const ofProblems = groups.flatMap(({ completions: own }) => {
    const scores = own.flatMap(({ verdict }) => (verdict.outcome === 'scored' ? [accuracyOf(verdict)] : []));
    return scores.length === 0 ? [] : [scores];
  });
  const accuracy = ofProblems.length === 0 ? { mean: 0, low: 0, high: 1 } : accuracyInterval(ofProblems);
  const scored = verdicts.filter(({ outcome }) => outcome === 'scored').length;
  const truncated = all.filter(({ finish }) => finish === 'length').length;
  const orZero = (value: number) => (Number.isNaN(value) ? 0 : value);
  return {
    metrics: {
      problems: groups.length,
      scored,
      failed: all.length - scored,
      accuracy: accuracy.mean,
      accuracyLow: accuracy.low,
      accuracyHigh: accuracy.high,
      reward: orZero(mean(rewards)),
      lengthMean: orZero(mean(all.map(({ tokens }) => tokens.length))),
      truncatedShare: all.length === 0 ? 0 : truncated / all.length,
      seconds: (clock.monotonic() - start) / 1000,
    },
    rollouts: rolloutRecords(groups, (problem) => task.identity(problem), {
      shape: { names: ['score'], weights: [1] },
      components: rewards.map((reward) => [Number.isNaN(reward) ? null : reward]),
      rewards,
    }),
  };
}
