/** Operations that work on each element by itself. Binary ones broadcast as in NumPy. Named as in PyTorch. */
import type { Dim } from '../dim.ts';
import type { DType } from '../dtype.ts';
import { broadcastStrides, forEachIndex, sizeOf } from '../strides.ts';
import { apply, type Operation, shapeError, type Tensor, type TensorType, type Value } from '../tensor.ts';

const none = {};

function unary(name: string, compute: (x: number) => number): Operation {
  return {
    name,
    infer(inputs) {
      const [x] = inputs as [TensorType];
      if (x.dtype !== 'f32') throw shapeError(name, inputs, 'a float tensor is needed');
      return [{ dtype: 'f32', shape: x.shape }];
    },
    evaluate: ([x]) => [{ shape: x!.shape, data: x!.data.map(compute) }],
  };
}

function binary(
  name: string,
  compute: (a: number, b: number) => number,
  result: (operands: DType) => DType = (operands) => operands,
): Operation {
  return {
    name,
    infer(inputs) {
      const [a, b] = inputs as [TensorType, TensorType];
      if (a.dtype !== b.dtype) throw shapeError(name, inputs, 'both operands need the same element type');
      return [{ dtype: result(a.dtype), shape: broadcastShapes(name, inputs) }];
    },
    evaluate: ([a, b]) => [zip([a!, b!], ([x, y]) => compute(x!, y!))],
  };
}

/** The shape to which all `inputs` broadcast. */
export function broadcastShapes(op: string, inputs: readonly TensorType[]): Dim[] {
  const rank = Math.max(...inputs.map((input) => input.shape.length));
  const shape: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let dim: Dim = 1;
    for (const input of inputs) {
      const own = input.shape[axis - rank + input.shape.length] ?? 1;
      if (own === 1 || own === dim) continue;
      if (dim !== 1)
        throw shapeError(op, inputs, `axis ${axis - rank} is ${dim} in one operand and ${own} in another`);
      dim = own;
    }
    shape.push(dim);
  }
  return shape;
}

function zip(values: readonly Value[], compute: (elements: readonly number[]) => number): Value {
  const rank = Math.max(...values.map((value) => value.shape.length));
  const shape = Array.from({ length: rank }, (_, axis) => {
    const sizes = values.map((value) => value.shape[axis - rank + value.shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
  const data = new Float64Array(sizeOf(shape));
  const elements = values.map(() => 0);
  forEachIndex(
    shape,
    values.map((value) => broadcastStrides(value.shape, shape)),
    (flat, offsets) => {
      for (let k = 0; k < values.length; k++) elements[k] = values[k]!.data[offsets[k]!]!;
      data[flat] = compute(elements);
    },
  );
  return { shape, data };
}

/** Of a number. */
export const sigmoidOf = (x: number) => 1 / (1 + Math.exp(-x));

export const negOp = unary('neg', (x) => -x);
export const expOp = unary('exp', Math.exp);
export const logOp = unary('log', Math.log);
export const sqrtOp = unary('sqrt', Math.sqrt);
export const absOp = unary('abs', Math.abs);
export const reciprocalOp = unary('reciprocal', (x) => 1 / x);
export const sigmoidOp = unary('sigmoid', sigmoidOf);
/** The value itself, through which no gradient flows. */
export const detachOp = unary('detach', (x) => x);
export const siluOp = unary('silu', (x) => x * sigmoidOf(x));

export const addOp = binary('add', (a, b) => a + b);
export const subOp = binary('sub', (a, b) => a - b);
export const mulOp = binary('mul', (a, b) => a * b);
export const divOp = binary('div', (a, b) => a / b);
export const minimumOp = binary('minimum', Math.min);
export const maximumOp = binary('maximum', Math.max);
export const equalOp = binary(
  'equal',
  (a, b) => Number(a === b),
  () => 'bool',
);
export const lessOp = binary(
  'less',
  (a, b) => Number(a < b),
  () => 'bool',
);
export const lessEqualOp = binary(
  'lessEqual',
  (a, b) => Number(a <= b),
  () => 'bool',
);

export const logicalAndOp: Operation = {
  name: 'logicalAnd',
  infer(inputs) {
    if (inputs.some((input) => input.dtype !== 'bool')) {
      throw shapeError('logicalAnd', inputs, 'boolean tensors are needed');
    }
    return [{ dtype: 'bool', shape: broadcastShapes('logicalAnd', inputs) }];
  },
  evaluate: ([a, b]) => [zip([a!, b!], ([x, y]) => Number(x !== 0 && y !== 0))],
};

export const logicalNotOp: Operation = {
  name: 'logicalNot',
  infer(inputs) {
    const [x] = inputs as [TensorType];
    if (x.dtype !== 'bool') throw shapeError('logicalNot', inputs, 'a boolean tensor is needed');
    return [{ dtype: 'bool', shape: x.shape }];
  },
  evaluate: ([x]) => [{ shape: x!.shape, data: x!.data.map((value) => Number(value === 0)) }],
};

export const whereOp: Operation = {
  name: 'where',
  infer(inputs) {
    const [condition, a, b] = inputs as [TensorType, TensorType, TensorType];
    if (condition.dtype !== 'bool') throw shapeError('where', inputs, 'the condition must be boolean');
    if (a.dtype !== b.dtype) throw shapeError('where', inputs, 'both branches need the same element type');
    return [{ dtype: a.dtype, shape: broadcastShapes('where', inputs) }];
  },
  evaluate: ([condition, a, b]) => [zip([condition!, a!, b!], ([c, x, y]) => (c !== 0 ? x! : y!))],
};

/** To another element type: floats are truncated toward zero, anything but 0 is true. */
export const castOp: Operation<{ dtype: DType }> = {
  name: 'cast',
  infer: ([x], { dtype }) => [{ dtype, shape: x!.shape }],
  evaluate([x], { dtype }) {
    const convert = {
      f32: (v: number) => v,
      i32: Math.trunc,
      i64: Math.trunc,
      bool: (v: number) => Number(v !== 0),
    };
    return [{ shape: x!.shape, data: x!.data.map(convert[dtype]) }];
  },
};

export const neg = (x: Tensor) => apply(negOp, [x], none);
export const exp = (x: Tensor) => apply(expOp, [x], none);
export const log = (x: Tensor) => apply(logOp, [x], none);
export const sqrt = (x: Tensor) => apply(sqrtOp, [x], none);
export const abs = (x: Tensor) => apply(absOp, [x], none);
export const reciprocal = (x: Tensor) => apply(reciprocalOp, [x], none);
export const sigmoid = (x: Tensor) => apply(sigmoidOp, [x], none);
/** The same value; no gradient flows back through it. */
export const detach = (x: Tensor) => apply(detachOp, [x], none);
/** x · sigmoid(x) (Hendrycks & Gimpel 2016; "swish"). */
export const silu = (x: Tensor) => apply(siluOp, [x], none);
export const add = (a: Tensor, b: Tensor) => apply(addOp, [a, b], none);
export const sub = (a: Tensor, b: Tensor) => apply(subOp, [a, b], none);
export const mul = (a: Tensor, b: Tensor) => apply(mulOp, [a, b], none);
export const div = (a: Tensor, b: Tensor) => apply(divOp, [a, b], none);
export const minimum = (a: Tensor, b: Tensor) => apply(minimumOp, [a, b], none);
export const maximum = (a: Tensor, b: Tensor) => apply(maximumOp, [a, b], none);
export const equal = (a: Tensor, b: Tensor) => apply(equalOp, [a, b], none);
export const less = (a: Tensor, b: Tensor) => apply(lessOp, [a, b], none);
export const lessEqual = (a: Tensor, b: Tensor) => apply(lessEqualOp, [a, b], none);
export const logicalAnd = (a: Tensor, b: Tensor) => apply(logicalAndOp, [a, b], none);
export const logicalNot = (x: Tensor) => apply(logicalNotOp, [x], none);
/** `a` where `condition` holds, else `b`. */
export const where = (condition: Tensor, a: Tensor, b: Tensor) => apply(whereOp, [condition, a, b], none);
export const cast = (x: Tensor, dtype: DType) => (x.dtype === dtype ? x : apply(castOp, [x], { dtype }));
