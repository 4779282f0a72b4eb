/** The recipe of `aha train sft`: what a YAML file and the flags together say, stored with the run. */
import { z } from 'zod';
import { sftSchema } from '../../train/sft-config.ts';
import { parseWithSchema } from '../../util/schema.ts';
import { engineSchema, loraField } from '../../train/model-settings.ts';
import { promptField, taskField, taskOptionsField } from './recipe.ts';

/** What every recipe that trains an existing model on examples has. */
export const trainedModelShape = {
  task: taskField
    .optional()
    .describe('A built-in task, or a module that exports one: its held-out problems measure accuracy.'),
  taskOptions: taskOptionsField,
  prompt: promptField,
  templateVariables: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Further variables of the chat template, such as enable_thinking: false.'),
  lora: loraField,
  engine: engineSchema.prefault({}).describe('How this machine is used.'),
};

export const sftRecipeSchema = sftSchema.extend({
  model: z.string().min(1).describe("A folder, a GGUF file, a run's folder, or a Hub id (org/name)."),
  data: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'Files of examples, JSON lines or Parquet, or data sets on the Hub (hf:org/name, hf:org/name/path/file).',
    ),
  ...trainedModelShape,
});

export type SftRecipe = z.output<typeof sftRecipeSchema>;

/** The recipe with defaults filled in. Throws `AhaError` (invalid-configuration). */
export function parseSftRecipe(value: unknown, what: string): SftRecipe {
  return parseWithSchema(sftRecipeSchema, value, {
    what,
    fix: 'aha train sft --help-config lists every key.',
  });
}
