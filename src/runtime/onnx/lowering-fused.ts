/** Operators of our own for fused operations, where the machine runs them. */
import * as ops from '../../graph/ops/fused.ts';
import type { RowKernel } from '../native/row-kernels.ts';
import type { LoweringRule } from './lowering.ts';
import { ownDomain } from './protobuf.ts';

export const fusedRules: readonly (readonly [string, LoweringRule])[] = [
  [ops.swigluOp.name, byRows('swiglu')],
  [ops.swigluGradientOp.name, byRows('swigluGradient')],
  [ops.rmsNormGradientOp.name, byRows('rmsNormGradient')],
];

function byRows(kernel: RowKernel): LoweringRule {
  return (node, graph) => {
    const { shape } = node.inputs[0]!;
    const width = shape.at(-1);
    const own =
      typeof width === 'number' ? graph.kernels.rows(kernel, { rank: shape.length, width }) : undefined;
    if (own === undefined) return 'decompose';
    const inputs = node.inputs.map((tensor) => graph.value(tensor));
    const measured = graph.shared('Shape', [inputs[0]!]);
    graph.define(node.outputs, own, [...inputs, measured], { domain: ownDomain });
    return undefined;
  };
}
