/**
 * The decoder of Llama, Mistral, Qwen2 and Qwen3 as a function that builds a graph: pre-norm blocks of
 * grouped-query attention with rotary embedding and a SwiGLU feed-forward. The four differ only in biases and in
 * the normalisation of queries and keys. How attention sees the past is a parameter: whole sequences for training
 * and scoring, a key-value cache for sampling.
 *
 * Letters of shapes: B sequences, T tokens of each, N = B·T, H hidden, D head, V vocabulary.
 */
import { type Dim, dimProduct } from '../graph/dim.ts';
import { add, cast, equal, lessEqual, where } from '../graph/ops/elementwise.ts';
import { swiglu } from '../graph/ops/fused.ts';
import { indexSelect } from '../graph/ops/indexing.ts';
import { addmm, matmul } from '../graph/ops/matmul.ts';
import { softmax } from '../graph/ops/reduce.ts';
import { concat, expand, iota, reshape, transpose } from '../graph/ops/shape.ts';
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

/**
 * Shown each activation [N, width] from which, with the tokens and the weights, all others follow without a product
 * of matrices: what the backward pass needs of the forward pass. Names are `LAYER.query` and the like.
 */
export type Observe = (name: string, activation: Tensor) => void;

/** Tokens i64 [B, T] → hidden states after the last norm [N, H]. */
export function decoderHidden(
  config: ModelConfig,
  weights: DecoderWeights,
  tokens: Tensor,
  attend: Attend,
  observe: Observe = () => {},
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
    const seen = (name: string, x: Tensor) => {
      observe(`${layer}.${name}`, x);
      return x;
    };
    const apply = (module: LinearModule, x: Tensor, residual?: Tensor) =>
      linear(config, weights, prefix, module, x, residual);
    const project = (name: string, module: LinearModule, x: Tensor) => {
      const y = seen(name, apply(module, x));
      return reshape(y, [batch, time, y.shape[1]!]);
    };

    // Below the first layer are the embeddings, which are looked up again as fast.
    if (layer > 0) seen('residual', hidden);
    const attended = norm('input_layernorm', hidden);
    let query = project('query', 'self_attn.q_proj', attended);
    let key = project('key', 'self_attn.k_proj', attended);
    const value = project('value', 'self_attn.v_proj', attended);
    if (config.queryKeyNorm) {
      query = perHead(config, query, (x) => norm('self_attn.q_norm', x));
      key = perHead(config, key, (x) => norm('self_attn.k_norm', x));
    }
    const context = attend(layer, query, key, value);
    const mixed = seen('context', reshape(context, [rows, context.shape[2]!]));
    hidden = seen('middle', apply('self_attn.o_proj', mixed, hidden));

    const normalised = norm('post_attention_layernorm', hidden);
    const gate = seen('gate', apply('mlp.gate_proj', normalised));
    const up = seen('up', apply('mlp.up_proj', normalised));
    hidden = apply('mlp.down_proj', swiglu(gate, up), hidden);
  }
  observe('last', hidden);
  return rmsNorm(hidden, parameter(weights, 'model.norm.weight'), rmsNormEps);
}

/** The widths of the activations that `decoderHidden` shows, by name. */
export function activationWidths(config: ModelConfig): ReadonlyMap<string, number> {
  const widths = new Map<string, number>();
  const tokens = input('tokens', 'i64', ['B', 'T']);
  const attend = causalAttention(config, ropeInputs(config));
  decoderHidden(config, decoderWeights(config), tokens, attend, (name, { shape }) =>
    widths.set(name, shape[1] as number),
  );
  return widths;
}

/** The matrix of the output head [V, H]: its own, or the embedding. */
export function headWeight(config: ModelConfig, weights: DecoderWeights): Tensor {
  return parameter(weights, config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
}

/** hidden [N, H] → logits [N, V] */
export function decoderLogits(config: ModelConfig, weights: DecoderWeights, hidden: Tensor): Tensor {
  return matmul(hidden, headWeight(config, weights), { transposeB: true });
}

/** The tables of rotary embedding: [P, D/2] each. */
export interface RopeTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** The graph inputs that hold the tables of rotary embedding. */
export function ropeInputs(config: ModelConfig): RopeTables {
  const shape = ['P', config.headDim / 2];
  return { cos: input('rope.cos', 'f32', shape), sin: input('rope.sin', 'f32', shape) };
}

/** Keys (rotated) and values of a layer: [B, keyValueHeads, T, D] each. */
interface KeysAndValues {
  readonly key: Tensor;
  readonly value: Tensor;
}

/**
 * Causal attention within whole sequences that start at position 0. Sequences shorter than T are padded on the
 * right: no real token sees the padding, which comes after it. `keep` is shown what each layer attends to.
 */
export function causalAttention(
  config: ModelConfig,
  tables: RopeTables,
  keep?: (layer: number, seen: KeysAndValues) => void,
): Attend {
  const positionsOf = memoise((batch: Dim, time: Dim) =>
    expand(reshape(iota(time), [1, time]), [batch, time]),
  );
  const maskOf = memoise((time: Dim) => {
    const own = iota(time);
    return visible(reshape(own, [1, time]), reshape(own, [time, 1]));
  });
  return (layer, query, key, value) => {
    const [batch, time] = query.shape as [Dim, Dim, Dim];
    const positions = positionsOf(batch, time);
    const seen = keysAndValues(config, tables, positions, key, value);
    keep?.(layer, seen);
    return attention(config, tables, positions, query, seen, maskOf(time));
  };
}

/**
 * Attention of sequences that share beginnings, each of which is computed once: G beginnings of up to L tokens, and
 * B continuations of up to T. `beginning` is for the first, and must run before `continuation`.
 *
 * Graph inputs: `prefix.of` i64 [B], which of the beginnings each continuation has; `positions` i64 [B, T], the
 * position of each token in its whole sequence; `keyPositions` i64 [B, Keys] with Keys = L + T, the position of each
 * token of the beginning (a number beyond all others for its padding), then of each token of the continuation.
 */
export function sharedPrefixAttention(
  config: ModelConfig,
  tables: RopeTables,
  prefix: Tensor,
): { readonly beginning: Attend; readonly continuation: Attend } {
  const { keyValueHeads, headDim } = config;
  const [groups, length] = prefix.shape as [Dim, Dim];
  const [batch, time, keys] = ['B', 'T', 'Keys'];
  const positions = input('positions', 'i64', [batch, time]);
  const keyPositions = input('keyPositions', 'i64', [batch, keys]);
  const mask = visible(
    reshape(keyPositions, [batch, 1, 1, 1, keys]),
    reshape(positions, [batch, 1, 1, time, 1]),
  );
  // A product with the matrix of which sequence has which beginning copies exactly, and so does its gradient.
  const own = reshape(input('prefix.of', 'i64', [batch]), [batch, 1]);
  const chosen = cast(equal(own, reshape(iota(groups), [1, groups])), 'f32');
  const copied = (x: Tensor) =>
    reshape(matmul(chosen, reshape(x, [groups, dimProduct([keyValueHeads, length, headDim])])), [
      batch,
      keyValueHeads,
      length,
      headDim,
    ]);
  const kept = new Map<number, KeysAndValues>();
  return {
    beginning: causalAttention(config, tables, (layer, seen) => kept.set(layer, seen)),
    continuation: (layer, query, key, value) => {
      const before = kept.get(layer)!;
      const after = keysAndValues(config, tables, positions, key, value);
      const seen = {
        key: concat([copied(before.key), after.key], 2, keys),
        value: concat([copied(before.value), after.value], 2, keys),
      };
      return attention(config, tables, positions, query, seen, mask);
    },
  };
}

/** 0 where a query sees a key, which does not come after it; −∞ elsewhere. */
function visible(keyPositions: Tensor, queryPositions: Tensor): Tensor {
  return where(lessEqual(keyPositions, queryPositions), scalar(0), scalar(-Infinity));
}

function keysAndValues(
  { keyValueHeads, headDim }: ModelConfig,
  tables: RopeTables,
  positions: Tensor,
  key: Tensor,
  value: Tensor,
): KeysAndValues {
  const [batch, time] = key.shape as [Dim, Dim, Dim];
  const perHead = (x: Tensor) => transpose(reshape(x, [batch, time, keyValueHeads, headDim]), [0, 2, 1, 3]);
  return { key: perHead(rope(key, positions, tables, { heads: keyValueHeads })), value: perHead(value) };
}

/** `query` [B, T, heads·D] at `positions` i64 [B, T]; `mask` is added to scores [B, keyValueHeads, shared, T, keys]. */
function attention(
  { heads, keyValueHeads, headDim }: ModelConfig,
  tables: RopeTables,
  positions: Tensor,
  query: Tensor,
  { key, value }: KeysAndValues,
  mask: Tensor,
): Tensor {
  const shared = heads / keyValueHeads;
  const [batch, time] = query.shape as [Dim, Dim, Dim];
  const rotated = rope(query, positions, tables, { heads });
  // The query heads that share a key head are stacked along time, so that each key head needs one product.
  const stacked = [batch, keyValueHeads, dimProduct([shared, time]), headDim];
  const q = reshape(
    transpose(reshape(rotated, [batch, time, keyValueHeads, shared, headDim]), [0, 2, 3, 1, 4]),
    stacked,
  );
  const scores = matmul(q, key, { transposeB: true, alpha: 1 / Math.sqrt(headDim) });
  const apart = [batch, keyValueHeads, shared, time];
  const weights = softmax(add(reshape(scores, [...apart, key.shape[2]!]), mask));
  const context = matmul(reshape(weights, scores.shape), value);
  return reshape(transpose(reshape(context, [...apart, headDim]), [0, 3, 1, 2, 4]), [
    batch,
    time,
    heads * headDim,
  ]);
}

/** The graph inputs and outputs of attention over a key-value cache; see `cachedAttentionOp`. */
export function cachedDecoderAttention(config: ModelConfig, tables: RopeTables, long = false) {
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
      { heads, keyValueHeads, long },
    );
    presents[`present.${layer}.key`] = presentKey;
    presents[`present.${layer}.value`] = presentValue;
    return output;
  };
  return { attend, presents };
}

/** x · Wᵀ with whatever belongs to the module (bias, adapter), and the residual, if there is one. */
function linear(
  config: ModelConfig,
  weights: DecoderWeights,
  prefix: string,
  module: LinearModule,
  x: Tensor,
  residual: Tensor | undefined,
): Tensor {
  const name = `${prefix}.${module}`;
  const weight = parameter(weights, `${name}.weight`);
  const bias = hasBias(config, module) ? parameter(weights, `${name}.bias`) : undefined;
  const added = residual ?? bias;
  let y =
    added === undefined
      ? matmul(x, weight, { transposeB: true })
      : addmm(added, x, weight, { transposeB: true });
  if (residual !== undefined && bias !== undefined) y = add(y, bias);
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
