/** Logit and on-policy distillation on the real engine: a student of one seed moves towards a teacher of another. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LocalPolicy } from '../../src/engine/local-policy.ts';
import type { ForwardOptions, Policy, TokenSequence } from '../../src/engine/policy.ts';
import { openOnnxRuntime } from '../../src/runtime/onnx/onnx-runtime.ts';
import {
  distillLogits,
  distillOnPolicy,
  type LogitDistillOptions,
  type OnPolicyDistillOptions,
} from '../../src/train/distill.ts';
import type { LearnEvent } from '../../src/train/events.ts';
import { TabularPolicy } from '../support/tabular-policy.ts';
import { codec, task, tinyExamples, tinyModel } from '../support/tiny-run.ts';

const runtime = openOnnxRuntime({ threads: 1 });
let teacher: LocalPolicy;
let folder: string;
let student: LocalPolicy;
beforeAll(async () => {
  teacher = await tinyModel(runtime, 'teacher');
});
afterAll(async () => {
  await teacher.dispose();
  await runtime[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-distill-'));
  student = await tinyModel(runtime);
});
afterEach(async () => {
  await student.dispose();
  await rm(folder, { recursive: true });
});

const examples = tinyExamples(24);
const data = { train: examples, heldOut: [], fingerprint: 'tiny' };
const prompt = (index: number) => codec.encodePrompt(task.prompt(task.problem({ split: 'train', index })));

/** The teacher, counting what it computes. */
function counted(): { readonly policy: Policy; readonly sequences: () => number } {
  let sequences = 0;
  const policy = new Proxy<Policy>(teacher, {
    get(target, key) {
      if (key === 'forward') {
        return async (batch: readonly TokenSequence[], options?: ForwardOptions) => {
          sequences += batch.length;
          return target.forward(batch, options);
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { policy, sequences: () => sequences };
}

type Steps = Extract<LearnEvent, { type: 'learn-step' }>[];
const optimizer = { learningRate: 3e-3 };

async function logits(options: Partial<LogitDistillOptions> = {}) {
  const steps: Steps = [];
  await distillLogits({
    policy: student,
    teacher,
    teacherName: 'tiny',
    data,
    folder: join(folder, 'run'),
    ...options,
    config: { seed: 1, examplesPerStep: 8, epochs: 10, optimizer, ...options.config },
    onEvent: (event) => event.type === 'learn-step' && steps.push(event),
  });
  return steps;
}

async function onPolicy(options: Partial<OnPolicyDistillOptions> = {}) {
  const steps: Steps = [];
  await distillOnPolicy({
    policy: student,
    teacher,
    teacherName: 'tiny',
    prompt,
    stopTokens: codec.stopTokens,
    folder: join(folder, 'run'),
    ...options,
    config: {
      seed: 1,
      steps: 40,
      examplesPerStep: 8,
      optimizer,
      onPolicy: { completionsPerPrompt: 4, maxCompletionTokens: 8 },
      ...options.config,
    },
    onEvent: (event) => event.type === 'learn-step' && steps.push(event),
  });
  return steps;
}

describe('distillLogits', () => {
  it.each([0, 0.5, 1])('moves the student towards the teacher: beta %d', async (beta) => {
    const { tokens } = examples[0]!;
    const probe = [{ tokens, weights: new Float32Array(tokens.length).fill(1, 1) }];
    const before = await teacher.forward(probe);
    const steps = await logits({ config: { logit: { beta } } });
    expect(steps.at(-1)!.measures['divergence']!).toBeLessThan(steps[0]!.measures['divergence']! / 2);
    expect(steps[0]!.loss).toBeCloseTo(steps[0]!.measures['divergence']!, 5);
    const after = await teacher.forward(probe);
    expect(after.logprobs).toEqual(before.logprobs);
  });

  it('mixes the cross-entropy in by its share, and scales by the temperature', async () => {
    const mixed = { crossEntropy: 0.25, temperature: 2, scaleByTemperature: true };
    const [first] = await logits({ config: { steps: 1, logit: mixed } });
    const { divergence, crossEntropy } = first!.measures;
    expect(first!.loss).toBeCloseTo(0.75 * 4 * divergence! + 0.25 * crossEntropy!, 4);
    // The cross-entropy is that of the student as it is, not of the one at temperature 2.
    const batch = examples.map(({ tokens, learned }) => ({ tokens, weights: Float32Array.from(learned) }));
    const fresh = await tinyModel(runtime);
    const whole = await logits({
      policy: fresh,
      folder: join(folder, 'all'),
      config: { steps: 1, examplesPerStep: 24, logit: mixed },
    });
    await fresh.dispose();
    const untouched = await tinyModel(runtime);
    const { logprobs } = await untouched.forward(batch);
    await untouched.dispose();
    const tokens = examples.reduce((sum, { learned }) => sum + learned.reduce((a, b) => a + b), 0);
    const mean = -logprobs.flatMap((row) => [...row]).reduce((a, b) => a + b, 0) / tokens;
    expect(whole[0]!.measures['crossEntropy']).toBeCloseTo(mean, 4);
  });

  it('with the most likely tokens alone asks the teacher once per example, also after an interruption', async () => {
    const first = counted();
    const config = { epochs: 3, logit: { topK: 4 }, checkpoints: { every: 1 } };
    await logits({ teacher: first.policy, config: { ...config, steps: 2 } });
    expect(first.sequences()).toBe(16);
    const second = counted();
    await logits({ teacher: second.policy, config: { ...config, steps: 9 } });
    expect(second.sequences()).toBe(8);
  });

  it('with nearly all tokens as its most likely learns what it learns from all of them', async () => {
    const { vocabularySize } = teacher.description;
    const whole = await logits({ folder: join(folder, 'whole'), config: { epochs: 2 } });
    const other = await tinyModel(runtime);
    const config = { epochs: 2, logit: { topK: vocabularySize - 1 } };
    const part = await logits({ policy: other, config });
    await other.dispose();
    for (const [step, { loss }] of whole.entries()) expect(part[step]!.loss).toBeCloseTo(loss, 4);
  });

  it('refuses to go on with another teacher or with other data, and models of other vocabularies', async () => {
    await logits({ config: { steps: 1 } });
    await expect(logits({ teacherName: 'other' })).rejects.toThrow('teacher');
    await expect(logits({ data: { ...data, fingerprint: 'other' } })).rejects.toThrow('data.fingerprint');
    const small = new TabularPolicy({ vocabulary: 5 });
    await expect(logits({ teacher: small })).rejects.toMatchObject({ code: 'vocabularies-differ' });
    await expect(onPolicy({ teacher: small })).rejects.toMatchObject({ code: 'vocabularies-differ' });
  });
});

describe('distillOnPolicy', () => {
  it('moves what the student says towards the teacher', { timeout: 120_000 }, async () => {
    const steps = await onPolicy();
    const kl = (of: Steps) => of.reduce((sum, { measures }) => sum + measures['reverseKl']!, 0) / of.length;
    expect(kl(steps.slice(-5))).toBeLessThan(kl(steps.slice(0, 5)) / 2);
  });

  it("has the gap of the teacher's and the student's log-probabilities as its advantage", async () => {
    const vocabulary = teacher.description.vocabularySize;
    const table = (seed: number) =>
      new TabularPolicy({ vocabulary, seed, prior: (from, to) => Math.cos(from * to) });
    const logs = (policy: TabularPolicy, from: number, to: number) => {
      const row = policy.table.slice(from * vocabulary, (from + 1) * vocabulary);
      return row[to]! - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
    };
    const own = table(1);
    const settings = { completionsPerPrompt: 4, maxCompletionTokens: 8, baseline: 'none' as const };
    await onPolicy({ policy: own, teacher: table(2), config: { steps: 1, onPolicy: settings } });
    const [batch] = own.batches;
    expect(batch).toHaveLength(32);
    const count = batch!.reduce((sum, { weights }) => sum + weights.filter((w) => w > 0).length, 0);
    for (const { tokens, weights, inputs } of batch!) {
      for (const [t, weight] of weights.entries()) {
        if (weight === 0) continue;
        expect(weight).toBeCloseTo(1 / count, 7);
        const [before, judged] = [table(1), table(2)].map((policy) =>
          logs(policy, tokens[t - 1]!, tokens[t]!),
        );
        expect(inputs!['advantages']![t]).toBeCloseTo(judged! - before!, 5);
        expect(inputs!['oldLogprobs']![t]).toBeCloseTo(before!, 5);
      }
    }
  });

  it('subtracts the mean of the gaps over the step, unless told not to', async () => {
    const advantages = async (baseline: 'mean' | 'none') => {
      const own = new TabularPolicy({ vocabulary: teacher.description.vocabularySize, seed: 1 });
      const settings = { completionsPerPrompt: 4, maxCompletionTokens: 8, baseline };
      await onPolicy({
        policy: own,
        folder: join(folder, baseline),
        config: { steps: 1, onPolicy: settings },
      });
      return own.batches[0]!.flatMap(({ weights, inputs }) =>
        [...inputs!['advantages']!].filter((_, t) => weights[t]! > 0),
      );
    };
    const [plain, centred] = [await advantages('none'), await advantages('mean')];
    const mean = plain.reduce((a, b) => a + b) / plain.length;
    expect(Math.abs(mean)).toBeGreaterThan(0.01);
    expect(centred).toHaveLength(plain.length);
    for (const [t, value] of centred.entries()) expect(value).toBeCloseTo(plain[t]! - mean, 5);
  });

  it('refuses to go on with other prompts', async () => {
    await onPolicy({ config: { steps: 1 } });
    await expect(
      onPolicy({ prompt: (index) => prompt(index + 1), config: { steps: 2 } }),
    ).rejects.toMatchObject({
      code: 'run-differs',
      message: expect.stringContaining('prompts') as string,
    });
    await onPolicy({ config: { steps: 2 } });
  });
});
