/** ONNX for operations on each element. */
import type { DType } from '../../graph/dtype.ts';
import * as ops from '../../graph/ops/elementwise.ts';
import { attributesOf, type Operation } from '../../graph/tensor.ts';
import { floatAttribute, intAttribute, microsoft, type NodeOptions } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';
import { elementTypes } from './symbols.ts';

/** The operator of the same meaning, applied to the same operands. */
function same(op: Operation, operator: string, options: NodeOptions = {}): [string, LoweringRule] {
  return [
    op.name,
    (node, graph) =>
      graph.define(
        node.outputs,
        operator,
        node.inputs.map((tensor) => graph.value(tensor)),
        options,
      ),
  ];
}

/** TensorProto.DataType of a cast's target. */
const castTypes: Readonly<Record<DType, number>> = elementTypes;

export const elementwiseRules: readonly (readonly [string, LoweringRule])[] = [
  same(ops.negOp, 'Neg'),
  same(ops.expOp, 'Exp'),
  same(ops.logOp, 'Log'),
  same(ops.sqrtOp, 'Sqrt'),
  same(ops.absOp, 'Abs'),
  same(ops.reciprocalOp, 'Reciprocal'),
  same(ops.sigmoidOp, 'Sigmoid'),
  same(ops.siluOp, 'QuickGelu', { domain: microsoft, attributes: { alpha: floatAttribute(1) } }),
  same(ops.addOp, 'Add'),
  same(ops.subOp, 'Sub'),
  same(ops.mulOp, 'Mul'),
  same(ops.divOp, 'Div'),
  same(ops.minimumOp, 'Min'),
  same(ops.maximumOp, 'Max'),
  same(ops.equalOp, 'Equal'),
  same(ops.lessOp, 'Less'),
  same(ops.lessEqualOp, 'LessOrEqual'),
  same(ops.logicalAndOp, 'And'),
  same(ops.logicalNotOp, 'Not'),
  same(ops.whereOp, 'Where'),
  [
    ops.castOp.name,
    (node, graph) => {
      const to = intAttribute(castTypes[attributesOf(node, ops.castOp).dtype]);
      graph.define(node.outputs, 'Cast', [graph.value(node.inputs[0]!)], { attributes: { to } });
    },
  ],
];
