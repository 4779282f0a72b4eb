/** The recipe of `aha train distill`: what a YAML file and the flags together say, stored with the run. */
import { z } from 'zod';
import { logitSchema, onPolicySchema, textSchema } from '../../train/distill-config.ts';
import { sftSchema } from '../../train/sft-config.ts';
import { parseWithSchema } from '../../util/schema.ts';
import { trainedModelShape } from './sft-recipe.ts';

export const distillRecipeSchema = sftSchema.extend({
  method: z
    .enum(['logit', 'text', 'on-policy'])
    .describe(
      "logit: learn the teacher's token probabilities on given examples; text: learn what the teacher says; " +
        'on-policy: learn from what the student says, as the teacher judges it.',
    ),
  teacher: z
    .string()
    .min(1)
    .describe(
      "A folder, a GGUF file, a run's folder, a Hub id, or for method text the address of an OpenAI-compatible " +
        'endpoint (http://127.0.0.1:8000/v1).',
    ),
  model: z.string().min(1).describe("The student: a folder, a GGUF file, a run's folder, or a Hub id."),
  data: z
    .array(z.string().min(1))
    .default([])
    .describe('Files of examples: for logit, what is learned on; for on-policy, prompts in place of a task.'),
  logit: logitSchema.prefault({}).describe('Logit distillation.'),
  text: textSchema.prefault({}).describe('Text distillation.'),
  onPolicy: onPolicySchema.prefault({}).describe('On-policy distillation.'),
  ...trainedModelShape,
});

export type DistillRecipe = z.output<typeof distillRecipeSchema>;

/** The recipe with defaults filled in. Throws `AhaError` (invalid-configuration). */
export function parseDistillRecipe(value: unknown, what: string): DistillRecipe {
  return parseWithSchema(distillRecipeSchema, value, {
    what,
    fix: 'aha train distill --help-config lists every key.',
  });
}
