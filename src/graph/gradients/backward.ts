/** Reverse-mode differentiation: builds the graph of the gradient from the graph of the function. */
import { AhaError } from '../../errors.ts';
import { formatShape } from '../dim.ts';
import { topologicalOrder } from '../function.ts';
import { add } from '../ops/elementwise.ts';
import { full } from '../ops/shape.ts';
import type { Node, Tensor } from '../tensor.ts';
import { gradientRules } from './rules.ts';

/**
 * The gradients of the scalar `loss` with respect to each of `parameters`, in order. Only the paths between them
 * are differentiated: whatever no parameter flows through costs nothing.
 * @throws AhaError `not-scalar`; `no-gradient` if an operation on the path has no gradient.
 */
export function backward(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  if (loss.shape.length > 0 || loss.dtype !== 'f32') {
    throw new AhaError({
      code: 'not-scalar',
      boundary: 'graph',
      what: 'Only a scalar float can be differentiated',
      found: `${loss.dtype}${formatShape(loss.shape)}`,
      expected: 'f32[]',
      fix: 'Reduce it with sum().',
    });
  }
  const order = topologicalOrder([loss]);
  const reached = dependents(order, parameters);
  const gradients = new Map<Tensor, Tensor>([[loss, full([], 1)]]);
  for (const node of order.toReversed()) {
    if (!node.inputs.some((tensor) => reached.has(tensor))) continue;
    const ofOutputs = node.outputs.map((output) => gradients.get(output));
    if (ofOutputs.every((gradient) => gradient === undefined)) continue;
    const needed = node.inputs.map((tensor) => reached.has(tensor) && tensor.dtype === 'f32');
    if (!needed.includes(true)) continue;
    const rule = gradientRules.get(node.op.name);
    if (rule === undefined) {
      throw new AhaError({
        code: 'no-gradient',
        boundary: 'graph',
        what: `The operation ${node.op.name} has no gradient`,
        expected: `one of ${[...gradientRules.keys()].join(', ')}`,
      });
    }
    for (const [index, gradient] of rule(node, ofOutputs, needed).entries()) {
      const tensor = node.inputs[index]!;
      if (gradient === undefined || !needed[index]) continue;
      const known = gradients.get(tensor);
      gradients.set(tensor, known === undefined ? gradient : add(known, gradient));
    }
  }
  return parameters.map((parameter) => gradients.get(parameter) ?? full(parameter.shape, 0));
}

/** The tensors that depend on any of `sources`, themselves included. */
function dependents(order: readonly Node[], sources: readonly Tensor[]): ReadonlySet<Tensor> {
  const reached = new Set<Tensor>(sources);
  for (const node of order) {
    if (node.inputs.some((tensor) => reached.has(tensor))) {
      for (const output of node.outputs) reached.add(output);
    }
  }
  return reached;
}
