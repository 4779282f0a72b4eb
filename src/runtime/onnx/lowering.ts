/**
 * From a graph of ours to an ONNX model. Each operation has a rule here that emits ONNX nodes, with ONNX Runtime's
 * own operators (com.microsoft) where they are faster; what has no rule is decomposed by `graph/decompose.ts`.
 */
import { AhaError } from '../../errors.ts';
import { decompose } from '../../graph/decompose.ts';
import { type GraphFunction, topologicalOrder } from '../../graph/function.ts';
import { attributesOf, inputOp, type Node, type Tensor } from '../../graph/tensor.ts';
import { GraphWriter, type LoweringOptions, noKernels } from './graph-writer.ts';
import { elementwiseRules } from './lowering-elementwise.ts';
import { fusedRules } from './lowering-fused.ts';
import { headRules } from './lowering-head.ts';
import { indexingRules } from './lowering-indexing.ts';
import { linearRules } from './lowering-linear.ts';
import { shapeRules } from './lowering-shape.ts';
import { transformerRules } from './lowering-transformer.ts';
import type { OnnxModel } from './protobuf.ts';
import { schedule } from './schedule.ts';

/** Emits nodes for `node` that define all of its outputs, or says that it must be decomposed here. */
export type LoweringRule = (node: Node, graph: GraphWriter) => void | 'decompose';

export const loweringRules: ReadonlyMap<string, LoweringRule> = new Map([
  ...elementwiseRules,
  ...shapeRules,
  ...linearRules,
  ...indexingRules,
  ...transformerRules,
  ...headRules,
  ...fusedRules,
]);

/**
 * @throws AhaError `operation-unsupported` for an operation that has neither a rule nor a decomposition.
 */
export function lower(
  fn: GraphFunction,
  name: string,
  { constants = new Set(), rows = 'few', kernels = noKernels }: LoweringOptions = {},
): OnnxModel {
  const used = new Set<Tensor>(fn.outputs.values());
  for (const node of fn.nodes) for (const tensor of node.inputs) used.add(tensor);
  const graph = new GraphWriter(fn.inputs, fn.outputs, used, { kernels, constants, rows });
  for (const [output, tensor] of fn.outputs) graph.want(tensor, output);
  for (const node of fn.nodes) lowerNode(node, graph);
  for (const [output, tensor] of fn.outputs) {
    // Two outputs of one tensor, or an output that is an input: the second is a copy.
    if (graph.value(tensor) !== output) graph.write(output, 'Identity', [graph.value(tensor)]);
  }
  const values = (tensors: ReadonlyMap<string, Tensor>) =>
    [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const plain = values(fn.inputs).filter((input) => constants.has(input.name) && read.has(input.name));
  const multiplied = new Set(
    graph.nodes
      .filter(({ operator }) => rows === 'few' && products.has(operator))
      .map(({ inputs }) => inputs[1]),
  );
  return {
    name,
    nodes: schedule(graph.nodes),
    initializers: graph.initializers,
    constants: plain.filter((input) => multiplied.has(input.name)),
    inputs: values(fn.inputs).filter((input) => !constants.has(input.name)),
    given: [
      ...plain
        .filter((input) => !multiplied.has(input.name))
        .map((input) => ({ ...input, constant: input.name, form: 'plain' as const })),
      ...graph.panels,
    ],
    outputs: values(fn.outputs),
    notEmpty: graph.notEmpty,
  };
}

/** Operators that are faster where their second operand is a constant of the session. */
const products: ReadonlySet<string> = new Set(['Gemm', 'FusedMatMul', 'MatMul']);

function lowerNode(node: Node, graph: GraphWriter): void {
  graph.begin(node.op.name);
  if (node.op.name === inputOp.name) {
    graph.alias(node.outputs[0]!, attributesOf(node, inputOp).name);
    return;
  }
  const rule = loweringRules.get(node.op.name);
  if (rule !== undefined && rule(node, graph) !== 'decompose') return;
  const parts = decompose(node);
  if (parts === undefined) {
    throw new AhaError({
      code: 'operation-unsupported',
      boundary: 'runtime',
      what: `The ONNX runtime cannot execute the operation ${node.op.name}`,
      expected: `one of ${[...loweringRules.keys()].join(', ')}`,
    });
  }
  for (const [index, part] of parts.entries()) {
    const wanted = graph.wanted(node.outputs[index]!);
    if (wanted !== undefined && !graph.has(part)) graph.want(part, wanted);
  }
  for (const inner of topologicalOrder(parts)) {
    if (!inner.outputs.every((tensor) => graph.has(tensor))) lowerNode(inner, graph);
  }
  for (const [index, part] of parts.entries()) graph.alias(node.outputs[index]!, graph.value(part));
}
