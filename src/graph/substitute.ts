/** Graphs with some of their tensors given instead of computed. */
import { AhaError } from '../errors.ts';
import { formatShape, sameShape } from './dim.ts';
import { topologicalOrder } from './function.ts';
import { applyAll, type Tensor } from './tensor.ts';

/**
 * The same outputs computed from `given`: whoever reads a key of the map reads its value, and what only the keys
 * needed is not needed any more.
 * @throws AhaError `substitute-type` if a value is of another type than its key.
 */
export function substitute(
  outputs: Readonly<Record<string, Tensor>>,
  given: ReadonlyMap<Tensor, Tensor>,
): Record<string, Tensor> {
  for (const [tensor, value] of given) {
    if (value.dtype === tensor.dtype && sameShape(value.shape, tensor.shape)) continue;
    throw new AhaError({
      code: 'substitute-type',
      boundary: 'graph',
      what: `A tensor of ${tensor.node.op.name} was given as one of another type`,
      found: `${value.dtype}${formatShape(value.shape)}`,
      expected: `${tensor.dtype}${formatShape(tensor.shape)}`,
    });
  }
  const now = new Map(given);
  const of = (tensor: Tensor) => now.get(tensor) ?? tensor;
  for (const node of topologicalOrder(Object.values(outputs))) {
    if (!node.inputs.some((tensor) => now.has(tensor))) continue;
    const changed = applyAll(node.op, node.inputs.map(of), node.attributes);
    for (const [index, tensor] of node.outputs.entries()) {
      if (!now.has(tensor)) now.set(tensor, changed[index]!);
    }
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, of(tensor)]));
}
