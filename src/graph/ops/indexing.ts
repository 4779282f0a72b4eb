/** Operations that read or write at positions given by a tensor. Indices must be in range: nothing wraps. */
import { AhaError } from '../../errors.ts';
import { sameShape } from '../dim.ts';
import { sizeOf } from '../strides.ts';
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

/** Rows of a table: table [R, ...], indices i64 [I...] → [I..., ...]. */
export const indexSelectOp: Operation = {
  name: 'indexSelect',
  infer(inputs) {
    const [table, indices] = inputs as [TensorType, TensorType];
    if (indices.dtype !== 'i64' || table.shape.length === 0) {
      throw shapeError('indexSelect', inputs, 'a table of rank ≥ 1 and i64 indices are needed');
    }
    return [{ dtype: table.dtype, shape: [...indices.shape, ...table.shape.slice(1)] }];
  },
  evaluate([table, indices]) {
    const width = sizeOf(table!.shape.slice(1));
    const data = new Float64Array(indices!.data.length * width);
    for (const [at, index] of indices!.data.entries()) {
      checkIndex('indexSelect', index, table!.shape[0]!);
      data.set(table!.data.subarray(index * width, (index + 1) * width), at * width);
    }
    return [{ shape: [...indices!.shape, ...table!.shape.slice(1)], data }];
  },
};

/** Adds rows into a table: result = table; result[indices[i]] += rows[i]. Repeated indices add up. */
export const indexAddOp: Operation = {
  name: 'indexAdd',
  infer(inputs) {
    const [table, indices, rows] = inputs as [TensorType, TensorType, TensorType];
    const expected = [...indices.shape, ...table.shape.slice(1)];
    if (
      indices.dtype !== 'i64' ||
      !sameShape(rows.shape, expected) ||
      rows.dtype !== 'f32' ||
      table.dtype !== 'f32'
    ) {
      throw shapeError('indexAdd', inputs, `i64 indices and float rows [${expected.join(', ')}] are needed`);
    }
    return [{ dtype: 'f32', shape: table.shape }];
  },
  evaluate([table, indices, rows]) {
    const width = sizeOf(table!.shape.slice(1));
    const data = table!.data.slice();
    for (const [at, index] of indices!.data.entries()) {
      checkIndex('indexAdd', index, table!.shape[0]!);
      for (let column = 0; column < width; column++)
        data[index * width + column]! += rows!.data[at * width + column]!;
    }
    return [{ shape: table!.shape, data }];
  },
};

/** One element of each row: x [..., V], indices i64 [...] → [...]. */
export const takeAlongLastOp: Operation = {
  name: 'takeAlongLast',
  infer(inputs) {
    const [x, indices] = inputs as [TensorType, TensorType];
    if (indices.dtype !== 'i64' || !sameShape(x.shape.slice(0, -1), indices.shape)) {
      throw shapeError('takeAlongLast', inputs, 'one i64 index for each row of the first operand is needed');
    }
    return [{ dtype: x.dtype, shape: indices.shape }];
  },
  evaluate([x, indices]) {
    const rows = rowsOf(x!);
    const data = indices!.data.map((index, row) => {
      checkIndex('takeAlongLast', index, rows[row]!.length);
      return rows[row]![index]!;
    });
    return [{ shape: indices!.shape, data }];
  },
};

/** Adds one value into each row: x [..., V], indices i64 [...], values [...] → [..., V]. */
export const addAlongLastOp: Operation = {
  name: 'addAlongLast',
  infer(inputs) {
    const [x, indices, values] = inputs as [TensorType, TensorType, TensorType];
    const rows = x.shape.slice(0, -1);
    if (indices.dtype !== 'i64' || !sameShape(rows, indices.shape) || !sameShape(rows, values.shape)) {
      throw shapeError('addAlongLast', inputs, 'one i64 index and one value for each row are needed');
    }
    return [{ dtype: 'f32', shape: x.shape }];
  },
  evaluate([x, indices, values]) {
    const width = x!.shape.at(-1)!;
    const data = x!.data.slice();
    for (const [row, index] of indices!.data.entries()) {
      checkIndex('addAlongLast', index, width);
      data[row * width + index]! += values!.data[row]!;
    }
    return [{ shape: x!.shape, data }];
  },
};

/** The k largest of each row, descending, and their indices; equal values in order of index. */
export const topKOp: Operation<{ k: number }> = {
  name: 'topK',
  infer(inputs, { k }) {
    const [x] = inputs as [TensorType];
    const width = x.shape.at(-1);
    if (x.dtype !== 'f32' || width === undefined || (typeof width === 'number' && k > width) || k < 1) {
      throw shapeError('topK', inputs, `k = ${k} does not fit the last axis`);
    }
    const shape = x.shape.with(-1, k);
    return [
      { dtype: 'f32', shape },
      { dtype: 'i64', shape },
    ];
  },
  evaluate([x], { k }) {
    const shape = x!.shape.with(-1, k);
    const values = new Float64Array(sizeOf(shape));
    const indices = new Float64Array(sizeOf(shape));
    for (const [row, data] of rowsOf(x!).entries()) {
      const order = Array.from(data.keys()).sort((a, b) => data[b]! - data[a]! || a - b);
      for (let rank = 0; rank < k; rank++) {
        values[row * k + rank] = data[order[rank]!]!;
        indices[row * k + rank] = order[rank]!;
      }
    }
    return [values, indices].map((data): Value => ({ shape, data }));
  },
};

function checkIndex(op: string, index: number, size: number): void {
  if (Number.isInteger(index) && index >= 0 && index < size) return;
  throw new AhaError({
    code: 'index-out-of-range',
    boundary: 'graph',
    what: `${op} was given an index out of range`,
    found: index,
    expected: `0 to ${size - 1}`,
  });
}

export const indexSelect = (table: Tensor, indices: Tensor) => apply(indexSelectOp, [table, indices], {});
export const indexAdd = (table: Tensor, indices: Tensor, rows: Tensor) =>
  apply(indexAddOp, [table, indices, rows], {});
export const takeAlongLast = (x: Tensor, indices: Tensor) => apply(takeAlongLastOp, [x, indices], {});
export const addAlongLast = (x: Tensor, indices: Tensor, values: Tensor) =>
  apply(addAlongLastOp, [x, indices, values], {});

export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const [values, indices] = applyAll(topKOp, [x], { k }) as [Tensor, Tensor];
  return { values, indices };
}
