/**
 * Operations that no runtime has a kernel for, in terms of those that runtimes have. A runtime lowers a node by
 * its own table first and asks here for the rest.
 */
import { chunks, column, concat, reshape } from './ops/shape.ts';
import { add, detachOp, div, exp, mul, neg, sigmoid, silu, sqrt, sub } from './ops/elementwise.ts';
import { categoricalDrawOp, drawIndex } from './ops/draw.ts';
import { adamwOp, rmsNormGradientOp, swigluGradientOp, swigluOp } from './ops/fused.ts';
import { addAlongLast, takeAlongLast } from './ops/indexing.ts';
import { addmm, matmul } from './ops/matmul.ts';
import { logSoftmax, sum } from './ops/reduce.ts';
import { tokenLogprobsGradientOp, tokenLogprobsOp } from './ops/token-logprobs.ts';
import { attributesOf, type Node, scalar, type Tensor } from './tensor.ts';

/** The outputs of `node` computed by simpler operations, or undefined if it is a simple one itself. */
export function decompose(node: Node): readonly Tensor[] | undefined {
  return decompositions.get(node.op.name)?.(node);
}

const decompositions = new Map<string, (node: Node) => readonly Tensor[]>([
  [detachOp.name, (node) => [node.inputs[0]!]],
  [tokenLogprobsOp.name, tokenLogprobsInChunks],
  [tokenLogprobsGradientOp.name, tokenLogprobsGradientInChunks],
  [
    categoricalDrawOp.name,
    ({ inputs }) => {
      const [logits, inverseTemperature, uniform] = inputs as [Tensor, Tensor, Tensor];
      const logprobs = logSoftmax(mul(logits, column(inverseTemperature)));
      const token = drawIndex(exp(logprobs), uniform);
      return [token, takeAlongLast(logprobs, token)];
    },
  ],
  [
    swigluOp.name,
    ({ inputs }) => {
      const [gate, up] = inputs as [Tensor, Tensor];
      return [mul(silu(gate), up)];
    },
  ],
  [
    swigluGradientOp.name,
    ({ inputs }) => {
      const [gate, up, gradient] = inputs as [Tensor, Tensor, Tensor];
      const [s, y] = [sigmoid(gate), silu(gate)];
      const slope = add(s, mul(y, sub(scalar(1), s)));
      return [mul(mul(gradient, up), slope), mul(gradient, y)];
    },
  ],
  [
    adamwOp.name,
    ({ inputs }) => {
      const [
        parameter,
        gradient,
        m,
        v,
        scale,
        beta1,
        rest1,
        beta2,
        rest2,
        correction2,
        epsilon,
        stepSize,
        keep,
      ] = inputs as Tensor[] as [
        ...[Tensor, Tensor, Tensor, Tensor],
        ...[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
      ];
      const scaled = mul(gradient, scale);
      const moment1 = add(mul(m, beta1), mul(scaled, rest1));
      const moment2 = add(mul(v, beta2), mul(mul(scaled, rest2), scaled));
      const denominator = add(mul(sqrt(moment2), correction2), epsilon);
      const update = mul(div(moment1, denominator), stepSize);
      return [sub(mul(parameter, keep), update), moment1, moment2];
    },
  ],
  [
    rmsNormGradientOp.name,
    ({ inputs }) => {
      const [x, weight, inverse, gradient] = inputs as [Tensor, Tensor, Tensor, Tensor];
      const normalised = mul(x, inverse);
      const scaled = mul(gradient, weight);
      const width = scalar(1 / (x.shape.at(-1) as number));
      const mean = mul(sum(mul(scaled, normalised), { axes: [-1], keepDims: true }), width);
      return [mul(sub(scaled, mul(normalised, mean)), inverse), mul(gradient, normalised)];
    },
  ],
]);

function tokenLogprobsInChunks(node: Node): Tensor[] {
  const { transposed, chunks: count } = attributesOf(node, tokenLogprobsOp);
  const [hidden, weight, targets, inverseTemperature] = node.inputs as [Tensor, Tensor, Tensor, Tensor];
  const targetParts = chunks(targets, count);
  const parts = chunks(mul(hidden, inverseTemperature), count).map((rows, index) => {
    const logs = logSoftmax(matmul(rows, weight, { transposeB: transposed }));
    return [takeAlongLast(logs, targetParts[index]!), entropyOf(logs)] as const;
  });
  return [
    joinRows(
      parts.map(([logprobs]) => logprobs),
      node.outputs[0]!,
    ),
    joinRows(
      parts.map(([, e]) => e),
      node.outputs[1]!,
    ),
  ];
}

function tokenLogprobsGradientInChunks(node: Node): Tensor[] {
  const { transposed, chunks: count, entropy } = attributesOf(node, tokenLogprobsGradientOp);
  const [hidden, weight, targets, inverseTemperature, ofLogprob, ofEntropy] = node.inputs as Tensor[] as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const targetParts = chunks(targets, count);
  const logprobParts = chunks(ofLogprob, count);
  const entropyParts = entropy ? chunks(ofEntropy, count) : [];
  const hiddenParts: Tensor[] = [];
  let weightGradient: Tensor | undefined;
  for (const [index, rows] of chunks(mul(hidden, inverseTemperature), count).entries()) {
    const logs = logSoftmax(matmul(rows, weight, { transposeB: transposed }));
    const p = exp(logs);
    let gradient = mul(p, column(neg(logprobParts[index]!)));
    if (entropy) {
      const shifted = add(logs, column(entropyOf(logs)));
      gradient = add(gradient, mul(mul(p, shifted), column(neg(entropyParts[index]!))));
    }
    gradient = addAlongLast(gradient, targetParts[index]!, logprobParts[index]!);
    hiddenParts.push(matmul(gradient, weight, { transposeB: !transposed }));
    const [a, b] = transposed ? [gradient, rows] : [rows, gradient];
    weightGradient =
      weightGradient === undefined
        ? matmul(a, b, { transposeA: true })
        : addmm(weightGradient, a, b, { transposeA: true });
  }
  return [mul(joinRows(hiddenParts, hidden), inverseTemperature), weightGradient!];
}

/** −Σ p log p of each row of log-probabilities [N, V] → [N]. */
function entropyOf(logs: Tensor): Tensor {
  return neg(sum(mul(exp(logs), logs), { axes: [-1] }));
}

/** Parts of equal, possibly symbolic, length, joined along the first axis into the shape of `like`. */
function joinRows(parts: readonly Tensor[], like: Tensor): Tensor {
  const stacked = concat(
    parts.map((part) => reshape(part, [1, ...part.shape])),
    0,
  );
  return reshape(stacked, like.shape);
}
