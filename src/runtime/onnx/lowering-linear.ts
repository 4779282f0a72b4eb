/** ONNX for matrix products and reductions. */
import * as products from '../../graph/ops/matmul.ts';
import * as reductions from '../../graph/ops/reduce.ts';
import { attributesOf, type Node, type Operation, type Tensor } from '../../graph/tensor.ts';
import { floatAttribute, type GraphWriter, intAttribute, intsAttribute, microsoft } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';
import { ownProduct } from './own-products.ts';
import { ownDomain } from './protobuf.ts';

/** a, b and, if it is added, c. */
type Operands = readonly [Tensor, Tensor] | readonly [Tensor, Tensor, Tensor];

export const linearRules: readonly (readonly [string, LoweringRule])[] = [
  [
    products.matmulOp.name,
    (node, graph) => {
      const [a, b] = node.inputs as [Tensor, Tensor];
      const attributes = attributesOf(node, products.matmulOp);
      if (byOwnKernel(graph, node, attributes, [a, b])) return;
      // Gemm is for matrices only, and faster than MatMul where one side is a vocabulary.
      if (a.shape.length === 2 && b.shape.length === 2) {
        gemm(graph, node, attributes, [a, b]);
        return;
      }
      const inputs = [graph.value(a), graph.value(b)] as const;
      const options = { attributes: productAttributes(attributes), domain: microsoft };
      if (!attributes.transposeA || b.shape.length > 2) {
        graph.define(node.outputs, 'FusedMatMul', inputs, options);
        return;
      }
      // FusedMatMul does not broadcast a matrix over transposed ones.
      const axes = a.shape.map((_, axis) => axis);
      const perm = intsAttribute([...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
      const plain = graph.temporary('Transpose', [inputs[0]], { attributes: { perm } });
      graph.define(node.outputs, 'FusedMatMul', [plain, inputs[1]], {
        ...options,
        attributes: productAttributes({ ...attributes, transposeA: false }),
      });
    },
  ],
  [
    products.addmmOp.name,
    (node, graph) => {
      const [c, a, b] = node.inputs as [Tensor, Tensor, Tensor];
      const attributes = attributesOf(node, products.addmmOp);
      if (!byOwnKernel(graph, node, attributes, [a, b, c])) gemm(graph, node, attributes, [a, b, c]);
    },
  ],
  reduction(reductions.sumOp, 'ReduceSum'),
  reduction(reductions.maxOp, 'ReduceMax'),
  alongLast(reductions.softmaxOp, 'Softmax'),
  alongLast(reductions.logSoftmaxOp, 'LogSoftmax'),
  [
    reductions.argmaxOp.name,
    (node, graph) => {
      const [x] = node.inputs as [Tensor];
      // An axis counted from the end is ignored by ONNX Runtime where there are no rows.
      const attributes = { axis: intAttribute(x.shape.length - 1), keepdims: intAttribute(0) };
      graph.define(node.outputs, 'ArgMax', [graph.value(x)], { attributes });
    },
  ],
  [
    reductions.cumsumOp.name,
    (node, graph) => {
      graph.define(node.outputs, 'CumSum', [graph.value(node.inputs[0]!), graph.scalar(-1, 'i64')]);
    },
  ],
];

/** By a kernel of our own, if there is one. */
function byOwnKernel(
  graph: GraphWriter,
  node: Node,
  { transposeA, transposeB, alpha }: products.MatmulAttributes,
  [a, b, c]: Operands,
): boolean {
  if (alpha !== 1 || a.shape.length !== 2) return false;
  const held = (tensor: Tensor) => ({ name: graph.source(tensor).name, shape: tensor.shape });
  const added = c === undefined ? undefined : held(c);
  const own = ownProduct(graph, { a: held(a), b: held(b), added, transposeA, transposeB, weight: b });
  if (own === undefined) return false;
  graph.define(node.outputs, own.operator, own.inputs, { domain: ownDomain });
  return true;
}

function gemm(
  graph: GraphWriter,
  node: Node,
  attributes: products.MatmulAttributes,
  operands: Operands,
): void {
  const [a, ...others] = operands.map((tensor) => graph.value(tensor)) as [string, ...string[]];
  const { transposeA } = attributes;
  // The kernel reads a transposed left side a column at a time, and again for every block of columns of the right:
  // gradients of weights take 10 to 25 % less time with the transposition and its copy apart.
  const left = transposeA
    ? graph.shared('Transpose', [a], { attributes: { perm: intsAttribute([1, 0]) } })
    : a;
  graph.define(node.outputs, 'Gemm', [left, ...others], {
    attributes: productAttributes({ ...attributes, transposeA: false }),
  });
}

function productAttributes({ transposeA, transposeB, alpha }: products.MatmulAttributes) {
  return {
    transA: intAttribute(transposeA),
    transB: intAttribute(transposeB),
    alpha: floatAttribute(alpha),
  };
}

function reduction(op: Operation<reductions.ReduceAttributes>, operator: string): [string, LoweringRule] {
  return [
    op.name,
    (node, graph) => {
      const { axes, keepDims } = attributesOf(node, op);
      const x = graph.value(node.inputs[0]!);
      // No axes mean none to us and all to ONNX.
      if (axes.length === 0) graph.alias(node.outputs[0]!, x);
      else {
        const attributes = { keepdims: intAttribute(keepDims) };
        graph.define(node.outputs, operator, [x, graph.integers(...axes)], { attributes });
      }
    },
  ];
}

function alongLast(op: Operation, operator: string): [string, LoweringRule] {
  const attributes = { axis: intAttribute(-1) };
  return [
    op.name,
    (node: Node, graph: GraphWriter) =>
      graph.define(node.outputs, operator, [graph.value(node.inputs[0]!)], { attributes }),
  ];
}
