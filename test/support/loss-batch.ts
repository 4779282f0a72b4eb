/** A batch of made-up log-probabilities as a graph: the GRPO loss and its gradients, for any runtime. */
import { graphFunction } from '../../src/graph/function.ts';
import { backward } from '../../src/graph/gradients/backward.ts';
import { input, type Value } from '../../src/graph/tensor.ts';
import { type GrpoLossOptions, grpoLoss } from '../../src/train/grpo-loss.ts';

export interface LossBatch {
  readonly options: GrpoLossOptions;
  /** All tables [S][T]. Tokens of weight 0 are not part of the batch. */
  readonly weights: readonly ArrayLike<number>[];
  readonly inputs: Readonly<Record<string, readonly ArrayLike<number>[]>>;
  readonly logprobs: readonly ArrayLike<number>[];
  readonly entropies: readonly ArrayLike<number>[];
}

/** The graph, its inputs with one more row of weight 0, as engines pad, and how to read its outputs. */
export function lossProblem(batch: LossBatch) {
  const loss = grpoLoss(batch.options);
  const places = batch.weights.flatMap((row, s) =>
    Array.from(row).flatMap((weight, t) => (weight === 0 ? [] : [[s, t] as const])),
  );
  const rows = places.length + 1;
  const f32 = (name: string) => input(name, 'f32', ['N']);
  const logprobs = f32('logprobs');
  const entropies = f32('entropies');
  const built = loss.build({
    logprobs,
    entropies,
    weights: f32('weights'),
    sequence: input('sequence', 'i64', ['N']),
    zerosPerSequence: input('zerosPerSequence', 'f32', ['S']),
    inputs: Object.fromEntries(loss.inputs.map((name) => [name, f32(name)])),
  });
  const [gradient, entropyGradient] = backward(built.loss, [logprobs, entropies]);
  const fn = graphFunction({
    loss: built.loss,
    gradient: gradient!,
    entropyGradient: entropyGradient!,
    ...built.perToken,
  });
  const flat = (values: readonly ArrayLike<number>[], padding: number): Value => ({
    shape: [rows],
    data: Float64Array.of(...places.map(([s, t]) => values[s]![t]!), padding),
  });
  const all: Record<string, Value> = {
    // A row that fills up has any log-probability, however small.
    logprobs: flat(batch.logprobs, -5000),
    entropies: flat(batch.entropies, 3),
    weights: flat(batch.weights, 0),
    sequence: { shape: [rows], data: Float64Array.of(...places.map(([s]) => s), 0) },
    zerosPerSequence: { shape: [batch.weights.length], data: new Float64Array(batch.weights.length) },
    ...Object.fromEntries(Object.entries(batch.inputs).map(([name, of]) => [name, flat(of, 0)])),
  };
  const values = Object.fromEntries([...fn.inputs.keys()].map((name) => [name, all[name]!]));

  const read = (results: Readonly<Record<string, { readonly data: ArrayLike<number> }>>) => {
    const unflat = (name: string) => {
      const table = batch.weights.map((row) => Array.from(row, () => 0));
      for (const [at, [s, t]] of places.entries()) table[s]![t] = results[name]!.data[at]!;
      return table;
    };
    return {
      loss: results['loss']!.data[0]!,
      gradient: unflat('gradient'),
      entropyGradient: unflat('entropyGradient'),
      ratio: unflat('ratio'),
      clipped: unflat('clipped'),
      kl: batch.options.kl === undefined ? undefined : unflat('kl'),
      /** The gradient at the row that only fills up. */
      padding: results['gradient']!.data[rows - 1]!,
    };
  };
  return { fn, values, read };
}
