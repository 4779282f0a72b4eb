/**
 * Drawing from a distribution by a uniform number that is given: the cumulative distribution is inverted, so that what
 * is drawn is a function of the operands alone.
 */
import { type Dim, dimProduct, sameShape } from '../dim.ts';
import { applyAll, type Operation, scalar, shapeError, type Tensor, type TensorType } from '../tensor.ts';
import { add, cast, less, lessEqual, minimum, mul, sub } from './elementwise.ts';
import { indexSelect, takeAlongLast } from './indexing.ts';
import { cumsum, sum } from './reduce.ts';
import { column, concat, full, iota, reshape, slice } from './shape.ts';

/**
 * logits [B, V], the inverse of a temperature [B] and uniform numbers in [0, 1) [B] → a token of each row, drawn from
 * the softmax of logits · inverse: i64 [B], and its log-probability [B].
 */
export const categoricalDrawOp: Operation<Readonly<Record<string, never>>> = {
  name: 'categoricalDraw',
  infer: (inputs) => {
    const [logits, inverseTemperature, uniform] = inputs as [TensorType, TensorType, TensorType];
    const rows = logits.shape.slice(0, 1);
    const fits =
      logits.shape.length === 2 &&
      typeof logits.shape[1] === 'number' &&
      sameShape(inverseTemperature.shape, rows) &&
      sameShape(uniform.shape, rows);
    if (!fits)
      throw shapeError('categoricalDraw', inputs, 'logits [B, V] and two numbers for each row are needed');
    return [
      { dtype: 'i64', shape: rows },
      { dtype: 'f32', shape: rows },
    ];
  },
  evaluate: ([logits, inverseTemperature, uniform]) => {
    const [rows, width] = logits!.shape as [number, number];
    const tokens = new Float64Array(rows);
    const logprobs = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const scaled = logits!.data
        .slice(row * width, (row + 1) * width)
        .map((logit) => logit * inverseTemperature!.data[row]!);
      const largest = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
      const weights = scaled.map((value) => Math.exp(value - largest));
      const total = weights.reduce((a, b) => a + b, 0);
      let token = 0;
      for (let reached = weights[0]!; reached <= uniform!.data[row]! * total && token < width - 1;) {
        reached += weights[++token]!;
      }
      tokens[row] = token;
      logprobs[row] = scaled[token]! - largest - Math.log(total);
    }
    return [
      { shape: [rows], data: tokens },
      { shape: [rows], data: logprobs },
    ];
  },
};

/** See `categoricalDrawOp`. */
export function categoricalDraw(logits: Tensor, inverseTemperature: Tensor, uniform: Tensor) {
  const inputs = [logits, inverseTemperature, uniform];
  const [token, logprob] = applyAll(categoricalDrawOp, inputs, {}) as [Tensor, Tensor];
  return { token, logprob };
}

/**
 * Weights [B, n] ≥ 0 and uniform numbers [B] in [0, 1) → an index of each row, drawn with its weight: i64 [B]. The
 * distribution is walked in two levels (blocks, then tokens of the chosen block): a cumulative sum over a whole
 * vocabulary is slow and inexact in float32.
 */
export function drawIndex(weights: Tensor, uniform: Tensor): Tensor {
  const [batch, width] = weights.shape as [Dim, number];
  if (width <= 64) return invert(cumsum(weights), mul(uniform, sum(weights, { axes: [-1] })));

  const block = 2 ** Math.round(Math.log2(Math.sqrt(width)));
  const blocks = Math.ceil(width / block);
  const padding = blocks * block - width;
  const padded = padding === 0 ? weights : concat([weights, full([batch, padding], 0)], 1);
  const rows = reshape(padded, [dimProduct([batch, blocks]), block]);
  const cumulative = cumsum(reshape(sum(rows, { axes: [-1] }), [batch, blocks]));
  const target = mul(uniform, reshape(slice(cumulative, 1, blocks - 1, blocks), [batch]));
  const chosen = invert(cumulative, target);
  const blockStart = add(mul(iota(batch), scalar(blocks, 'i64')), chosen);
  const inside = indexSelect(rows, blockStart);
  // What the blocks before the chosen one hold; 0 for the first.
  const shifted = concat([full([batch, 1], 0), slice(cumulative, 1, 0, blocks - 1)], 1);
  const rest = sub(target, takeAlongLast(shifted, chosen));
  const offset = invert(cumsum(inside), rest);
  return minimum(add(mul(chosen, scalar(block, 'i64')), offset), scalar(width - 1, 'i64'));
}

/**
 * The first index of each row whose cumulative weight [B, n] exceeds the target [B]. Where rounding has put the target
 * at the end or beyond, it is the last index that has a weight: never one without.
 */
function invert(cumulative: Tensor, target: Tensor): Tensor {
  const width = cumulative.shape[1] as number;
  const count = (those: Tensor) => sum(cast(those, 'f32'), { axes: [-1] });
  const passed = count(lessEqual(cumulative, column(target)));
  const last = count(less(cumulative, slice(cumulative, 1, width - 1, width)));
  return cast(minimum(passed, last), 'i64');
}
