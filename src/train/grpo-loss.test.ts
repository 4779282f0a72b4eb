import { describe, expect, it } from 'vitest';
import { type LossBatch, lossProblem } from '../../test/support/loss-batch.ts';
import {
  builtCases,
  lossTypes,
  notBuilt,
  prepareTrlCase,
  trl,
  type TrlCase,
} from '../../test/support/trl-cases.ts';
import { interpret } from '../graph/interpreter.ts';
import { type GrpoLossOptions, grpoLoss } from './grpo-loss.ts';
import { addToLossTotals, emptyLossTotals, readLossTotals } from './loss-metrics.ts';

/** The loss and its gradients in the interpreter. */
function evaluate(batch: LossBatch) {
  const { fn, values, read } = lossProblem(batch);
  return read(interpret(fn, values));
}

/** The metrics of TRL that ours correspond to, by TRL's names. */
function metricsOf(
  test: TrlCase,
  batch: LossBatch,
  found: ReturnType<typeof evaluate>,
): Record<string, number> {
  const totals = emptyLossTotals();
  const observation = { ...batch, ratio: found.ratio, clipped: found.clipped, kl: found.kl };
  addToLossTotals(totals, batch.options.ratio ?? 'token', observation);
  const { entropy, kl, clipShare, clipLowShare, clipHighShare, clipLowMin, clipHighMax } =
    readLossTotals(totals);
  const bonus = (batch.inputs['entropyWeights'] ?? []).flatMap((row, s) =>
    Array.from(row, (weight, t) => weight * batch.entropies[s]![t]!),
  );
  return {
    entropy,
    ...(kl === null ? {} : { kl }),
    ...(batch.options.type === 'cispo'
      ? { cispo_clip_ratio: clipHighShare }
      : {
          'clip_ratio/low_mean': clipLowShare,
          'clip_ratio/high_mean': clipHighShare,
          'clip_ratio/region_mean': clipShare,
          'clip_ratio/low_min': clipLowMin,
          'clip_ratio/high_max': clipHighMax,
        }),
    ...(test.config.ecoef === undefined
      ? {}
      : { entropy_coef: test.config.ecoef, policy_loss: found.loss + bonus.reduce((a, b) => a + b, 0) }),
  };
}

function worst(found: number[][], expected: number[][]): number {
  return Math.max(...expected.flatMap((row, s) => row.map((value, t) => Math.abs(found[s]![t]! - value))));
}

describe('the GRPO loss against TRL', () => {
  it.each(builtCases)('%s: loss, gradient and metrics', (_, test) => {
    const batch = prepareTrlCase(test);
    const found = evaluate(batch);
    expect(Math.abs(found.loss - test.loss)).toBeLessThan(1e-9);
    expect(worst(found.gradient, test.grad)).toBeLessThan(1e-9);
    expect(Math.max(...test.grad.flat().map(Math.abs))).toBeGreaterThan(1e-3);
    expect(found.padding).toBeCloseTo(0, 15);
    const metrics = metricsOf(test, batch, found);
    expect(Object.keys(metrics).toSorted()).toEqual(Object.keys(test.metrics).toSorted());
    for (const [name, value] of Object.entries(test.metrics))
      expect(metrics[name], name).toBeCloseTo(value, 9);
  });

  const others = Object.entries(trl.losses).filter(([, { config }]) => !lossTypes.includes(config.loss_type));
  it.for(others.map(([name, { config }]) => [name, notBuilt[config.loss_type]!] as const))(
    '%s is not built: %s',
    ([, reason], context) => {
      expect(reason).not.toBe('');
      context.skip(reason);
    },
  );

  it('knows every case: built, or listed as not built with its reason', () => {
    const listed = others.map(([, { config }]) => config.loss_type);
    expect([...new Set(listed)].toSorted()).toEqual(Object.keys(notBuilt).toSorted());
    expect(builtCases.length + others.length).toBe(Object.keys(trl.losses).length);
    expect(builtCases.length).toBe(28);
  });
});

describe('the KL term', () => {
  const base = prepareTrlCase(trl.losses['dapo']!);
  const { new: logprobs, ref, old, mask } = trl.loss_inputs;

  it.each(['k1', 'k2', 'k3'] as const)('%s has the value and the gradient of its definition', (estimator) => {
    for (const biasCorrected of [false, true]) {
      const beta = 0.3;
      const options = { ...base.options, kl: { beta, estimator, biasCorrected } };
      const inputs = { ...base.inputs, referenceLogprobs: ref };
      const without = evaluate(base);
      const found = evaluate({ ...base, options, inputs });
      let value = 0;
      for (const [s, row] of mask.entries()) {
        for (const [t, active] of row.entries()) {
          if (active === 0) continue;
          const d = ref[s]![t]! - logprobs[s]![t]!;
          const r = biasCorrected ? Math.exp(logprobs[s]![t]! - old[s]![t]!) : 1;
          const k = { k1: -d, k2: (d * d) / 2, k3: Math.exp(d) - d - 1 }[estimator];
          const slope = { k1: 1, k2: -d, k3: 1 - Math.exp(d) }[estimator];
          const weight = base.weights[s]![t]!;
          value += weight * r * k;
          expect(found.kl![s]![t]).toBeCloseTo(r * k, 12);
          const gradient = weight * beta * (r * slope + (biasCorrected ? r * k : 0));
          expect(found.gradient[s]![t]! - without.gradient[s]![t]!).toBeCloseTo(gradient, 12);
        }
      }
      expect(found.loss - without.loss).toBeCloseTo(beta * value, 12);
    }
  });

  it('pulls towards the reference: its gradient step raises the log-probability where the reference is higher', () => {
    const advantages = mask.map((row) => row.map(() => 0));
    for (const estimator of ['k2', 'k3'] as const) {
      const options = { ...base.options, kl: { beta: 1, estimator, biasCorrected: false } };
      const found = evaluate({
        ...base,
        options,
        inputs: { ...base.inputs, advantages, referenceLogprobs: ref },
      });
      for (const [s, row] of mask.entries()) {
        for (const [t, active] of row.entries()) {
          if (active === 0) continue;
          expect(Math.sign(-found.gradient[s]![t]!)).toBe(Math.sign(ref[s]![t]! - logprobs[s]![t]!));
        }
      }
    }
  });
});

describe('the entropy bonus', () => {
  it('raises the entropy: the loss falls by coefficient × mean entropy', () => {
    const test = trl.losses['dapo_entropy_coef_0.01']!;
    const { entropyGradient } = evaluate(prepareTrlCase(test));
    const tokens = trl.loss_inputs.mask.flat().filter((m) => m === 1).length;
    for (const [s, row] of trl.loss_inputs.mask.entries()) {
      for (const [t, active] of row.entries()) {
        expect(entropyGradient[s]![t]).toBeCloseTo(active === 1 ? -0.01 / tokens : 0, 15);
      }
    }
  });
});

describe('keys', () => {
  it('differ exactly when the graphs differ', () => {
    const base: GrpoLossOptions = { type: 'dapo', clipLow: 0.2, clipHigh: 0.2 };
    const kl = { beta: 0.1, estimator: 'k3', biasCorrected: false } as const;
    const different: GrpoLossOptions[] = [
      base,
      { ...base, clipHigh: 0.3 },
      { ...base, ratio: 'sequence' },
      { ...base, maxNegativeRatio: 3 },
      { ...base, offPolicyThreshold: 0.1 },
      { ...base, policyScale: true },
      { ...base, entropyBonus: true },
      { ...base, kl },
      { ...base, kl: { ...kl, beta: 0.2 } },
      { ...base, kl: { ...kl, estimator: 'k1' } },
      { ...base, kl: { ...kl, biasCorrected: true } },
      { type: 'cispo', cispoMaxRatio: 5 },
      { type: 'cispo', cispoMaxRatio: 4 },
    ];
    expect(new Set(different.map((options) => grpoLoss(options).key)).size).toBe(different.length);
    expect(grpoLoss({ clipHigh: 0.2, type: 'dapo', clipLow: 0.2, maxNegativeRatio: undefined }).key).toBe(
      grpoLoss(base).key,
    );
  });
});
