/** A `GraphFunction` is a graph that can be run: named inputs, named outputs, and the nodes between, in order. */
import { AhaError } from '../errors.ts';
import { sameShape } from './dim.ts';
import { attributesOf, inputOp, type Node, type Tensor } from './tensor.ts';

export interface GraphFunction {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Every node that the outputs need, each after the nodes that it reads. */
  readonly nodes: readonly Node[];
}

/**
 * The function that computes `outputs`. Two input nodes of the same name are one input if their types agree.
 * @throws AhaError `input-conflict` if they do not.
 */
export function graphFunction(outputs: Readonly<Record<string, Tensor>>): GraphFunction {
  const nodes = topologicalOrder(Object.values(outputs));
  const inputs = new Map<string, Tensor>();
  for (const node of nodes) {
    if (node.op.name !== inputOp.name) continue;
    const { name } = attributesOf(node, inputOp);
    const tensor = node.outputs[0]!;
    const known = inputs.get(name);
    if (known !== undefined && (known.dtype !== tensor.dtype || !sameShape(known.shape, tensor.shape))) {
      throw new AhaError({
        code: 'input-conflict',
        boundary: 'graph',
        what: `The graph has two different inputs named ${name}`,
        found: `${tensor.dtype} [${tensor.shape.join(', ')}]`,
        expected: `${known.dtype} [${known.shape.join(', ')}]`,
      });
    }
    if (known === undefined) inputs.set(name, tensor);
  }
  return { inputs, outputs: new Map(Object.entries(outputs)), nodes };
}

/** The nodes that `tensors` depend on, each after those it reads. Without recursion: graphs are deep. */
export function topologicalOrder(tensors: readonly Tensor[]): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  const stack: Node[] = tensors.map((tensor) => tensor.node).toReversed();
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (state.get(node) === undefined) {
      state.set(node, 'open');
      for (const input of node.inputs.toReversed()) {
        if (state.get(input.node) === undefined) stack.push(input.node);
      }
    } else {
      stack.pop();
      if (state.get(node) === 'open') {
        state.set(node, 'done');
        order.push(node);
      }
    }
  }
  return order;
}
