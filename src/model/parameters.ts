/**
 * The parameters of a decoder: their names, roles and shapes, all as in the Hugging Face checkpoint. Memory has the
 * same layout as the file: matrices of linear layers are [out, in], which ONNX Runtime multiplies at least as fast
 * as [in, out] for every number of rows (docs/experiments.md).
 */
import type { ModelConfig } from './config.ts';
import type { LoraConfig } from './lora.ts';

export type ParameterRole = 'embedding' | 'matrix' | 'norm' | 'bias' | 'lora';

export interface Parameter {
  /** As in the Hugging Face checkpoint: `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly role: ParameterRole;
  readonly shape: readonly number[];
}

/** Linear layers of a block, by the name of their module within `model.layers.N`. */
export const linearModules = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const;
export type LinearModule = (typeof linearModules)[number];

/** The widths [in, out] of a linear layer; its weight is [out, in]. */
export function linearShape(config: ModelConfig, module: LinearModule): [number, number] {
  const { hiddenSize, intermediateSize, headDim, heads, keyValueHeads } = config;
  switch (module) {
    case 'self_attn.q_proj':
      return [hiddenSize, heads * headDim];
    case 'self_attn.k_proj':
    case 'self_attn.v_proj':
      return [hiddenSize, keyValueHeads * headDim];
    case 'self_attn.o_proj':
      return [heads * headDim, hiddenSize];
    case 'mlp.gate_proj':
    case 'mlp.up_proj':
      return [hiddenSize, intermediateSize];
    case 'mlp.down_proj':
      return [intermediateSize, hiddenSize];
  }
}

/** Whether a linear layer has a bias. */
export function hasBias(config: ModelConfig, module: LinearModule): boolean {
  switch (module) {
    case 'self_attn.q_proj':
    case 'self_attn.k_proj':
    case 'self_attn.v_proj':
      return config.attentionBias !== 'none';
    case 'self_attn.o_proj':
      return config.attentionBias === 'qkvo';
    case 'mlp.gate_proj':
    case 'mlp.up_proj':
    case 'mlp.down_proj':
      return config.mlpBias;
  }
}

/** Every parameter of the base model, in the order of a forward pass. */
export function decoderParameters(config: ModelConfig): Parameter[] {
  const { hiddenSize, headDim, vocabularySize } = config;
  const parameters: Parameter[] = [embedding('model.embed_tokens.weight', vocabularySize, hiddenSize)];
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    parameters.push(vector(`${prefix}.input_layernorm.weight`, 'norm', hiddenSize));
    for (const module of linearModules) {
      if (module === 'self_attn.o_proj' && config.queryKeyNorm) {
        parameters.push(vector(`${prefix}.self_attn.q_norm.weight`, 'norm', headDim));
        parameters.push(vector(`${prefix}.self_attn.k_norm.weight`, 'norm', headDim));
      }
      if (module === 'mlp.gate_proj') {
        parameters.push(vector(`${prefix}.post_attention_layernorm.weight`, 'norm', hiddenSize));
      }
      const [inputs, outputs] = linearShape(config, module);
      parameters.push({ name: `${prefix}.${module}.weight`, role: 'matrix', shape: [outputs, inputs] });
      if (hasBias(config, module)) parameters.push(vector(`${prefix}.${module}.bias`, 'bias', outputs));
    }
  }
  parameters.push(vector('model.norm.weight', 'norm', hiddenSize));
  if (!config.tieWordEmbeddings) {
    parameters.push({ name: 'lm_head.weight', role: 'matrix', shape: [vocabularySize, hiddenSize] });
  }
  return parameters;
}

/** The parameters that LoRA adds: A [r, in] and B [out, r] for each target of each layer. */
export function loraParameters(config: ModelConfig, lora: LoraConfig): Parameter[] {
  const parameters: Parameter[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    for (const module of linearModules) {
      if (!lora.targets.includes(module)) continue;
      const [inputs, outputs] = linearShape(config, module);
      const prefix = `model.layers.${layer}.${module}`;
      parameters.push(
        { name: `${prefix}.lora_A.weight`, role: 'lora', shape: [lora.rank, inputs] },
        { name: `${prefix}.lora_B.weight`, role: 'lora', shape: [outputs, lora.rank] },
      );
    }
  }
  return parameters;
}

export function elementCount(parameter: Parameter): number {
  return parameter.shape.reduce((a, b) => a * b, 1);
}

function embedding(name: string, rows: number, columns: number): Parameter {
  return { name, role: 'embedding', shape: [rows, columns] };
}

function vector(name: string, role: 'norm' | 'bias', length: number): Parameter {
  return { name, role, shape: [length] };
}
