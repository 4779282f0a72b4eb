/**
 * A recipe: everything that a run of `aha train zero` depends on, as one strict schema. It is what a YAML file and
 * the flags together say, with every default filled in, and it is stored with the run.
 */
import { z } from 'zod';
import { grpoSchema, pretrainSchema } from '../../train/config.ts';
import { engineSchema, loraField, modelSizeSchema } from '../../train/model-settings.ts';
import { solveRateSelectionSchema } from '../../task/solve-rates.ts';
import { rewardPartsSchema } from '../../train/reward-parts.ts';
import { parseWithSchema } from '../../util/schema.ts';

/** A model that begins as random numbers, with what it learns before reinforcement learning. */
export const scratchSchema = modelSizeSchema.extend({
  pretrain: pretrainSchema
    .prefault({})
    .describe('Pre-training on worked examples, before reinforcement learning.'),
});

export const taskField = z
  .string()
  .min(1)
  .describe('A built-in task, or the path of a module that exports one.');

export const taskOptionsField = z
  .record(z.string(), z.unknown())
  .default({})
  .describe('Options of the task, if it has some.');

export const promptField = z
  .enum(['auto', 'raw', 'r1-zero', 'chat'])
  .default('auto')
  .describe(
    'How a problem is put to the model: as it is, in the template of DeepSeek-R1-Zero, or in the chat template ' +
      'of the model. auto: raw for scratch, chat where the model has a template, else r1-zero.',
  );

export const recipeSchema = grpoSchema.extend({
  model: z
    .string()
    .min(1)
    .describe(
      "A folder, a GGUF file, a run's folder, a Hub id (org/name), or scratch for a new small model.",
    ),
  task: taskField,
  taskOptions: taskOptionsField,
  solveRates: solveRateSelectionSchema
    .optional()
    .describe('Train only on problems whose solve rate lies between two bounds.'),
  prompt: promptField,
  lora: loraField,
  engine: engineSchema.prefault({}).describe('How this machine is used.'),
  reward: rewardPartsSchema.prefault({}).describe('Parts of the reward beside the verdict of the task.'),
  scratch: scratchSchema.optional().describe('Size and pre-training of a model from scratch.'),
});

export type Recipe = z.output<typeof recipeSchema>;
export type ScratchSettings = z.output<typeof scratchSchema>;

/** The recipe with defaults filled in. Throws `AhaError` (invalid-configuration). */
export function parseRecipe(value: unknown, what: string): Recipe {
  const recipe = parseWithSchema(recipeSchema, value, {
    what,
    fix: 'aha train zero --help-config lists every key.',
  });
  return recipe;
}

/**
 * Learning rates that follow from what is trained, where none is given: adapters bear ten times that of full
 * training (Schulman et al. 2025, "LoRA without regret"), small models from scratch far more.
 */
export function deriveDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return withLearningRate(value, { scratch: 3e-4, lora: 1e-5 });
}

/** `rates` by what is trained; without one for it, the schema's default holds. */
export function withLearningRate(
  value: Readonly<Record<string, unknown>>,
  rates: { readonly scratch?: number; readonly lora?: number },
): Record<string, unknown> {
  const optimizer = value['optimizer'] ?? {};
  const isObject = typeof optimizer === 'object' && optimizer !== null && !Array.isArray(optimizer);
  if (!isObject || 'learningRate' in optimizer) return { ...value };
  const lora = value['lora'] !== undefined && value['lora'] !== false;
  const learningRate = value['model'] === 'scratch' ? rates.scratch : lora ? rates.lora : undefined;
  return learningRate === undefined ? { ...value } : { ...value, optimizer: { ...optimizer, learningRate } };
}

/** `changes` over a recipe: objects are merged, everything else replaces. */
export function mergeRecipes(
  recipe: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): unknown {
  return merge(recipe, changes);
}

function merge(base: unknown, changes: unknown): unknown {
  if (!isPlainObject(base) || !isPlainObject(changes)) return changes;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const own = Object.hasOwn(base, key) ? merge(base[key], value) : value;
    Object.defineProperty(merged, key, { value: own, writable: true, enumerable: true, configurable: true });
  }
  return merged;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
