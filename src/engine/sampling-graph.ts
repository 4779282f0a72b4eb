/**
 * The graphs of sampling: reading a prompt into the key-value cache, and one decoding step, in which the softmax
 * and the draw happen inside the graph.
 *
 * A draw inverts the cumulative distribution at a uniform number that the caller gives per sequence, so that a
 * sequence's tokens depend on its own random stream alone.
 */
import { type GraphFunction, graphFunction } from '../graph/function.ts';
import {
  cast,
  div,
  exp,
  less,
  lessEqual,
  log,
  logicalAnd,
  mul,
  sub,
  where,
} from '../graph/ops/elementwise.ts';
import { categoricalDraw, drawIndex } from '../graph/ops/draw.ts';
import { indexAdd, takeAlongLast, topK } from '../graph/ops/indexing.ts';
import { cumsum, logSoftmax, sum } from '../graph/ops/reduce.ts';
import { column, full, iota, reshape, slice } from '../graph/ops/shape.ts';
import { input, scalar, type Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import {
  cachedDecoderAttention,
  decoderHidden,
  decoderLogits,
  decoderWeights,
  ropeInputs,
} from '../model/decoder.ts';
import type { LoraConfig } from '../model/lora.ts';

/** What a decoding graph can do; each combination is a graph of its own. */
export interface Draw {
  /** `all` draws from the whole distribution; a number, from the truncated one over that many top tokens. */
  readonly candidates: 'all' | number;
  /** Whether rows may forbid some tokens. */
  readonly forbids: boolean;
  /** Whether it hands out its activations. */
  readonly records: boolean;
}

/**
 * Inputs `tokens` i64 [B, S], `lengths` i32 [B], `total` i32 [], `past.L.key/value`, `rope.*`, parameters →
 * `present.L.key/value`: see `cachedAttentionOp`.
 */
export function prefillGraph(
  config: ModelConfig,
  lora: LoraConfig | undefined,
  long: boolean,
): GraphFunction {
  const weights = decoderWeights(config, lora);
  const { attend, presents } = cachedDecoderAttention(config, ropeInputs(config), long);
  decoderHidden(config, weights, input('tokens', 'i64', ['B', 'S']), attend);
  return graphFunction(presents);
}

/**
 * Inputs as `prefillGraph` with S = 1, and [B] each: `uniform`, `inverseTemperature`, and unless candidates are
 * `all`, `topK` (a count, f32), `topP`, `minP`; if it forbids, `forbidden` i64 [F] and `forbids` [B] (1 for rows
 * that must not draw them). Outputs: the presents, `token` i64 [B] and `logprob` [B] under the distribution that
 * the token was drawn from; if it records, `activation.NAME` [B, width] (see `Observe`).
 */
export function decodeGraph(
  config: ModelConfig,
  lora: LoraConfig | undefined,
  { candidates, forbids, records }: Draw,
): GraphFunction {
  const weights = decoderWeights(config, lora);
  const { attend, presents } = cachedDecoderAttention(config, ropeInputs(config));
  const recorded: Record<string, Tensor> = {};
  const hidden = decoderHidden(
    config,
    weights,
    input('tokens', 'i64', ['B', 1]),
    attend,
    (name, activation) => {
      if (records) recorded[`activation.${name}`] = activation;
    },
  );
  const every = decoderLogits(config, weights, hidden);
  const logits = forbids ? forbid(every) : every;
  const inverseTemperature = input('inverseTemperature', 'f32', ['B']);
  const uniform = input('uniform', 'f32', ['B']);
  const drawn =
    candidates === 'all'
      ? categoricalDraw(logits, inverseTemperature, uniform)
      : drawFromTop(mul(logits, column(inverseTemperature)), uniform, candidates);
  return graphFunction({ ...presents, ...drawn, ...recorded });
}

/** logits [B, V] with −∞ at the forbidden tokens of the rows that forbid. */
function forbid(logits: Tensor): Tensor {
  const width = logits.shape[1]!;
  const marks = indexAdd(full([width], 0), input('forbidden', 'i64', ['F']), full(['F'], 1));
  const forbidden = less(scalar(0), mul(reshape(marks, [1, width]), column(input('forbids', 'f32', ['B']))));
  return where(forbidden, scalar(-Infinity), logits);
}

interface Drawn {
  /** i64 [B] */
  readonly token: Tensor;
  /** [B] */
  readonly logprob: Tensor;
}

/**
 * A draw from the `candidates` most likely tokens, of which each row keeps the first `topK`, of these the smallest
 * set that reaches `topP` of their probability (Holtzman et al. 2019), of these the ones at least `minP` times as
 * likely as the first (Nguyen et al. 2024); the order is that of transformers' processors.
 */
function drawFromTop(logits: Tensor, uniform: Tensor, candidates: number): Drawn {
  const row = (name: string) => column(input(name, 'f32', ['B']));
  const top = topK(logSoftmax(logits), candidates);
  const rank = reshape(cast(iota(candidates), 'f32'), [1, candidates]);
  const withinK = less(rank, row('topK'));
  const probabilities = where(withinK, exp(top.values), scalar(0));
  const normalised = div(probabilities, sum(probabilities, { axes: [-1], keepDims: true }));
  const before = sub(cumsum(normalised), normalised);
  const withinP = less(before, row('topP'));
  const floor = mul(slice(normalised, 1, 0, 1), row('minP'));
  const kept = where(
    logicalAnd(logicalAnd(withinK, withinP), lessEqual(floor, normalised)),
    normalised,
    scalar(0),
  );
  const index = drawIndex(kept, uniform);
  const share = div(takeAlongLast(kept, index), sum(kept, { axes: [-1] }));
  return { token: takeAlongLast(top.indices, index), logprob: log(share) };
}
