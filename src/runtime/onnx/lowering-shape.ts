/** ONNX for operations that move elements, and for constants. */
import * as ops from '../../graph/ops/shape.ts';
import { attributesOf, constantOp } from '../../graph/tensor.ts';
import { intAttribute, intsAttribute } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';

export const shapeRules: readonly (readonly [string, LoweringRule])[] = [
  [
    constantOp.name,
    (node, graph) => {
      const { dtype, data, shape } = attributesOf(node, constantOp);
      graph.alias(node.outputs[0]!, graph.constant(dtype, data, shape));
    },
  ],
  [ops.reshapeOp.name, (node, graph) => graph.hold(node.outputs[0]!, graph.source(node.inputs[0]!))],
  [
    ops.transposeOp.name,
    (node, graph) => {
      const perm = intsAttribute(attributesOf(node, ops.transposeOp).permutation);
      graph.define(node.outputs, 'Transpose', [graph.value(node.inputs[0]!)], { attributes: { perm } });
    },
  ],
  [
    ops.expandOp.name,
    (node, graph) => {
      const [x] = node.inputs;
      const { shape } = attributesOf(node, ops.expandOp);
      // Where the tensor has the size already, 1 keeps it, and nothing needs to be computed.
      const missing = shape.length - x!.shape.length;
      const target = shape.map((dim, axis) =>
        axis >= missing && x!.shape[axis - missing] === dim ? 1 : dim,
      );
      graph.define(node.outputs, 'Expand', [graph.value(x!), graph.dims(target)]);
    },
  ],
  [
    ops.concatOp.name,
    (node, graph) => {
      const axis = intAttribute(attributesOf(node, ops.concatOp).axis);
      const inputs = node.inputs.map((tensor) => graph.value(tensor));
      graph.define(node.outputs, 'Concat', inputs, { attributes: { axis } });
    },
  ],
  [
    ops.splitOp.name,
    (node, graph) => {
      const { axis, sizes } = attributesOf(node, ops.splitOp);
      const inputs = [graph.value(node.inputs[0]!), graph.dims(sizes)];
      graph.define(node.outputs, 'Split', inputs, { attributes: { axis: intAttribute(axis) } });
    },
  ],
  [
    ops.sliceOp.name,
    (node, graph) => {
      const { axis, start, end } = attributesOf(node, ops.sliceOp);
      const bounds = [start, end, axis].map((value) => graph.integers(value));
      graph.define(node.outputs, 'Slice', [graph.value(node.inputs[0]!), ...bounds]);
    },
  ],
  [
    ops.iotaOp.name,
    (node, graph) => {
      const { size } = attributesOf(node, ops.iotaOp);
      const limit =
        typeof size === 'number'
          ? graph.scalar(size, 'i64')
          : graph.shared('Squeeze', [graph.dim(size), graph.integers(0)]);
      graph.define(node.outputs, 'Range', [graph.scalar(0, 'i64'), limit, graph.scalar(1, 'i64')]);
    },
  ],
  [
    ops.fullOp.name,
    (node, graph) => {
      const { shape, value, dtype } = attributesOf(node, ops.fullOp);
      if (shape.length === 0) graph.alias(node.outputs[0]!, graph.scalar(value, dtype));
      else graph.define(node.outputs, 'Expand', [graph.scalar(value, dtype), graph.dims(shape)]);
    },
  ],
];
