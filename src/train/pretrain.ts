/**
 * Next-token training of a small model on worked examples: what a base model is made of before reinforcement
 * learning. Each example is a problem's prompt, a response in one of the task's styles (a quick guess, a worked
 * solution), and the token that ends it; the loss is the mean of −log p over the predicted tokens of a step,
 *
 *   L = −(1/N) Σ_t log p(token_t | tokens before it).
 *
 * Examples are drawn from the training split, each from a stream of its own, so that a resumed run goes on exactly.
 */
import { z } from 'zod';
import type { TokenLoss, TokenSequence } from '../engine/policy.ts';
import { AhaError } from '../errors.ts';
import { mul, neg } from '../graph/ops/elementwise.ts';
import { sum } from '../graph/ops/reduce.ts';
import type { Task } from '../task/task.ts';
import { systemClock } from '../util/clock.ts';
import { randomStream, type RandomStream } from '../util/random.ts';
import { nearestWord, parseWithSchema } from '../util/schema.ts';
import { parsePretrainConfig, type PretrainConfig, type PretrainConfigInput } from './config.ts';
import type { PretrainEvent } from './events.ts';
import type { PromptCodec } from './prompt-codec.ts';
import { RunFolder } from './run-folder.ts';
import type { RunOptions, RunResult } from './run.ts';
import { learningRateAt } from './schedules.ts';

export interface PretrainOptions extends RunOptions<PretrainEvent> {
  readonly task: Task;
  readonly codec: PromptCodec;
  /** Unknown keys are refused; missing ones have defaults. */
  readonly config: PretrainConfigInput;
  /** What else makes the run what it is: JSON values, checked on resuming. */
  readonly identity?: Readonly<Record<string, unknown>>;
}

export interface PretrainResult extends RunResult {
  /** Mean −log p per predicted token in the last step, in nats. */
  readonly loss: number;
}

/** −Σ w · log p: the negative log-likelihood; the weights hold the averaging. */
export const negativeLogLikelihood: TokenLoss = {
  key: 'negative-log-likelihood',
  inputs: [],
  build: ({ logprobs, weights }) => ({ loss: neg(sum(mul(weights, logprobs))) }),
};

const stateSchema = z.strictObject({ version: z.literal(1), step: z.int().min(0), loss: z.number() });
type PretrainState = z.output<typeof stateSchema>;

/** Trains `policy` until `config.steps` steps are done or the signal is aborted. */
export async function pretrain(options: PretrainOptions): Promise<PretrainResult> {
  const config = parsePretrainConfig(options.config);
  const { policy, task, codec, signal, clock = systemClock } = options;
  const emit = (event: PretrainEvent) => options.onEvent?.(event);
  const mixture = mixtureOf(config, task);
  await using folder = await RunFolder.open(options.folder, {
    kind: 'pretrain',
    config,
    task: { name: task.name, seed: task.seed, presentation: task.presentation },
    policy: policy.description,
    ...options.identity,
  });
  const parseState = (value: unknown) =>
    parseWithSchema(stateSchema, value, { what: 'The stored state', boundary: 'storage' });
  const saved = await folder.resume(policy, parseState, (name, message) => {
    emit({ type: 'warning', step: 0, code: 'checkpoint-bad', message: `${name} is passed over: ${message}` });
  });
  let state: PretrainState = saved?.state ?? { version: 1, step: 0, loss: 0 };
  let checkpoint = saved?.checkpoint;
  emit({ type: 'run-start', steps: config.steps, step: state.step, resumed: saved !== undefined });

  const save = async () => {
    checkpoint = await folder.save(policy, {
      name: `step-${String(state.step).padStart(6, '0')}`,
      position: state.step,
      state,
      retention: { keepLast: config.checkpoints.keepLast, keepBest: false },
    });
    emit({ type: 'checkpoint', step: state.step, folder: checkpoint.folder, best: false });
  };

  const aborted = () => signal?.aborted ?? false;
  while (state.step < config.steps && !aborted()) {
    const { step } = state;
    const start = clock.monotonic();
    const learningRate = learningRateAt(step, config.steps, config.optimizer);
    const batch = exampleBatch(config, mixture, task, codec, step, policy.capabilities.contextLength);
    const { loss, computedTokens } = await policy.forwardBackward(batch, negativeLogLikelihood);
    const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = config.optimizer;
    const adam = { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm };
    const { gradientNorm, applied } = await policy.optimizerStep(adam);
    if (!applied) {
      const message = `The gradient was not finite (norm ${gradientNorm}): the weights stay as they are.`;
      emit({ type: 'warning', step, code: 'gradient-not-finite', message });
    }
    const seconds = (clock.monotonic() - start) / 1000;
    emit({
      type: 'pretrain-step',
      step,
      of: config.steps,
      loss,
      gradientNorm,
      learningRate,
      tokens: computedTokens,
      tokensPerSecond: seconds > 0 ? computedTokens / seconds : 0,
      seconds,
    });
    state = { version: 1, step: step + 1, loss };
    const { every } = config.checkpoints;
    if (state.step === config.steps || (every > 0 && state.step % every === 0)) await save();
  }
  if (checkpoint === undefined || checkpoint.position < state.step) await save();
  const reason = state.step < config.steps ? 'interrupted' : 'completed';
  const at = checkpoint!.folder;
  emit({ type: 'run-end', step: state.step, reason, folder: at });
  return { reason, steps: state.step, checkpoint: at, loss: state.loss };
}

interface Mixture {
  readonly styles: readonly string[];
  /** Cumulative shares, the last of them 1. */
  readonly until: readonly number[];
}

function mixtureOf(config: PretrainConfig, task: Task): Mixture {
  const known = task.workedStyles;
  if (known.length === 0) {
    throw new AhaError({
      code: 'worked-examples-missing',
      boundary: 'task',
      what: `Task ${task.name} has no worked examples to learn from`,
      fix: 'Give its definition workedExamples, or use another task.',
    });
  }
  if (task.presentation.form !== 'raw') {
    throw new AhaError({
      code: 'worked-examples-form',
      boundary: 'configuration',
      what: `The worked examples of task ${task.name} are in raw form`,
      found: `form ${task.presentation.form}`,
      expected: 'form raw',
    });
  }
  const shares = Object.entries(config.mixture ?? Object.fromEntries(known.map((style) => [style, 1])));
  const unknown = shares.find(([style]) => !known.includes(style))?.[0];
  if (unknown !== undefined || shares.length === 0) {
    const nearest = unknown === undefined ? undefined : nearestWord(unknown, known);
    throw new AhaError({
      code: 'worked-style-unknown',
      boundary: 'configuration',
      what: `mixture names a style that task ${task.name} does not have`,
      found: unknown ?? 'no style at all',
      expected: known.join(' | '),
      ...(nearest === undefined ? {} : { fix: `Did you mean ${JSON.stringify(nearest)}?` }),
    });
  }
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  let sum = 0;
  return {
    styles: shares.map(([style]) => style),
    until: shares.map(([, share]) => (sum += share) / total),
  };
}

function drawStyle({ styles, until }: Mixture, random: RandomStream): string {
  const at = random.next();
  return styles[until.findIndex((limit) => at < limit)] ?? styles.at(-1)!;
}

/** The examples of one step, each weighted so that the loss is the mean over all predicted tokens. */
function exampleBatch(
  config: PretrainConfig,
  mixture: Mixture,
  task: Task,
  codec: PromptCodec,
  step: number,
  contextLength: number,
): TokenSequence[] {
  const examples = Array.from({ length: config.examplesPerStep }, (_, at) => {
    const index = step * config.examplesPerStep + at;
    const problem = task.problem({ split: 'train', index });
    const random = randomStream(config.seed, 'pretrain', index);
    const style = drawStyle(mixture, random);
    const prompt = codec.encodePrompt(task.prompt(problem));
    const response = codec.encodeResponse(task.workedExample(problem, style, random));
    const tokens = Int32Array.of(...prompt.tokens, ...response);
    if (tokens.length > contextLength) {
      throw new AhaError({
        code: 'example-too-long',
        boundary: 'configuration',
        what: `A worked example of task ${task.name} does not fit the context of the model`,
        found: `${tokens.length} tokens: ${prompt.text.slice(0, 80)}`,
        expected: `at most ${contextLength}`,
        fix: 'Use a model with a longer context, or shorter problems.',
      });
    }
    // The first token is predicted from nothing: position 0 is never learned.
    return { tokens, from: config.learnPrompts ? 1 : prompt.tokens.length };
  });
  const predicted = examples.reduce((total, { tokens, from }) => total + tokens.length - from, 0);
  return examples.map(({ tokens, from }) => {
    return { tokens, weights: new Float32Array(tokens.length).fill(1 / predicted, from) };
  });
}
