/** Operators of our own for fused operations, where the machine runs them. */
import * as ops from '../../graph/ops/fused.ts';
import { categoricalDrawOp } from '../../graph/ops/draw.ts';
import type { Node, Tensor } from '../../graph/tensor.ts';
import type { RowKernel } from '../native/row-kernels.ts';
import type { GraphWriter } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';
import { ownDomain } from './protobuf.ts';

export const fusedRules: readonly (readonly [string, LoweringRule])[] = [
  [ops.swigluOp.name, byRows('swiglu')],
  [ops.swigluGradientOp.name, byRows('swigluGradient')],
  [ops.rmsNormGradientOp.name, byRows('rmsNormGradient')],
  [
    ops.adamwOp.name,
    (node, graph) => {
      const own = graph.kernels.adamw();
      const { shape } = node.inputs[0]!;
      if (own === undefined || shape.length !== 1) return 'decompose';
      const inputs = node.inputs.map((tensor) => graph.value(tensor));
      graph.define(node.outputs, own, [...inputs, graph.dims(shape)], { domain: ownDomain });
      return undefined;
    },
  ],
  [
    categoricalDrawOp.name,
    (node, graph) => {
      const { shape } = node.inputs[0]!;
      const own = graph.kernels.draw(shape[1] as number);
      if (own === undefined) return 'decompose';
      const inputs = node.inputs.map((tensor) => graph.source(tensor).name);
      const [token, logprob] = node.outputs as [Tensor, Tensor];
      const [chosen, total, work] = [graph.name(), graph.name(), graph.name()];
      graph.define([token, chosen, total, work], own, [...inputs, graph.dims(shape)], { domain: ownDomain });
      graph.define([logprob], 'Sub', [chosen, graph.temporary('Log', [total])]);
      return undefined;
    },
  ],
];

function byRows(kernel: RowKernel): LoweringRule {
  return (node, graph) => (ownRows(node, graph, { kernel }) ? undefined : 'decompose');
}

/** Our own kernel for `node`, if there is one for operands like its first. */
export function ownRows(
  node: Node,
  graph: GraphWriter,
  { kernel, ...settings }: { readonly kernel: RowKernel; readonly epsilon?: number },
): boolean {
  const { shape } = node.inputs[0]!;
  const width = shape.at(-1);
  if (typeof width !== 'number') return false;
  const own = graph.kernels.rows(kernel, { rank: shape.length, width, ...settings });
  if (own === undefined) return false;
  const elements = node.inputs.map((tensor) => graph.source(tensor).name);
  graph.define(node.outputs, own, [...elements, graph.dims(shape)], { domain: ownDomain });
  return true;
}
