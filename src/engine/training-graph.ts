/** The graphs of scoring and learning: a decoder, its head at the weighted tokens, a loss, and its gradient. */
import { backward } from '../graph/gradients/backward.ts';
import { type GraphFunction, graphFunction } from '../graph/function.ts';
import { type Dim, sameShape } from '../graph/dim.ts';
import { add, addOp, exp, mul, neg } from '../graph/ops/elementwise.ts';
import { indexAdd, indexAddOp, indexSelect, takeAlongLast, topK } from '../graph/ops/indexing.ts';
import { addmm, matmul, matmulOp } from '../graph/ops/matmul.ts';
import { logSoftmax, sum } from '../graph/ops/reduce.ts';
import { fullOp, reshape } from '../graph/ops/shape.ts';
import { tokenLogprobs } from '../graph/ops/token-logprobs.ts';
import { substitute } from '../graph/substitute.ts';
import { attributesOf, input, type Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import {
  causalAttention,
  decoderHidden,
  type DecoderWeights,
  decoderWeights,
  headWeight,
  type Observe,
  ropeInputs,
  sharedPrefixAttention,
} from '../model/decoder.ts';
import type { LoraConfig } from '../model/lora.ts';
import type { DistributionArguments, TokenLoss } from './policy.ts';

/** Elements of logits that exist at once: 16 MiB of them stay in the last-level cache and bound memory. */
const logitsAtOnce = 4 * 1024 * 1024;

/**
 * Into how many chunks to split `tokens` rows of a head over `vocabulary` tokens: a power of two, so that few
 * graphs are compiled. The number of rows must be padded to a multiple.
 */
export function headChunks(tokens: number, vocabulary: number): number {
  let chunks = 1;
  while ((tokens / chunks) * vocabulary > logitsAtOnce && chunks < tokens) chunks *= 2;
  return chunks;
}

/** What a micro-batch asks of its graph. */
export interface BatchForm {
  /** See `headChunks`; 1 for whole distributions. */
  readonly chunks: number;
  /** Whether `tokens` are continuations of beginnings that are given once: `prefix.tokens` [G, L]. */
  readonly sharedPrefixes: boolean;
  /**
   * Whether the activations of `tokens` are given instead of computed: `activation.NAME` [R, width], of which the rows
   * `activationRows` [B·T] belong to them. Only of continuations.
   */
  readonly recorded: boolean;
}

/**
 * Inputs: `tokens` [B, T]; for each of N weighted tokens `rows` (the hidden state that predicts it, in B·T) and
 * `targets`; `inverseTemperature`; `rope.cos`, `rope.sin`; the parameters. With shared prefixes also
 * `prefix.tokens` [G, L] and the inputs of `sharedPrefixAttention`. Outputs: `logprobs`, `entropies` [N].
 */
export function scoringGraph(
  config: ModelConfig,
  lora: LoraConfig | undefined,
  form: BatchForm,
): GraphFunction {
  const { logprobs, entropies } = scored(config, lora, form);
  return graphFunction({ logprobs, entropies });
}

/**
 * As `scoringGraph` for N that is bounded by `rowsOfDistribution`, and further outputs: `distribution` [N, K], log p
 * of the K most likely tokens (of all, for K = V), and for fewer than all `ids` i64 [N, K].
 */
export function distributionGraph(
  config: ModelConfig,
  lora: LoraConfig | undefined,
  width: 'full' | number,
  form: BatchForm,
): GraphFunction {
  const { logprobs, entropies, logs } = distributed(config, lora, form);
  if (width === 'full') return graphFunction({ logprobs, entropies, distribution: logs });
  const { values, indices } = topK(logs, width);
  return graphFunction({ logprobs, entropies, distribution: values, ids: indices });
}

/** Elements of a matrix of whole distributions, of which a loss holds several at once: 128 MiB each. */
const distributionElements = 32 * 1024 * 1024;

/** How many tokens' distributions over the vocabulary are computed at once. */
export function rowsOfDistribution(vocabulary: number): number {
  return Math.max(1, Math.floor(distributionElements / vocabulary));
}

/**
 * As `scoringGraph`, and further inputs `weights` [N], `sequence` [N], `zerosPerSequence` [S], `input.NAME` [N] for
 * each input of the loss, `sum.PARAMETER` (the gradient so far) for each trained parameter; and further outputs
 * `loss`, `perToken.NAME` [N], `gradient.PARAMETER` = sum + gradient, which may be bound to the same memory as the sum.
 */
export function trainingGraph(
  config: ModelConfig,
  lora: LoraConfig | undefined,
  trained: readonly string[],
  loss: TokenLoss,
  form: BatchForm,
): GraphFunction {
  const whole = loss.distribution === undefined ? undefined : distributed(config, lora, form);
  const { logprobs, entropies, parameters, recorded } = whole ?? scored(config, lora, form);
  const inputs = Object.fromEntries(loss.inputs.map((name) => [name, input(`input.${name}`, 'f32', ['N'])]));
  const built = loss.build({
    logprobs,
    entropies,
    weights: input('weights', 'f32', ['N']),
    sequence: input('sequence', 'i64', ['N']),
    zerosPerSequence: input('zerosPerSequence', 'f32', ['S']),
    inputs,
    ...(whole === undefined ? {} : { distribution: teacherInputs(whole, loss, config) }),
  });
  const outputs: Record<string, Tensor> = { loss: built.loss, logprobs, entropies };
  for (const [name, tensor] of Object.entries(built.perToken ?? {})) outputs[`perToken.${name}`] = tensor;
  const gradients = backward(
    built.loss,
    trained.map((name) => parameters.get(name)!),
  );
  for (const [index, name] of trained.entries()) {
    const gradient = gradients[index]!;
    outputs[`gradient.${name}`] = accumulate(input(`sum.${name}`, 'f32', gradient.shape), gradient);
  }
  return graphFunction(substitute(outputs, recorded));
}

/** Inputs `teacher` [N, K], and `teacher.ids` [N, K], `teacher.tail` [N] for the most likely tokens only. */
function teacherInputs(
  { logs, targets }: Pick<DistributionArguments, 'logs' | 'targets'>,
  loss: TokenLoss,
  config: ModelConfig,
): DistributionArguments {
  if (loss.distribution === 'full') {
    return { logs, targets, teacher: input('teacher', 'f32', ['N', config.vocabularySize]) };
  }
  return {
    logs,
    targets,
    teacher: input('teacher', 'f32', ['N', 'K']),
    ids: input('teacher.ids', 'i64', ['N', 'K']),
    tail: input('teacher.tail', 'f32', ['N']),
  };
}

function scored(config: ModelConfig, lora: LoraConfig | undefined, form: BatchForm) {
  const { inputs, parameters, recorded } = headInputs(config, lora, form);
  return { ...tokenLogprobs(inputs, { transposed: true, chunks: form.chunks }), parameters, recorded };
}

/** As `scored`, with whole distributions: all logits at once. */
function distributed(config: ModelConfig, lora: LoraConfig | undefined, form: BatchForm) {
  const { inputs, parameters, recorded } = headInputs(config, lora, form);
  const { hidden, weight, targets, inverseTemperature } = inputs;
  const logs = logSoftmax(matmul(mul(hidden, inverseTemperature), weight, { transposeB: true }));
  const entropies = neg(sum(mul(exp(logs), logs), { axes: [-1] }));
  return { logprobs: takeAlongLast(logs, targets), entropies, logs, targets, parameters, recorded };
}

function headInputs(config: ModelConfig, lora: LoraConfig | undefined, form: BatchForm) {
  const weights = decoderWeights(config, lora);
  const recorded = new Map<Tensor, Tensor>();
  const hidden = hiddenStates(config, weights, form, (name, activation) => {
    if (form.recorded) recorded.set(activation, recordedActivation(name, activation));
  });
  const inputs = {
    hidden: indexSelect(hidden, input('rows', 'i64', ['N'])),
    weight: headWeight(config, weights),
    targets: input('targets', 'i64', ['N']),
    inverseTemperature: input('inverseTemperature', 'f32', []),
  };
  return { inputs, parameters: weights.parameters, recorded };
}

/** The rows of a recording that belong to the tokens of the micro-batch. */
function recordedActivation(name: string, { shape }: Tensor): Tensor {
  const [positions, width] = shape as [Dim, Dim];
  const table = input(`activation.${name}`, 'f32', ['R', width]);
  return indexSelect(table, input('activationRows', 'i64', [positions]));
}

/** [B·T, H] */
function hiddenStates(
  config: ModelConfig,
  weights: DecoderWeights,
  { sharedPrefixes }: BatchForm,
  observe: Observe,
): Tensor {
  const tokens = input('tokens', 'i64', ['B', 'T']);
  const tables = ropeInputs(config);
  if (!sharedPrefixes) {
    return decoderHidden(config, weights, tokens, causalAttention(config, tables), observe);
  }
  const prefix = input('prefix.tokens', 'i64', ['G', 'L']);
  const { beginning, continuation } = sharedPrefixAttention(config, tables, prefix);
  // Of the beginnings only the keys and values are used: what follows their last attention is never computed.
  decoderHidden(config, weights, prefix, beginning);
  return decoderHidden(config, weights, tokens, continuation, observe);
}

/** sum + gradient, where possible inside the operation that computes the gradient. */
function accumulate(sum: Tensor, gradient: Tensor): Tensor {
  const { node } = gradient;
  if (node.op.name === addOp.name) {
    const [a, b] = node.inputs as [Tensor, Tensor];
    if (sameShape(a.shape, sum.shape) && sameShape(b.shape, sum.shape)) {
      return accumulate(accumulate(sum, a), b);
    }
  }
  if (node.op.name === matmulOp.name && gradient.shape.length === 2) {
    const [a, b] = node.inputs as [Tensor, Tensor];
    return addmm(sum, a, b, attributesOf(node, matmulOp));
  }
  if (node.op.name === indexAddOp.name && node.inputs[0]!.node.op.name === fullOp.name) {
    const [, indices, rows] = node.inputs as [Tensor, Tensor, Tensor];
    return indexAdd(sum, indices, rows);
  }
  return add(sum, reshape(gradient, sum.shape));
}
