/**
 * The loss of GRPO and its family, defined once as a graph over flat tokens [N]. It is a plain sum,
 *
 *   L = Σ_t w_t · (s_t · P_t + β · KL_t) − Σ_t e_t · H_t
 *
 * where w_t is the averaging (`token-weights.ts`), s_t an importance weight or mask of the policy term alone, H_t the
 * entropy at the token and e_t its share of the entropy bonus. With the ratio r_t = p(token) / p_old(token), or, at
 * sequence level, the geometric mean of the ratios of its sequence (GSPO, arXiv 2507.18071, equation 7):
 *
 *   grpo, bnpo, dr_grpo, dapo   P = −min(min(r, cap) · A, clip(r, 1 − low, 1 + high) · A)
 *                               (arXiv 2402.03300, equation 3; cap: arXiv 1912.09729, "dual clip")
 *   cispo                       P = −sg(min(r, cispoMaxRatio)) · A · log p      (arXiv 2506.13585)
 *
 * sg stops the gradient. The types differ only in the averaging, cispo excepted. Conventions and the fixture that
 * proves each: docs/numerics.md.
 */
import type { TokenLoss, TokenLossArguments } from '../engine/policy.ts';
import {
  add,
  cast,
  detach,
  div,
  equal,
  exp,
  less,
  logicalAnd,
  logicalNot,
  maximum,
  minimum,
  mul,
  neg,
  sub,
  where,
} from '../graph/ops/elementwise.ts';
import { indexAdd, indexSelect } from '../graph/ops/indexing.ts';
import { sum } from '../graph/ops/reduce.ts';
import { scalar, type Tensor } from '../graph/tensor.ts';

export type LossType = 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo' | 'cispo';
export type KlEstimator = 'k1' | 'k2' | 'k3';

export interface GrpoLossOptions {
  readonly type: LossType;
  /** Whether r is the ratio of each token or of the whole sequence. Default `token`. */
  readonly ratio?: 'token' | 'sequence';
  /** Distances from 1. Required for every type but cispo. */
  readonly clipLow?: number;
  readonly clipHigh?: number;
  /** The largest r that counts where the advantage is negative, as the ratio itself. Default: none. */
  readonly maxNegativeRatio?: number | undefined;
  /** The largest r of cispo, as the ratio itself. */
  readonly cispoMaxRatio?: number;
  /** Drops the policy term of sequences with A < 0 and mean(log p_old − log p) above this. Default: none. */
  readonly offPolicyThreshold?: number | undefined;
  /** KL(policy ‖ reference), estimated at each token. Default: none. */
  readonly kl?: { readonly beta: number; readonly estimator: KlEstimator; readonly biasCorrected: boolean };
  /** Whether sequences bring `policyScale`, the s_t above. Default false: 1. */
  readonly policyScale?: boolean;
  /** Whether sequences bring `entropyWeights`, the e_t above. Default false: 0. */
  readonly entropyBonus?: boolean;
}

/**
 * Inputs of each sequence: `oldLogprobs`, `advantages`, and as the options ask `referenceLogprobs`, `policyScale`,
 * `entropyWeights`. Tokens of weight 0 take no part: neither in the loss nor in the mean of a sequence.
 *
 * Per token: `ratio` (r, before any cap), `clipped` (−1 at the lower bound, +1 at the upper or at cispo's cap, else
 * 0, and only where clipping takes the gradient away or caps it) and, with a reference, `kl`.
 */
export function grpoLoss(options: GrpoLossOptions): TokenLoss {
  const { kl } = options;
  return {
    key: `grpo/${JSON.stringify(options, Object.keys({ ...options, ...kl }).toSorted())}`,
    inputs: [
      'oldLogprobs',
      'advantages',
      ...(kl === undefined ? [] : ['referenceLogprobs']),
      ...(options.policyScale ? ['policyScale'] : []),
      ...(options.entropyBonus ? ['entropyWeights'] : []),
    ],
    build(tokens) {
      const { logprobs, weights, inputs } = tokens;
      const advantages = inputs['advantages']!;
      const active = logicalNot(equal(weights, scalar(0)));
      // Rows that only fill up a chunk bring log-probabilities of anything: no exponential may see them.
      const logRatio = where(active, sub(logprobs, inputs['oldLogprobs']!), scalar(0));
      const sequenceLevel = options.ratio === 'sequence';
      const ratio = exp(sequenceLevel ? meanOfSequence(logRatio, active, tokens) : logRatio);

      const { policy, clipped } =
        options.type === 'cispo'
          ? cappedPolicyTerm(ratio, advantages, logprobs, options)
          : clippedPolicyTerm(ratio, advantages, options);
      let term = policy;
      if (options.offPolicyThreshold !== undefined) {
        const drift = meanOfSequence(neg(detach(logRatio)), active, tokens);
        const dropped = logicalAnd(
          less(advantages, scalar(0)),
          less(scalar(options.offPolicyThreshold), drift),
        );
        term = where(dropped, scalar(0), term);
      }
      if (options.policyScale) term = mul(term, inputs['policyScale']!);

      let klTerm: Tensor | undefined;
      if (kl !== undefined) {
        const d = where(active, sub(inputs['referenceLogprobs']!, logprobs), scalar(0));
        klTerm = klEstimate(kl.estimator, d);
        if (kl.biasCorrected) klTerm = mul(klTerm, ratio);
        term = add(term, mul(klTerm, scalar(kl.beta)));
      }
      let loss = sum(mul(weights, term));
      if (options.entropyBonus) loss = sub(loss, sum(mul(inputs['entropyWeights']!, tokens.entropies)));
      return {
        loss,
        perToken: {
          ratio: detach(ratio),
          clipped,
          ...(klTerm === undefined ? {} : { kl: detach(klTerm) }),
        },
      };
    },
  };
}

function clippedPolicyTerm(ratio: Tensor, advantages: Tensor, options: GrpoLossOptions) {
  const low = scalar(1 - options.clipLow!);
  const high = scalar(1 + options.clipHigh!);
  const clippedRatio = maximum(minimum(ratio, high), low);
  const capped =
    options.maxNegativeRatio === undefined ? ratio : minimum(ratio, scalar(options.maxNegativeRatio));
  const policy = neg(minimum(mul(capped, advantages), mul(clippedRatio, advantages)));
  const negative = less(advantages, scalar(0));
  const positive = less(scalar(0), advantages);
  const below = logicalAnd(less(ratio, low), negative);
  const above = logicalAnd(less(high, ratio), positive);
  return { policy, clipped: sub(cast(above, 'f32'), cast(below, 'f32')) };
}

function cappedPolicyTerm(ratio: Tensor, advantages: Tensor, logprobs: Tensor, options: GrpoLossOptions) {
  const cap = scalar(options.cispoMaxRatio!);
  const policy = neg(mul(mul(detach(minimum(ratio, cap)), advantages), logprobs));
  const above = logicalAnd(less(cap, ratio), less(scalar(0), advantages));
  return { policy, clipped: cast(above, 'f32') };
}

/**
 * Estimates of KL(policy ‖ reference) from d = log p_reference − log p at one sampled token (Schulman 2020,
 * "Approximating KL divergence"). k1 and k3 are unbiased estimates of the value. As losses on on-policy samples, k2 has
 * the expected gradient of KL(policy ‖ reference), k3 that of KL(reference ‖ policy), and k1 none at all.
 */
function klEstimate(estimator: KlEstimator, d: Tensor): Tensor {
  switch (estimator) {
    case 'k1':
      return neg(d);
    case 'k2':
      return mul(mul(d, d), scalar(0.5));
    case 'k3':
      return sub(sub(exp(d), d), scalar(1));
  }
}

/** The mean of x [N] over the active tokens of each token's sequence [N]. */
function meanOfSequence(x: Tensor, active: Tensor, tokens: TokenLossArguments): Tensor {
  const { sequence, zerosPerSequence } = tokens;
  const mask = cast(active, 'f32');
  const totals = indexAdd(zerosPerSequence, sequence, mul(x, mask));
  const counts = indexAdd(zerosPerSequence, sequence, mask);
  return indexSelect(div(totals, maximum(counts, scalar(1))), sequence);
}
