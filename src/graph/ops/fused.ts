/**
 * Chains of elementwise operations that are worth one pass over memory: the gate of a SwiGLU feed-forward (Shazeer
 * 2020) and the gradients of it and of RMSNorm. Each has a decomposition (`../decompose.ts`) for runtimes without a
 * kernel for it; the gradients have none themselves.
 */
import { sameShape } from '../dim.ts';
import { sigmoidOf } from './elementwise.ts';
import { apply, applyAll, type Operation, shapeError, type Tensor, type TensorType } from '../tensor.ts';

type None = Readonly<Record<string, never>>;
const none: None = {};

/** silu(gate) · up, all of one shape. */
export const swigluOp: Operation<None> = {
  name: 'swiglu',
  infer: (inputs) => [sameShapes('swiglu', inputs)],
  evaluate: ([gate, up]) => {
    const data = gate!.data.map((g, i) => g * sigmoidOf(g) * up!.data[i]!);
    return [{ shape: gate!.shape, data }];
  },
};

/** gate, up and the gradient of the product → gradients of gate and up. */
export const swigluGradientOp: Operation<None> = {
  name: 'swigluGradient',
  infer: (inputs) => {
    const type = sameShapes('swigluGradient', inputs);
    return [type, type];
  },
  evaluate: ([gate, up, gradient]) => {
    const { shape, data } = gate!;
    const ofGate = data.map((g, i) => {
      const s = sigmoidOf(g);
      return gradient!.data[i]! * up!.data[i]! * s * (1 + g * (1 - s));
    });
    const ofUp = data.map((g, i) => gradient!.data[i]! * g * sigmoidOf(g));
    return [
      { shape, data: ofGate },
      { shape, data: ofUp },
    ];
  },
};

/**
 * x [..., H], weight [H], r = 1 / √(mean(x²) + ε) [..., 1] and the gradient of y = x · r · weight → the gradient of x,
 * and gradient · x · r, whose sum over all rows is the gradient of the weight.
 */
export const rmsNormGradientOp: Operation<None> = {
  name: 'rmsNormGradient',
  infer: (inputs) => {
    const [x, weight, inverse, gradient] = inputs as [TensorType, TensorType, TensorType, TensorType];
    const fits =
      sameShape(x.shape, gradient.shape) &&
      sameShape(weight.shape, [x.shape.at(-1)!]) &&
      sameShape(inverse.shape, x.shape.with(-1, 1));
    if (!fits)
      throw shapeError('rmsNormGradient', inputs, 'x, weight, inverse and gradient do not belong together');
    return [x, x].map(({ dtype, shape }) => ({ dtype, shape }));
  },
  evaluate: ([x, weight, inverse, gradient]) => {
    const width = weight!.data.length;
    const ofX = new Float64Array(x!.data.length);
    const product = new Float64Array(x!.data.length);
    for (const [row, r] of inverse!.data.entries()) {
      let mean = 0;
      for (let i = 0; i < width; i++) {
        const at = row * width + i;
        product[at] = gradient!.data[at]! * x!.data[at]! * r;
        mean += (product[at] * weight!.data[i]!) / width;
      }
      for (let i = 0; i < width; i++) {
        const at = row * width + i;
        ofX[at] = r * (gradient!.data[at]! * weight!.data[i]! - x!.data[at]! * r * mean);
      }
    }
    return [ofX, product].map((data) => ({ shape: x!.shape, data }));
  },
};

/** What a step of AdamW is given beside its vectors. */
export const adamwFactors = [
  'scale',
  'beta1',
  'rest1',
  'beta2',
  'rest2',
  'correction2',
  'epsilon',
  'stepSize',
  'keep',
] as const;

/**
 * A step of AdamW (Loshchilov & Hutter 2019): parameter, gradient and both moments [n], and the factors [] in the order
 * of `adamwFactors` → parameter and moments. With g = gradient · scale: m ← m · beta1 + g · rest1,
 * v ← v · beta2 + g · rest2 · g, parameter ← parameter · keep − m / (√v · correction2 + epsilon) · stepSize. The outputs
 * may be the memory of the inputs.
 */
export const adamwOp: Operation<None> = {
  name: 'adamw',
  infer: (inputs) => {
    const vectors = inputs.slice(0, 4);
    const factors = inputs.slice(4);
    if (factors.length !== adamwFactors.length || factors.some(({ shape }) => shape.length > 0)) {
      throw shapeError('adamw', inputs, `four vectors and ${adamwFactors.length} numbers are needed`);
    }
    const type = sameShapes('adamw', vectors);
    return [type, type, type];
  },
  evaluate: ([parameter, gradient, moment1, moment2, ...factors]) => {
    const [scale, beta1, rest1, beta2, rest2, correction2, epsilon, stepSize, keep] = factors.map(
      ({ data }) => data[0]!,
    ) as [number, number, number, number, number, number, number, number, number];
    const g = gradient!.data.map((value) => value * scale);
    const m = moment1!.data.map((value, i) => value * beta1 + g[i]! * rest1);
    const v = moment2!.data.map((value, i) => value * beta2 + g[i]! * rest2 * g[i]!);
    const p = parameter!.data.map(
      (value, i) => value * keep - (m[i]! / (Math.sqrt(v[i]!) * correction2 + epsilon)) * stepSize,
    );
    return [p, m, v].map((data) => ({ shape: parameter!.shape, data }));
  },
};

export type AdamWFactors = Readonly<Record<(typeof adamwFactors)[number], Tensor>>;

/** See `adamwOp`. */
export function adamw(
  vectors: readonly [parameter: Tensor, gradient: Tensor, moment1: Tensor, moment2: Tensor],
  factors: AdamWFactors,
): [Tensor, Tensor, Tensor] {
  const inputs = [...vectors, ...adamwFactors.map((name) => factors[name])];
  return applyAll(adamwOp, inputs, none) as [Tensor, Tensor, Tensor];
}

/** See `swigluOp`. */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  return apply(swigluOp, [gate, up], none);
}

/** See `swigluGradientOp`. */
export function swigluGradient(gate: Tensor, up: Tensor, gradient: Tensor): [Tensor, Tensor] {
  return applyAll(swigluGradientOp, [gate, up, gradient], none) as [Tensor, Tensor];
}

/** See `rmsNormGradientOp`. */
export function rmsNormGradient(
  x: Tensor,
  weight: Tensor,
  inverse: Tensor,
  gradient: Tensor,
): [Tensor, Tensor] {
  return applyAll(rmsNormGradientOp, [x, weight, inverse, gradient], none) as [Tensor, Tensor];
}

function sameShapes(op: string, inputs: readonly TensorType[]): TensorType {
  const { shape } = inputs[0]!;
  if (!inputs.every((input) => input.dtype === 'f32' && sameShape(input.shape, shape))) {
    throw shapeError(op, inputs, 'floats of one shape are needed');
  }
  return { dtype: 'f32', shape };
}
