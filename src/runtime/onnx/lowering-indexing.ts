/**
 * ONNX for operations at indices. Sums go through ScatterElements, never ScatterND: the latter's kernel splits the
 * updates over threads without a lock and loses some where indices repeat.
 */
import { dimProduct } from '../../graph/dim.ts';
import * as ops from '../../graph/ops/indexing.ts';
import { attributesOf, type Tensor } from '../../graph/tensor.ts';
import { type GraphWriter, intAttribute, stringAttribute } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';
import { ownDomain } from './protobuf.ts';

export const indexingRules: readonly (readonly [string, LoweringRule])[] = [
  [
    ops.indexSelectOp.name,
    (node, graph) =>
      graph.define(
        node.outputs,
        'Gather',
        node.inputs.map((tensor) => graph.value(tensor)),
      ),
  ],
  [
    ops.indexAddOp.name,
    (node, graph) => {
      const [table, indices, rows] = node.inputs as [Tensor, Tensor, Tensor];
      const width = table.shape.slice(1);
      const count = dimProduct(indices.shape);
      const own =
        width.length === 1 && typeof width[0] === 'number' ? graph.kernels.indexAdd(width[0]) : undefined;
      if (own !== undefined) {
        const elements = [graph.source(indices).name, graph.source(rows).name];
        const shapes = [graph.dims(table.shape), graph.dim(count)];
        graph.define(node.outputs, own, [graph.value(table), ...elements, ...shapes], { domain: ownDomain });
        return;
      }
      // ScatterElements wants indices of the table's rank, one for each element of a row.
      const ones = width.map(() => 1);
      const flat = graph.temporary('Reshape', [graph.value(indices), graph.integers(-1, ...ones)]);
      const repeated =
        width.length === 0 ? flat : graph.temporary('Expand', [flat, graph.dims([1, ...width])]);
      const flatRows =
        indices.shape.length === 1
          ? graph.value(rows)
          : graph.temporary('Reshape', [graph.value(rows), graph.dims([count, ...width])], {
              attributes: { allowzero: intAttribute(1) },
            });
      const attributes = { axis: intAttribute(0), reduction: stringAttribute('add') };
      graph.define(node.outputs, 'ScatterElements', [graph.value(table), repeated, flatRows], { attributes });
    },
  ],
  [
    ops.takeAlongLastOp.name,
    (node, graph) => {
      const [x, indices] = node.inputs.map((tensor) => graph.value(tensor)) as [string, string];
      const at = column(indices, graph);
      const taken = graph.temporary('GatherElements', [x, at], { attributes: { axis: intAttribute(-1) } });
      graph.define(node.outputs, 'Squeeze', [taken, graph.integers(-1)]);
    },
  ],
  [
    ops.addAlongLastOp.name,
    (node, graph) => {
      const [x, indices, values] = node.inputs.map((tensor) => graph.value(tensor)) as [
        string,
        string,
        string,
      ];
      const inputs = [x, column(indices, graph), column(values, graph)];
      const attributes = { axis: intAttribute(-1), reduction: stringAttribute('add') };
      graph.define(node.outputs, 'ScatterElements', inputs, { attributes });
    },
  ],
  [
    ops.topKOp.name,
    (node, graph) => {
      const { k } = attributesOf(node, ops.topKOp);
      // The kernel divides by the number of rows: without any, the process would die of it.
      graph.forbidEmpty(node.op.name, node.inputs[0]!.shape);
      graph.define(node.outputs, 'TopK', [graph.value(node.inputs[0]!), graph.integers(k)]);
    },
  ],
];

/** [...] → [..., 1] */
function column(name: string, graph: GraphWriter): string {
  return graph.temporary('Unsqueeze', [name, graph.integers(-1)]);
}
