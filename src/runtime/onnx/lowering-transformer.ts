/** ONNX for the operations of a transformer block, by ONNX Runtime's fused kernels. */
import { AhaError } from '../../errors.ts';
import * as ops from '../../graph/ops/transformer.ts';
import { attributesOf, type Node, type Tensor } from '../../graph/tensor.ts';
import { floatAttribute, type GraphWriter, intAttribute, microsoft } from './graph-writer.ts';
import { ownRows } from './lowering-fused.ts';
import type { LoweringRule } from './lowering.ts';
import { ownDomain } from './protobuf.ts';
import { elementTypes } from './symbols.ts';

export const transformerRules: readonly (readonly [string, LoweringRule])[] = [
  [
    ops.rmsNormOp.name,
    (node, graph) => {
      const { epsilon } = attributesOf(node, ops.rmsNormOp);
      if (ownRows(node, graph, { kernel: 'rmsNorm', epsilon })) return;
      const [y, inverse] = node.outputs as [Tensor, Tensor];
      const inputs = node.inputs.map((tensor) => graph.value(tensor));
      const attributes = {
        axis: intAttribute(-1),
        epsilon: floatAttribute(epsilon),
        stash_type: intAttribute(1),
      };
      // In ONNX Runtime this operator is registered in ONNX's own domain.
      graph.define([y, graph.isUsed(inverse) ? inverse : undefined], 'SimplifiedLayerNormalization', inputs, {
        attributes,
      });
    },
  ],
  [
    ops.ropeOp.name,
    (node, graph) => {
      const { heads, inverse } = attributesOf(node, ops.ropeOp);
      const [x, positions, cos, sin] = node.inputs.map((tensor) => graph.value(tensor)) as [
        string,
        string,
        string,
        string,
      ];
      const angle = inverse ? graph.shared('Neg', [sin]) : sin;
      graph.define(node.outputs, 'RotaryEmbedding', [x, positions, cos, angle], {
        domain: microsoft,
        attributes: { num_heads: intAttribute(heads), interleaved: intAttribute(0) },
      });
    },
  ],
  [
    ops.cachedAttentionOp.name,
    (node, graph) => {
      if (!ownAttention(node, graph)) groupQueryAttention(node, graph);
    },
  ],
];

/** Our own kernel, a task of which is a whole sequence. */
function ownAttention(node: Node, graph: GraphWriter): boolean {
  const { heads, keyValueHeads, long } = attributesOf(node, ops.cachedAttentionOp);
  const shapeOf = (at: number) => node.inputs[at]!.shape;
  const [queries, cache, tables] = [shapeOf(0), shapeOf(3), shapeOf(7)];
  const headSize = cache[3] as number;
  const single = queries[1] === 1;
  if (long === true) return false;
  const kernel = graph.kernels.attention({ heads, keyValueHeads, headSize, single });
  if (kernel === undefined) return false;
  // It asks for the elements alone, and not for the total.
  const operands = node.inputs.toSpliced(6, 1).map((tensor) => graph.source(tensor).name);
  const shapes = [queries, cache, tables].map((shape) => graph.dims(shape));
  const [context, presentKey, presentValue] = node.outputs as [Tensor, Tensor, Tensor];
  graph.define(
    [{ tensor: context, shape: single ? [queries[0]!, queries[2]!] : queries }, presentKey, presentValue],
    kernel,
    [...operands, ...shapes],
    { domain: ownDomain },
  );
  return true;
}

function groupQueryAttention(node: Node, graph: GraphWriter): void {
  const { heads, keyValueHeads } = attributesOf(node, ops.cachedAttentionOp);
  const size = node.inputs[3]!.shape.at(-1) as number;
  const domain = microsoft;
  const attributes = { num_heads: intAttribute(heads), kv_num_heads: intAttribute(keyValueHeads) };
  // The operands are in the order of the operator: q, k, v, past k, past v, lengths, total, cos, sin.
  const inputs = node.inputs.map((tensor) => graph.value(tensor)) as CachedAttentionNames;
  if (size % 16 === 0) {
    const rotary = { do_rotary: intAttribute(1), rotary_interleaved: intAttribute(0) };
    graph.define(node.outputs, 'GroupQueryAttention', inputs, {
      domain,
      attributes: { ...attributes, ...rotary },
    });
    return;
  }
  if (size % 8 !== 0) {
    throw new AhaError({
      code: 'head-size-unsupported',
      boundary: 'runtime',
      what: "ONNX Runtime's attention over a cache cannot use this head size",
      found: size,
      expected: 'a multiple of 8',
      fix: 'Use a model whose head_dim is a multiple of 8.',
    });
  }
  // The kernel rotates only heads whose size is a multiple of 16.
  const [query, key, value, pastKey, pastValue, lengths, total, cos, sin] = inputs;
  const positions = newPositions(node, lengths, graph);
  const rotate = (x: string, count: number) =>
    graph.temporary('RotaryEmbedding', [x, positions, cos, sin], {
      domain,
      attributes: { num_heads: intAttribute(count), interleaved: intAttribute(0) },
    });
  const rotated = [rotate(query, heads), rotate(key, keyValueHeads)];
  const operands = [...rotated, value, pastKey, pastValue, lengths, total];
  graph.define(node.outputs, 'GroupQueryAttention', operands, { domain, attributes });
}

type CachedAttentionNames = [string, string, string, string, string, string, string, string, string];

/**
 * The positions of the new tokens [B, S]: a single one stands behind its sequence's own, several start at 0.
 */
function newPositions(node: Node, lengths: string, graph: GraphWriter): string {
  const steps = node.inputs[0]!.shape[1]!;
  const attributes = { to: intAttribute(elementTypes.i64) };
  const wide = graph.shared('Cast', [lengths], { attributes });
  const last = graph.shared('Unsqueeze', [wide, graph.integers(1)]);
  if (steps === 1) return last;
  const count = graph.dim(steps);
  const single = graph.shared('Equal', [count, graph.integers(1)]);
  const start = graph.shared('Where', [single, last, graph.integers(0)]);
  const limit = graph.shared('Squeeze', [count, graph.integers(0)]);
  const range = graph.shared('Range', [graph.scalar(0, 'i64'), limit, graph.scalar(1, 'i64')]);
  return graph.shared('Add', [start, range]);
}
