/** Everything that can be configured about supervised fine-tuning, as a strict schema. */
import { z } from 'zod';
import { parseWithSchema } from '../util/schema.ts';
import { optimizerSchema } from './config.ts';

const share = () => z.number().min(0).max(1);
const count = () => z.int().min(0);
const atLeastOne = () => z.int().min(1);

/** What is read from files of examples, and what becomes of rows that do not fit. */
export const exampleDataShape = {
  learn: z
    .enum(['all', 'last'])
    .default('all')
    .describe(
      'Which turns of the assistant are learned: all, or the last of each conversation. A message that says train: ' +
        'true or false decides for itself.',
    ),
  maxTokens: z
    .int()
    .min(2)
    .optional()
    .describe('Longest example. Default: what fits the context of the model.'),
  tooLong: z
    .enum(['drop', 'truncate'])
    .default('drop')
    .describe('Longer examples are left out and counted, or lose their end.'),
  maxBadShare: share()
    .default(0.01)
    .describe('The run does not start when more than this share of the rows cannot be used.'),
  heldOutShare: z
    .number()
    .min(0)
    .lt(1)
    .default(0.05)
    .describe('Share of the examples that is kept for evaluation, chosen by their prompts; 0 keeps none.'),
};

/** What every loop over optimizer steps has. */
export const stepLoopShape = {
  seed: z.union([z.int(), z.string()]).default(0).describe('Names every random stream of the run.'),
  evaluation: z
    .strictObject({
      every: count().default(0).describe('Steps between evaluations; 0 evaluates only before and after.'),
      examples: count()
        .default(200)
        .describe('Most held-out examples that the loss is measured on; 0 for all.'),
      problems: count().default(100).describe('Held-out problems of the task, if one is named; 0 for none.'),
      samples: atLeastOne().default(1).describe('Completions per problem.'),
      temperature: z.number().min(0).default(0).describe('0 is greedy.'),
      maxCompletionTokens: atLeastOne().default(256).describe('A completion longer than this is truncated.'),
    })
    .prefault({})
    .describe('Held-out loss and accuracy while training.'),
  checkpoints: z
    .strictObject({
      every: count().default(50).describe('Steps between checkpoints; 0 saves only at the end.'),
      keepLast: atLeastOne().default(2).describe('How many of the latest checkpoints are kept.'),
      keepBest: z.boolean().default(false).describe('Also keep the one of the best evaluation.'),
    })
    .prefault({})
    .describe('What is saved so that a run can go on.'),
};

export const sftSchema = z.strictObject({
  ...stepLoopShape,
  epochs: z.number().positive().default(1).describe('Passes over the examples; a part of one is allowed.'),
  steps: atLeastOne().optional().describe('Optimizer steps. Default: what the epochs need.'),
  examplesPerStep: atLeastOne()
    .default(16)
    .describe('Examples per optimizer step; the engine accumulates their gradient in micro-batches.'),
  averaging: z
    .enum(['tokens', 'examples'])
    .default('tokens')
    .describe('The loss of a step is the mean over its learned tokens, or over its examples of their means.'),
  ...exampleDataShape,
  optimizer: optimizerSchema
    .prefault({ learningRate: 1e-5, schedule: 'cosine', warmupSteps: 5 })
    .describe('AdamW and its learning rate.'),
});

export type SftConfig = z.output<typeof sftSchema>;
export type SftConfigInput = z.input<typeof sftSchema>;
export type StepLoopConfig = Pick<SftConfig, 'seed' | 'evaluation' | 'checkpoints' | 'optimizer'>;
export type ExampleDataConfig = Pick<
  SftConfig,
  'seed' | 'learn' | 'maxTokens' | 'tooLong' | 'maxBadShare' | 'heldOutShare'
>;

/** The configuration with defaults filled in; throws `AhaError` (invalid-configuration). */
export function parseSftConfig(value: unknown, what = 'The fine-tuning configuration'): SftConfig {
  return parseWithSchema(sftSchema, value, { what });
}
