/**
 * ONNX for the log-probabilities of tokens under a large vocabulary, and their gradient, without all logits at once.
 *
 * A small vocabulary takes the plain way, and the backward pass reuses the forward's log-probabilities. A large one
 * is cut into blocks of columns: the forward pass keeps only each block's log of the summed exponentials, from which
 * follows the logarithm of the normaliser, log Z [N, 1]; the backward pass computes each block's logits again and its
 * share of both gradients at once. The weight's gradient is then written once, block by block, where a cut by rows
 * would add a whole vocabulary's worth of it for each. Blocks do not depend on the number of rows, so neither does a
 * row's result.
 *
 * Letters: N rows, H hidden, V vocabulary, W a block of it. l logits, p probabilities.
 */
import {
  type HeadAttributes,
  tokenLogprobsGradientOp,
  tokenLogprobsOp,
} from '../../graph/ops/token-logprobs.ts';
import type { Dim } from '../../graph/dim.ts';
import { attributesOf, type Node } from '../../graph/tensor.ts';
import { type GraphWriter, intAttribute, stringAttribute } from './graph-writer.ts';
import type { LoweringRule } from './lowering.ts';
import { ownProduct, type Product } from './own-products.ts';
import { ownDomain } from './protobuf.ts';

/** Columns of a block: 2048 rows of them are 16 MiB of logits. */
const blockWidth = 2048;

export const headRules: readonly (readonly [string, LoweringRule])[] = [
  [
    tokenLogprobsOp.name,
    (node, graph) => {
      const head = headOf(node, attributesOf(node, tokenLogprobsOp), graph);
      const [logprobs, entropies] = node.outputs;
      const wantsEntropy = graph.isUsed(entropies!);
      const result = forwardPass(head, wantsEntropy);
      memory(graph).set(head.key, result);
      graph.define([logprobs], 'Identity', [result.logprobs]);
      if (result.entropies !== undefined) graph.define([entropies], 'Identity', [result.entropies]);
    },
  ],
  [
    tokenLogprobsGradientOp.name,
    (node, graph) => {
      const attributes = attributesOf(node, tokenLogprobsGradientOp);
      const head = headOf(node, attributes, graph);
      // The loss made the forward pass in the same graph; if not, or without the entropy, make it here.
      const known = memory(graph).get(head.key);
      const forward =
        known !== undefined && (known.entropies !== undefined || !attributes.entropy)
          ? known
          : forwardPass(head, attributes.entropy);
      const [ofLogprob, ofEntropy] = node.inputs.slice(4).map((tensor) => graph.value(tensor));
      const seeds = { ofLogprob: ofLogprob!, ofEntropy: attributes.entropy ? ofEntropy : undefined };
      const gradient = head.vocabulary <= blockWidth ? wholeGradient : blockedGradient;
      const { ofRows, ofWeight } = gradient(head, forward, seeds);
      const [hidden, weight] = node.outputs;
      graph.define([hidden], 'Mul', [ofRows, head.inverseTemperature]);
      graph.alias(weight!, ofWeight);
    },
  ],
];

interface Head {
  readonly graph: GraphWriter;
  readonly key: string;
  /** hidden / temperature [N, H] */
  readonly rows: string;
  /** N */
  readonly count: Dim;
  readonly weight: string;
  readonly targets: string;
  readonly inverseTemperature: string;
  readonly vocabulary: number;
  /** H */
  readonly width: number;
  readonly transposed: boolean;
}

/** Names of what the forward pass leaves for the backward pass. */
interface Forward {
  /** [N] */
  readonly logprobs: string;
  /** [N], if asked for. */
  readonly entropies: string | undefined;
  /** log p [N, V], of a small vocabulary only. */
  readonly logs?: string;
  /** [N, 1], of a large one only. */
  readonly logNormaliser?: string;
}

interface Seeds {
  /** Gradient of the loss with respect to log p(target) [N]. */
  readonly ofLogprob: string;
  /** … and to the entropy [N]. */
  readonly ofEntropy: string | undefined;
}

interface Gradients {
  /** [N, H] */
  readonly ofRows: string;
  /** As the weight. */
  readonly ofWeight: string;
}

const memories = new WeakMap<GraphWriter, Map<string, Forward>>();

function memory(graph: GraphWriter): Map<string, Forward> {
  let own = memories.get(graph);
  if (own === undefined) memories.set(graph, (own = new Map()));
  return own;
}

function headOf(node: Node, { transposed }: HeadAttributes, graph: GraphWriter): Head {
  const names = node.inputs.map((tensor) => graph.value(tensor)) as [string, string, string, string];
  const [hidden, weight, targets, inverseTemperature] = names;
  const vocabulary = node.inputs[1]!.shape[transposed ? 0 : 1] as number;
  const [count, width] = node.inputs[0]!.shape as [Dim, number];
  const rows = graph.shared('Mul', [hidden, inverseTemperature]);
  const key = [hidden, weight, targets, inverseTemperature, transposed].join('\n');
  return { graph, key, rows, count, weight, targets, inverseTemperature, vocabulary, width, transposed };
}

function forwardPass(head: Head, wantsEntropy: boolean): Forward {
  return head.vocabulary <= blockWidth ? whole(head, wantsEntropy) : blocked(head, wantsEntropy);
}

function whole(head: Head, wantsEntropy: boolean): Forward {
  const { graph, targets } = head;
  const logs = alongColumns(graph, 'LogSoftmax', [
    logits(head, head.rows, { name: head.weight, size: head.vocabulary }),
  ]);
  const taken = alongColumns(graph, 'GatherElements', [logs, column(graph, targets)]);
  let entropies: string | undefined;
  if (wantsEntropy) {
    const terms = graph.temporary('Mul', [graph.temporary('Exp', [logs]), logs]);
    entropies = flat(graph, graph.temporary('Neg', [sumLast(graph, terms)]));
  }
  return { logprobs: flat(graph, taken), entropies, logs };
}

function wholeGradient(head: Head, forward: Forward, seeds: Seeds): Gradients {
  const { graph, targets, weight, rows } = head;
  const coefficients = rowCoefficients(graph, forward, seeds);
  const ofLogits = alongColumns(graph, 'ScatterElements', [
    gradientOfLogits(graph, forward.logs!, coefficients),
    column(graph, targets),
    column(graph, seeds.ofLogprob),
  ]);
  const block = { name: weight, size: head.vocabulary };
  return {
    ofRows: gradientOfRows(head, ofLogits, block),
    ofWeight: gradientOfWeight(head, ofLogits, rows, block.size),
  };
}

function blocked(head: Head, wantsEntropy: boolean): Forward {
  const { graph, targets, weight, transposed } = head;
  const sums: string[] = [];
  const means: string[] = [];
  let { rows } = head;
  for (const [start, end] of blocks(head.vocabulary)) {
    const l = logits(head, rows, columns(head, start, end));
    const logSum = graph.temporary('ReduceLogSumExp', [l, graph.integers(1)]);
    sums.push(logSum);
    if (wantsEntropy) {
      // The mean logit under the block's own distribution.
      means.push(sumLast(graph, graph.temporary('Mul', [alongColumns(graph, 'Softmax', [l]), l])));
    }
    rows = after(graph, rows, wantsEntropy ? [logSum, means.at(-1)!] : [logSum]);
  }
  const perBlock = alongColumns(graph, 'Concat', sums); // [N, blocks]
  const logNormaliser = graph.temporary('ReduceLogSumExp', [perBlock, graph.integers(1)]);
  // The logit of the target alone: its column of the weight, times the row.
  const own = graph.temporary('Gather', [weight, targets], {
    attributes: { axis: intAttribute(transposed ? 0 : 1) },
  });
  const vectors = transposed ? own : graph.temporary('Transpose', [own]);
  const targetLogit = sumLast(graph, graph.temporary('Mul', [vectors, head.rows]));
  const logprobs = flat(graph, graph.temporary('Sub', [targetLogit, logNormaliser]));
  let entropies: string | undefined;
  if (wantsEntropy) {
    const shares = graph.temporary('Exp', [graph.temporary('Sub', [perBlock, logNormaliser])]);
    const mean = sumLast(graph, graph.temporary('Mul', [shares, alongColumns(graph, 'Concat', means)]));
    entropies = flat(graph, graph.temporary('Sub', [logNormaliser, mean]));
  }
  return { logprobs, entropies, logNormaliser };
}

function blockedGradient(head: Head, forward: Forward, seeds: Seeds): Gradients {
  const { graph, transposed, targets } = head;
  const coefficients = rowCoefficients(graph, forward, seeds);
  const parts: string[] = [];
  let ofRows: string | undefined;
  let { rows } = head;
  for (const [start, end] of blocks(head.vocabulary)) {
    const block = columns(head, start, end);
    const logs = graph.temporary('Sub', [logits(head, rows, block), forward.logNormaliser!]);
    const ofLogits = gradientOfLogits(graph, logs, coefficients);
    ofRows = gradientOfRows(head, ofLogits, block, ofRows);
    const part = gradientOfWeight(head, ofLogits, rows, block.size);
    parts.push(part);
    rows = after(graph, rows, [ofRows, part]);
  }
  // What is left is the target's own term: its seed times its column, and times the row.
  const axis = transposed ? 0 : 1;
  const seed = column(graph, seeds.ofLogprob);
  const own = graph.temporary('Gather', [head.weight, targets], { attributes: { axis: intAttribute(axis) } });
  const vectors = transposed ? own : graph.temporary('Transpose', [own]);
  const joined = graph.temporary('Concat', parts, { attributes: { axis: intAttribute(axis) } });
  const scaledRows = graph.temporary('Mul', [head.rows, seed]); // [N, H]
  return {
    ofRows: graph.temporary('Add', [ofRows!, graph.temporary('Mul', [vectors, seed])]),
    ofWeight: addAtTargets(head, joined, scaledRows),
  };
}

/** `table`, laid out as the weight, with each of `rows` [N, H] added where its target is. */
function addAtTargets({ graph, targets, width, transposed }: Head, table: string, rows: string): string {
  const own = transposed ? graph.kernels.indexAdd(width) : undefined;
  if (own !== undefined) {
    const shapes = [table, targets].map((x) => graph.temporary('Shape', [x]));
    return graph.temporary(own, [table, targets, rows, ...shapes], { domain: ownDomain });
  }
  const updates = transposed ? rows : graph.temporary('Transpose', [rows]);
  const at = column(graph, targets);
  const positions = transposed ? at : graph.temporary('Transpose', [at]);
  const repeated = graph.temporary('Expand', [positions, graph.temporary('Shape', [updates])]);
  return graph.temporary('ScatterElements', [table, repeated, updates], {
    attributes: { axis: intAttribute(transposed ? 0 : 1), reduction: stringAttribute('add') },
  });
}

interface RowCoefficients {
  /** [N, 1] */
  readonly constant: string;
  /** [N, 1]; absent if the entropy has no gradient. */
  readonly slope: string | undefined;
}

/**
 * The gradient of the loss with respect to the logits, without the target's own term, is p · (c + s · log p) with
 * c = −∂log p − ∂H · H and s = −∂H, per row: ∂log p(t)/∂l_j = [j = t] − p_j and ∂H/∂l_j = −p_j (log p_j + H).
 */
function rowCoefficients(
  graph: GraphWriter,
  forward: Forward,
  { ofLogprob, ofEntropy }: Seeds,
): RowCoefficients {
  const negated = graph.temporary('Neg', [ofLogprob]);
  if (ofEntropy === undefined) return { constant: column(graph, negated), slope: undefined };
  const ofH = graph.temporary('Mul', [ofEntropy, forward.entropies!]);
  return {
    constant: column(graph, graph.temporary('Sub', [negated, ofH])),
    slope: column(graph, graph.temporary('Neg', [ofEntropy])),
  };
}

function gradientOfLogits(graph: GraphWriter, logs: string, { constant, slope }: RowCoefficients): string {
  const p = graph.temporary('Exp', [logs]);
  if (slope === undefined) return graph.temporary('Mul', [p, constant]);
  const linear = graph.temporary('Add', [graph.temporary('Mul', [logs, slope]), constant]);
  return graph.temporary('Mul', [p, linear]);
}

function* blocks(vocabulary: number): Generator<readonly [start: number, end: number]> {
  for (let start = 0; start < vocabulary; start += blockWidth) {
    yield [start, Math.min(vocabulary, start + blockWidth)];
  }
}

/** The block [start, end) of the vocabulary: a piece of the weight. */
function columns({ graph, weight, transposed }: Head, start: number, end: number): Block {
  const bounds = [start, end, transposed ? 0 : 1].map((value) => graph.integers(value));
  return { name: graph.temporary('Slice', [weight, ...bounds]), size: end - start };
}

/** A piece of the weight with so many tokens. */
interface Block {
  readonly name: string;
  readonly size: number;
}

function logits(head: Head, rows: string, block: Block): string {
  const { graph, count, width, transposed } = head;
  return product(graph, {
    a: { name: rows, shape: [count, width] },
    b: { name: block.name, shape: shapeOf(head, block) },
    transposeB: transposed,
  });
}

function gradientOfRows(head: Head, ofLogits: string, block: Block, sum?: string): string {
  const { graph, count, width, transposed } = head;
  return product(graph, {
    a: { name: ofLogits, shape: [count, block.size] },
    b: { name: block.name, shape: shapeOf(head, block) },
    ...(sum === undefined ? {} : { added: { name: sum, shape: [count, width] } }),
    transposeB: !transposed,
  });
}

/** Laid out as the weight. */
function gradientOfWeight(
  { graph, count, width, transposed }: Head,
  ofLogits: string,
  rows: string,
  size: number,
): string {
  const [ofTokens, ofHidden] = [
    { name: ofLogits, shape: [count, size] },
    { name: rows, shape: [count, width] },
  ];
  const [a, b] = transposed ? [ofTokens, ofHidden] : [ofHidden, ofTokens];
  return product(graph, { a, b, transposeA: true });
}

function shapeOf({ width, transposed }: Head, { size }: Block): readonly number[] {
  return transposed ? [size, width] : [width, size];
}

function product(
  graph: GraphWriter,
  { a, b, added, transposeA = false, transposeB = false }: Pick<Product, 'a' | 'b'> & Partial<Product>,
): string {
  const own = ownProduct(graph, { a, b, added, transposeA, transposeB });
  if (own !== undefined) return graph.temporary(own.operator, own.inputs, { domain: ownDomain });
  const inputs = [a.name, b.name, ...(added === undefined ? [] : [added.name])];
  return graph.temporary('Gemm', inputs, {
    attributes: { transA: intAttribute(transposeA), transB: intAttribute(transposeB) },
  });
}

/**
 * `x`, but not before every one of `others` has been computed: a view of it whose shape is computed from theirs, so
 * that one block ends before the next begins and its logits are freed.
 */
function after(graph: GraphWriter, x: string, others: readonly string[]): string {
  let shape = graph.shared('Shape', [x]);
  for (const other of others) {
    const size = graph.temporary('Shape', [other], {
      attributes: { start: intAttribute(0), end: intAttribute(1) },
    });
    shape = graph.temporary('Add', [shape, graph.temporary('Mul', [size, graph.integers(0)])]);
  }
  return graph.temporary('Reshape', [x, shape], { attributes: { allowzero: intAttribute(1) } });
}

/** An operator along the columns of matrices. */
function alongColumns(graph: GraphWriter, operator: string, inputs: readonly string[]): string {
  const axis = intAttribute(1);
  const attributes = operator === 'ScatterElements' ? { axis, reduction: stringAttribute('add') } : { axis };
  return graph.temporary(operator, inputs, { attributes });
}

/** [N, n] → [N, 1]. An axis counted from the end is ignored by ONNX Runtime where there are no rows. */
function sumLast(graph: GraphWriter, x: string): string {
  return graph.temporary('ReduceSum', [x, graph.integers(1)], { attributes: { keepdims: intAttribute(1) } });
}

/** [N] → [N, 1] */
function column(graph: GraphWriter, x: string): string {
  return graph.shared('Unsqueeze', [x, graph.integers(1)]);
}

/** [N, 1] → [N] */
function flat(graph: GraphWriter, x: string): string {
  return graph.temporary('Squeeze', [x, graph.integers(1)]);
}
