/** What a run of optimizer steps measures of its policy: the loss on held-out examples, and accuracy on a task. */
import type { Policy } from '../engine/policy.ts';
import type { Task } from '../task/task.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { grpoSchema } from './config.ts';
import type { LearnEvaluation } from './events.ts';
import type { EncodedExample } from './example-encoder.ts';
import { evaluateHeldOut } from './held-out.ts';
import { heldOutLoss } from './held-out-loss.ts';
import type { PromptCodec } from './prompt-codec.ts';
import type { StepLoopConfig } from './sft-config.ts';

export interface LearnEvaluationOptions {
  readonly policy: Policy;
  readonly config: StepLoopConfig;
  readonly heldOut: readonly EncodedExample[];
  readonly task?: { readonly task: Task; readonly codec: PromptCodec };
  readonly clock?: Clock;
}

/** Undefined when there is nothing to measure. */
export async function learnEvaluation(options: LearnEvaluationOptions): Promise<LearnEvaluation | undefined> {
  const { policy, config, clock = systemClock } = options;
  const { examples, problems, samples, temperature, maxCompletionTokens } = config.evaluation;
  const heldOut = examples === 0 ? options.heldOut : options.heldOut.slice(0, examples);
  const task = problems === 0 ? undefined : options.task;
  if (heldOut.length === 0 && task === undefined) return undefined;
  const start = clock.monotonic();
  const { loss, tokens } = await heldOutLoss(policy, heldOut);
  const measured =
    task === undefined
      ? null
      : (
          await evaluateHeldOut({
            policy,
            task: task.task,
            codec: task.codec,
            problems: task.task.heldOut(problems),
            samples,
            temperature,
            maxCompletionTokens,
            seed: config.seed,
            failedVerdicts: grpoSchema.shape.failedVerdicts.parse(undefined),
            clock,
          })
        ).metrics;
  return { loss, tokens, task: measured, seconds: (clock.monotonic() - start) / 1000 };
}
