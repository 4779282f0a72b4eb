/**
 * Group relative policy optimization (GRPO, arXiv 2402.03300), as DeepSeek-R1-Zero was trained (arXiv 2501.12948):
 * reinforcement learning without a critic, from rewards that a program computes.
 *
 * Each step draws P problems and, for each, G completions o_1…o_G from the policy. A completion's reward r_i is a
 * weighted sum of the components of its verdict. Its advantage compares it with its own group,
 *
 *   A_i = (r_i − mean(r_1…r_G)) / (std(r_1…r_G) + 10⁻⁴),
 *
 * the same for all of its tokens, and the policy takes M · E optimizer steps on the loss of `grpo-loss.ts`,
 *
 *   L = −Σ_i Σ_t w_it · min(ρ_it A_i, clip(ρ_it, 1 − low, 1 + high) A_i) + β · KL_it,    ρ_it = p(o_it) / p_old(o_it),
 *
 * where w_it holds the averaging (`token-weights.ts`).
 *
 * Where this departs from the papers by default: the average is over all tokens of the rollout (DAPO) instead of per
 * sequence; clipping is asymmetric (0.2, 0.28; DAPO); β is 0; groups whose rewards are all equal do not count in the
 * averages. p_old is what the sampler reported, which is the policy itself in the first update of a step.
 *
 * A run is resumed bit for bit: every draw comes from a stream named by its place, and checkpoints hold the rest.
 */
import type { TokenSequence } from '../engine/policy.ts';
import type { Task } from '../task/task.ts';
import { systemClock } from '../util/clock.ts';
import { type GrpoConfigInput, parseGrpoConfig } from './config.ts';
import type { EvaluationMetrics, GrpoEvent, RunHistory } from './events.ts';
import type { GrpoContext } from './grpo-context.ts';
import { grpoLoss } from './grpo-loss.ts';
import { emptyTotals, type GrpoState, parseState, startState } from './grpo-state.ts';
import { evaluateHeldOut } from './held-out.ts';
import {
  learnedSequences,
  learningBatch,
  lossOptions,
  miniBatches,
  needsPreparation,
  prepareLearning,
} from './learning.ts';
import { addToLossTotals } from './loss-metrics.ts';
import { preflight } from './preflight.ts';
import type { PromptCodec } from './prompt-codec.ts';
import { rewardShape } from './rewards.ts';
import { RunFolder } from './run-folder.ts';
import type { Rollout } from './rollout-file.ts';
import type { RunOptions, RunResult } from './run.ts';
import { judgeRollout, sampleStep } from './sample-step.ts';
import { learningRateAt } from './schedules.ts';
import { rolloutRecords, stepMetrics } from './step-metrics.ts';

export interface GrpoOptions extends RunOptions<GrpoEvent> {
  readonly task: Task;
  readonly codec: PromptCodec;
  /** Unknown keys are refused; missing ones have defaults. */
  readonly config: GrpoConfigInput;
  /** What else makes the run what it is (the model's name, LoRA settings): JSON values, checked on resuming. */
  readonly identity?: Readonly<Record<string, unknown>>;
}

export interface GrpoResult extends RunResult {
  readonly history: RunHistory;
}

/** Trains `policy` until `config.steps` steps are done or the signal is aborted. */
export async function trainGrpo(options: GrpoOptions): Promise<GrpoResult> {
  const config = parseGrpoConfig(options.config);
  const { policy, task, codec, signal, clock = systemClock } = options;
  const emit = (event: GrpoEvent) => options.onEvent?.(event);
  await using folder = await RunFolder.open(options.folder, {
    kind: 'grpo',
    config,
    task: { name: task.name, seed: task.seed, presentation: task.presentation },
    policy: policy.description,
    ...options.identity,
  });
  const shape = rewardShape(config.rewardWeights, config.overlong);
  const context: GrpoContext = { config, policy, task, codec, folder, shape, emit, clock };

  const saved = await folder.resume(policy, parseState, (name, message) => {
    emit({ type: 'warning', step: 0, code: 'checkpoint-bad', message: `${name} is passed over: ${message}` });
  });
  let state = saved?.state ?? startState(config);
  /** The rollout of the step under way, if some of its updates are done. */
  let underWay = saved?.rollout;
  let checkpoint = saved?.checkpoint;
  const resumed = saved !== undefined;
  emit({ type: 'run-start', steps: config.steps, step: state.step, resumed, history: state.history });

  if (!policy.capabilities.exactResume) {
    const message = 'This policy does not resume exactly: a run that was interrupted ends in other weights.';
    emit({ type: 'warning', step: state.step, code: 'resume-not-exact', message });
  }

  const save = async (best = false) => {
    emit({ type: 'phase', step: state.step, phase: 'save' });
    checkpoint = await saveState(context, state, underWay, best);
    emit({ type: 'checkpoint', step: state.step, folder: checkpoint.folder, best });
  };
  /** Whether the evaluation is the best so far, which the state remembers. */
  const evaluate = async (): Promise<boolean> => {
    const metrics = await evaluateNow(context, state.step);
    if (metrics === undefined) return false;
    const evaluations = [...state.history.evaluations, { step: state.step, metrics }];
    const best = state.bestAccuracy === null || metrics.accuracy > state.bestAccuracy;
    const bestAccuracy = best ? metrics.accuracy : state.bestAccuracy;
    state = { ...state, history: { ...state.history, evaluations }, bestAccuracy };
    return best;
  };

  if (!resumed) {
    await preflight(context);
    // With LoRA the weights below the adapters are the reference; otherwise it is a copy of what there is now.
    const { parameters, trainableParameters } = policy.description;
    if (config.kl.beta > 0 && trainableParameters === parameters) await policy.refreshReference();
    await evaluate();
  }

  const aborted = () => signal?.aborted ?? false;
  while (state.step < config.steps && !aborted()) {
    const { step } = state;
    const start = clock.monotonic();
    // What earlier processes spent on this step is part of it.
    const spent = Object.values({ ...state.totals.seconds, ...underWay?.seconds }).reduce((a, b) => a + b, 0);

    // Sample and check. Nothing of this is repeated if the process is killed behind it.
    let rollout = underWay ?? (await sampleStep(context, step, state.data));
    const { components, advantages } = judgeRollout(config, shape, rollout.groups);
    const sequences = learnedSequences(config, rollout, advantages);
    const learned = sequences.filter(({ computed }) => computed);

    // What must be computed before the weights change.
    if (rollout.prepared === undefined) {
      if (needsPreparation(config)) emit({ type: 'phase', step, phase: 'reference' });
      const before = clock.monotonic();
      const prepared = await prepareLearning(policy, config, rollout.groups, sequences);
      const reference = (clock.monotonic() - before) / 1000;
      rollout = { ...rollout, prepared };
      state = { ...state, totals: { ...emptyTotals(), seconds: { reference } } };
    }

    // Learn: E passes over the rollout of M optimizer steps each.
    emit({ type: 'phase', step, phase: 'train' });
    const learningRate = learningRateAt(step, config.steps, config.optimizer);
    const updates = config.epochs * config.miniBatches;
    const rolloutTokens = sequences.reduce((total, { length }) => total + length, 0);
    let update = 0;
    for (let epoch = 0; epoch < config.epochs; epoch++) {
      for (const batch of miniBatches(config, sequences, { step, epoch })) {
        // An earlier process did this one.
        if (update++ < state.updatesDone) continue;
        // The policy remembers all of a rollout or none, so that it is the same whether sampling was interrupted.
        const remembered = rollout.sampledTokens <= policy.capabilities.rememberedTokens;
        const asDrawn = remembered && update === 1;
        const weighted = learningBatch(config, batch, rollout.prepared!, { rolloutTokens, asDrawn });
        state = await takeUpdate(context, state, {
          batch: weighted,
          learningRate,
          update: update - 1,
          updates,
        });
        if (aborted() && update < updates) {
          underWay = rollout;
          await save();
          return finish('interrupted');
        }
      }
    }
    underWay = undefined;
    if (learned.length === 0) {
      const message = 'No completion of this step has an advantage: the weights stay as they are.';
      emit({ type: 'warning', step, code: 'nothing-to-learn', message });
    }

    // Report, and close the step.
    emit({
      type: 'rollouts',
      step,
      rollouts: rolloutRecords(rollout.groups, (problem) => task.identity(problem), {
        shape,
        components,
        rewards: advantages.rewards,
        advantages: advantages.advantages,
      }),
    });
    const metrics = stepMetrics({
      rollout,
      advantages,
      components,
      shape,
      totals: state.totals,
      learningRate,
      learnedSequences: learned.length,
      learnedTokens: learned.reduce((total, { length }) => total + length, 0),
      seconds: spent + (clock.monotonic() - start) / 1000,
    });
    emit({ type: 'step', step, of: config.steps, metrics });
    state = {
      ...state,
      step: step + 1,
      updatesDone: 0,
      totals: emptyTotals(),
      data: rollout.data,
      history: { ...state.history, steps: [...state.history.steps, { step, metrics }] },
    };
    if (isDue(state.step, config.kl.refreshReferenceEvery) && config.kl.beta > 0)
      await policy.refreshReference();

    const last = state.step === config.steps;
    const best = (isDue(state.step, config.evaluation.every) || last) && (await evaluate());
    if (isDue(state.step, config.checkpoints.every) || last || (best && config.checkpoints.keepBest))
      await save(best);
  }

  if (checkpoint === undefined || checkpoint.position < state.step) await save();
  return finish(state.step < config.steps ? 'interrupted' : 'completed');

  function finish(reason: 'completed' | 'interrupted'): GrpoResult {
    const at = checkpoint!.folder;
    emit({ type: 'run-end', step: state.step, reason, folder: at });
    return { reason, steps: state.step, checkpoint: at, history: state.history };
  }
}

/** One optimizer step on one mini-batch. */
async function takeUpdate(
  { policy, config, emit, clock }: GrpoContext,
  state: GrpoState,
  {
    batch,
    learningRate,
    update,
    updates,
  }: {
    readonly batch: readonly TokenSequence[];
    readonly learningRate: number;
    readonly update: number;
    readonly updates: number;
  },
): Promise<GrpoState> {
  // With nothing to learn there is no gradient, and no optimizer step either: momentum alone would move the weights.
  if (batch.length === 0) return { ...state, updatesDone: update + 1 };
  const start = clock.monotonic();
  const { temperature } = config.sampling;
  const result = await policy.forwardBackward(batch, grpoLoss(lossOptions(config)), { temperature });
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = config.optimizer;
  const adam = { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm };
  const { gradientNorm, applied } = await policy.optimizerStep(adam);

  const totals = structuredClone(state.totals);
  addToLossTotals(totals.tokens, config.loss.ratio, {
    weights: batch.map(({ weights }) => weights),
    entropies: result.entropies,
    ratio: result.perToken['ratio']!,
    clipped: result.perToken['clipped']!,
    kl: result.perToken['kl'],
  });
  totals.updates++;
  totals.loss += result.loss;
  if (applied) totals.gradientNorm += gradientNorm;
  else totals.skipped++;
  totals.trainedTokens += result.computedTokens;
  totals.seconds.train = (totals.seconds.train ?? 0) + (clock.monotonic() - start) / 1000;
  const { step } = state;
  emit({ type: 'update', step, update, of: updates, loss: result.loss, gradientNorm, applied });
  if (!applied) {
    const message = `The gradient of update ${update} was not finite (norm ${gradientNorm}): the weights stay as they are.`;
    emit({ type: 'warning', step, code: 'gradient-not-finite', message });
  }
  return { ...state, updatesDone: update + 1, totals };
}

/** Held-out accuracy of the policy as it is; undefined when no evaluation is asked for. */
async function evaluateNow(
  { policy, task, codec, config, emit, clock }: GrpoContext,
  step: number,
): Promise<EvaluationMetrics | undefined> {
  const { problems: count, samples, temperature } = config.evaluation;
  if (count === 0) return undefined;
  emit({ type: 'phase', step, phase: 'evaluate' });
  const { metrics, rollouts } = await evaluateHeldOut({
    policy,
    task,
    codec,
    problems: task.heldOut(count),
    samples,
    temperature,
    maxCompletionTokens: config.maxCompletionTokens,
    seed: config.seed,
    failedVerdicts: config.failedVerdicts,
    clock,
  });
  emit({ type: 'evaluation', step, metrics, rollouts });
  return metrics;
}

async function saveState(
  { folder, policy, config }: GrpoContext,
  state: GrpoState,
  rollout: Rollout | undefined,
  best: boolean,
) {
  const { step, updatesDone } = state;
  const part = updatesDone === 0 ? '' : `-update-${updatesDone}`;
  const { keepLast, keepBest } = config.checkpoints;
  const checkpoint = await folder.save(policy, {
    name: `step-${String(step).padStart(6, '0')}${part}`,
    position: step + updatesDone / (config.epochs * config.miniBatches + 1),
    best,
    state,
    rollout,
    retention: { keepLast, keepBest },
  });
  await folder.removeRolloutsBefore(step);
  return checkpoint;
}

function isDue(step: number, every: number): boolean {
  return every > 0 && step % every === 0;
}
