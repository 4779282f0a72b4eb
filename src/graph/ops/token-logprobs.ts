/**
 * The output head of a language model together with what training reads from it: the log-probability of each
 * target token and the entropy of its distribution. One operation, so that a runtime may work through the rows in
 * chunks and never hold all logits at once; its gradient recomputes them, chunk by chunk.
 */
import { type Dim, dimQuotient } from '../dim.ts';
import { applyAll, type Operation, shapeError, type Tensor, type TensorType, type Value } from '../tensor.ts';
import { logSoftmaxOf } from './reduce.ts';

export interface HeadAttributes {
  /** The weight is [V, H], as Hugging Face stores it; otherwise [H, V]. */
  readonly transposed: boolean;
  /** Equal parts into which the rows are split; their number must be divisible by it when the graph runs. */
  readonly chunks: number;
}

/**
 * hidden [N, H], weight, targets i64 [N], inverseTemperature [] → log p(target) [N] and entropy [N] (nats), where
 * p = softmax(hidden · weight · inverseTemperature).
 */
export const tokenLogprobsOp: Operation<HeadAttributes> = {
  name: 'tokenLogprobs',
  infer(inputs, attributes) {
    const shape = checkHead('tokenLogprobs', inputs, attributes);
    return [
      { dtype: 'f32', shape },
      { dtype: 'f32', shape },
    ];
  },
  evaluate([hidden, weight, targets, inverseTemperature], { transposed }) {
    const shape = targets!.shape;
    const logprobs = new Float64Array(targets!.data.length);
    const entropies = new Float64Array(targets!.data.length);
    for (const [row, target] of targets!.data.entries()) {
      const logs = logSoftmaxOf(logitsOf(row, hidden!, weight!, transposed, inverseTemperature!.data[0]!));
      logprobs[row] = logs[target]!;
      entropies[row] = entropyOf(logs);
    }
    return [
      { shape, data: logprobs },
      { shape, data: entropies },
    ];
  },
};

/**
 * The gradient of `tokenLogprobs`: its inputs, then the gradients of log p [N] and (if `entropy`) of the entropy
 * [N] → gradients of hidden and of weight.
 */
export const tokenLogprobsGradientOp: Operation<HeadAttributes & { entropy: boolean }> = {
  name: 'tokenLogprobsGradient',
  infer(inputs, attributes) {
    checkHead('tokenLogprobsGradient', inputs, attributes);
    return inputs.slice(0, 2).map(({ dtype, shape }) => ({ dtype, shape }));
  },
  evaluate([hidden, weight, targets, inverseTemperature, ofLogprob, ofEntropy], { transposed }) {
    const width = hidden!.shape[1]!;
    const vocabulary = weight!.shape[transposed ? 0 : 1]!;
    const scale = inverseTemperature!.data[0]!;
    const hiddenGradient = new Float64Array(hidden!.data.length);
    const weightGradient = new Float64Array(weight!.data.length);
    for (const [row, target] of targets!.data.entries()) {
      const logs = logSoftmaxOf(logitsOf(row, hidden!, weight!, transposed, scale));
      const entropy = entropyOf(logs);
      for (let v = 0; v < vocabulary; v++) {
        const p = Math.exp(logs[v]!);
        let gradient = ofLogprob!.data[row]! * (Number(v === target) - p);
        if (ofEntropy !== undefined) gradient -= ofEntropy.data[row]! * p * (logs[v]! + entropy);
        for (let i = 0; i < width; i++) {
          const at = transposed ? v * width + i : i * vocabulary + v;
          hiddenGradient[row * width + i]! += scale * gradient * weight!.data[at]!;
          weightGradient[at]! += scale * gradient * hidden!.data[row * width + i]!;
        }
      }
    }
    return [
      { shape: hidden!.shape, data: hiddenGradient },
      { shape: weight!.shape, data: weightGradient },
    ];
  },
};

function checkHead(op: string, inputs: readonly TensorType[], { transposed, chunks }: HeadAttributes): Dim[] {
  const [hidden, weight, targets, inverseTemperature] = inputs as [
    TensorType,
    TensorType,
    TensorType,
    TensorType,
  ];
  const rows = hidden.shape[0];
  const fits =
    hidden.shape.length === 2 &&
    weight.shape.length === 2 &&
    weight.shape[transposed ? 1 : 0] === hidden.shape[1] &&
    targets.dtype === 'i64' &&
    targets.shape.length === 1 &&
    targets.shape[0] === rows &&
    inverseTemperature.shape.length === 0 &&
    rows !== undefined &&
    dimQuotient(rows, chunks) !== undefined;
  if (!fits)
    throw shapeError(op, inputs, `hidden [N, H], weight, targets [N], a scalar; N divisible by ${chunks}`);
  return [rows];
}

function logitsOf(
  row: number,
  hidden: Value,
  weight: Value,
  transposed: boolean,
  scale: number,
): Float64Array {
  const width = hidden.shape[1]!;
  const vocabulary = weight.shape[transposed ? 0 : 1]!;
  const logits = new Float64Array(vocabulary);
  for (let v = 0; v < vocabulary; v++) {
    for (let i = 0; i < width; i++) {
      logits[v]! +=
        hidden.data[row * width + i]! * weight.data[transposed ? v * width + i : i * vocabulary + v]!;
    }
    logits[v]! *= scale;
  }
  return logits;
}

function entropyOf(logs: Float64Array): number {
  return -logs.reduce((total, log) => total + (log === -Infinity ? 0 : Math.exp(log) * log), 0);
}

export interface HeadInputs {
  readonly hidden: Tensor;
  readonly weight: Tensor;
  readonly targets: Tensor;
  readonly inverseTemperature: Tensor;
}

/** See `tokenLogprobsOp`. */
export function tokenLogprobs(inputs: HeadInputs, attributes: HeadAttributes) {
  const { hidden, weight, targets, inverseTemperature } = inputs;
  const [logprobs, entropies] = applyAll(
    tokenLogprobsOp,
    [hidden, weight, targets, inverseTemperature],
    attributes,
  ) as [Tensor, Tensor];
  return { logprobs, entropies };
}
