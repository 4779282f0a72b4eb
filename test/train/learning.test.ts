/** End to end on the real engine: the reward rises, and sampler and trainer agree while it does. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openOnnxRuntime } from '../../src/runtime/onnx/onnx-runtime.ts';
import type { GrpoConfigInput } from '../../src/train/config.ts';
import type { RolloutRecord, StepMetrics } from '../../src/train/events.ts';
import { trainGrpo } from '../../src/train/grpo.ts';
import { codec, task, tinyModel } from '../support/tiny-run.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-learning-'));
});
afterAll(() => rm(root, { recursive: true }));

async function train(name: string, config: GrpoConfigInput) {
  await using runtime = openOnnxRuntime();
  await using policy = await tinyModel(runtime);
  const steps: StepMetrics[] = [];
  const rollouts: (readonly RolloutRecord[])[] = [];
  const { history } = await trainGrpo({
    policy,
    task,
    codec,
    folder: join(root, name),
    config: {
      steps: 40,
      problemsPerStep: 8,
      groupSize: 8,
      maxCompletionTokens: 12,
      optimizer: { learningRate: 3e-3 },
      evaluation: { problems: 4, every: 0, temperature: 1, samples: 8 },
      checkpoints: { every: 0 },
      ...config,
    },
    onEvent(event) {
      if (event.type === 'step') steps.push(event.metrics);
      if (event.type === 'rollouts') rollouts.push(event.rollouts);
    },
  });
  return { steps, rollouts, evaluations: history.evaluations.map(({ metrics }) => metrics) };
}

/** How many standard errors the mean of `b` is above that of `a`. */
function standardErrors(a: readonly number[], b: readonly number[]): number {
  const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = (x: readonly number[]) =>
    x.reduce((sum, value) => sum + (value - mean(x)) ** 2, 0) / (x.length - 1);
  return (mean(b) - mean(a)) / Math.sqrt(variance(a) / a.length + variance(b) / b.length);
}

describe('GRPO on the local engine', () => {
  it.each<[string, GrpoConfigInput]>([
    ['by default', {}],
    [
      'with several updates per rollout, a reference and an entropy bonus',
      {
        steps: 25,
        miniBatches: 2,
        epochs: 2,
        kl: { beta: 0.001, refreshReferenceEvery: 10 },
        loss: { entropyBonus: 0.001 },
      },
    ],
    [
      'as CISPO, from samples of a truncated distribution',
      {
        loss: { type: 'cispo' },
        sampling: { topK: 8 },
        importance: { correction: 'token' },
      },
    ],
  ])('raises the reward %s', async (name, config) => {
    const { steps, rollouts, evaluations } = await train(name, config);
    const rewards = (of: readonly (readonly RolloutRecord[])[]) => of.flat().map(({ reward }) => reward!);
    const [first, last] = [rewards(rollouts.slice(0, 3)), rewards(rollouts.slice(-3))];
    expect(standardErrors(first, last)).toBeGreaterThan(10);
    expect(evaluations.at(-1)!.accuracy).toBeGreaterThan(evaluations[0]!.accuracy + 0.3);
    // In the first update of a step the policy is the one that sampled.
    const onPolicy = config.epochs === undefined ? steps : [];
    for (const { ratioMin, ratioMax } of onPolicy) {
      expect(Math.max(1 - ratioMin, ratioMax - 1)).toBeLessThan(1e-4);
    }
    for (const { gradientNorm, skippedUpdates, learnedSequences } of steps) {
      expect(gradientNorm > 0).toBe(learnedSequences > 0);
      expect(skippedUpdates).toBe(0);
    }
  });
});
