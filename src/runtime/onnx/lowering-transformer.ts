/** ONNX for the operations of a transformer block, by ONNX Runtime's fused kernels. */
import { AhaError } from '../../errors.ts';
import * as ops from '../../graph/ops/transformer.ts';
import { attributesOf, type Tensor } from '../../graph/tensor.ts';
import { floatAttribute, intAttribute, microsoft } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';

export const transformerRules: readonly (readonly [string, LoweringRule])[] = [
  [
    ops.rmsNormOp.name,
    (node, graph) => {
      const { epsilon } = attributesOf(node, ops.rmsNormOp);
      const [y, inverse] = node.outputs as [Tensor, Tensor];
      const inputs = node.inputs.map((tensor) => graph.value(tensor));
      const attributes = { axis: intAttribute(-1), epsilon: floatAttribute(epsilon), stash_type: intAttribute(1) };
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
      const { heads, keyValueHeads } = attributesOf(node, ops.cachedAttentionOp);
      const size = node.inputs[3]!.shape.at(-1);
      if (typeof size !== 'number' || size % 8 !== 0) {
        throw new AhaError({
          code: 'head-size-unsupported',
          boundary: 'runtime',
          what: "ONNX Runtime's attention over a cache cannot use this head size",
          found: size,
          expected: 'a multiple of 8',
          fix: 'Use a model whose head_dim is a multiple of 8.',
        });
      }
      // The operands are in the order of the operator: q, k, v, past k, past v, lengths, total, cos, sin.
      graph.define(
        node.outputs,
        'GroupQueryAttention',
        node.inputs.map((tensor) => graph.value(tensor)),
        {
          domain: microsoft,
          attributes: {
            num_heads: intAttribute(heads),
            kv_num_heads: intAttribute(keyValueHeads),
            do_rotary: intAttribute(1),
            rotary_interleaved: intAttribute(0),
          },
        },
      );
    },
  ],
];
