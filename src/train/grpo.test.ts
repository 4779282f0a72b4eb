import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alphabet, lettersCodec, lettersPolicy, lettersTask } from '../../test/support/letters.ts';
import { type Setup, temporaryFolder, trainLetters } from '../../test/support/letters-run.ts';
import { failed, scored } from '../verify/verdict.ts';
import type { GrpoEvent } from './events.ts';

let root: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ folder: root, remove } = await temporaryFolder());
});
afterEach(() => remove());

const train = (setup: Partial<Setup> = {}) => trainLetters({ folder: join(root, 'run'), ...setup });

describe('trainGrpo', () => {
  it('learns: reward and held-out accuracy rise from guessing to nearly perfect', async () => {
    const { steps, of, result } = await train({ config: { steps: 60, problemsPerStep: 8, groupSize: 8 } });
    expect(result).toMatchObject({ reason: 'completed', steps: 60 });
    const rewards = steps.map(({ rewardMean }) => rewardMean);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(rewards.slice(0, 3))).toBeLessThan(0.3);
    expect(mean(rewards.slice(-5))).toBeGreaterThan(0.9);
    const evaluations = of('evaluation');
    expect(evaluations[0]!.metrics.accuracy).toBeLessThan(0.5);
    expect(evaluations.at(-1)!.metrics.accuracy).toBe(1);
  });

  it('is on-policy in its first update: every ratio is 1', async () => {
    const { steps } = await train();
    for (const { ratioMin, ratioMax, clipShare } of steps) {
      expect(ratioMin).toBeGreaterThan(1 - 1e-6);
      expect(ratioMax).toBeLessThan(1 + 1e-6);
      expect(clipShare).toBe(0);
    }
    const several = await train({
      folder: join(root, 'several'),
      config: { epochs: 3, miniBatches: 2, optimizer: { learningRate: 0.5 } },
    });
    expect(Math.max(...several.steps.map(({ ratioMax }) => ratioMax))).toBeGreaterThan(1.05);
    expect(Math.max(...several.steps.map(({ clipShare }) => clipShare))).toBeGreaterThan(0);
  });

  it('reports every step with consistent numbers', async () => {
    const { steps, of } = await train();
    expect(of('run-start')[0]).toMatchObject({ steps: 6, step: 0, resumed: false });
    expect(of('preflight').map(({ check }) => check)).toEqual([
      'capabilities',
      'turn end',
      'references',
      'variance',
      'on-policy ratio',
    ]);
    expect(of('step').map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(of('evaluation').map(({ step }) => step)).toEqual([0, 3, 6]);
    for (const [index, { rollouts }] of of('rollouts').entries()) {
      const metrics = steps[index]!;
      expect(rollouts).toHaveLength(24);
      const rewards = rollouts.map(({ reward }) => reward!);
      expect(metrics.rewardMean).toBeCloseTo(rewards.reduce((a, b) => a + b, 0) / 24, 12);
      expect(metrics.accuracy).toBeCloseTo(metrics.rewardMean, 12);
      expect(metrics.lengthMean).toBeCloseTo(rollouts.reduce((a, { tokens }) => a + tokens, 0) / 24, 12);
      const truncated = rollouts.filter(({ finish }) => finish === 'length').length;
      expect(metrics.truncatedShare).toBeCloseTo(truncated / 24, 12);
      const zero = [0, 1, 2, 3].filter((g) => new Set(rewards.slice(g * 6, g * 6 + 6)).size === 1);
      expect(metrics.zeroVarianceShare).toBe(zero.length / 4);
      for (const { response, reward, prompt } of rollouts) {
        expect(reward).toBe(response === prompt[1]!.toUpperCase() ? 1 : 0);
      }
      const learned = rollouts.filter(({ advantage }) => advantage !== 0);
      expect(metrics.learnedSequences).toBe(learned.length);
      expect(metrics.learnedTokens).toBe(learned.reduce((a, { tokens }) => a + tokens, 0));
      expect(metrics.learnedSequences).toBe(24 - zero.length * 6);
    }
    const entropies = steps.map(({ entropy }) => entropy);
    expect(entropies[0]).toBeGreaterThan(1.5);
    // Two measurements of nearly the same thing: sampled and exact.
    for (const { entropy, learnedEntropy } of steps)
      expect(Math.abs(entropy - learnedEntropy!)).toBeLessThan(0.5);
    expect(entropies.every((entropy) => entropy <= Math.log(alphabet.length))).toBe(true);
    expect(
      steps.every(
        ({ gradientNorm, kl, skippedUpdates }) => gradientNorm > 0 && kl === null && skippedUpdates === 0,
      ),
    ).toBe(true);
  });

  it('computes only sequences with an advantage, and all of them when a KL term or an entropy bonus counts', async () => {
    const only = await train({ config: { evaluation: { problems: 0 } } });
    expect(only.policy.computedSequences).toBe(only.steps.reduce((a, b) => a + b.learnedSequences, 0));
    expect(only.policy.computedSequences).toBeLessThan(6 * 24);
    for (const [index, extra] of [{ kl: { beta: 0.1 } }, { loss: { entropyBonus: 0.1 } }].entries()) {
      const config = { ...extra, dropZeroVariance: false };
      const { policy } = await train({ config, folder: join(root, `all ${index}`) });
      expect(policy.computedSequences).toBe(6 * 24);
    }
  });

  it('draws the same whatever else is going on, and something else for another seed', async () => {
    const [one, two] = [await train(), await train({ folder: join(root, 'two') })];
    expect(one.policy.fingerprint).toBe(two.policy.fingerprint);
    const other = await train({ folder: join(root, 'other'), config: { seed: 2 } });
    expect(other.policy.fingerprint).not.toBe(one.policy.fingerprint);
  });

  it('follows the learning rate schedule', async () => {
    const optimizer = { learningRate: 0.4, schedule: 'linear', warmupSteps: 1 } as const;
    const { steps } = await train({ config: { steps: 5, optimizer } });
    const expected = [0.2, 0.4, 0.3, 0.2, 0.1];
    for (const [step, { learningRate }] of steps.entries())
      expect(learningRate).toBeCloseTo(expected[step]!, 12);
  });

  it('has a penalty for length that is logged as a component', async () => {
    const overlong = { window: 2, penalty: 0.5 };
    const { of } = await train({ config: { overlong } });
    for (const { components, tokens, reward } of of('rollouts').flatMap(({ rollouts }) => rollouts)) {
      expect(components['overlong']).toBeCloseTo([0, 0, -0.25, -0.5][tokens]!, 12);
      expect(reward).toBeCloseTo(components['score']! + components['overlong']!, 12);
    }
  });
});

describe('groups and verdicts', () => {
  it('replaces groups without variance, at most as often as asked', async () => {
    const { steps, of } = await train({ config: { refillAttempts: 2, evaluation: { problems: 0 } } });
    const refilled = steps.map(({ refilledGroups }) => refilledGroups);
    expect(Math.max(...refilled)).toBeGreaterThan(0);
    for (const [index, { rollouts }] of of('rollouts').entries()) {
      expect(rollouts).toHaveLength((4 + refilled[index]!) * 6);
      expect(refilled[index]).toBeLessThanOrEqual(2 * 4);
      const groups = Array.from({ length: rollouts.length / 6 }, (_, g) => rollouts.slice(g * 6, g * 6 + 6));
      const useful = groups.filter((group) => new Set(group.map(({ reward }) => reward)).size > 1);
      expect(steps[index]!.learnedSequences).toBe(useful.length * 6);
    }
  });

  it('never counts a failed check as a reward, and leaves the completion out', async () => {
    let calls = 0;
    const task = lettersTask((problem, answer, { response }) => {
      // The references and empty responses of the task's own check must not fail.
      const odd = response.length > 1 && calls++ % 3 === 0;
      return odd ? failed('verifier', 'out of order') : scored(answer === problem.answer ? 1 : 0);
    });
    const { steps, of } = await train({
      task,
      config: { failedVerdicts: { action: 'drop', stopAbove: 1 }, evaluation: { problems: 0 } },
    });
    const records = of('rollouts').flatMap(({ rollouts }) => rollouts);
    const failures = records.filter(({ failure }) => failure !== undefined);
    expect(failures.length).toBeGreaterThan(5);
    for (const record of failures) {
      expect(record).toMatchObject({
        reward: null,
        advantage: 0,
        failure: 'verifier: accuracy: out of order',
      });
    }
    const share = steps.reduce((a, b) => a + b.failedVerdictShare, 0) / steps.length;
    expect(share).toBeCloseTo(failures.length / records.length, 12);
  });

  it('repeats failed checks when asked', async () => {
    const seen = new Set<string>();
    const task = lettersTask((problem, answer, { response }) => {
      const key = `${problem.prompt} ${response}`;
      const first = response.length > 1 && !seen.has(key);
      seen.add(key);
      return first ? failed('sandbox', 'busy') : scored(answer === problem.answer ? 1 : 0);
    });
    const failedVerdicts = { action: 'retry', retries: 1, stopAbove: 0 } as const;
    const { steps } = await train({ task, config: { failedVerdicts } });
    expect(steps.every(({ failedVerdictShare }) => failedVerdictShare === 0)).toBe(true);
  });

  it('stops when too many checks fail, says where, and keeps the last checkpoint', async () => {
    let broken = false;
    const task = lettersTask((problem, answer) =>
      broken ? failed('sandbox', 'the container is gone') : scored(answer === problem.answer ? 1 : 0),
    );
    const options = { onEvent: (event: GrpoEvent) => (broken ||= event.type === 'step' && event.step === 2) };
    await expect(train({ task, options })).rejects.toMatchObject({
      code: 'too-many-failed-verdicts',
      boundary: 'sandbox',
      message: expect.stringContaining(
        '24 of 24; the first at the sandbox: accuracy: the container is gone',
      ) as string,
    });
    broken = false;
    const { result, of } = await train({ task });
    expect(of('run-start')[0]).toMatchObject({ resumed: true, step: 2 });
    expect(result.steps).toBe(6);
  });

  it('names the nearest component for a misspelt one', async () => {
    await expect(train({ config: { rewardWeights: { acuracy: 1 } } })).rejects.toThrow(
      'rewardWeights names a component that no verdict has: found acuracy, expected score | accuracy. Did you mean "accuracy"?',
    );
  });

  it('leaves truncated completions out of the loss when they are masked, and counts them', async () => {
    const { policy, of } = await train({ config: { truncated: 'mask', evaluation: { problems: 0 } } });
    const records = of('rollouts').flatMap(({ rollouts }) => rollouts);
    expect(
      records.filter(({ finish, advantage }) => finish === 'length' && advantage !== 0).length,
    ).toBeGreaterThan(5);
    expect(policy.computedSequences).toBe(
      records.filter(({ finish, advantage }) => finish === 'stop' && advantage !== 0).length,
    );
    const ends = policy.batches.flat().map(({ tokens }) => tokens.at(-1));
    expect(new Set(ends)).toEqual(new Set(lettersCodec.stopTokens));
  });

  it('says that there was nothing to learn, and leaves the weights alone', async () => {
    let constant = false;
    const task = lettersTask((problem, answer) => !constant && answer === problem.answer);
    const policy = lettersPolicy();
    let before = '';
    const { warnings, steps } = await train({
      task,
      policy,
      config: { steps: 2 },
      options: {
        onEvent(event) {
          if (event.type !== 'step' || event.step !== 0) return;
          constant = true;
          before = policy.fingerprint;
        },
      },
    });
    expect(warnings).toEqual(['nothing-to-learn']);
    expect(policy.fingerprint).toBe(before);
    expect(steps[1]).toMatchObject({
      zeroVarianceShare: 1,
      learnedSequences: 0,
      gradientNorm: 0,
      ratioMin: 1,
    });
  });

  it('skips prompts that leave no room, and says so', async () => {
    const policy = lettersPolicy({ contextLength: 5 });
    const codec = {
      ...lettersCodec,
      encodePrompt: (prompt: Parameters<typeof lettersCodec.encodePrompt>[0]) => {
        const { tokens, text } = lettersCodec.encodePrompt(prompt);
        return { tokens: text.startsWith('0') ? Int32Array.of(...tokens, ...tokens) : tokens, text };
      },
    };
    const { warnings, of } = await train({ policy, options: { codec } });
    expect(new Set(warnings)).toEqual(new Set(['prompts-skipped']));
    const prompts = of('rollouts').flatMap(({ rollouts }) => rollouts.map(({ prompt }) => prompt));
    expect(prompts.some((prompt) => prompt.startsWith('0'))).toBe(false);
    const none = train({ policy: lettersPolicy({ contextLength: 4 }), folder: join(root, 'none') });
    await expect(none).rejects.toThrow('No prompt of task letters leaves room for 3 tokens of completion');
  });
});

describe('terms of the loss', () => {
  it('measures the KL against a reference that is refreshed when asked', async () => {
    const kl = { beta: 0.01, refreshReferenceEvery: 2 };
    const { steps, policy } = await train({ config: { kl, optimizer: { learningRate: 0.5 } } });
    // Before any update, and right after a refresh, policy and reference are the same.
    const values = steps.map((metrics) => metrics.kl!);
    for (const step of [0, 2, 4]) expect(values[step]).toBeCloseTo(0, 12);
    for (const step of [1, 3, 5]) expect(values[step]).toBeGreaterThan(1e-4);
    expect(policy.calls.refreshReference).toBe(4);
  });

  it('stays near the reference with a large beta, and leaves it without', async () => {
    const moved = async (beta: number) => {
      const policy = lettersPolicy();
      const before = policy.table;
      const config = { steps: 30, kl: { beta, estimator: 'k2' as const }, evaluation: { problems: 0 } };
      await train({ policy, config, folder: join(root, `beta ${beta}`) });
      return Math.sqrt(policy.table.reduce((total, value, i) => total + (value - before[i]!) ** 2, 0));
    };
    expect(await moved(10)).toBeLessThan(0.4 * (await moved(1e-6)));
  });

  it('keeps the entropy up with a bonus', async () => {
    const entropy = async (entropyBonus: number) => {
      const config = { steps: 30, loss: { entropyBonus }, evaluation: { problems: 0 } };
      const { steps } = await train({ config, folder: join(root, `bonus ${entropyBonus}`) });
      return steps.at(-1)!.entropy;
    };
    expect(await entropy(1)).toBeGreaterThan((await entropy(0)) + 0.2);
  });

  it.each(['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo'] as const)('learns with %s', async (type) => {
    const { steps } = await train({
      config: { steps: 40, problemsPerStep: 8, loss: { type }, miniBatches: 2, evaluation: { problems: 0 } },
    });
    expect(steps.at(-1)!.rewardMean).toBeGreaterThan(steps[0]!.rewardMean + 0.4);
  });

  it('learns with sequence ratios, as GSPO', async () => {
    const loss = { type: 'grpo', ratio: 'sequence', clipLow: 3e-4, clipHigh: 4e-4 } as const;
    const { steps } = await train({
      config: { steps: 40, problemsPerStep: 8, loss, miniBatches: 2, evaluation: { problems: 0 } },
    });
    expect(steps.at(-1)!.rewardMean).toBeGreaterThan(steps[0]!.rewardMean + 0.4);
    expect(Math.max(...steps.map(({ clipShare }) => clipShare))).toBeGreaterThan(0.1);
  });

  it('corrects for samples from a truncated distribution', async () => {
    const { policy, steps } = await train({
      config: {
        sampling: { topK: 6 },
        importance: { correction: 'token', cap: 0.9 },
        evaluation: { problems: 0 },
      },
    });
    const scales = policy.batches.flat().flatMap(({ inputs, weights }) => {
      return Array.from(inputs!['policyScale']!).filter((_, t) => weights[t] !== 0);
    });
    // q spreads the probability of the tokens left out over the six that are kept, so that p/q is below 1.
    expect(Math.min(...scales)).toBeGreaterThan(0.5);
    expect(Math.min(...scales)).toBeLessThan(0.85);
    expect(Math.max(...scales)).toBeLessThanOrEqual(Math.fround(0.9));
    // The ratio of the loss compares with the policy as it was, not with the sampler.
    for (const { ratioMin, ratioMax } of steps)
      expect(Math.max(1 - ratioMin, ratioMax - 1)).toBeLessThan(1e-5);
  });

  it('learns only from the tokens of the highest entropy when asked', async () => {
    const { policy } = await train({
      config: { loss: { topEntropyShare: 0.5 }, evaluation: { problems: 0 } },
    });
    const scales = policy.batches.flat().flatMap(({ inputs, weights }) => {
      return Array.from(inputs!['policyScale']!).filter((_, t) => weights[t] !== 0);
    });
    const share = scales.reduce((a, b) => a + b, 0) / scales.length;
    expect(new Set(scales)).toEqual(new Set([0, 1]));
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.7);
  });

  it('leaves the weights alone when a gradient is not finite, and says so', async () => {
    const policy = lettersPolicy();
    const step = policy.optimizerStep.bind(policy);
    let updates = 0;
    policy.optimizerStep = async (adam) => {
      if (updates++ !== 2) return step(adam);
      await step({ ...adam, learningRate: 0 });
      return { gradientNorm: Number.NaN, applied: false };
    };
    const { warnings, steps } = await train({ policy });
    expect(warnings).toEqual(['gradient-not-finite']);
    expect(steps.map(({ skippedUpdates }) => skippedUpdates)).toEqual([0, 0, 1, 0, 0, 0]);
  });
});
