/**
 * The interpreter: runs a graph in float64, one node at a time, by each operation's own definition. Slow and plain
 * on purpose: it is what every runtime is checked against.
 */
import { AhaError } from '../errors.ts';
import { dimFactors, dimValue, formatShape } from './dim.ts';
import type { GraphFunction } from './function.ts';
import { attributesOf, inputOp, type Tensor, type Value } from './tensor.ts';

/** Runs `fn`. Throws `AhaError` if an input is missing or its shape does not fit. */
export function interpret(
  fn: GraphFunction,
  inputs: Readonly<Record<string, Value>>,
): Readonly<Record<string, Value>> {
  const symbols = bindSymbols(
    fn,
    new Map(Object.entries(inputs).map(([name, value]) => [name, value.shape])),
  );
  const values = new Map<Tensor, Value>();
  for (const node of fn.nodes) {
    let results: Value[];
    if (node.op.name === inputOp.name) {
      results = [inputs[attributesOf(node, inputOp).name]!];
    } else {
      const operands = node.inputs.map((tensor) => values.get(tensor)!);
      results = node.op.evaluate(operands, node.attributes, { symbols });
    }
    for (const [index, output] of node.outputs.entries()) {
      const result = results[index]!;
      const expected = output.shape.map((dim) => dimValue(dim, symbols));
      if (!equalShapes(result.shape, expected) || result.data.length !== sizeOf(expected)) {
        throw new AhaError({
          code: 'evaluation-shape',
          boundary: 'graph',
          what: `${node.op.name} computed another shape than it declared`,
          found: formatShape(result.shape),
          expected: `${formatShape(expected)} = ${formatShape(output.shape)}`,
        });
      }
      values.set(output, result);
    }
  }
  return Object.fromEntries([...fn.outputs].map(([name, tensor]) => [name, values.get(tensor)!]));
}

/**
 * The values of the symbolic dimensions, read off the shapes of the inputs, which are checked on the way.
 * @throws AhaError `input-missing`, `input-shape`
 */
export function bindSymbols(
  fn: GraphFunction,
  shapes: ReadonlyMap<string, readonly number[]>,
): ReadonlyMap<string, number> {
  const symbols = new Map<string, number>();
  for (const [name, tensor] of fn.inputs) {
    const shape = shapes.get(name);
    if (shape === undefined) {
      throw new AhaError({
        code: 'input-missing',
        boundary: 'graph',
        what: `The graph input ${name} was not given`,
        expected: `${tensor.dtype}${formatShape(tensor.shape)}`,
      });
    }
    if (shape.length !== tensor.shape.length) throw inputShapeError(name, shape, tensor);
    for (const [axis, dim] of tensor.shape.entries()) {
      const { numerator, denominator, symbols: names } = dimFactors(dim);
      if (names.length === 1 && numerator === 1 && denominator === 1 && !symbols.has(names[0]!)) {
        symbols.set(names[0]!, shape[axis]!);
      }
    }
  }
  for (const [name, tensor] of fn.inputs) {
    const shape = shapes.get(name)!;
    const expected = tensor.shape.map((dim) => dimValue(dim, symbols));
    if (!equalShapes(shape, expected)) throw inputShapeError(name, shape, tensor);
  }
  return symbols;
}

function inputShapeError(name: string, shape: readonly number[], tensor: Tensor): AhaError {
  return new AhaError({
    code: 'input-shape',
    boundary: 'graph',
    what: `The graph input ${name} has the wrong shape`,
    found: formatShape(shape),
    expected: formatShape(tensor.shape),
  });
}

function equalShapes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
