/**
 * The order in which nodes run, which decides how many temporaries are alive at once. ONNX Runtime frees a value
 * after its last reader and takes no order from the model: it walks the graph depth first from the nodes that nobody
 * reads, later ones before earlier ones, and within a node from the inputs that were added last. So we choose a
 * depth-first order ourselves and hand the nodes over in its reverse, which makes it walk ours.
 *
 * The order: results that need the fewest steps come first. In a training graph these are the gradients of the last
 * layers, so that each activation is freed as the backward pass moves down, where another order would first go
 * through all layers and keep everything for later.
 */
import type { OnnxNode } from './protobuf.ts';

/** `nodes` (each after those it reads) in the order in which they should run. */
export function schedule(nodes: readonly OnnxNode[]): OnnxNode[] {
  const producers = new Map<string, OnnxNode>();
  const position = new Map<OnnxNode, number>();
  const depth = new Map<OnnxNode, number>();
  const read = new Set<OnnxNode>();
  const before = new Map<OnnxNode, OnnxNode[]>();
  for (const [index, node] of nodes.entries()) {
    const inputs = new Set<OnnxNode>();
    let deepest = 0;
    for (const name of node.inputs) {
      const producer = producers.get(name);
      if (producer === undefined) continue;
      inputs.add(producer);
      read.add(producer);
      deepest = Math.max(deepest, depth.get(producer)!);
    }
    before.set(
      node,
      [...inputs].toSorted((a, b) => position.get(a)! - position.get(b)!),
    );
    position.set(node, index);
    depth.set(node, deepest + 1);
    for (const name of node.outputs) producers.set(name, node);
  }
  const ends = nodes.filter((node) => !read.has(node)).toSorted((a, b) => depth.get(a)! - depth.get(b)!);
  return depthFirst(ends, before);
}

/** Every node that `ends` need, each directly after the last of those it waits for. Without recursion. */
function depthFirst(
  ends: readonly OnnxNode[],
  before: ReadonlyMap<OnnxNode, readonly OnnxNode[]>,
): OnnxNode[] {
  const order: OnnxNode[] = [];
  const seen = new Set<OnnxNode>();
  for (const end of ends) {
    const path: { readonly node: OnnxNode; next: number }[] = [{ node: end, next: 0 }];
    seen.add(end);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const input = before.get(top.node)![top.next++];
      if (input === undefined) {
        order.push(top.node);
        path.pop();
      } else if (!seen.has(input)) {
        seen.add(input);
        path.push({ node: input, next: 0 });
      }
    }
  }
  return order;
}
