/** Reductions over axes, and softmax. */
import type { Dim } from '../dim.ts';
import { broadcastStrides, forEachIndex, sizeOf } from '../strides.ts';
import { apply, type Operation, shapeError, type Tensor, type TensorType, type Value } from '../tensor.ts';

export interface ReduceAttributes {
  /** Not negative, ascending. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

function reduction(
  name: string,
  initial: number,
  combine: (accumulator: number, x: number) => number,
): Operation<ReduceAttributes> {
  return {
    name,
    infer(inputs, { axes, keepDims }) {
      const [x] = inputs as [TensorType];
      if (x.dtype !== 'f32') throw shapeError(name, inputs, 'a float tensor is needed');
      return [{ dtype: x.dtype, shape: reducedShape(x.shape, axes, keepDims) }];
    },
    evaluate([x], { axes, keepDims }) {
      const kept = reducedShape(x!.shape, axes, true);
      const data = new Float64Array(sizeOf(kept)).fill(initial);
      forEachIndex(x!.shape, [broadcastStrides(kept, x!.shape)], (flat, [to]) => {
        data[to!] = combine(data[to!]!, x!.data[flat]!);
      });
      return [{ shape: reducedShape(x!.shape, axes, keepDims), data }];
    },
  };
}

function reducedShape<D extends Dim>(shape: readonly D[], axes: readonly number[], keepDims: boolean): D[] {
  return shape.flatMap((dim, axis) => (axes.includes(axis) ? (keepDims ? [1 as D] : []) : [dim]));
}

export const sumOp = reduction('sum', 0, (a, x) => a + x);
export const maxOp = reduction('max', -Infinity, Math.max);

/** Index of the first largest element along the last axis. */
export const argmaxOp: Operation = {
  name: 'argmax',
  infer: (inputs) => [{ dtype: 'i64', shape: lastAxisOf('argmax', inputs).slice(0, -1) }],
  evaluate([x]) {
    const rows = rowsOf(x!);
    const first = (row: Float64Array) => row.reduce((best, value, at) => (value > row[best]! ? at : best), 0);
    return [{ shape: x!.shape.slice(0, -1), data: Float64Array.from(rows, first) }];
  },
};

export const softmaxOp: Operation = {
  name: 'softmax',
  infer: (inputs) => [{ dtype: 'f32', shape: lastAxisOf('softmax', inputs) }],
  evaluate: ([x]) => [mapRows(x!, (row) => logSoftmaxOf(row).map(Math.exp))],
};

export const logSoftmaxOp: Operation = {
  name: 'logSoftmax',
  infer: (inputs) => [{ dtype: 'f32', shape: lastAxisOf('logSoftmax', inputs) }],
  evaluate: ([x]) => [mapRows(x!, logSoftmaxOf)],
};

/** Running sum along the last axis, the element itself included. */
export const cumsumOp: Operation = {
  name: 'cumsum',
  infer: (inputs) => [{ dtype: 'f32', shape: lastAxisOf('cumsum', inputs) }],
  evaluate([x]) {
    return [
      mapRows(x!, (row) => {
        let total = 0;
        return row.map((value) => (total += value));
      }),
    ];
  },
};

/** log of the softmax of one row, shifted by its maximum; a row may hold −∞ but not only. */
export function logSoftmaxOf(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSum = top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return row.map((value) => value - logSum);
}

/** The rows of `value` along its last axis. */
export function rowsOf(value: Value): Float64Array[] {
  const width = value.shape.at(-1)!;
  const count = width === 0 ? 0 : value.data.length / width;
  return Array.from({ length: count }, (_, row) => value.data.subarray(row * width, (row + 1) * width));
}

function mapRows(value: Value, map: (row: Float64Array) => Float64Array): Value {
  const data = new Float64Array(value.data.length);
  for (const [index, row] of rowsOf(value).entries()) data.set(map(row), index * row.length);
  return { shape: value.shape, data };
}

function lastAxisOf(op: string, inputs: readonly TensorType[]): readonly Dim[] {
  const [x] = inputs as [TensorType];
  if (x.dtype !== 'f32' || x.shape.length === 0)
    throw shapeError(op, inputs, 'a float tensor of rank ≥ 1 is needed');
  return x.shape;
}

export interface ReduceOptions {
  /** Default: all axes. Negative axes count from the end. */
  readonly axes?: readonly number[];
  /** Keep the reduced axes with size 1. Default false. */
  readonly keepDims?: boolean;
}

export const sum = (x: Tensor, options?: ReduceOptions) =>
  apply(sumOp, [x], reduceAttributes('sum', x, options));
export const max = (x: Tensor, options?: ReduceOptions) =>
  apply(maxOp, [x], reduceAttributes('max', x, options));
export const argmax = (x: Tensor) => apply(argmaxOp, [x], {});
/** Over the last axis, as all below. */
export const softmax = (x: Tensor) => apply(softmaxOp, [x], {});
export const logSoftmax = (x: Tensor) => apply(logSoftmaxOp, [x], {});
export const cumsum = (x: Tensor) => apply(cumsumOp, [x], {});

function reduceAttributes(
  op: string,
  x: Tensor,
  { axes, keepDims = false }: ReduceOptions = {},
): ReduceAttributes {
  const rank = x.shape.length;
  const chosen = (axes ?? x.shape.map((_, axis) => axis)).map((axis) => (axis < 0 ? axis + rank : axis));
  if (chosen.some((axis) => axis < 0 || axis >= rank))
    throw shapeError(op, [x], `axes ${axes!.join(', ')} do not exist`);
  return { axes: chosen.toSorted((a, b) => a - b), keepDims };
}
