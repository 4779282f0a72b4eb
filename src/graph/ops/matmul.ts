/** Matrix products. */
import type { Dim } from '../dim.ts';
import { sameShape } from '../dim.ts';
import { sizeOf } from '../strides.ts';
import { apply, type Operation, shapeError, type Tensor, type TensorType, type Value } from '../tensor.ts';

export interface MatmulAttributes {
  /** Read the first operand with its last two axes exchanged. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Multiplies the product. */
  readonly alpha: number;
}

/** a [..., M, K] · b [..., K, N] → [..., M, N]; leading axes must agree, or `b` has none. */
export const matmulOp: Operation<MatmulAttributes> = {
  name: 'matmul',
  infer(inputs, attributes) {
    return [{ dtype: 'f32', shape: productShape('matmul', inputs, attributes) }];
  },
  evaluate: ([a, b], attributes) => [product(a!, b!, attributes)],
};

/** c + a · b for matrices a and b; c [M, N] or [N]. */
export const addmmOp: Operation<MatmulAttributes> = {
  name: 'addmm',
  infer(inputs, attributes) {
    const [c, a, b] = inputs as [TensorType, TensorType, TensorType];
    if (a.shape.length !== 2 || b.shape.length !== 2)
      throw shapeError('addmm', inputs, 'matrices are needed');
    const shape = productShape('addmm', [a, b], attributes);
    if (!sameShape(c.shape, shape) && !sameShape(c.shape, [shape[1]!])) {
      throw shapeError('addmm', inputs, `the addend does not fit the product [${shape.join(', ')}]`);
    }
    return [{ dtype: 'f32', shape }];
  },
  evaluate([c, a, b], attributes) {
    const { shape, data } = product(a!, b!, attributes);
    return [{ shape, data: data.map((value, index) => value + c!.data[index % c!.data.length]!) }];
  },
};

function productShape(op: string, inputs: readonly TensorType[], attributes: MatmulAttributes): Dim[] {
  const [a, b] = inputs as [TensorType, TensorType];
  if (a.dtype !== 'f32' || b.dtype !== 'f32') throw shapeError(op, inputs, 'float tensors are needed');
  if (a.shape.length < 2 || b.shape.length < 2) throw shapeError(op, inputs, 'both operands need rank ≥ 2');
  const [m, k] = lastTwo(a.shape, attributes.transposeA);
  const [k2, n] = lastTwo(b.shape, attributes.transposeB);
  if (k !== k2) throw shapeError(op, inputs, `the inner dimensions ${k} and ${k2} differ`);
  const batch = a.shape.slice(0, -2);
  if (b.shape.length > 2 && !sameShape(batch, b.shape.slice(0, -2))) {
    throw shapeError(op, inputs, 'the leading dimensions differ');
  }
  return [...batch, m, n];
}

function lastTwo<D extends Dim>(shape: readonly D[], transposed: boolean): [D, D] {
  const [rows, columns] = shape.slice(-2) as [D, D];
  return transposed ? [columns, rows] : [rows, columns];
}

function product(a: Value, b: Value, { transposeA, transposeB, alpha }: MatmulAttributes): Value {
  const [m, k] = lastTwo(a.shape, transposeA);
  const [, n] = lastTwo(b.shape, transposeB);
  const shape = [...a.shape.slice(0, -2), m, n];
  const batches = sizeOf(a.shape.slice(0, -2));
  const sharedB = b.shape.length === 2;
  const data = new Float64Array(batches * m * n);
  const [rowA, innerA] = transposeA ? [1, m] : [k, 1];
  const [innerB, columnB] = transposeB ? [1, k] : [n, 1];
  for (let batch = 0; batch < batches; batch++) {
    const startB = sharedB ? 0 : batch * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let p = 0; p < k; p++) {
          total +=
            a.data[batch * m * k + i * rowA + p * innerA]! * b.data[startB + p * innerB + j * columnB]!;
        }
        data[(batch * m + i) * n + j] = alpha * total;
      }
    }
  }
  return { shape, data };
}

export function matmul(a: Tensor, b: Tensor, options: Partial<MatmulAttributes> = {}): Tensor {
  return apply(matmulOp, [a, b], withDefaults(options));
}

export function addmm(c: Tensor, a: Tensor, b: Tensor, options: Partial<MatmulAttributes> = {}): Tensor {
  return apply(addmmOp, [c, a, b], withDefaults(options));
}

function withDefaults({ transposeA = false, transposeB = false, alpha = 1 }: Partial<MatmulAttributes>) {
  return { transposeA, transposeB, alpha };
}
