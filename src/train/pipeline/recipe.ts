/**
 * The recipe of a pipeline: named stages in order, each with its inputs, its settings and, if asked, a gate. A stage
 * refers to earlier ones by their names; a model may also be a folder, a GGUF file or a Hub id.
 */
import { z } from 'zod';
import { AhaError } from '../../errors.ts';
import { nearestWord, parseWithSchema } from '../../util/schema.ts';
import { languages } from '../../verify/language/languages.ts';
import { grpoSchema, pretrainSchema } from '../config.ts';
import { logitDistillSchema, onPolicyDistillSchema } from '../distill-config.ts';
import { rewardPartsSchema } from '../reward-parts.ts';
import { engineSchema, loraField, modelSizeSchema } from '../model-settings.ts';
import { sftSchema } from '../sft-config.ts';

const count = () => z.int().min(0);
const atLeastOne = () => z.int().min(1);
const share = () => z.number().min(0).max(1);

const stageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower case letters, digits and dashes, 40 at most');
const reference = (what: string) => z.string().min(1).describe(what);

/** How a stage's model is measured on held-out problems. */
export const measureSchema = z.strictObject({
  problems: count().default(200).describe('Held-out problems; 0 measures nothing.'),
  samples: atLeastOne().default(1).describe('Responses per problem.'),
  temperature: z.number().min(0).default(0).describe('0 is greedy.'),
  maxTokens: atLeastOne().default(256).describe('A response longer than this is truncated.'),
});

export const gateSchema = z.strictObject({
  atLeast: share().optional().describe('Go on only when held-out accuracy is at least this.'),
  notWorseThan: reference(
    'Go on only when held-out accuracy is not below that of this earlier stage.',
  ).optional(),
  tolerance: share().default(0).describe('How far below notWorseThan the accuracy may be.'),
  formatAtLeast: share().optional().describe('Go on only when this share of responses keeps the format.'),
});

const common = {
  task: z.string().min(1).optional().describe("The stage's own task. Default: that of the recipe."),
  taskOptions: z.record(z.string(), z.unknown()).optional().describe('Options of that task.'),
  gate: gateSchema.optional().describe('What the model must reach before the next stage begins.'),
};

/** Responses that are drawn, and which of them are kept. */
const drawShape = {
  problems: atLeastOne().default(1000).describe('Training problems.'),
  samples: atLeastOne().default(8).describe('Responses to each.'),
  temperature: z.number().min(0).default(1).describe('0 is greedy.'),
  maxTokens: atLeastOne().default(256).describe('A response longer than this is truncated, and not kept.'),
  keep: z
    .strictObject({
      minimumScore: share().default(1).describe('Keep responses that score at least this.'),
      perProblem: atLeastOne().default(2).describe('Keep at most so many of one problem.'),
      maxTokens: atLeastOne().optional().describe('Drop longer responses.'),
      minTokens: count().default(0).describe('Drop shorter responses.'),
      prefer: z
        .enum(['random', 'shortest', 'longest'])
        .default('random')
        .describe('Which are kept when a problem has more than perProblem.'),
      language: z
        .strictObject({
          target: z.enum(languages).describe('The language that responses should be in.'),
          minimumShare: share().default(0.9).describe('Drop responses with less of it.'),
        })
        .optional()
        .describe('Drop responses that mix languages.'),
      solveRate: z
        .tuple([share(), share()])
        .default([0, 1])
        .describe('Keep problems whose share of right responses is within these bounds.'),
    })
    .prefault({})
    .describe('What is kept.'),
  balance: z
    .enum(['none', 'level', 'solve-rate'])
    .default('none')
    .describe('Keep equally many responses of each level, or of each quarter of the solve rate.'),
};

const distillShape = {
  kind: z.literal('distill'),
  teacher: reference('The model to learn from.'),
  student: reference('What is trained.'),
  lora: loraField,
  ...common,
};
const distillData = z
  .array(reference('An earlier stage that makes data, or a file.'))
  .min(1)
  .describe('The texts at which the student learns the probabilities of the teacher.');

export const stageSchemas = {
  /** A small model from nothing, trained on the task's worked examples. */
  pretrain: z.strictObject({
    kind: z.literal('pretrain'),
    size: modelSizeSchema.prefault({}).describe('The model.'),
    settings: pretrainSchema.prefault({}).describe('Pre-training on worked examples.'),
    ...common,
  }),
  /** A few worked examples, checked by the task: the data of R1's first stage. */
  'cold-start': z.strictObject({
    kind: z.literal('cold-start'),
    examples: atLeastOne().default(1000).describe('How many.'),
    styles: z
      .record(z.string(), z.number().positive())
      .optional()
      .describe("Relative shares of the task's styles of worked examples. Default: all alike."),
    mustScore: share().default(1).describe('An example that scores less is left out.'),
    ...common,
  }),
  sft: z.strictObject({
    kind: z.literal('sft'),
    model: reference('What is trained: an earlier stage, a folder, a GGUF file or a Hub id.'),
    data: z
      .array(reference('An earlier stage that makes data, or a file.'))
      .min(1)
      .describe('What is learned.'),
    lora: loraField,
    settings: sftSchema.prefault({}).describe('Supervised fine-tuning.'),
    ...common,
  }),
  grpo: z.strictObject({
    kind: z.literal('grpo'),
    model: reference('What is trained: an earlier stage, a folder, a GGUF file or a Hub id.'),
    lora: loraField,
    reward: rewardPartsSchema.prefault({}).describe('Parts of the reward beside the verdict of the task.'),
    settings: grpoSchema.prefault({}).describe('Reinforcement learning.'),
    ...common,
  }),
  /** Responses of a model to training problems, of which the good ones are kept as data. */
  'rejection-sample': z.strictObject({
    kind: z.literal('rejection-sample'),
    model: reference('What draws the responses.'),
    ...drawShape,
    ...common,
  }),
  'merge-data': z.strictObject({
    kind: z.literal('merge-data'),
    parts: z
      .array(
        z.strictObject({
          from: reference('An earlier stage that makes data, or a file.'),
          take: atLeastOne().optional().describe('At most so many rows, drawn at random. Default: all.'),
        }),
      )
      .min(1)
      .describe('What is merged; rows that stand in it twice are kept once.'),
  }),
  /** The three things that are called distillation (docs/training.md). */
  distill: z.discriminatedUnion('method', [
    z.strictObject({
      method: z.literal('logit'),
      data: distillData,
      settings: logitDistillSchema.prefault({}).describe('Learning token probabilities.'),
      ...distillShape,
    }),
    z.strictObject({
      method: z.literal('on-policy'),
      settings: onPolicyDistillSchema.extend({ steps: atLeastOne() }).describe('Learning from own samples.'),
      ...distillShape,
    }),
    z.strictObject({
      method: z.literal('text'),
      draw: z
        .strictObject(drawShape)
        .prefault({})
        .describe('What the teacher writes, and what of it is kept.'),
      settings: sftSchema.prefault({}).describe('Fine-tuning on it.'),
      ...distillShape,
    }),
  ]),
  evaluate: z.strictObject({
    kind: z.literal('evaluate'),
    models: z.array(reference('A model.')).min(1).describe('What is compared.'),
    measure: measureSchema.prefault({}).describe('How.'),
    task: common.task,
    taskOptions: common.taskOptions,
  }),
} as const;

/** What is drawn and kept, of whichever stage. */
export type DrawSettings = z.output<z.ZodObject<typeof drawShape>>;

export type StageKind = keyof typeof stageSchemas;
export type Stage = { [Kind in StageKind]: z.output<(typeof stageSchemas)[Kind]> }[StageKind];
export type StageOf<Kind extends StageKind> = Extract<Stage, { kind: Kind }>;

const recipeShape = z.strictObject({
  name: stageName.describe('Names the run.'),
  seed: z.union([z.int(), z.string()]).default(0).describe('Names every random stream, stage by stage.'),
  task: z.string().min(1).describe('A built-in task or a task file; a stage may have its own.'),
  taskOptions: z.record(z.string(), z.unknown()).default({}).describe('Options of the task.'),
  prompt: z
    .enum(['auto', 'raw', 'r1-zero', 'chat'])
    .default('auto')
    .describe('How a problem is put to the model. auto: raw for a model from pretrain, else its own way.'),
  engine: engineSchema.prefault({}).describe('How this machine is used.'),
  measure: measureSchema.prefault({}).describe('How the model of each stage is measured.'),
  stages: z.record(z.string(), z.unknown()).describe('The stages by name, in order.'),
});

export interface PipelineRecipe extends Omit<z.output<typeof recipeShape>, 'stages'> {
  readonly stages: ReadonlyMap<string, Stage>;
}

/** Throws `AhaError` (invalid-configuration) that names the stage and the key. */
export function parsePipeline(value: unknown, what: string): PipelineRecipe {
  const recipe = parseWithSchema(recipeShape, value, { what });
  const stages = new Map<string, Stage>();
  for (const [name, stage] of Object.entries(recipe.stages)) {
    parseWithSchema(stageName, name, { what: `${what}, the name of a stage` });
    stages.set(name, parseStage(stage, `${what}, stage ${name}`));
  }
  if (stages.size === 0) {
    throw new AhaError({
      code: 'invalid-configuration',
      boundary: 'configuration',
      what: `${what} has no stages`,
      expected: 'at least one stage',
    });
  }
  return { ...recipe, stages };
}

function parseStage(value: unknown, what: string): Stage {
  const kinds = Object.keys(stageSchemas);
  const kind = typeof value === 'object' && value !== null ? (value as { kind?: unknown }).kind : undefined;
  if (typeof kind !== 'string' || !Object.hasOwn(stageSchemas, kind)) {
    const nearest = typeof kind === 'string' ? nearestWord(kind, kinds) : undefined;
    throw new AhaError({
      code: 'invalid-configuration',
      boundary: 'configuration',
      what: `${what}: no such kind of stage`,
      found: kind ?? 'nothing',
      expected: kinds.join(' | '),
      ...(nearest === undefined ? {} : { fix: `Did you mean ${nearest}?` }),
    });
  }
  return parseWithSchema(stageSchemas[kind as StageKind], value, { what });
}
