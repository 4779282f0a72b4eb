/**
 * Everything that can be configured about GRPO and about pre-training a small model, as strict schemas: an unknown
 * key is an error that names the nearest known one. Each field's description is what `--help` prints.
 *
 * Defaults are those of the papers (GRPO: DeepSeekMath arXiv 2402.03300 and R1 arXiv 2501.12948; DAPO: arXiv
 * 2503.14476; GSPO: arXiv 2507.18071; CISPO: MiniMax-M1 arXiv 2506.13585; Dr. GRPO: arXiv 2503.20783) or TRL's
 * where a paper is silent. `docs/numerics.md` says exactly what each number means.
 */
import { z } from 'zod';
import { curriculumSchema } from '../task/curriculum.ts';
import { parseWithSchema } from '../util/schema.ts';

const share = () => z.number().min(0).max(1);
const positive = () => z.number().positive();
const nonNegative = () => z.number().min(0);
const count = () => z.int().min(0);
const atLeastOne = () => z.int().min(1);

export const optimizerSchema = z.strictObject({
  learningRate: positive().default(1e-6).describe('Peak learning rate of AdamW.'),
  schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('constant')
    .describe('How the learning rate falls after the warm-up: not at all, or to zero at the last step.'),
  warmupSteps: count().default(0).describe('Steps over which the learning rate rises from 0 to its peak.'),
  beta1: z.number().min(0).lt(1).default(0.9).describe('Decay of the mean of gradients in AdamW.'),
  beta2: z.number().min(0).lt(1).default(0.999).describe('Decay of the mean of squared gradients in AdamW.'),
  epsilon: positive().default(1e-8).describe('Added to the root of the mean squared gradient in AdamW.'),
  weightDecay: nonNegative().default(0).describe('Decoupled weight decay; not applied to norms and biases.'),
  maxGradientNorm: positive().default(1).describe('Gradients are scaled down to at most this global norm.'),
});

export const samplingSchema = z.strictObject({
  temperature: positive()
    .default(1)
    .describe('Divides the logits, in sampling and in training alike. 1 learns the distribution as it is.'),
  topK: count()
    .default(0)
    .describe('Keep the k most likely tokens; 0 keeps all. Needs importance.correction.'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'Keep the smallest set of tokens with this probability; 1 keeps all. Needs importance.correction.',
    ),
  minP: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Drop tokens below this share of the most likely; 0 drops none. Needs importance.correction.'),
});

export const lossSchema = z
  .strictObject({
    type: z
      .enum(['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo'])
      .default('dapo')
      .describe(
        'What the loss averages over: grpo per sequence, then sequences; bnpo and dapo all tokens; dr_grpo a ' +
          'constant (sequences × maxCompletionTokens); cispo as dapo, with capped ratios that keep every gradient.',
      ),
    ratio: z
      .enum(['token', 'sequence'])
      .default('token')
      .describe(
        'Importance ratio of each token, or of the sequence (GSPO; use type grpo and clips near 3e-4).',
      ),
    clipLow: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.2)
      .describe('The ratio is clipped from below at 1 − clipLow. Not used by cispo.'),
    clipHigh: positive()
      .default(0.28)
      .describe(
        'The ratio is clipped from above at 1 + clipHigh (0.28: "clip higher" of DAPO). Not used by cispo.',
      ),
    maxNegativeRatio: z
      .number()
      .gt(1)
      .optional()
      .describe(
        'Largest ratio where the advantage is negative, as the ratio itself (TRL: delta). Must exceed 1 + clipHigh.',
      ),
    cispoMaxRatio: z
      .number()
      .min(1)
      .default(5)
      .describe(
        'Largest ratio of cispo, as the ratio itself and not its distance from 1 (TRL: epsilon_high).',
      ),
    topEntropyShare: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('Learn only from this share of tokens, those of the highest entropy; 1 learns from all.'),
    offPolicyThreshold: positive()
      .optional()
      .describe(
        'Drop sequences of negative advantage whose mean log-ratio old − new exceeds this (DeepSeek-V3.2).',
      ),
    entropyBonus: nonNegative()
      .default(0)
      .describe('Adds this times the mean entropy per token (nats) to the objective.'),
  })
  .superRefine((loss, context) => {
    if (loss.maxNegativeRatio !== undefined && loss.maxNegativeRatio <= 1 + loss.clipHigh) {
      context.addIssue({
        code: 'custom',
        path: ['maxNegativeRatio'],
        message: `more than 1 + clipHigh = ${1 + loss.clipHigh}`,
        input: loss.maxNegativeRatio,
      });
    }
    if (loss.ratio === 'sequence' && loss.type !== 'grpo') {
      context.addIssue({
        code: 'custom',
        path: ['ratio'],
        message: 'token, or type grpo: other types weigh a sequence by its length, which is not GSPO',
        input: loss.ratio,
      });
    }
  });

export const klSchema = z.strictObject({
  beta: nonNegative()
    .default(0)
    .describe('Weight of the KL divergence from the reference model; 0 needs no reference.'),
  estimator: z
    .enum(['k1', 'k2', 'k3'])
    .default('k3')
    .describe(
      'Per-token estimate from d = log p(reference) − log p(policy): k1 = −d, k2 = d²/2, k3 = exp(d) − d − 1.',
    ),
  biasCorrected: z
    .boolean()
    .default(false)
    .describe('Multiply the estimate by the importance ratio, so that its gradient is unbiased off-policy.'),
  refreshReferenceEvery: count()
    .default(0)
    .describe('Steps after which the policy becomes the reference; 0 keeps the first one for ever.'),
});

export const importanceSchema = z.strictObject({
  correction: z
    .enum(['none', 'token', 'sequence'])
    .default('none')
    .describe(
      'Corrects for samples from another distribution than the trained one (top-p, another engine): old ' +
        'log-probabilities are computed again and each token or sequence is weighted by min(p/q, cap).',
    ),
  cap: positive().default(2).describe('Largest weight of the correction.'),
});

export const grpoSchema = z.strictObject({
  seed: z.union([z.int(), z.string()]).default(0).describe('Names every random stream of the run.'),
  steps: atLeastOne().default(100).describe('Rollouts to sample and learn from.'),
  problemsPerStep: atLeastOne().default(8).describe('Different problems per step.'),
  groupSize: z.int().min(2).default(8).describe('Completions sampled for each problem.'),
  maxCompletionTokens: atLeastOne().default(256).describe('A completion longer than this is truncated.'),
  curriculum: curriculumSchema
    .prefault({ kind: 'mixed' })
    .describe('Which levels of the task problems are drawn from, and when.'),
  sampling: samplingSchema.prefault({}).describe('How completions are drawn.'),
  rewardWeights: z
    .record(z.string(), z.number())
    .default({ score: 1 })
    .describe(
      'Weight of each component of the reward by name: score is the verdict itself, any other name one of its parts.',
    ),
  advantageScale: z
    .enum(['group', 'batch', 'none'])
    .default('group')
    .describe('Advantages are divided by the standard deviation of the group, of the batch, or not at all.'),
  combineRewards: z
    .enum(['sum_then_normalize', 'normalize_then_sum'])
    .default('sum_then_normalize')
    .describe('Whether components are summed before or after they are normalised in their group (GDPO).'),
  truncated: z
    .enum(['score', 'mask'])
    .default('score')
    .describe('Truncated completions are scored like others, or left out of the loss.'),
  overlong: z
    .strictObject({
      window: atLeastOne().describe('The penalty grows over the last this many tokens before the limit.'),
      penalty: nonNegative().default(1).describe('Penalty of a completion that reaches the limit.'),
    })
    .optional()
    .describe('Soft penalty for length (DAPO, equation 13).'),
  dropZeroVariance: z
    .boolean()
    .default(true)
    .describe('Leave groups whose rewards are all equal out of the averages of the loss.'),
  refillAttempts: count()
    .default(0)
    .describe('Replace such groups by new problems, at most this many times per step (dynamic sampling).'),
  failedVerdicts: z
    .strictObject({
      action: z
        .enum(['drop', 'retry'])
        .default('retry')
        .describe('Drop a completion whose check failed (it is not scored), or check it again first.'),
      retries: atLeastOne().default(1).describe('How often a failed check is repeated before it is dropped.'),
      stopAbove: share()
        .default(0.2)
        .describe('Stop the run when more than this share of the checks of a step failed.'),
    })
    .prefault({})
    .describe('What happens when a verifier fails (which is never a reward of 0).'),
  loss: lossSchema.prefault({}).describe('The policy-gradient loss.'),
  kl: klSchema.prefault({}).describe('Divergence from a reference model.'),
  importance: importanceSchema.prefault({}).describe('Correction for off-policy samples.'),
  miniBatches: atLeastOne().default(1).describe('Optimizer steps per pass over a rollout.'),
  epochs: atLeastOne().default(1).describe('Passes over a rollout.'),
  optimizer: optimizerSchema.prefault({}).describe('AdamW and its learning rate.'),
  evaluation: z
    .strictObject({
      every: count().default(20).describe('Steps between evaluations; 0 evaluates only before and after.'),
      problems: count().default(100).describe('Held-out problems; 0 does not evaluate.'),
      temperature: nonNegative().default(0).describe('0 is greedy.'),
      samples: atLeastOne().default(1).describe('Completions per problem.'),
    })
    .prefault({})
    .describe('Held-out accuracy while training.'),
  checkpoints: z
    .strictObject({
      every: count().default(10).describe('Steps between checkpoints; 0 saves only at the end.'),
      keepLast: atLeastOne().default(2).describe('How many of the latest checkpoints are kept.'),
      keepBest: z.boolean().default(true).describe('Also keep the one of the best held-out accuracy.'),
    })
    .prefault({})
    .describe('What is saved so that a run can go on.'),
});

export const pretrainSchema = z.strictObject({
  seed: z.union([z.int(), z.string()]).default(0).describe('Names every random stream of the run.'),
  steps: atLeastOne().default(300).describe('Optimizer steps.'),
  examplesPerStep: atLeastOne().default(64).describe('Examples per optimizer step.'),
  mixture: z
    .record(z.string(), positive())
    .optional()
    .describe('Relative shares of the styles of worked examples, by name; default: all styles alike.'),
  learnPrompts: z
    .boolean()
    .default(true)
    .describe('Predict the tokens of the prompt too, as pre-training does; otherwise only the response.'),
  optimizer: optimizerSchema
    .prefault({ learningRate: 3e-3, schedule: 'cosine', warmupSteps: 20, beta2: 0.95, weightDecay: 0.1 })
    .describe('AdamW and its learning rate.'),
  checkpoints: z
    .strictObject({
      every: count().default(0).describe('Steps between checkpoints; 0 saves only at the end.'),
      keepLast: atLeastOne().default(1).describe('How many of the latest checkpoints are kept.'),
    })
    .prefault({})
    .describe('What is saved so that a run can go on.'),
});

export type OptimizerConfig = z.output<typeof optimizerSchema>;
export type LossConfig = z.output<typeof lossSchema>;
export type KlConfig = z.output<typeof klSchema>;
export type GrpoConfig = z.output<typeof grpoSchema>;
export type GrpoConfigInput = z.input<typeof grpoSchema>;
export type PretrainConfig = z.output<typeof pretrainSchema>;
export type PretrainConfigInput = z.input<typeof pretrainSchema>;

/** The configuration with defaults filled in; throws `AhaError` (invalid-configuration). */
export function parseGrpoConfig(value: unknown, what = 'The GRPO configuration'): GrpoConfig {
  return parseWithSchema(grpoSchema, value, { what });
}

/** The configuration with defaults filled in; throws `AhaError` (invalid-configuration). */
export function parsePretrainConfig(value: unknown, what = 'The pre-training configuration'): PretrainConfig {
  return parseWithSchema(pretrainSchema, value, { what });
}
