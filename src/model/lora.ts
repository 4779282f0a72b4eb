/**
 * Low-rank adaptation (Hu et al. 2021): a linear layer x·Wᵀ becomes x·Wᵀ + (x·Aᵀ)·Bᵀ·scale with A [r, in] drawn at
 * random and B [out, r] zero, so that training starts at the base model. Only A and B are trained.
 */
import { AhaError } from '../errors.ts';
import { type LinearModule, linearModules } from './parameters.ts';

export interface LoraConfig {
  /** r: the rank of the update. */
  readonly rank: number;
  /** α: the update is scaled by α / r (α / √r when rank-stabilised). */
  readonly alpha: number;
  readonly targets: readonly LinearModule[];
  /** rsLoRA (Kalajdzievski 2023). */
  readonly rankStabilised: boolean;
}

export function loraScale({ alpha, rank, rankStabilised }: LoraConfig): number {
  return alpha / (rankStabilised ? Math.sqrt(rank) : rank);
}

/**
 * A LoRA configuration with PEFT's defaults filled in. `targets` are module names as in PEFT's `target_modules`
 * (`q_proj`) or `all-linear`.
 * @throws AhaError `lora-target-unknown`, `lora-rank`
 */
export function loraConfig(options: {
  readonly rank?: number;
  readonly alpha?: number;
  readonly targets?: readonly string[];
  readonly rankStabilised?: boolean;
}): LoraConfig {
  const rank = options.rank ?? 16;
  if (!Number.isInteger(rank) || rank < 1) {
    throw new AhaError({
      code: 'lora-rank',
      boundary: 'configuration',
      what: 'The LoRA rank does not make sense',
      found: rank,
      expected: 'a whole number of at least 1',
    });
  }
  const targets = (options.targets ?? ['all-linear']).flatMap((target) => {
    if (target === 'all-linear') return [...linearModules];
    const matches = linearModules.filter((module) => module === target || module.endsWith(`.${target}`));
    if (matches.length > 0) return matches;
    throw new AhaError({
      code: 'lora-target-unknown',
      boundary: 'configuration',
      what: 'A LoRA target is not a linear layer of the model',
      found: target,
      expected: `all-linear, or some of ${linearModules.map((module) => module.split('.').at(-1)).join(', ')}`,
    });
  });
  return {
    rank,
    alpha: options.alpha ?? 2 * rank,
    targets: linearModules.filter((module) => targets.includes(module)),
    rankStabilised: options.rankStabilised ?? false,
  };
}
