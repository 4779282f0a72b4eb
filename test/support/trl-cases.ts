/** The loss cases of test/fixtures/trl/grpo.json in terms of our loss: options, averaging and flat tokens. */
import { readFileSync } from 'node:fs';
import { highEntropyMask } from '../../src/train/entropy-mask.ts';
import type { GrpoLossOptions, LossType } from '../../src/train/grpo-loss.ts';
import { tokenWeights } from '../../src/train/token-weights.ts';

interface CaseConfig {
  readonly loss_type: string;
  readonly level?: 'sequence';
  readonly eps?: number;
  readonly eps_high?: number;
  readonly delta?: number;
  readonly beta?: number;
  readonly bias?: boolean;
  readonly oldp?: null;
  readonly gas?: number;
  readonly spg?: number;
  readonly num_items?: number;
  readonly isr?: string;
  readonly q?: number;
  readonly ecoef?: number;
  readonly opm?: number;
  readonly m?: string;
}

export interface TrlCase {
  readonly config: CaseConfig;
  readonly loss: number;
  readonly grad: number[][];
  readonly metrics: Readonly<Record<string, number>>;
}

interface Fixture {
  readonly advantages: Readonly<Record<string, TrlAdvantages>>;
  readonly loss_inputs: {
    readonly new: number[][];
    readonly old: number[][];
    readonly ref: number[][];
    readonly mask: number[][];
    readonly entropies: number[][];
    readonly advantages: number[];
    readonly is_ratio_token: number[][];
    readonly is_ratio_sequence: number[][];
    readonly max_completion_length: number;
  };
  readonly losses: Readonly<Record<string, TrlCase>>;
}

export interface TrlAdvantages {
  readonly rewards: (number | null)[][];
  readonly num_generations: number;
  readonly weights?: number[];
  readonly group: number[];
  readonly batch: number[];
  readonly none: number[];
  readonly normalize_then_sum?: number[];
}

export const trl = JSON.parse(
  readFileSync(new URL('../fixtures/trl/grpo.json', import.meta.url), 'utf8'),
) as Fixture;

/** Loss types of TRL that are not built, with the reason. Their cases are listed by the test that skips them. */
export const notBuilt: Readonly<Record<string, string>> = {
  sapo: 'soft gates instead of clipping (arXiv 2511.20347): not part of the family asked for',
  vespo: 'gamma-shaped sequence weights (arXiv 2602.10693): not part of the family asked for',
  luspo: 'length-unbiased sequence loss (arXiv 2602.05261): not part of the family asked for',
};

export const lossTypes: readonly string[] = ['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo'] satisfies LossType[];

export interface PreparedCase {
  readonly options: GrpoLossOptions;
  /** [S][T]: 0 where masked. */
  readonly weights: Float32Array[] | number[][];
  /** [S][T], by name of the loss input. */
  readonly inputs: Readonly<Record<string, number[][]>>;
  readonly logprobs: number[][];
  readonly entropies: number[][];
}

/** `test` as a batch for `grpoLoss(options)`. */
export function prepareTrlCase({ config }: TrlCase): PreparedCase {
  const given = trl.loss_inputs;
  const mask = given.mask.map((row, index) =>
    config.m !== undefined && index === 1 ? row.map(() => 0) : row,
  );
  const lengths = mask.map((row) => row.reduce((a, b) => a + b, 0));
  const type = config.loss_type as LossType;
  const averages = tokenWeights(type, {
    lengths,
    maxCompletionTokens: given.max_completion_length,
    accumulatedBatches: config.gas ?? 1,
    batchesPerRollout: config.spg ?? 1,
    ...(config.num_items === undefined ? {} : { rolloutTokens: config.num_items }),
  });
  const high = config.eps_high ?? config.eps ?? 0.2;
  const scales: number[][][] = [];
  if (config.isr !== undefined) {
    const ratios = config.isr === 'sequence' ? given.is_ratio_sequence : given.is_ratio_token;
    scales.push(mask.map((row, s) => row.map((_, t) => ratios[s]![t] ?? ratios[s]![0]!)));
  }
  if (config.q !== undefined)
    scales.push(highEntropyMask(given.entropies, mask, config.q).map((row) => [...row]));
  const active = mask.flat().reduce((a, b) => a + b, 0);
  const beta = config.beta ?? 0;
  return {
    options: {
      type,
      ratio: config.level ?? 'token',
      clipLow: config.eps ?? 0.2,
      clipHigh: high,
      // In TRL, epsilon_high of cispo is the largest ratio itself.
      cispoMaxRatio: high,
      maxNegativeRatio: config.delta,
      offPolicyThreshold: config.opm,
      ...(beta === 0 ? {} : { kl: { beta, estimator: 'k3', biasCorrected: config.bias ?? true } }),
      policyScale: scales.length > 0,
      entropyBonus: config.ecoef !== undefined,
    },
    weights: mask.map((row, s) => row.map((m) => m * averages[s]!)),
    inputs: {
      oldLogprobs: config.oldp === null ? given.new : given.old,
      advantages: mask.map((row, s) => row.map(() => given.advantages[s]!)),
      ...(beta === 0 ? {} : { referenceLogprobs: given.ref }),
      ...(scales.length === 0
        ? {}
        : {
            policyScale: mask.map((row, s) => row.map((_, t) => scales.reduce((a, b) => a * b[s]![t]!, 1))),
          }),
      ...(config.ecoef === undefined
        ? {}
        : { entropyWeights: mask.map((row) => row.map((m) => (m * config.ecoef!) / active)) }),
    },
    logprobs: given.new,
    entropies: given.entropies,
  };
}

/** The cases of the loss types that are built, by name. */
export const builtCases = Object.entries(trl.losses)
  .filter(([, { config }]) => lossTypes.includes(config.loss_type))
  .map(([name, test]) => {
    // The fixture says "see inputs" for both; the name says which.
    const isr = name.endsWith('IS_sequence') ? 'sequence' : test.config.isr;
    return [name, { ...test, config: isr === undefined ? test.config : { ...test.config, isr } }] as const;
  });
