/** Operations that move elements without computing: reshape, transpose, expand, concatenate, slice, and fills. */
import { AhaError } from '../../errors.ts';
import { type Dim, dimProduct, dimQuotient, dimValue, sameShape } from '../dim.ts';
import type { DType } from '../dtype.ts';
import { broadcastStrides, forEachIndex, sizeOf, stridesOf } from '../strides.ts';
import {
  apply,
  applyAll,
  type Operation,
  shapeError,
  type Tensor,
  type TensorType,
  type Value,
} from '../tensor.ts';
import { broadcastShapes } from './elementwise.ts';

export const reshapeOp: Operation<{ shape: readonly Dim[] }> = {
  name: 'reshape',
  infer(inputs, { shape }) {
    const [x] = inputs as [TensorType];
    if (dimProduct(x.shape) !== dimProduct(shape)) {
      throw shapeError('reshape', inputs, `the elements do not fit [${shape.join(', ')}]`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  evaluate: ([x], { shape }, { symbols }) => [
    { shape: shape.map((dim) => dimValue(dim, symbols)), data: x!.data },
  ],
};

export const transposeOp: Operation<{ permutation: readonly number[] }> = {
  name: 'transpose',
  infer(inputs, { permutation }) {
    const [x] = inputs as [TensorType];
    if (
      !sameShape(
        permutation.toSorted((a, b) => a - b),
        x.shape.map((_, axis) => axis),
      )
    ) {
      throw shapeError('transpose', inputs, `[${permutation.join(', ')}] is not a permutation of its axes`);
    }
    return [{ dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis]!) }];
  },
  evaluate([x], { permutation }) {
    const shape = permutation.map((axis) => x!.shape[axis]!);
    const own = stridesOf(x!.shape);
    const data = new Float64Array(x!.data.length);
    forEachIndex(shape, [permutation.map((axis) => own[axis]!)], (flat, [from]) => {
      data[flat] = x!.data[from!]!;
    });
    return [{ shape, data }];
  },
};

/** Repeats along axes of size 1, as in NumPy's broadcasting. */
export const expandOp: Operation<{ shape: readonly Dim[] }> = {
  name: 'expand',
  infer(inputs, { shape }) {
    const [x] = inputs as [TensorType];
    const result = broadcastShapes('expand', [x, { dtype: x.dtype, shape }]);
    if (!sameShape(result, shape)) throw shapeError('expand', inputs, `cannot become [${shape.join(', ')}]`);
    return [{ dtype: x.dtype, shape }];
  },
  evaluate([x], { shape }, { symbols }) {
    const target = shape.map((dim) => dimValue(dim, symbols));
    const data = new Float64Array(sizeOf(target));
    forEachIndex(target, [broadcastStrides(x!.shape, target)], (flat, [from]) => {
      data[flat] = x!.data[from!]!;
    });
    return [{ shape: target, data }];
  },
};

/**
 * Joins along one axis; all other axes agree. Sums of symbols are no dimension: where a size is a symbol, `total` is
 * the dimension that the sum will be.
 */
export const concatOp: Operation<{ axis: number; total?: Dim }> = {
  name: 'concat',
  infer(inputs, { axis, total }) {
    const [first] = inputs as [TensorType];
    let sum = 0;
    for (const tensor of inputs) {
      const size = tensor.shape[axis];
      const rest = (shape: readonly Dim[]) => shape.with(axis, 1);
      if (
        (typeof size !== 'number' && total === undefined) ||
        tensor.dtype !== first.dtype ||
        !sameShape(rest(tensor.shape), rest(first.shape))
      ) {
        throw shapeError('concat', inputs, `cannot be joined along axis ${axis}`);
      }
      sum += Number(size);
    }
    if (total === undefined) return [{ dtype: first.dtype, shape: first.shape.with(axis, sum) }];
    if (typeof total === 'number' && !Number.isNaN(sum) && sum !== total) {
      throw shapeError('concat', inputs, `have ${sum} along axis ${axis}, not ${total}`);
    }
    return [{ dtype: first.dtype, shape: first.shape.with(axis, total) }];
  },
  evaluate(values, { axis, total: declared }, { symbols }) {
    const total = values.reduce((size, value) => size + value.shape[axis]!, 0);
    if (declared !== undefined && dimValue(declared, symbols) !== total) {
      throw sizeMismatch('concat', axis, dimValue(declared, symbols), total);
    }
    const shape = values[0]!.shape.with(axis, total);
    const data = new Float64Array(sizeOf(shape));
    const inner = sizeOf(shape.slice(axis + 1));
    const outer = sizeOf(shape.slice(0, axis));
    let start = 0;
    for (const value of values) {
      const width = value.shape[axis]! * inner;
      for (let row = 0; row < outer; row++) {
        data.set(value.data.subarray(row * width, (row + 1) * width), row * total * inner + start);
      }
      start += width;
    }
    return [{ shape, data }];
  },
};

/** The inverse of `concat`: parts of these sizes along one axis. */
export const splitOp: Operation<{ axis: number; sizes: readonly Dim[] }> = {
  name: 'split',
  infer(inputs, { axis, sizes }) {
    const [x] = inputs as [TensorType];
    const size = x.shape[axis];
    const known = sizes.every((part) => typeof part === 'number');
    if (size === undefined || (known && sizes.reduce((a, b) => a + b, 0) !== size)) {
      throw shapeError('split', inputs, `axis ${axis} does not have the parts [${sizes.join(', ')}]`);
    }
    return sizes.map((part) => ({ dtype: x.dtype, shape: x.shape.with(axis, part) }));
  },
  evaluate([x], { axis, sizes }, { symbols }) {
    const parts = sizes.map((size) => dimValue(size, symbols));
    const total = x!.shape[axis]!;
    if (parts.reduce((a, b) => a + b, 0) !== total) {
      throw sizeMismatch('split', axis, total, parts);
    }
    let start = 0;
    return parts.map((size) => {
      const part = sliceOf(x!, axis, start, start + size);
      start += size;
      return part;
    });
  },
};

/** Elements [start, end) along one axis, whose size must be a number. */
export const sliceOp: Operation<{ axis: number; start: number; end: number }> = {
  name: 'slice',
  infer(inputs, { axis, start, end }) {
    const [x] = inputs as [TensorType];
    const size = x.shape[axis];
    if (typeof size !== 'number' || start < 0 || end > size || start > end) {
      throw shapeError('slice', inputs, `[${start}, ${end}) is not within axis ${axis}`);
    }
    return [{ dtype: x.dtype, shape: x.shape.with(axis, end - start) }];
  },
  evaluate: ([x], { axis, start, end }) => [sliceOf(x!, axis, start, end)],
};

function sizeMismatch(op: string, axis: number, whole: number, parts: unknown): AhaError {
  return new AhaError({
    code: 'dimension-mismatch',
    boundary: 'graph',
    what: `The parts of ${op} along axis ${axis} do not add up`,
    found: parts,
    expected: whole,
  });
}

function sliceOf(x: Value, axis: number, start: number, end: number): Value {
  const shape = x.shape.with(axis, end - start);
  const inner = sizeOf(shape.slice(axis + 1));
  const width = (end - start) * inner;
  const data = new Float64Array(sizeOf(shape));
  for (let row = 0; row < sizeOf(shape.slice(0, axis)); row++) {
    const from = (row * x.shape[axis]! + start) * inner;
    data.set(x.data.subarray(from, from + width), row * width);
  }
  return { shape, data };
}

/** 0, 1, 2, …, size − 1. */
export const iotaOp: Operation<{ size: Dim }> = {
  name: 'iota',
  infer: (_, { size }) => [{ dtype: 'i64', shape: [size] }],
  evaluate(_, { size }, { symbols }) {
    const length = dimValue(size, symbols);
    return [{ shape: [length], data: Float64Array.from({ length }, (__, index) => index) }];
  },
};

export const fullOp: Operation<{ shape: readonly Dim[]; value: number; dtype: DType }> = {
  name: 'full',
  infer: (_, { shape, dtype }) => [{ dtype, shape }],
  evaluate(_, { shape, value }, { symbols }) {
    const sizes = shape.map((dim) => dimValue(dim, symbols));
    return [{ shape: sizes, data: new Float64Array(sizeOf(sizes)).fill(value) } satisfies Value];
  },
};

export function reshape(x: Tensor, shape: readonly Dim[]): Tensor {
  return sameShape(x.shape, shape) ? x : apply(reshapeOp, [x], { shape });
}

/** Axis `i` of the result is axis `permutation[i]` of `x`. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  return permutation.every((axis, index) => axis === index) ? x : apply(transposeOp, [x], { permutation });
}

export function expand(x: Tensor, shape: readonly Dim[]): Tensor {
  return sameShape(x.shape, shape) ? x : apply(expandOp, [x], { shape });
}

/** `total` is needed where a size along the axis is a symbol. */
export function concat(tensors: readonly Tensor[], axis: number, total?: Dim): Tensor {
  const own = axis < 0 ? axis + tensors[0]!.shape.length : axis;
  if (tensors.length === 1) return tensors[0]!;
  return apply(concatOp, tensors, total === undefined ? { axis: own } : { axis: own, total });
}

export function split(x: Tensor, axis: number, sizes: readonly Dim[]): readonly Tensor[] {
  return sizes.length === 1 ? [x] : applyAll(splitOp, [x], { axis, sizes });
}

export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const own = axis < 0 ? axis + x.shape.length : axis;
  return start === 0 && end === x.shape[own] ? x : apply(sliceOp, [x], { axis: own, start, end });
}

/** i64 [size] */
export const iota = (size: Dim) => apply(iotaOp, [], { size });

export function full(shape: readonly Dim[], value: number, dtype: DType = 'f32'): Tensor {
  return apply(fullOp, [], { shape, value, dtype });
}

/**
 * Splits the first axis into `count` equal parts. A symbolic axis must turn out to be divisible when the graph
 * runs; a numeric one is checked here.
 */
export function chunks(x: Tensor, count: number): Tensor[] {
  if (count === 1) return [x];
  const length = dimQuotient(x.shape[0]!, count);
  if (length === undefined) throw shapeError('chunks', [x], `the first axis is not divisible by ${count}`);
  const stacked = reshape(x, [count, length, ...x.shape.slice(1)]);
  return Array.from({ length: count }, (_, index) =>
    reshape(slice(stacked, 0, index, index + 1), [length, ...x.shape.slice(1)]),
  );
}

/** [N] → [N, 1] */
export function column(x: Tensor): Tensor {
  return reshape(x, [x.shape[0]!, 1]);
}
