/**
 * The two distillations that need the teacher's probabilities. (The third, text distillation, needs only its texts:
 * `text-distillation.ts`, then `sft.ts`.)
 *
 * *Logit distillation* learns from given examples: at each learned token the student's distribution is moved towards
 * the teacher's, by a divergence of `distillation-loss.ts`, and with a share c towards the token itself,
 *
 *   L = (1/N) Σ_t (1 − c) · D(teacher_t, student_t) − c · log p(token_t).
 *
 * *On-policy distillation* learns from what the student says itself (Agarwal et al. 2023, arXiv 2306.13649; Gu et al.
 * 2023, arXiv 2306.08543): the student samples, the teacher scores the student's tokens, and the gap of their
 * log-probabilities is the advantage of each token,
 *
 *   A_t = log p_teacher(o_t) − log p_student(o_t),        L = −(1/N) Σ_t A_t · p(o_t) / p_sampled(o_t),
 *
 * whose expected gradient is that of the reverse KL divergence, one token deep; a discount looks further ahead.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Policy, TokenDistributions, TokenLoss, TokenSequence } from '../engine/policy.ts';
import { AhaError } from '../errors.ts';
import { exp, mul, neg, sub } from '../graph/ops/elementwise.ts';
import { sum } from '../graph/ops/reduce.ts';
import type { Task } from '../task/task.ts';
import { streamKey } from '../util/random.ts';
import {
  type LogitDistillConfig,
  type LogitDistillConfigInput,
  type OnPolicyDistillConfigInput,
  parseLogitDistillConfig,
  parseOnPolicyDistillConfig,
} from './distill-config.ts';
import { distillationLoss } from './distillation-loss.ts';
import type { LearnEvent } from './events.ts';
import { countLearned, type EncodedExample } from './example-encoder.ts';
import type { ExampleData } from './example-data.ts';
import { discountedGaps } from './gap-advantages.ts';
import { learnEvaluation } from './learn-evaluation.ts';
import type { EncodedPrompt, PromptCodec } from './prompt-codec.ts';
import type { RunOptions } from './run.ts';
import { epochOrder, sftSteps, weightedExamples } from './sft.ts';
import { type LearnResult, outcomeOf, runSteps } from './step-loop.ts';
import { TeacherCache } from './teacher-cache.ts';

interface DistillOptions extends RunOptions<LearnEvent> {
  /** Has the student's tokenizer (`checkSameTokenizer`). Never trained. */
  readonly teacher: Policy;
  /** Names the teacher where its distributions are kept, and in what a resumed run compares. */
  readonly teacherName: string;
  /** Measures accuracy on held-out problems, if given. */
  readonly task?: { readonly task: Task; readonly codec: PromptCodec };
  /** What else makes the run what it is: JSON values, checked on resuming. */
  readonly identity?: Readonly<Record<string, unknown>>;
}

export interface LogitDistillOptions extends DistillOptions {
  readonly data: Pick<ExampleData, 'train' | 'heldOut' | 'fingerprint'>;
  readonly config: LogitDistillConfigInput;
}

export interface OnPolicyDistillOptions extends DistillOptions {
  /** Prompt number `index`, the same at every call. */
  readonly prompt: (index: number) => EncodedPrompt;
  readonly stopTokens: readonly number[];
  readonly stopStrings?: readonly string[];
  /** Measures the loss, if given. */
  readonly heldOut?: readonly EncodedExample[];
  /** `steps` must be given; `examplesPerStep` counts prompts. */
  readonly config: OnPolicyDistillConfigInput & { readonly steps: number };
}

/** Trains `policy`, the student, on the teacher's distributions over given examples. */
export async function distillLogits(options: LogitDistillOptions): Promise<LearnResult> {
  const config = parseLogitDistillConfig(options.config);
  const { policy, teacher, teacherName, data } = options;
  const { logit } = config;
  checkVocabularies(teacher, policy);
  const steps = sftSteps(config, data.train.length);
  const order = epochOrder(config.seed, data.train.length, config.examplesPerStep);
  const divergenceWeight = (1 - logit.crossEntropy) * (logit.scaleByTemperature ? logit.temperature ** 2 : 1);
  const loss = distillationLoss({
    beta: logit.beta,
    support: logit.topK === 0 ? 'full' : 'top-k',
    divergenceWeight,
    crossEntropyWeight: logit.crossEntropy,
    temperature: logit.temperature,
  });
  // What decides which example has which number is part of the key.
  const { seed, heldOutShare } = config;
  const key = JSON.stringify([teacherName, data.fingerprint, seed, heldOutShare, logit.temperature]);
  const cache =
    logit.topK === 0 ? undefined : new TeacherCache(join(options.folder, 'teacher'), logit.topK, key);
  return runSteps({
    ...options,
    config,
    steps,
    identity: {
      kind: 'distill',
      method: 'logit',
      config,
      teacher: teacherName,
      data: { examples: data.train.length, heldOut: data.heldOut.length, fingerprint: data.fingerprint },
      policy: policy.description,
      ...options.identity,
    },
    async learn(step) {
      const indices = order(step);
      const examples = indices.map((index) => data.train[index]!);
      const distributions = await teacherDistributions(teacher, logit, indices, examples, cache);
      const batch = weightedExamples(examples, config.averaging).map((sequence, at): TokenSequence => {
        return { ...sequence, teacher: distributions[at]! };
      });
      const result = await policy.forwardBackward(batch, loss, { temperature: logit.temperature });
      const weights = batch.map((sequence) => sequence.weights);
      const measures = Object.fromEntries(
        Object.entries(result.perToken).map(([name, values]) => [name, weightedMean(values, weights)]),
      );
      return { ...outcomeOf(result, countLearned(examples)), measures };
    },
    evaluate: async () => learnEvaluation({ ...options, config, heldOut: data.heldOut }),
  });
}

async function teacherDistributions(
  teacher: Policy,
  { topK, temperature }: LogitDistillConfig['logit'],
  indices: readonly number[],
  examples: readonly EncodedExample[],
  cache: TeacherCache | undefined,
): Promise<TokenDistributions[]> {
  const known = await Promise.all(indices.map(async (index) => cache?.read(index)));
  const missing = [...known.keys()].filter((at) => known[at] === undefined);
  const batch = missing.map((at): TokenSequence => {
    const { tokens, learned } = examples[at]!;
    return { tokens, weights: Float32Array.from(learned) };
  });
  if (batch.length > 0) {
    const { distributions } = await teacher.forward(batch, {
      temperature,
      distribution: topK === 0 ? 'full' : topK,
    });
    for (const [n, at] of missing.entries()) {
      known[at] = distributions![n]!;
      await cache?.write(indices[at]!, known[at]);
    }
  }
  return known as TokenDistributions[];
}

/** −Σ w · A · p / p_sampled: its gradient at the sampled policy is that of −Σ w · A · log p. */
export const gapPolicyGradient: TokenLoss = {
  key: 'gap-policy-gradient',
  inputs: ['advantages', 'oldLogprobs'],
  build({ logprobs, weights, inputs }) {
    const ratio = exp(sub(logprobs, inputs['oldLogprobs']!));
    return { loss: neg(sum(mul(mul(weights, inputs['advantages']!), ratio))) };
  },
};

/** Trains `policy`, the student, on its own samples as the teacher judges them. */
export async function distillOnPolicy(options: OnPolicyDistillOptions): Promise<LearnResult> {
  const config = parseOnPolicyDistillConfig(options.config);
  const { policy, teacher, teacherName, prompt } = options;
  const { onPolicy, examplesPerStep } = config;
  checkVocabularies(teacher, policy);
  return runSteps({
    ...options,
    config,
    steps: options.config.steps,
    identity: {
      kind: 'distill',
      method: 'on-policy',
      config,
      teacher: teacherName,
      prompts: promptsFingerprint(prompt, examplesPerStep * fingerprintedSteps),
      policy: policy.description,
      ...options.identity,
    },
    async learn(step) {
      const { temperature, maxCompletionTokens, completionsPerPrompt } = onPolicy;
      const prompts = Array.from({ length: examplesPerStep }, (_, at) => prompt(step * examplesPerStep + at));
      const groups = await policy.sample(
        prompts.map(({ tokens }, at) => ({
          prompt: tokens,
          streams: Array.from({ length: completionsPerPrompt }, (_, completion) =>
            streamKey(config.seed, 'distill', step, at, completion),
          ),
          maxTokens: maxCompletionTokens,
          temperature,
          stopTokens: options.stopTokens,
          stopStrings: options.stopStrings ?? [],
        })),
        { remember: `step ${step}` },
      );
      const samples = groups.flatMap((group, at) =>
        group.map(({ tokens, logprobs }) => sampled(prompts[at]!.tokens, tokens, logprobs)),
      );
      const count = samples.reduce((total, { length }) => total + length, 0);
      const scored = await teacher.forward(samples, { temperature });
      const gaps = samples.map(({ tokens, oldLogprobs, length }, n) => {
        const start = tokens.length - length;
        return Array.from({ length }, (_, t) => scored.logprobs[n]![start + t]! - oldLogprobs[start + t]!);
      });
      const judged = withoutBaseline(
        gaps.map((own) => discountedGaps(own, onPolicy)),
        onPolicy.baseline,
      );
      const remembered = count <= policy.capabilities.rememberedTokens;
      const batch = samples.map(({ tokens, weights, oldLogprobs, length }, n): TokenSequence => {
        const start = tokens.length - length;
        const advantages = new Float32Array(tokens.length);
        advantages.set(judged[n]!, start);
        return {
          tokens,
          weights: weights.map((flag) => flag / count),
          inputs: { advantages, oldLogprobs },
          ...(remembered ? { drawnFrom: start } : {}),
        };
      });
      const result = await policy.forwardBackward(batch, gapPolicyGradient, { temperature });
      // The mean gap is an unbiased estimate of the reverse KL divergence per token, with its sign turned.
      return {
        ...outcomeOf(result, count),
        measures: { reverseKl: -sumOf(gaps) / count, length: count / batch.length },
      };
    },
    evaluate: async () => learnEvaluation({ ...options, config, heldOut: options.heldOut ?? [] }),
  });
}

/** A constant over the step leaves the expected gradient as it is, and takes most of its variance. */
function withoutBaseline(
  advantages: readonly Float64Array[],
  baseline: 'mean' | 'none',
): readonly Float64Array[] {
  if (baseline === 'none') return advantages;
  const count = advantages.reduce((total, { length }) => total + length, 0);
  const mean = sumOf(advantages) / count;
  return advantages.map((own) => own.map((value) => value - mean));
}

function sumOf(rows: readonly (readonly number[] | Float64Array)[]): number {
  let sum = 0;
  for (const row of rows) for (const value of row) sum += value;
  return sum;
}

/** Steps whose prompts a resumed run compares: enough to tell data apart, whatever the number of steps. */
const fingerprintedSteps = 64;

function promptsFingerprint(prompt: OnPolicyDistillOptions['prompt'], count: number): string {
  const hash = createHash('sha256');
  for (let index = 0; index < count; index++) {
    const { tokens } = prompt(index);
    hash.update(`${tokens.length}\n`).update(tokens);
  }
  return hash.digest('hex');
}

function sampled(prompt: Int32Array, completion: Int32Array, logprobs: Float32Array) {
  const tokens = Int32Array.of(...prompt, ...completion);
  const weights = new Float32Array(tokens.length).fill(1, prompt.length);
  const oldLogprobs = new Float32Array(tokens.length);
  oldLogprobs.set(logprobs, prompt.length);
  return { tokens, weights, oldLogprobs, length: completion.length };
}

function weightedMean(values: readonly Float32Array[], weights: readonly Float32Array[]): number {
  let sum = 0;
  let total = 0;
  for (const [s, row] of weights.entries()) {
    for (const [t, weight] of row.entries()) {
      sum += weight * values[s]![t]!;
      total += weight;
    }
  }
  return total === 0 ? 0 : sum / total;
}

/** Tokenizers may agree where the models' matrices are padded differently. */
function checkVocabularies(teacher: Policy, student: Policy): void {
  const [own, other] = [student.description.vocabularySize, teacher.description.vocabularySize];
  if (own === other) return;
  throw new AhaError({
    code: 'vocabularies-differ',
    boundary: 'configuration',
    what: 'Teacher and student give probabilities to different numbers of tokens',
    found: `${other} for the teacher and ${own} for the student`,
    expected: 'vocabularies of one size',
    fix: 'Use text distillation (--method text), or models whose vocabularies are padded alike.',
  });
}
