/**
 * Supervised fine-tuning: next-token training on worked examples, on the tokens of the assistant alone. With N the
 * learned tokens of a step,
 *
 *   L = −(1/N) Σ_t log p(token_t | tokens before it),
 *
 * or, with averaging over examples, the mean over examples of their own means. Each epoch walks through the examples
 * in an order of its own, drawn from a stream named by the seed and the epoch; the last step of an epoch may be
 * smaller. Sequences share a micro-batch by length, each in a row of its own: no token ever attends to another
 * example, and little is padded (`engine/micro-batches.ts`).
 */
import type { TokenSequence } from '../engine/policy.ts';
import type { Task } from '../task/task.ts';
import { randomStream } from '../util/random.ts';
import type { LearnEvent } from './events.ts';
import { countLearned, type EncodedExample } from './example-encoder.ts';
import type { ExampleData } from './example-data.ts';
import { learnEvaluation } from './learn-evaluation.ts';
import { negativeLogLikelihood } from './pretrain.ts';
import type { PromptCodec } from './prompt-codec.ts';
import type { RunOptions } from './run.ts';
import { parseSftConfig, type SftConfig, type SftConfigInput } from './sft-config.ts';
import { type LearnResult, outcomeOf, runSteps } from './step-loop.ts';

export interface SftOptions extends RunOptions<LearnEvent> {
  readonly data: Pick<ExampleData, 'train' | 'heldOut' | 'fingerprint'>;
  /** Unknown keys are refused; missing ones have defaults. */
  readonly config: SftConfigInput;
  /** Measures accuracy on held-out problems, if given. */
  readonly task?: { readonly task: Task; readonly codec: PromptCodec };
  /** What else makes the run what it is: JSON values, checked on resuming. */
  readonly identity?: Readonly<Record<string, unknown>>;
}

/** Trains `policy` until the epochs are done or the signal is aborted. */
export async function trainSft(options: SftOptions): Promise<LearnResult> {
  const config = parseSftConfig(options.config);
  const { policy, data } = options;
  const steps = sftSteps(config, data.train.length);
  const order = epochOrder(config.seed, data.train.length, config.examplesPerStep);
  return runSteps({
    ...options,
    config,
    steps,
    identity: {
      kind: 'sft',
      config,
      data: { examples: data.train.length, heldOut: data.heldOut.length, fingerprint: data.fingerprint },
      policy: policy.description,
      ...options.identity,
    },
    async learn(step) {
      const examples = order(step).map((index) => data.train[index]!);
      const batch = weightedExamples(examples, config.averaging);
      const result = await policy.forwardBackward(batch, negativeLogLikelihood);
      return outcomeOf(result, countLearned(examples));
    },
    evaluate: async () => learnEvaluation({ ...options, config, heldOut: data.heldOut }),
  });
}

/** Optimizer steps of a run over `examples` examples. */
export function sftSteps(
  { steps, epochs, examplesPerStep }: Pick<SftConfig, 'steps' | 'epochs' | 'examplesPerStep'>,
  examples: number,
): number {
  return steps ?? Math.max(1, Math.ceil(epochs * Math.ceil(examples / examplesPerStep)));
}

/** The examples of a step: those of each epoch are all examples, in an order of its own. */
export function epochOrder(
  seed: number | string,
  examples: number,
  perStep: number,
): (step: number) => number[] {
  const stepsPerEpoch = Math.ceil(examples / perStep);
  let known: { readonly epoch: number; readonly order: readonly number[] } | undefined;
  return (step) => {
    const epoch = Math.floor(step / stepsPerEpoch);
    if (known?.epoch !== epoch) {
      const all = Array.from({ length: examples }, (_, index) => index);
      known = { epoch, order: randomStream(seed, 'epoch', epoch).shuffle(all) };
    }
    const at = (step % stepsPerEpoch) * perStep;
    return known.order.slice(at, at + perStep);
  };
}

/** Examples as sequences whose weights hold the averaging. */
export function weightedExamples(
  examples: readonly EncodedExample[],
  averaging: SftConfig['averaging'],
): TokenSequence[] {
  const total = countLearned(examples);
  return examples.map(({ tokens, learned }) => {
    const own = averaging === 'tokens' ? total : countLearned([{ learned }]) * examples.length;
    return { tokens, weights: Float32Array.from(learned, (flag) => flag / own) };
  });
}
