/**
 * The operations of a transformer block that runtimes have fused kernels for: RMS normalisation, rotary position
 * embedding, and attention over a key-value cache.
 */
import {
  apply,
  applyAll,
  type Operation,
  shapeError,
  type Tensor,
  type TensorType,
  type Value,
} from '../tensor.ts';
import { rowsOf } from './reduce.ts';

/**
 * RMSNorm (Zhang & Sennrich 2019): x [..., H], weight [H] → y = x · r · weight [..., H] and
 * r = 1 / √(mean(x²) + ε) [..., 1].
 */
export const rmsNormOp: Operation<{ epsilon: number }> = {
  name: 'rmsNorm',
  infer(inputs) {
    const [x, weight] = inputs as [TensorType, TensorType];
    const width = x.shape.at(-1);
    if (x.dtype !== 'f32' || weight.shape.length !== 1 || weight.shape[0] !== width) {
      throw shapeError('rmsNorm', inputs, 'the weight must be as long as the last axis');
    }
    return [
      { dtype: 'f32', shape: x.shape },
      { dtype: 'f32', shape: x.shape.with(-1, 1) },
    ];
  },
  evaluate([x, weight], { epsilon }) {
    const rows = rowsOf(x!);
    const inverse = Float64Array.from(rows, (row) => {
      return 1 / Math.sqrt(row.reduce((total, value) => total + value * value, 0) / row.length + epsilon);
    });
    const width = weight!.data.length;
    const data = x!.data.map(
      (value, index) => value * inverse[Math.floor(index / width)]! * weight!.data[index % width]!,
    );
    return [
      { shape: x!.shape, data },
      { shape: x!.shape.with(-1, 1), data: inverse },
    ];
  },
};

export interface RopeAttributes {
  readonly heads: number;
  /** Rotate backwards, as the gradient does. */
  readonly inverse: boolean;
}

/**
 * Rotary position embedding (Su et al. 2021) in the half-split layout of Hugging Face: x [B, T, heads·D],
 * positions i64 [B, T], cos and sin [P, D/2] → [B, T, heads·D]. Elements i and i + D/2 of a head are a pair.
 */
export const ropeOp: Operation<RopeAttributes> = {
  name: 'rope',
  infer(inputs, { heads }) {
    const [x, positions, cos, sin] = inputs as [TensorType, TensorType, TensorType, TensorType];
    const half = cos.shape[1];
    const fits =
      x.shape.length === 3 &&
      positions.dtype === 'i64' &&
      positions.shape.length === 2 &&
      positions.shape.every((dim, axis) => dim === x.shape[axis]) &&
      typeof half === 'number' &&
      x.shape[2] === heads * half * 2 &&
      sin.shape[1] === half;
    if (!fits)
      throw shapeError(
        'rope',
        inputs,
        `x [B, T, ${heads}·D], positions [B, T], cos and sin [P, D/2] are needed`,
      );
    return [{ dtype: 'f32', shape: x.shape }];
  },
  evaluate([x, positions, cos, sin], { heads, inverse }) {
    const half = cos!.shape[1]!;
    const data = x!.data.slice();
    for (const [token, position] of positions!.data.entries()) {
      for (let head = 0; head < heads; head++) {
        rotate(data, (token * heads + head) * 2 * half, position, cos!, sin!, inverse);
      }
    }
    return [{ shape: x!.shape, data }];
  },
};

/** Rotates one head that starts at `start` of `data`, in place. */
function rotate(
  data: Float64Array,
  start: number,
  position: number,
  cos: Value,
  sin: Value,
  inverse: boolean,
): void {
  const half = cos.shape[1]!;
  for (let i = 0; i < half; i++) {
    const c = cos.data[position * half + i]!;
    const s = sin.data[position * half + i]! * (inverse ? -1 : 1);
    const a = data[start + i]!;
    const b = data[start + i + half]!;
    data[start + i] = a * c - b * s;
    data[start + i + half] = b * c + a * s;
  }
}

export interface CachedAttentionAttributes {
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Whether sequences may be so long that one should be spread over threads. Means nothing else. */
  readonly long?: boolean;
}

/**
 * Causal grouped-query attention (Ainslie et al. 2023) of S new tokens per sequence over a key-value cache, with
 * rotary embedding of queries and keys inside.
 *
 * query [B, S, heads·D], key and value [B, S, keyValueHeads·D], past keys and values [B, keyValueHeads, C, D] of
 * capacity C, lengths i32 [B] (tokens in each sequence *after* this call, minus one), total i32 [] (the largest
 * length after this call), cos and sin [P, D/2] → output [B, S, heads·D] and the caches with the new tokens
 * written behind each sequence's own. If S > 1, every sequence starts here (its past is empty), and sequences
 * shorter than S are padded on the right: outputs at padded positions mean nothing.
 * Scores are scaled by 1/√D. The caches may be updated in place.
 */
export const cachedAttentionOp: Operation<CachedAttentionAttributes> = {
  name: 'cachedAttention',
  infer(inputs, { heads, keyValueHeads }) {
    const [query, key, value, pastKey, pastValue, lengths, total] = inputs as TensorType[] as [
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
    ];
    const [batch, , width] = query.shape;
    const size = pastKey.shape[3];
    const fits =
      query.shape.length === 3 &&
      typeof size === 'number' &&
      width === heads * size &&
      [key, value].every((x) => x.shape[0] === batch && x.shape[1] === query.shape[1]) &&
      [key, value].every((x) => x.shape[2] === keyValueHeads * size) &&
      [pastKey, pastValue].every(
        (x) => x.shape[0] === batch && x.shape[1] === keyValueHeads && x.shape[3] === size,
      ) &&
      pastKey.shape[2] === pastValue.shape[2] &&
      lengths.dtype === 'i32' &&
      total.dtype === 'i32' &&
      heads % keyValueHeads === 0;
    if (!fits) throw shapeError('cachedAttention', inputs, 'see its description for the shapes needed');
    return [
      { dtype: 'f32', shape: query.shape },
      { dtype: 'f32', shape: pastKey.shape },
      { dtype: 'f32', shape: pastValue.shape },
    ];
  },
  evaluate([query, key, value, pastKey, pastValue, lengths, , cos, sin], { heads, keyValueHeads }) {
    const [batch, steps] = query!.shape as [number, number, number];
    const [, , capacity, size] = pastKey!.shape as [number, number, number, number];
    const keys = pastKey!.data.slice();
    const values = pastValue!.data.slice();
    const output = new Float64Array(query!.data.length);
    for (let b = 0; b < batch; b++) {
      const after = lengths!.data[b]! + 1;
      const first = steps > 1 ? 0 : after - 1;
      const own = steps > 1 ? after : 1;
      for (let s = 0; s < own; s++) {
        for (let h = 0; h < keyValueHeads; h++) {
          const to = ((b * keyValueHeads + h) * capacity + first + s) * size;
          const from = ((b * steps + s) * keyValueHeads + h) * size;
          keys.set(key!.data.subarray(from, from + size), to);
          values.set(value!.data.subarray(from, from + size), to);
          rotate(keys, to, first + s, cos!, sin!, false);
        }
      }
      for (let s = 0; s < own; s++) {
        for (let h = 0; h < heads; h++) {
          const start = ((b * steps + s) * heads + h) * size;
          const q = query!.data.slice(start, start + size);
          rotate(q, 0, first + s, cos!, sin!, false);
          const cache = (b * keyValueHeads + Math.floor(h / (heads / keyValueHeads))) * capacity * size;
          output.set(attendOne(q, keys, values, cache, first + s + 1), start);
        }
      }
    }
    return [
      { shape: query!.shape, data: output },
      { shape: pastKey!.shape, data: keys },
      { shape: pastValue!.shape, data: values },
    ];
  },
};

/** softmax(q·Kᵀ/√D)·V for one query over `count` cached tokens that start at `offset`. */
function attendOne(q: Float64Array, keys: Float64Array, values: Float64Array, offset: number, count: number) {
  const size = q.length;
  const scores = new Float64Array(count);
  for (let t = 0; t < count; t++) {
    for (let i = 0; i < size; i++) scores[t]! += q[i]! * keys[offset + t * size + i]!;
    scores[t]! /= Math.sqrt(size);
  }
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = scores.map((score) => Math.exp(score - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const result = new Float64Array(size);
  for (let t = 0; t < count; t++) {
    for (let i = 0; i < size; i++) result[i]! += (weights[t]! / total) * values[offset + t * size + i]!;
  }
  return result;
}

/** x [..., H] normalised to unit mean square, times weight [H]. */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return applyAll(rmsNormOp, [x, weight], { epsilon })[0]!;
}

/** See `ropeOp`. */
export function rope(
  x: Tensor,
  positions: Tensor,
  tables: { readonly cos: Tensor; readonly sin: Tensor },
  attributes: { readonly heads: number; readonly inverse?: boolean },
): Tensor {
  return apply(ropeOp, [x, positions, tables.cos, tables.sin], { inverse: false, ...attributes });
}

export interface CachedAttentionInputs {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly pastKey: Tensor;
  readonly pastValue: Tensor;
  readonly lengths: Tensor;
  readonly total: Tensor;
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** See `cachedAttentionOp`. */
export function cachedAttention(inputs: CachedAttentionInputs, attributes: CachedAttentionAttributes) {
  const { query, key, value, pastKey, pastValue, lengths, total, cos, sin } = inputs;
  const [output, presentKey, presentValue] = applyAll(
    cachedAttentionOp,
    [query, key, value, pastKey, pastValue, lengths, total, cos, sin],
    attributes,
  ) as [Tensor, Tensor, Tensor];
  return { output, presentKey, presentValue };
}
