/**
 * A run of optimizer steps, one like the other: what supervised fine-tuning and the distillations that learn from
 * fixed or fresh batches have in common. The caller says what one step learns; this loop owns the order of things,
 * the learning rate, evaluation, checkpoints, and going on after an interruption.
 *
 * A step must depend on nothing but its number and the weights. Then a run that was killed at any moment and started
 * again ends in the same bits as one that was not: it goes on from its latest checkpoint and repeats what is behind.
 */
import { z } from 'zod';
import type { ForwardBackwardResult, Policy } from '../engine/policy.ts';
import { systemClock } from '../util/clock.ts';
import { parseWithSchema } from '../util/schema.ts';
import type { EvaluationMetrics, LearnEvaluation, LearnEvent } from './events.ts';
import { RunFolder, type RunIdentity } from './run-folder.ts';
import type { RunOptions, RunResult } from './run.ts';
import { learningRateAt } from './schedules.ts';
import type { StepLoopConfig } from './sft-config.ts';

/** What a step has accumulated gradients of. */
export interface StepOutcome {
  readonly loss: number;
  /** Tokens that the loss was taken over. */
  readonly learnedTokens: number;
  /** Tokens that went through the model that learns. */
  readonly computedTokens: number;
  /** Further numbers of the step by name, for logs. */
  readonly measures?: Readonly<Record<string, number>>;
}

export interface StepLoopOptions extends RunOptions<LearnEvent> {
  readonly identity: RunIdentity;
  readonly config: StepLoopConfig;
  readonly steps: number;
  /** Accumulates the gradient of step `step`. */
  learn(step: number): Promise<StepOutcome>;
  /** Measures the policy as it is; undefined when there is nothing to measure. */
  evaluate(): Promise<LearnEvaluation | undefined>;
}

export interface LearnResult extends RunResult {
  /** Of the last step. */
  readonly loss: number;
  readonly evaluations: readonly { readonly step: number; readonly metrics: LearnEvaluation }[];
}

const accuracySchema = z.custom<EvaluationMetrics>((value) => typeof value === 'object' && value !== null);
const evaluationSchema = z.strictObject({
  loss: z.number().nullable(),
  tokens: z.int().min(0),
  task: accuracySchema.nullable(),
  seconds: z.number(),
});
const stateSchema = z.strictObject({
  version: z.literal(1),
  step: z.int().min(0),
  loss: z.number(),
  evaluations: z.array(z.strictObject({ step: z.int().min(0), metrics: evaluationSchema })),
});
type LoopState = z.output<typeof stateSchema>;

/** Runs until `steps` steps are done or the signal is aborted. */
export async function runSteps(options: StepLoopOptions): Promise<LearnResult> {
  const { policy, config, steps, signal, clock = systemClock } = options;
  const emit = (event: LearnEvent) => options.onEvent?.(event);
  await using folder = await RunFolder.open(options.folder, options.identity);
  const parseState = (value: unknown) =>
    parseWithSchema(stateSchema, value, { what: 'The stored state', boundary: 'storage' });
  const saved = await folder.resume(policy, parseState, (name, message) => {
    emit({ type: 'warning', step: 0, code: 'checkpoint-bad', message: `${name} is passed over: ${message}` });
  });
  let state: LoopState = saved?.state ?? { version: 1, step: 0, loss: 0, evaluations: [] };
  let checkpoint = saved?.checkpoint;
  emit({
    type: 'run-start',
    steps,
    step: state.step,
    resumed: saved !== undefined,
    evaluations: state.evaluations,
  });

  const save = async (best = false) => {
    const { keepLast, keepBest } = config.checkpoints;
    checkpoint = await folder.save(policy, {
      name: `step-${String(state.step).padStart(6, '0')}`,
      position: state.step,
      best,
      state,
      retention: { keepLast, keepBest },
    });
    emit({ type: 'checkpoint', step: state.step, folder: checkpoint.folder, best });
  };
  /** Whether this evaluation is the best so far. */
  const evaluate = async (): Promise<boolean> => {
    const metrics = await options.evaluate();
    if (metrics === undefined) return false;
    emit({ type: 'learn-evaluation', step: state.step, metrics });
    const best = state.evaluations.every((earlier) => isBetter(metrics, earlier.metrics));
    state = { ...state, evaluations: [...state.evaluations, { step: state.step, metrics }] };
    return best;
  };

  const aborted = () => signal?.aborted ?? false;
  if (saved === undefined && !aborted()) await evaluate();
  while (state.step < steps && !aborted()) {
    const { step } = state;
    const start = clock.monotonic();
    const learningRate = learningRateAt(step, steps, config.optimizer);
    const { loss, learnedTokens, computedTokens, measures = {} } = await options.learn(step);
    const { gradientNorm, applied } = await applyGradient(policy, config, learningRate);
    if (!applied) {
      const message = `The gradient was not finite (norm ${gradientNorm}): the weights stay as they are.`;
      emit({ type: 'warning', step, code: 'gradient-not-finite', message });
    }
    const seconds = (clock.monotonic() - start) / 1000;
    emit({
      type: 'learn-step',
      step,
      of: steps,
      loss,
      gradientNorm,
      learningRate,
      learnedTokens,
      computedTokens,
      tokensPerSecond: seconds > 0 ? computedTokens / seconds : 0,
      measures,
      seconds,
    });
    state = { ...state, step: step + 1, loss };
    const last = state.step === steps;
    const best = (isDue(state.step, config.evaluation.every) || last) && (await evaluate());
    if (isDue(state.step, config.checkpoints.every) || last || (best && config.checkpoints.keepBest)) {
      await save(best);
    }
  }
  if (checkpoint === undefined || checkpoint.position < state.step) await save();
  const reason = state.step < steps ? 'interrupted' : 'completed';
  const at = checkpoint!.folder;
  emit({ type: 'run-end', step: state.step, reason, folder: at });
  return { reason, steps: state.step, checkpoint: at, loss: state.loss, evaluations: state.evaluations };
}

async function applyGradient(policy: Policy, { optimizer }: StepLoopConfig, learningRate: number) {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = optimizer;
  return policy.optimizerStep({ learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm });
}

/** By accuracy where a task measures it, else by the loss. */
function isBetter(a: LearnEvaluation, b: LearnEvaluation): boolean {
  if (a.task !== null && b.task !== null) return a.task.accuracy > b.task.accuracy;
  return a.loss !== null && b.loss !== null && a.loss < b.loss;
}

function isDue(step: number, every: number): boolean {
  return every > 0 && step % every === 0;
}

/** The part of an outcome that the engine knows. */
export function outcomeOf(
  { loss, computedTokens }: ForwardBackwardResult,
  learnedTokens: number,
): StepOutcome {
  return { loss, learnedTokens, computedTokens };
}
