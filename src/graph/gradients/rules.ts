/**
 * The table from operation to gradient. A rule receives the node and the gradients of its outputs and returns the
 * gradients of its inputs, undefined where there is none; `needed` says which of them anyone will read.
 * Conventions at kinks are PyTorch's: `minimum` and `maximum` share a tie equally, `abs` has 0 at 0.
 */
import type { Dim } from '../dim.ts';
import {
  absOp,
  add,
  addOp,
  castOp,
  cast,
  div,
  detachOp,
  divOp,
  equal,
  exp,
  expOp,
  less,
  logOp,
  maximumOp,
  minimumOp,
  mul,
  mulOp,
  neg,
  negOp,
  reciprocalOp,
  sigmoid,
  sigmoidOp,
  siluOp,
  sqrtOp,
  sub,
  subOp,
  where,
  whereOp,
} from '../ops/elementwise.ts';
import {
  addAlongLast,
  addAlongLastOp,
  indexAdd,
  indexAddOp,
  indexSelect,
  indexSelectOp,
  takeAlongLast,
  takeAlongLastOp,
} from '../ops/indexing.ts';
import { addmmOp, matmul, type MatmulAttributes, matmulOp } from '../ops/matmul.ts';
import { logSoftmaxOp, maxOp, softmaxOp, sum, sumOp } from '../ops/reduce.ts';
import {
  concat,
  concatOp,
  expand,
  expandOp,
  full,
  reshape,
  reshapeOp,
  sliceOp,
  split,
  splitOp,
  transpose,
  transposeOp,
} from '../ops/shape.ts';
import { tokenLogprobsGradientOp, tokenLogprobsOp } from '../ops/token-logprobs.ts';
import { rmsNormGradient, swigluGradient, swigluOp } from '../ops/fused.ts';
import { rmsNormOp, rope, ropeOp } from '../ops/transformer.ts';
import { applyAll, attributesOf, type Node, scalar, type Tensor } from '../tensor.ts';
import { dimProduct } from '../dim.ts';

type Gradients = readonly (Tensor | undefined)[];
export type GradientRule = (node: Node, ofOutputs: Gradients, needed: readonly boolean[]) => Gradients;

/** A rule for an operation of one output. */
function rule(
  compute: (node: Node, gradient: Tensor, needed: readonly boolean[]) => Gradients,
): GradientRule {
  return (node, [gradient], needed) => compute(node, gradient!, needed);
}

function unaryRule(compute: (gradient: Tensor, x: Tensor, y: Tensor) => Tensor): GradientRule {
  return rule((node, gradient) => [compute(gradient, node.inputs[0]!, node.outputs[0]!)]);
}

function binaryRule(
  ofA: (gradient: Tensor, a: Tensor, b: Tensor) => Tensor,
  ofB: (gradient: Tensor, a: Tensor, b: Tensor) => Tensor,
): GradientRule {
  return rule(({ inputs }, gradient, [needA, needB]) => {
    const [a, b] = inputs as [Tensor, Tensor];
    return [
      needA ? sumTo(ofA(gradient, a, b), a.shape) : undefined,
      needB ? sumTo(ofB(gradient, a, b), b.shape) : undefined,
    ];
  });
}

/** Undoes broadcasting: sums over the axes along which a tensor of `shape` was repeated. */
function sumTo(x: Tensor, shape: readonly Dim[]): Tensor {
  const extra = x.shape.length - shape.length;
  const axes = x.shape.flatMap((dim, axis) =>
    axis < extra || (shape[axis - extra] === 1 && dim !== 1) ? [axis] : [],
  );
  return axes.length === 0 ? x : reshape(sum(x, { axes, keepDims: true }), shape);
}

/** 1 where `a` wins, 1/2 at a tie, 0 where it loses. */
function winShare(wins: Tensor, a: Tensor, b: Tensor): Tensor {
  return add(cast(wins, 'f32'), mul(cast(equal(a, b), 'f32'), scalar(0.5)));
}

const one = scalar(1);

const matmulRule: GradientRule = rule((node, gradient, needed) => {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const attributes = attributesOf(node, matmulOp);
  if (attributes.transposeA && a.shape.length > 2 && b.shape.length === 2) {
    // Neither product below has a form for this case: take it as a product of the transposed operand.
    const plain = { ...attributes, transposeA: false };
    const [ofA, ofB] = matmulGradients(swapLastTwo(a), b, plain, gradient, needed);
    return [ofA === undefined ? undefined : swapLastTwo(ofA), ofB];
  }
  return matmulGradients(a, b, attributes, gradient, needed);
});

function matmulGradients(
  a: Tensor,
  b: Tensor,
  { transposeA, transposeB, alpha }: MatmulAttributes,
  gradient: Tensor,
  [needA, needB]: readonly boolean[],
): Gradients {
  let ofA: Tensor | undefined;
  let ofB: Tensor | undefined;
  if (needA) {
    ofA = transposeA
      ? matmul(b, gradient, { transposeA: transposeB, transposeB: true, alpha })
      : matmul(gradient, b, { transposeB: !transposeB, alpha });
  }
  if (needB) {
    // A matrix that was shared by all leading axes sums over them: one product over the flattened rows.
    const flat = (x: Tensor) =>
      b.shape.length === 2 && x.shape.length > 2
        ? reshape(x, [dimProduct(x.shape.slice(0, -1)), x.shape.at(-1)!])
        : x;
    const [x, g] = [flat(a), flat(gradient)];
    ofB = transposeB
      ? matmul(g, x, { transposeA: true, transposeB: transposeA, alpha })
      : matmul(x, g, { transposeA: !transposeA, alpha });
  }
  return [ofA, ofB];
}

function swapLastTwo(x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
}

const rules: readonly (readonly [{ readonly name: string }, GradientRule])[] = [
  [negOp, unaryRule((g) => neg(g))],
  [expOp, unaryRule((g, _, y) => mul(g, y))],
  [logOp, unaryRule((g, x) => div(g, x))],
  [sqrtOp, unaryRule((g, _, y) => div(mul(g, scalar(0.5)), y))],
  [detachOp, () => [undefined]],
  [absOp, unaryRule((g, x) => where(less(x, scalar(0)), neg(g), where(less(scalar(0), x), g, scalar(0))))],
  [reciprocalOp, unaryRule((g, _, y) => neg(mul(g, mul(y, y))))],
  [sigmoidOp, unaryRule((g, _, y) => mul(g, mul(y, sub(one, y))))],
  [
    siluOp,
    unaryRule((g, x, y) => {
      const s = sigmoid(x);
      return mul(g, add(s, mul(y, sub(one, s))));
    }),
  ],
  [
    addOp,
    binaryRule(
      (g) => g,
      (g) => g,
    ),
  ],
  [
    subOp,
    binaryRule(
      (g) => g,
      (g) => neg(g),
    ),
  ],
  [
    mulOp,
    binaryRule(
      (g, _, b) => mul(g, b),
      (g, a) => mul(g, a),
    ),
  ],
  [
    divOp,
    binaryRule(
      (g, _, b) => div(g, b),
      (g, a, b) => neg(div(mul(g, a), mul(b, b))),
    ),
  ],
  [
    minimumOp,
    binaryRule(
      (g, a, b) => mul(g, winShare(less(a, b), a, b)),
      (g, a, b) => mul(g, winShare(less(b, a), a, b)),
    ),
  ],
  [
    maximumOp,
    binaryRule(
      (g, a, b) => mul(g, winShare(less(b, a), a, b)),
      (g, a, b) => mul(g, winShare(less(a, b), a, b)),
    ),
  ],
  [
    whereOp,
    rule(({ inputs }, g) => {
      const [condition, a, b] = inputs as [Tensor, Tensor, Tensor];
      return [
        undefined,
        sumTo(where(condition, g, scalar(0)), a.shape),
        sumTo(where(condition, scalar(0), g), b.shape),
      ];
    }),
  ],
  [castOp, rule((node, g) => [node.inputs[0]!.dtype === g.dtype ? g : undefined])],
  [sumOp, rule((node, g) => [spread(node, g, attributesOf(node, sumOp).axes)])],
  [
    maxOp,
    rule((node, g) => {
      const x = node.inputs[0]!;
      const { axes } = attributesOf(node, maxOp);
      const mask = cast(equal(x, spread(node, node.outputs[0]!, axes)), 'f32');
      const share = div(mask, sum(mask, { axes, keepDims: true }));
      return [mul(spread(node, g, axes), share)];
    }),
  ],
  [softmaxOp, unaryRule((g, _, y) => mul(y, sub(g, sum(mul(g, y), { axes: [-1], keepDims: true }))))],
  [logSoftmaxOp, unaryRule((g, _, y) => sub(g, mul(exp(y), sum(g, { axes: [-1], keepDims: true }))))],
  [matmulOp, matmulRule],
  [
    addmmOp,
    rule((node, g, [needC, needA, needB]) => {
      const [c, a, b] = node.inputs as [Tensor, Tensor, Tensor];
      const attributes = attributesOf(node, addmmOp);
      const product = matmul(a, b, attributes).node;
      const [ofA, ofB] = matmulRule(product, [g], [needA!, needB!]);
      return [needC ? sumTo(g, c.shape) : undefined, ofA, ofB];
    }),
  ],
  [reshapeOp, unaryRule((g, x) => reshape(g, x.shape))],
  [
    transposeOp,
    rule((node, g) => {
      const { permutation } = attributesOf(node, transposeOp);
      return [
        transpose(
          g,
          permutation.map((_, axis) => permutation.indexOf(axis)),
        ),
      ];
    }),
  ],
  [expandOp, unaryRule((g, x) => sumTo(g, x.shape))],
  [
    concatOp,
    rule((node, g) => {
      const { axis } = attributesOf(node, concatOp);
      return split(
        g,
        axis,
        node.inputs.map(({ shape }) => shape[axis]!),
      );
    }),
  ],
  [
    splitOp,
    (node, ofOutputs) => {
      const [x] = node.inputs;
      const { axis } = attributesOf(node, splitOp);
      const parts = node.outputs.map(({ shape }, index) => ofOutputs[index] ?? full(shape, 0));
      return [concat(parts, axis, x!.shape[axis])];
    },
  ],
  [
    sliceOp,
    rule((node, g) => {
      const { axis, start, end } = attributesOf(node, sliceOp);
      const { shape } = node.inputs[0]!;
      const zeros = (size: number) => (size > 0 ? [full(shape.with(axis, size), 0)] : []);
      return [concat([...zeros(start), g, ...zeros((shape[axis] as number) - end)], axis)];
    }),
  ],
  [indexSelectOp, rule(({ inputs }, g) => [indexAdd(full(inputs[0]!.shape, 0), inputs[1]!, g), undefined])],
  [indexAddOp, rule(({ inputs }, g) => [g, undefined, indexSelect(g, inputs[1]!)])],
  [
    takeAlongLastOp,
    rule(({ inputs }, g) => [addAlongLast(full(inputs[0]!.shape, 0), inputs[1]!, g), undefined]),
  ],
  [addAlongLastOp, rule(({ inputs }, g) => [g, undefined, takeAlongLast(g, inputs[1]!)])],
  [
    rmsNormOp,
    rule((node, g, [needX, needWeight]) => {
      const [x, weight] = node.inputs as [Tensor, Tensor];
      const [ofX, product] = rmsNormGradient(x, weight, node.outputs[1]!, g);
      return [needX ? ofX : undefined, needWeight ? sumTo(product, weight.shape) : undefined];
    }),
  ],
  [
    swigluOp,
    rule((node, g) => {
      const [gate, up] = node.inputs as [Tensor, Tensor];
      return swigluGradient(gate, up, g);
    }),
  ],
  [
    ropeOp,
    rule((node, g) => {
      const { heads, inverse } = attributesOf(node, ropeOp);
      const [, positions, cos, sin] = node.inputs as [Tensor, Tensor, Tensor, Tensor];
      return [rope(g, positions, { cos, sin }, { heads, inverse: !inverse })];
    }),
  ],
  [
    tokenLogprobsOp,
    (node, [ofLogprobs, ofEntropies]) => {
      const logprobs = ofLogprobs ?? full(node.outputs[0]!.shape, 0);
      const inputs = [...node.inputs, logprobs, ...(ofEntropies === undefined ? [] : [ofEntropies])];
      const attributes = { ...attributesOf(node, tokenLogprobsOp), entropy: ofEntropies !== undefined };
      return applyAll(tokenLogprobsGradientOp, inputs, attributes);
    },
  ],
];

/** A reduced tensor repeated back along the axes that the reduction removed. */
function spread(node: Node, reduced: Tensor, axes: readonly number[]): Tensor {
  const { shape } = node.inputs[0]!;
  return expand(
    reshape(
      reduced,
      shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
    ),
    shape,
  );
}

export const gradientRules: ReadonlyMap<string, GradientRule> = new Map(
  rules.map(([op, rule]) => [op.name, rule]),
);
