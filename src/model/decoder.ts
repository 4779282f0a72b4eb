/**
 * The decoder of Llama, Mistral, Qwen2 and Qwen3 as a function that builds a graph: pre-norm blocks of
 * grouped-query attention with rotary embedding and a SwiGLU feed-forward. The four differ only in biases and in
 * the normalisation of queries and keys. How attention sees the past is a parameter: whole sequences for training
 * and scoring, a key-value cache for sampling.
 *
 * Letters of shapes: B sequences, T tokens of each, N = B·T, H hidden, D head, V vocabulary.
 */
import { type Dim, dimProduct } from '../graph/dim.ts';
import { add, lessEqual, mul, silu, where } from '../graph/ops/elementwise.ts';
import { indexSelect } from '../graph/ops/indexing.ts';
import { addmm, matmul } from '../graph/ops/matmul.ts';
import { softmax } from '../graph/ops/reduce.ts';
import { expand, iota, reshape, transpose } from '../graph/ops/shape.ts';
import { cachedAttention, rmsNorm, rope } from '../graph/ops/transformer.ts';
import { input, scalar, type Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import { type LoraConfig, loraScale } from './lora.ts';
import {
  decoderParameters,
  hasBias,
  type LinearModule,
  loraParameters,
  type Parameter,
} from './parameters.ts';

/** The graph inputs that hold the model's parameters, named as the parameters. */
export interface DecoderWeights {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly lora: LoraConfig | undefined;
}

export function decoderWeights(config: ModelConfig, lora?: LoraConfig): DecoderWeights {
  const all: Parameter[] = [
    ...decoderParameters(config),
    ...(lora === undefined ? [] : loraParameters(config, lora)),
  ];
  return { parameters: new Map(all.map(({ name, shape }) => [name, input(name, 'f32', shape)])), lora };
}

/** Queries [B, T, heads·D], keys and values [B, T, keyValueHeads·D] of a layer → [B, T, heads·D]. */
export type Attend = (layer: number, query: Tensor, key: Tensor, value: Tensor) => Tensor;

/** Tokens i64 [B, T] → hidden states after the last norm [N, H]. */
export function decoderHidden(
  config: ModelConfig,
  weights: DecoderWeights,
  tokens: Tensor,
  attend: Attend,
): Tensor {
  const { hiddenSize, rmsNormEps } = config;
  const [batch, time] = tokens.shape as [Dim, Dim];
  const rows = dimProduct([batch, time]);
  const embedded = indexSelect(parameter(weights, 'model.embed_tokens.weight'), tokens);
  let hidden = reshape(embedded, [rows, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const norm = (name: string, x: Tensor) =>
      rmsNorm(x, parameter(weights, `${prefix}.${name}.weight`), rmsNormEps);
    const apply = (module: LinearModule, x: Tensor) => linear(config, weights, prefix, module, x);
    const project = (module: LinearModule, x: Tensor) => {
      const y = apply(module, x);
      return reshape(y, [batch, time, y.shape[1]!]);
    };

    const attended = norm('input_layernorm', hidden);
    let query = project('self_attn.q_proj', attended);
    let key = project('self_attn.k_proj', attended);
    const value = project('self_attn.v_proj', attended);
    if (config.queryKeyNorm) {
      query = perHead(config, query, (x) => norm('self_attn.q_norm', x));
      key = perHead(config, key, (x) => norm('self_attn.k_norm', x));
    }
    const context = attend(layer, query, key, value);
    const mixed = reshape(context, [rows, context.shape[2]!]);
    hidden = add(hidden, apply('self_attn.o_proj', mixed));

    const normalised = norm('post_attention_layernorm', hidden);
    const gated = mul(silu(apply('mlp.gate_proj', normalised)), apply('mlp.up_proj', normalised));
    hidden = add(hidden, apply('mlp.down_proj', gated));
  }
  return rmsNorm(hidden, parameter(weights, 'model.norm.weight'), rmsNormEps);
}

/** The matrix of the output head [V, H]: its own, or the embedding. */
export function headWeight(config: ModelConfig, weights: DecoderWeights): Tensor {
  return parameter(weights, config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
}

/** hidden [N, H] → logits [N, V] */
export function decoderLogits(config: ModelConfig, weights: DecoderWeights, hidden: Tensor): Tensor {
  return matmul(hidden, headWeight(config, weights), { transposeB: true });
}

/** The graph inputs that hold the tables of rotary embedding: [P, D/2] each. */
export function ropeInputs(config: ModelConfig) {
  const shape = ['P', config.headDim / 2];
  return { cos: input('rope.cos', 'f32', shape), sin: input('rope.sin', 'f32', shape) };
}

/**
 * Causal attention within whole sequences that start at position 0. Sequences shorter than T are padded on the
 * right: no real token sees the padding, which comes after it.
 */
export function causalAttention(config: ModelConfig, tables: { cos: Tensor; sin: Tensor }): Attend {
  const { heads, keyValueHeads, headDim } = config;
  const shared = heads / keyValueHeads;
  const positionsOf = memoise((batch: Dim, time: Dim) =>
    expand(reshape(iota(time), [1, time]), [batch, time]),
  );
  const maskOf = memoise((time: Dim) => {
    const own = iota(time);
    const seen = lessEqual(reshape(own, [1, time]), reshape(own, [time, 1]));
    return where(seen, scalar(0), scalar(-Infinity));
  });
  return (_, query, key, value) => {
    const [batch, time] = query.shape as [Dim, Dim, Dim];
    const positions = positionsOf(batch, time);
    const rotatedQuery = rope(query, positions, tables, { heads });
    const rotatedKey = rope(key, positions, tables, { heads: keyValueHeads });
    // The query heads that share a key head are stacked along time, so that each key head needs one product.
    const stacked = [batch, keyValueHeads, dimProduct([shared, time]), headDim];
    const q = reshape(
      transpose(reshape(rotatedQuery, [batch, time, keyValueHeads, shared, headDim]), [0, 2, 3, 1, 4]),
      stacked,
    );
    const k = transpose(reshape(rotatedKey, [batch, time, keyValueHeads, headDim]), [0, 2, 1, 3]);
    const v = transpose(reshape(value, [batch, time, keyValueHeads, headDim]), [0, 2, 1, 3]);
    const scores = matmul(q, k, { transposeB: true, alpha: 1 / Math.sqrt(headDim) });
    const square = [batch, keyValueHeads, shared, time, time];
    const attention = softmax(add(reshape(scores, square), maskOf(time)));
    const context = matmul(reshape(attention, scores.shape), v);
    const apart = reshape(context, [batch, keyValueHeads, shared, time, headDim]);
    return reshape(transpose(apart, [0, 3, 1, 2, 4]), [batch, time, heads * headDim]);
  };
}

/** The graph inputs and outputs of attention over a key-value cache; see `cachedAttentionOp`. */
export function cachedDecoderAttention(config: ModelConfig, tables: { cos: Tensor; sin: Tensor }) {
  const { keyValueHeads, heads, headDim } = config;
  const lengths = input('lengths', 'i32', ['B']);
  const total = input('total', 'i32', []);
  const presents: Record<string, Tensor> = {};
  const attend: Attend = (layer, query, key, value) => {
    const shape = ['B', keyValueHeads, 'C', headDim];
    const pastKey = input(`past.${layer}.key`, 'f32', shape);
    const pastValue = input(`past.${layer}.value`, 'f32', shape);
    const { output, presentKey, presentValue } = cachedAttention(
      { query, key, value, pastKey, pastValue, lengths, total, ...tables },
      { heads, keyValueHeads },
    );
    presents[`present.${layer}.key`] = presentKey;
    presents[`present.${layer}.value`] = presentValue;
    return output;
  };
  return { attend, presents };
}

function linear(
  config: ModelConfig,
  weights: DecoderWeights,
  prefix: string,
  module: LinearModule,
  x: Tensor,
): Tensor {
  const name = `${prefix}.${module}`;
  const weight = parameter(weights, `${name}.weight`);
  const y = hasBias(config, module)
    ? addmm(parameter(weights, `${name}.bias`), x, weight, { transposeB: true })
    : matmul(x, weight, { transposeB: true });
  const { lora } = weights;
  if (lora === undefined || !lora.targets.includes(module)) return y;
  const low = matmul(x, parameter(weights, `${name}.lora_A.weight`), {
    transposeB: true,
    alpha: loraScale(lora),
  });
  return addmm(y, low, parameter(weights, `${name}.lora_B.weight`), { transposeB: true });
}

/** Applies `normalise` to each head of x [B, T, heads·D] by itself. */
function perHead({ headDim }: ModelConfig, x: Tensor, normalise: (x: Tensor) => Tensor): Tensor {
  const heads = (x.shape[2] as number) / headDim;
  return reshape(normalise(reshape(x, [x.shape[0]!, x.shape[1]!, heads, headDim])), x.shape);
}

function parameter(weights: DecoderWeights, name: string): Tensor {
  return weights.parameters.get(name)!;
}

/** One tensor per distinct arguments: layers share their masks and positions. */
function memoise<D extends Dim[]>(build: (...dims: D) => Tensor): (...dims: D) => Tensor {
  const known = new Map<string, Tensor>();
  return (...dims) => {
    const key = dims.join(',');
    const tensor = known.get(key) ?? build(...dims);
    known.set(key, tensor);
    return tensor;
  };
}
