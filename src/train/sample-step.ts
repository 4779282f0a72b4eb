/**
 * Sampling of one step: problems are drawn, answered and checked (each answer while others are drawn); groups that teach nothing are replaced by groups of
 * other problems as often as asked (dynamic sampling, DAPO section 3.2). Each wave is written to the run's folder, so
 * that a restart goes on behind it.
 */
import { AhaError } from '../errors.ts';
import { nearestWord } from '../util/schema.ts';
import { accuracyOf } from '../verify/verdict.ts';
import { type Advantages, computeAdvantages, mean } from './advantages.ts';
import type { GrpoConfig } from './config.ts';
import type { GrpoContext } from './grpo-context.ts';
import { afterGroups, type DataPosition, nextProblem } from './problem-order.ts';
import { rewardComponents, type RewardShape } from './rewards.ts';
import type { Rollout } from './rollout-file.ts';
import { type Group, poseProblem, type PosedProblem, sampleAndScore } from './rollout.ts';

/** Prompts that are too long are passed over; this many in a row say that all of them are. */
const mostSkippedPrompts = 1000;

/** The rollout of `step`, as far as an earlier process got with it and from there on. */
export async function sampleStep(context: GrpoContext, step: number, data: DataPosition): Promise<Rollout> {
  const { config, folder, emit, clock } = context;
  let rollout: Rollout = (await folder.readRollout(step, (reason) => {
    emit({
      type: 'warning',
      step,
      code: 'rollout-unreadable',
      message: `${reason} The step is sampled again.`,
    });
  })) ?? {
    step,
    waves: 0,
    complete: false,
    groups: [],
    replaced: [],
    data,
    sampledTokens: 0,
    seconds: { sample: 0, verify: 0 },
  };
  while (!rollout.complete) {
    const useless = rollout.waves === 0 ? [] : uselessGroups(config, context.shape, rollout);
    const wanted = rollout.waves === 0 ? config.problemsPerStep : useless.length;
    const drawn = drawProblems(context, step, rollout.data, wanted);

    emit({ type: 'phase', step, phase: 'sample' });
    const start = clock.monotonic();
    const done = rollout.groups.length;
    const of = (done + wanted) * config.groupSize;
    let sampled = start;
    const scored = await sampleAndScore(context.policy, context.task, context.codec, drawn.problems, {
      size: config.groupSize,
      sampling: { ...config.sampling, maxTokens: config.maxCompletionTokens },
      seed: config.seed,
      stream: (problem) => ['sample', step, done + problem],
      remember: `step ${step}`,
      onProgress: (now) => {
        const earlier = done * config.groupSize;
        const tokens = rollout.sampledTokens + now.tokens;
        emit({ type: 'sampling', step, completions: earlier + now.completions, of, tokens });
      },
      failures: { action: config.failedVerdicts.action, retries: config.failedVerdicts.retries },
      onSampled: () => {
        sampled = clock.monotonic();
        emit({ type: 'phase', step, phase: 'verify' });
      },
    });
    const verified = clock.monotonic();
    checkVerdicts(config, context.shape, scored);

    const groups = [...rollout.groups, ...scored];
    rollout = {
      step,
      waves: rollout.waves + 1,
      complete: false,
      groups,
      replaced: [...rollout.replaced, ...useless],
      data: afterGroups(
        config.curriculum,
        drawn.data,
        scored.map((group) => ({ level: group.address.level, success: successOf(group) })),
      ),
      sampledTokens:
        rollout.sampledTokens +
        scored.reduce(
          (sum, group) => sum + group.completions.reduce((n, { tokens }) => n + tokens.length, 0),
          0,
        ),
      seconds: {
        sample: rollout.seconds.sample + (sampled - start) / 1000,
        verify: rollout.seconds.verify + (verified - sampled) / 1000,
      },
    };
    const refillable =
      rollout.waves <= config.refillAttempts && uselessGroups(config, context.shape, rollout).length > 0;
    rollout = { ...rollout, complete: !refillable };
    await folder.writeRollout(rollout);
  }
  return rollout;
}

/** Components of the reward [N][K] of all completions, group by group, and their advantages. */
export function judgeRollout(
  config: GrpoConfig,
  shape: RewardShape,
  groups: readonly Group[],
): { readonly components: (number | null)[][]; readonly advantages: Advantages } {
  const components = groups.flatMap(({ completions }) =>
    completions.map(({ verdict, tokens }) =>
      rewardComponents(shape, verdict, {
        tokens: tokens.length,
        limit: config.maxCompletionTokens,
        overlong: config.overlong,
      }),
    ),
  );
  const advantages = computeAdvantages(components, config.groupSize, {
    scale: config.advantageScale,
    combine: config.combineRewards,
    weights: shape.weights,
  });
  return { components, advantages };
}

/** Indices of groups without variance that no other one has replaced yet. */
function uselessGroups(config: GrpoConfig, shape: RewardShape, { groups, replaced }: Rollout): number[] {
  const { zeroVariance } = judgeRollout(config, shape, groups).advantages;
  return zeroVariance.flatMap((zero, index) => (zero && !replaced.includes(index) ? [index] : []));
}

/** The next `count` training problems whose prompts fit, and the position of the data behind them. */
export function drawProblems(
  context: Pick<GrpoContext, 'config' | 'task' | 'codec' | 'policy' | 'emit'>,
  step: number,
  from: DataPosition,
  count: number,
): { readonly problems: PosedProblem[]; readonly data: DataPosition } {
  const { config, task, codec, policy, emit } = context;
  const { contextLength } = policy.capabilities;
  const { maxCompletionTokens, seed } = config;
  const problems: PosedProblem[] = [];
  let data = from;
  let skipped = 0;
  while (problems.length < count) {
    const next = nextProblem(config.curriculum, data, { seed, step, progress: step / config.steps });
    data = next.position;
    const posed = poseProblem(task, codec, next.address, { contextLength, maxCompletionTokens });
    if (posed !== undefined) {
      problems.push(posed);
      continue;
    }
    skipped++;
    if (skipped > mostSkippedPrompts) {
      throw new AhaError({
        code: 'prompts-too-long',
        boundary: 'configuration',
        what: `No prompt of task ${task.name} leaves room for ${maxCompletionTokens} tokens of completion`,
        found: `${skipped} prompts in a row that do not fit`,
        expected: `at most ${contextLength} tokens, prompt and completion together`,
        fix: 'Lower maxCompletionTokens, or use a model with a longer context.',
      });
    }
  }
  if (skipped > 0) {
    const message = `${skipped} problems were passed over: their prompts leave no room for ${maxCompletionTokens} tokens.`;
    emit({ type: 'warning', step, code: 'prompts-skipped', message });
  }
  return { problems, data };
}

/** Mean accuracy of a group's scored completions; NaN if there are none. */
function successOf({ completions }: Group): number {
  return mean(
    completions.map(({ verdict }) => (verdict.outcome === 'scored' ? accuracyOf(verdict) : Number.NaN)),
  );
}

/** Throws when too many checks failed, or when no verdict has a component that the reward asks for. */
export function checkVerdicts(config: GrpoConfig, shape: RewardShape, groups: readonly Group[]): void {
  checkFailures(config, groups);
  checkComponents(shape, groups);
}

function checkFailures({ failedVerdicts }: GrpoConfig, groups: readonly Group[]): void {
  const verdicts = groups.flatMap(({ completions }) => completions.map(({ verdict }) => verdict));
  const failures = verdicts.flatMap((verdict) => (verdict.outcome === 'failed' ? [verdict] : []));
  if (failures.length <= failedVerdicts.stopAbove * verdicts.length) return;
  const [first] = failures;
  throw new AhaError({
    code: 'too-many-failed-verdicts',
    boundary: first!.boundary === 'sandbox' ? 'sandbox' : 'verifier',
    what: 'Too many checks failed to reach a verdict',
    found: `${failures.length} of ${verdicts.length}; the first at the ${first!.boundary}: ${first!.reason}`,
    expected: `at most ${failedVerdicts.stopAbove * 100} %`,
    fix: 'Repair the verifier, or raise failedVerdicts.stopAbove. The run goes on from its last checkpoint.',
  });
}

/** A component that no verdict has is a misspelt name, not a reward of nothing. */
function checkComponents({ names }: RewardShape, groups: readonly Group[]): void {
  const parts = new Set(['score', 'overlong']);
  let scored = false;
  for (const { verdict } of groups.flatMap((group) => group.completions)) {
    if (verdict.outcome === 'failed') continue;
    scored = true;
    for (const name of Object.keys(verdict.parts)) parts.add(name);
  }
  const missing = scored ? names.find((name) => !parts.has(name)) : undefined;
  if (missing === undefined) return;
  parts.delete('overlong');
  const nearest = nearestWord(missing, parts);
  throw new AhaError({
    code: 'reward-component-unknown',
    boundary: 'configuration',
    what: 'rewardWeights names a component that no verdict has',
    found: missing,
    expected: [...parts].join(' | '),
    ...(nearest === undefined ? {} : { fix: `Did you mean ${JSON.stringify(nearest)}?` }),
  });
}
