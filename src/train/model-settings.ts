/** Settings of models and of the machine that recipes and pipelines have in common, as strict schemas. */
import { z } from 'zod';

const atLeastOne = () => z.int().min(1);

export const loraSchema = z.strictObject({
  rank: atLeastOne().default(16).describe('Rank of the update of each layer.'),
  alpha: z.number().positive().optional().describe('The update is scaled by alpha / rank. Default 2 × rank.'),
  targets: z
    .array(z.string())
    .min(1)
    .default(['all-linear'])
    .describe('Layers to adapt, as in PEFT: all-linear, or some of q_proj, k_proj, v_proj, o_proj, …'),
  rankStabilised: z.boolean().default(false).describe('Scale by alpha / √rank instead (rsLoRA).'),
});

export const loraField = z
  .union([z.boolean(), loraSchema])
  .default(false)
  .describe('Train low-rank adapters instead of all weights: true, or their settings.');

export const engineSchema = z.strictObject({
  threads: atLeastOne().max(1024).optional().describe('Threads that compute. Default: all cores.'),
  contextLength: z
    .int()
    .min(2)
    .optional()
    .describe("Longest sequence, prompt and completion together. Default: the model's, at most 32768."),
  maxSequences: atLeastOne().default(64).describe('Most sequences that decode together.'),
  microBatchPositions: atLeastOne()
    .default(2048)
    .describe('Most positions of a training micro-batch: less needs less memory.'),
  rememberedBytes: z
    .int()
    .min(0)
    .optional()
    .describe('Memory for what drawing completions computes and learning from them needs. Default: 2 GiB.'),
});

/** A model that begins as random numbers. Sizes are those of a Llama decoder over the task's alphabet. */
export const modelSizeSchema = z.strictObject({
  hiddenSize: atLeastOne().default(128).describe('Width of the model.'),
  layers: atLeastOne().default(4).describe('Number of decoder layers.'),
  heads: atLeastOne().default(4).describe('Attention heads; divides hiddenSize.'),
  keyValueHeads: atLeastOne().optional().describe('Heads of keys and values; divides heads. Default: heads.'),
  intermediateSize: atLeastOne()
    .optional()
    .describe('Width of the feed-forward blocks. Default about 8/3 × width.'),
  contextLength: z.int().min(2).default(512).describe('Longest sequence.'),
});

export type LoraSettings = z.output<typeof loraSchema>;
export type ModelSize = z.output<typeof modelSizeSchema>;

/** The LoRA settings that a recipe asks for, undefined for full training. */
export function loraOf(recipe: { readonly lora: boolean | LoraSettings }): LoraSettings | undefined {
  if (recipe.lora === false) return undefined;
  return recipe.lora === true ? loraSchema.parse({}) : recipe.lora;
}
