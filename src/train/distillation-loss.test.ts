import { describe, expect, it } from 'vitest';
import {
  distillCases,
  divergenceProblem,
  studentRows,
  vocabulary,
} from '../../test/support/distill-cases.ts';
import { interpret } from '../graph/interpreter.ts';
import type { DistillationLossOptions } from './distillation-loss.ts';

function evaluate(options: Omit<DistillationLossOptions, 'support'> & { readonly width?: number }) {
  const { fn, values } = divergenceProblem(options);
  const { loss, gradient } = interpret(fn, values);
  return {
    loss: loss!.data[0]!,
    gradient: Array.from(gradient!.data),
    at: (logits: Float64Array) =>
      interpret(fn, { ...values, logits: { shape: values['logits']!.shape, data: logits } })['loss']!
        .data[0]!,
  };
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
}

describe('distillationLoss', () => {
  it.each(distillCases)(
    'is that of TRL, with its gradient: $name',
    ({ beta, temperature, loss, gradient }) => {
      const found = evaluate({ beta, temperature });
      expect(Math.abs(found.loss - loss)).toBeLessThan(1e-9);
      expect(largestDifference(found.gradient, gradient)).toBeLessThan(1e-9);
    },
  );

  it.each(distillCases)(
    'is the same from all tokens as the most likely ones: $name',
    ({ beta, temperature, loss, gradient }) => {
      const found = evaluate({ beta, temperature, width: vocabulary });
      expect(Math.abs(found.loss - loss)).toBeLessThan(1e-9);
      expect(largestDifference(found.gradient, gradient)).toBeLessThan(1e-9);
    },
  );

  it.each([0, 0.3, 1])('accounts for the mass that is left, from below: beta %d', (beta) => {
    const full = evaluate({ beta }).loss;
    const bounds = [1, 2, 3].map((width) => evaluate({ beta, width }).loss);
    // Each further token refines the partition, which only adds to the divergence; one left over is a partition whole.
    expect(bounds[0]!).toBeLessThan(bounds[1]!);
    expect(bounds[1]!).toBeLessThan(bounds[2]!);
    expect(bounds[2]!).toBeCloseTo(full, 9);
  });

  it.each([
    { beta: 0, width: 2 },
    { beta: 0.4, width: 2, temperature: 0.7 },
    { beta: 1, width: 1 },
    { beta: 0.5, divergenceWeight: 0.6, crossEntropyWeight: 0.4, temperature: 2 },
    { beta: 0, divergenceWeight: 0.5, crossEntropyWeight: 0.5, width: 2, temperature: 1.5 },
  ])('has the gradient of finite differences: %j', (options) => {
    const { gradient, at } = evaluate(options);
    const logits = Float64Array.from(studentRows.flat());
    const step = 1e-5;
    const numeric = Array.from(logits, (value, index) => {
      const around = [value + step, value - step].map((moved) => at(logits.with(index, moved)));
      return (around[0]! - around[1]!) / (2 * step);
    });
    expect(largestDifference(gradient, numeric)).toBeLessThan(1e-9);
  });

  it('mixes in the cross-entropy at temperature 1, whatever the temperature of the divergence', () => {
    const plain = evaluate({ beta: 0, divergenceWeight: 0, crossEntropyWeight: 1 });
    const hot = evaluate({ beta: 0, divergenceWeight: 0, crossEntropyWeight: 1, temperature: 3 });
    expect(hot.loss).toBeCloseTo(plain.loss, 12);
    expect(largestDifference(hot.gradient, plain.gradient)).toBeLessThan(1e-12);
    // By hand: the mean of −log softmax(logits)[label] over the five labelled tokens.
    const labels = [0, 2, undefined, 3, 1, 0];
    const terms = studentRows.flatMap((row, n) => {
      const label = labels[n];
      if (label === undefined) return [];
      return [Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label]!];
    });
    expect(plain.loss).toBeCloseTo(terms.reduce((a, b) => a + b) / terms.length, 12);
  });
});
