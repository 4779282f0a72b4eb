/** Everything that can be configured about distillation, as strict schemas: what the three methods do not share. */
import { z } from 'zod';
import { parseWithSchema } from '../util/schema.ts';
import { sftSchema } from './sft-config.ts';

const atLeastOne = () => z.int().min(1);

export const logitSchema = z.strictObject({
  beta: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'Which divergence: 0 forward KL (teacher ‖ student), 1 reverse KL (student ‖ teacher), between them the ' +
        'generalized Jensen-Shannon divergence.',
    ),
  temperature: z.number().positive().default(1).describe('Divides the logits of both in the divergence.'),
  scaleByTemperature: z
    .boolean()
    .default(false)
    .describe('Multiply the divergence by the square of the temperature (Hinton et al. 2015).'),
  crossEntropy: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Share of the cross-entropy of the examples in the loss; the divergence has the rest.'),
  topK: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "Learn from the teacher's K most likely tokens and the mass of the rest, computed once per example and kept " +
        'in the run; 0 learns from its whole vocabulary, computed at each step.',
    ),
});

export const onPolicySchema = z.strictObject({
  completionsPerPrompt: atLeastOne().default(4).describe('Completions that the student samples per prompt.'),
  maxCompletionTokens: atLeastOne().default(256).describe('A completion longer than this is cut off.'),
  temperature: z.number().positive().default(1).describe('Divides the logits, in sampling and scoring.'),
  baseline: z
    .enum(['mean', 'none'])
    .default('mean')
    .describe(
      'What is subtracted from the advantages: their mean over the step, which steadies learning, or nothing.',
    ),
  discount: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'How much later gaps count for a token: 0 only its own, 1 all to the end (MiniLLM, arXiv 2306.08543).',
    ),
  lengthNormalised: z
    .boolean()
    .default(true)
    .describe('With a discount: the mean of the gaps to the end instead of their sum.'),
});

export const textSchema = z.strictObject({
  problems: atLeastOne().default(256).describe('Training problems of the task that the teacher answers.'),
  samples: atLeastOne().default(4).describe('Answers per problem.'),
  maxTokens: atLeastOne().default(512).describe('An answer longer than this is cut off, and not kept.'),
  temperature: z.number().min(0).default(0.7).describe('0 is greedy.'),
  topP: z.number().gt(0).max(1).default(1).describe('Keep the smallest set of tokens with this probability.'),
  minScore: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("Least score by the task's verifier for an answer to be kept; 0 keeps all that were judged."),
  keepPerProblem: atLeastOne().default(4).describe('Most answers that are kept per problem; the first come.'),
  terms: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Licence or terms of use of the teacher's texts, recorded with each of them. Needed for an endpoint.",
    ),
  model: z.string().min(1).optional().describe("The model's name at the endpoint."),
  keyVariable: z
    .string()
    .min(1)
    .default('OPENAI_API_KEY')
    .describe("The environment variable that holds the endpoint's key."),
  concurrency: atLeastOne().default(8).describe('Requests to the endpoint at a time.'),
  retries: z.int().min(0).default(8).describe('Further tries after a failure that may pass.'),
  budget: z
    .strictObject({
      requests: atLeastOne().optional().describe('Most requests.'),
      tokens: atLeastOne().optional().describe('Most tokens of prompts and answers.'),
      price: z.number().positive().optional().describe('Most money, in the currency of prices.'),
    })
    .prefault({})
    .describe('What may be spent at the endpoint; the run stops there and can be resumed with more.'),
  prices: z
    .strictObject({
      prompt: z.number().min(0).describe('Of a million tokens of prompts.'),
      completion: z.number().min(0).describe('Of a million tokens of answers.'),
    })
    .optional()
    .describe('What the endpoint costs.'),
});

export type TextDistillConfig = z.output<typeof textSchema>;

export const logitDistillSchema = sftSchema.extend({
  logit: logitSchema.prefault({}).describe('Logit distillation.'),
});
/** Prompts per step take the place of examples. */
export const onPolicyDistillSchema = sftSchema.extend({
  onPolicy: onPolicySchema.prefault({}).describe('On-policy distillation.'),
});

export type LogitDistillConfig = z.output<typeof logitDistillSchema>;
export type LogitDistillConfigInput = z.input<typeof logitDistillSchema>;
export type OnPolicyDistillConfig = z.output<typeof onPolicyDistillSchema>;
export type OnPolicyDistillConfigInput = z.input<typeof onPolicyDistillSchema>;

const what = 'The configuration of distillation';

/** With defaults filled in; throws `AhaError` (invalid-configuration). */
export function parseLogitDistillConfig(value: unknown): LogitDistillConfig {
  return parseWithSchema(logitDistillSchema, value, { what });
}

/** With defaults filled in; throws `AhaError` (invalid-configuration). */
export function parseOnPolicyDistillConfig(value: unknown): OnPolicyDistillConfig {
  return parseWithSchema(onPolicyDistillSchema, value, { what });
}
