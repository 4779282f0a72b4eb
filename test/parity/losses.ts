import type { TokenLoss } from '../../src/engine/policy.ts';
import { mul, neg } from '../../src/graph/ops/elementwise.ts';
import { sum } from '../../src/graph/ops/reduce.ts';

/** The loss of the fixtures: −Σ weight · log p(token). */
export const weightedLogprobs: TokenLoss = {
  key: 'weighted-logprobs',
  inputs: [],
  build: ({ logprobs, weights }) => ({ loss: neg(sum(mul(weights, logprobs))) }),
};
