/**
 * Tensors of a graph are descriptions, not data: each is an output of a node, and a node is an operation applied
 * to tensors. Building a tensor checks its shape; nothing is computed before a runtime or the interpreter runs a
 * `GraphFunction`.
 */
import { AhaError } from '../errors.ts';
import { type Dim, formatShape } from './dim.ts';
import type { DType } from './dtype.ts';

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export interface Tensor extends TensorType {
  readonly node: Node;
  /** Which of the node's outputs this is. */
  readonly index: number;
}

export interface Node {
  readonly op: Operation;
  readonly inputs: readonly Tensor[];
  /** Read through `attributesOf`. */
  readonly attributes: object;
  readonly outputs: readonly Tensor[];
}

/** Data of the interpreter. Every type is held in float64: integers below 2^53 exactly, booleans as 0 and 1. */
export interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export interface EvaluateContext {
  /** The values of the symbolic dimensions in this run. */
  readonly symbols: ReadonlyMap<string, number>;
}

/** An operation: its shape rule and, in `evaluate`, its meaning. Gradients are in `gradients/`. */
export interface Operation<Attributes extends object = object> {
  readonly name: string;
  /** The types of the outputs; throws `shapeError` when the inputs do not fit. */
  infer(inputs: readonly TensorType[], attributes: Attributes): TensorType[];
  evaluate(inputs: readonly Value[], attributes: Attributes, context: EvaluateContext): Value[];
}

/** Applies `op` and returns all of its outputs. */
export function applyAll<A extends object>(
  op: Operation<A>,
  inputs: readonly Tensor[],
  attributes: A,
): Tensor[] {
  const types = op.infer(inputs, attributes);
  const outputs: Tensor[] = [];
  const node: Node = { op, inputs, attributes, outputs };
  for (const [index, type] of types.entries()) outputs.push({ ...type, node, index });
  return outputs;
}

/** Applies an `op` of one output. */
export function apply<A extends object>(op: Operation<A>, inputs: readonly Tensor[], attributes: A): Tensor {
  return applyAll(op, inputs, attributes)[0]!;
}

/** The attributes of `node`, which must be an application of `op`. */
export function attributesOf<A extends object>(node: Node, op: Operation<A>): A {
  if (node.op.name !== op.name) {
    throw new AhaError({
      code: 'operation-mismatch',
      boundary: 'graph',
      what: 'A node was read as another operation',
      found: node.op.name,
      expected: op.name,
    });
  }
  return node.attributes as A;
}

/** The error of every shape rule: names the operation and all shapes. */
export function shapeError(op: string, inputs: readonly TensorType[], why: string): AhaError {
  const shapes = inputs.map((input) => `${input.dtype}${formatShape(input.shape)}`);
  return new AhaError({
    code: 'shape-mismatch',
    boundary: 'graph',
    what: `${op}(${shapes.join(', ')}): ${why}`,
    fields: { op, shapes: inputs.map((input) => input.shape) },
  });
}

/** A named input: data that is given at each run. */
export function input(name: string, dtype: DType, shape: readonly Dim[]): Tensor {
  return apply(inputOp, [], { name, dtype, shape });
}

/** A constant of known shape. `data` is row-major. */
export function constant(data: ArrayLike<number>, shape: readonly number[], dtype: DType = 'f32'): Tensor {
  return apply(constantOp, [], { data: Float64Array.from(data), shape, dtype });
}

/** A constant of shape []. */
export function scalar(value: number, dtype: DType = 'f32'): Tensor {
  return constant([value], [], dtype);
}

export const inputOp: Operation<{ name: string; dtype: DType; shape: readonly Dim[] }> = {
  name: 'input',
  infer: (_, { dtype, shape }) => [{ dtype, shape }],
  evaluate: (_, { name }) => {
    throw new AhaError({
      code: 'input-missing',
      boundary: 'graph',
      what: `The graph input ${name} was not given`,
    });
  },
};

export const constantOp: Operation<{ data: Float64Array; dtype: DType; shape: readonly number[] }> = {
  name: 'constant',
  infer(_, { data, dtype, shape }) {
    const size = shape.reduce((a, b) => a * b, 1);
    if (data.length !== size) {
      throw shapeError(
        'constant',
        [{ dtype, shape }],
        `${data.length} values were given for ${size} elements`,
      );
    }
    return [{ dtype, shape }];
  },
  evaluate: (_, { data, dtype, shape }) => [{ shape, data: dtype === 'f32' ? data : data.map(Math.trunc) }],
};
