/**
 * Logit distillation: how far a student's distribution is from a teacher's, at each token. With s the student's and t
 * the teacher's distribution, both of logits / temperature, the generalized Jensen-Shannon divergence (Agarwal et al.
 * 2023, arXiv 2306.13649, equation 1, as TRL computes it) is
 *
 *   β = 0       KL(t ‖ s) = Σ_v t_v (log t_v − log s_v)       forward: the student covers the teacher
 *   β = 1       KL(s ‖ t) = Σ_v s_v (log s_v − log t_v)       reverse: the student keeps to the teacher's modes
 *   otherwise   β KL(t ‖ m) + (1 − β) KL(s ‖ m),  m = β t + (1 − β) s
 *
 * and the loss of a token is `divergenceWeight` times it plus `crossEntropyWeight` times −log p(token) at temperature
 * 1. With the teacher's most likely tokens only, all others together are one more outcome, of the student as of the
 * teacher: a lower bound of the divergence (data processing inequality), exact when the tail holds nothing.
 */
import type { TokenLoss } from '../engine/policy.ts';
import { dimProduct } from '../graph/dim.ts';
import { add, detach, exp, log, maximum, mul, neg, sub } from '../graph/ops/elementwise.ts';
import { indexAdd, indexSelect, takeAlongLast } from '../graph/ops/indexing.ts';
import { logSoftmax, max, sum } from '../graph/ops/reduce.ts';
import { full, iota, reshape } from '../graph/ops/shape.ts';
import { scalar, type Tensor } from '../graph/tensor.ts';

export interface DistillationLossOptions {
  /** 0: forward KL, 1: reverse KL, between: Jensen-Shannon. */
  readonly beta: number;
  /** What the teacher gives: log-probabilities of the whole vocabulary, or of its most likely tokens. */
  readonly support: 'full' | 'top-k';
  /** Of the divergence. Default 1. */
  readonly divergenceWeight?: number;
  /** Of −log p(token). Default 0. */
  readonly crossEntropyWeight?: number;
  /** What the policy is asked to divide its logits by: the cross-entropy undoes it. Default 1. */
  readonly temperature?: number;
}

/** log 10⁻¹²: see `DistributionArguments.tail`. */
const leastLog = Math.log(1e-12);

/** The loss as a plain sum over tokens; `perToken.divergence` and, if mixed, `perToken.crossEntropy` are unweighted. */
export function distillationLoss(options: DistillationLossOptions): TokenLoss {
  const { beta, support, divergenceWeight = 1, crossEntropyWeight = 0, temperature = 1 } = options;
  const mixed = crossEntropyWeight !== 0;
  return {
    key: `distillation/${JSON.stringify([beta, support, divergenceWeight, crossEntropyWeight, temperature])}`,
    inputs: [],
    distribution: support,
    build({ logprobs, weights, distribution }) {
      const { logs, targets, teacher, ids, tail } = distribution!;
      const divergence =
        ids === undefined
          ? generalizedDivergence(logs, teacher, beta)
          : divergenceWithTail({ logs, teacher, ids, tail: tail! }, beta);
      const perToken: Record<string, Tensor> = { divergence };
      let loss = mul(divergence, scalar(divergenceWeight));
      if (mixed) {
        // log softmax(T · log softmax(l / T)) = log softmax(l): the constant that T takes along falls out.
        const plain =
          temperature === 1 ? logprobs : takeAlongLast(logSoftmax(mul(logs, scalar(temperature))), targets);
        perToken['crossEntropy'] = neg(plain);
        loss = add(loss, mul(perToken['crossEntropy'], scalar(crossEntropyWeight)));
      }
      return { loss: sum(mul(weights, loss)), perToken };
    },
  };
}

/** log-probabilities [N, K] of both → divergence [N]. */
export function generalizedDivergence(student: Tensor, teacher: Tensor, beta: number): Tensor {
  if (beta === 0) return divergenceFrom(teacher, student);
  if (beta === 1) return divergenceFrom(student, teacher);
  const a = add(teacher, scalar(Math.log(beta)));
  const b = add(student, scalar(Math.log1p(-beta)));
  const largest = detach(maximum(a, b));
  const mixture = add(largest, log(add(exp(sub(a, largest)), exp(sub(b, largest)))));
  return add(
    mul(divergenceFrom(teacher, mixture), scalar(beta)),
    mul(divergenceFrom(student, mixture), scalar(1 - beta)),
  );
}

/** KL(p ‖ q) from log-probabilities [N, K] → [N]. */
function divergenceFrom(p: Tensor, q: Tensor): Tensor {
  return sum(mul(exp(p), sub(p, q)), { axes: [-1] });
}

/** The divergence over the teacher's K tokens and one outcome for all others [N]: its terms simply add up. */
function divergenceWithTail(
  { logs, teacher, ids, tail }: Record<'logs' | 'teacher' | 'ids' | 'tail', Tensor>,
  beta: number,
): Tensor {
  const [rows, vocabulary] = logs.shape as [string, number];
  const offsets = mul(reshape(iota(rows), [rows, 1]), scalar(vocabulary, 'i64'));
  const places = add(ids, offsets); // [N, K] in N·V
  const flat = reshape(logs, [dimProduct([rows, vocabulary])]);
  const chosen = indexSelect(flat, places);
  // What is left of the student: its log-probabilities without the chosen, summed.
  const others = reshape(indexAdd(flat, places, full(ids.shape, -1e30)), logs.shape);
  const largest = detach(max(others, { axes: [-1], keepDims: true }));
  const left = add(log(sum(exp(sub(others, largest)), { axes: [-1], keepDims: true })), largest); // [N, 1]
  const own = maximum(left, scalar(leastLog));
  return add(
    generalizedDivergence(chosen, teacher, beta),
    generalizedDivergence(own, reshape(tail, [rows, 1]), beta),
  );
}
