import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alphabet, lettersCodec, lettersTask } from '../../test/support/letters.ts';
import { TabularPolicy } from '../../test/support/tabular-policy.ts';
import { defineTask } from '../task/task.ts';
import type { PretrainConfigInput } from './config.ts';
import type { PretrainEvent } from './events.ts';
import { pretrain, type PretrainOptions } from './pretrain.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-pretrain-'));
});
afterEach(() => rm(root, { recursive: true }));

const base: PretrainConfigInput = {
  seed: 3,
  steps: 8,
  examplesPerStep: 16,
  optimizer: { learningRate: 0.2, schedule: 'cosine', warmupSteps: 1 },
  checkpoints: { every: 3 },
};

async function run(config: PretrainConfigInput = {}, options: Partial<PretrainOptions> = {}) {
  const events: PretrainEvent[] = [];
  const policy = new TabularPolicy({ vocabulary: alphabet.length });
  const result = await pretrain({
    policy,
    task: lettersTask(),
    codec: lettersCodec,
    config: { ...base, ...config },
    folder: join(root, 'run'),
    ...options,
    onEvent(event) {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  const losses = events.flatMap((event) => (event.type === 'pretrain-step' ? [event.loss] : []));
  return { policy, result, events, losses };
}

/** The distribution over answers that the table gives after a small letter. */
function answersTo(policy: TabularPolicy, letter: string): number[] {
  const row = alphabet.indexOf(letter) * alphabet.length;
  const weights = policy.table.slice(row, row + alphabet.length).map(Math.exp);
  const total = weights.reduce((a, b) => a + b, 0);
  return ['A', 'B', 'C', 'D'].map((answer) => weights[alphabet.indexOf(answer)]! / total);
}

describe('pretrain', () => {
  it('learns the mixture that it is shown: its shares become probabilities', async () => {
    const { policy, losses } = await run({
      steps: 150,
      mixture: { right: 1, wrong: 1 },
      checkpoints: { every: 0 },
    });
    expect(losses[0]).toBeGreaterThan(2.3);
    expect(losses.at(-1)).toBeLessThan(1.5);
    // Half of the examples are right, and a quarter of the drawn ones as well.
    const [a, b] = answersTo(policy, 'a');
    expect(a).toBeGreaterThan(0.5);
    expect(a).toBeLessThan(0.75);
    expect(b).toBeGreaterThan(0.05);
    expect(b).toBeLessThan(0.25);
  });

  it('reports the mean of −log p over the predicted tokens', async () => {
    const { policy, losses } = await run({ steps: 1, learnPrompts: false });
    const [batch] = policy.batches;
    for (const { tokens, weights } of batch!) {
      // Two tokens of prompt, one of answer, the end.
      expect(tokens).toHaveLength(4);
      expect(Array.from(weights)).toEqual([0, 0, 1 / 32, 1 / 32]);
      expect(tokens[3]).toBe(lettersCodec.stopTokens[0]);
    }
    expect(losses[0]).toBeGreaterThan(Math.log(alphabet.length) - 0.3);
    expect(losses[0]).toBeLessThan(Math.log(alphabet.length) + 0.3);
    const whole = await run({ steps: 1 }, { folder: join(root, 'whole') });
    expect(Array.from(whole.policy.batches[0]![0]!.weights)).toEqual(
      [0, 1, 1, 1].map((w) => Math.fround(w / 48)),
    );
  });

  it('never shows a held-out problem', async () => {
    const { policy } = await run();
    const first = new Set(policy.batches.flat().map(({ tokens }) => alphabet[tokens[0]!]));
    expect(first).toEqual(new Set(['0', '1', '2']));
  });

  it('goes on exactly after an interruption and after a crash', async () => {
    const whole = await run({}, { folder: join(root, 'whole') });
    const controller = new AbortController();
    const stopped = await run(
      {},
      {
        signal: controller.signal,
        onEvent: (event) => event.type === 'pretrain-step' && event.step === 1 && controller.abort(),
      },
    );
    expect(stopped.result).toMatchObject({ reason: 'interrupted', steps: 2 });
    const crash = run(
      {},
      {
        onEvent(event) {
          if (event.type === 'pretrain-step' && event.step === 6) throw new Error('crash');
        },
      },
    );
    await expect(crash).rejects.toThrow('crash');
    const resumed = await run();
    expect(resumed.events[0]).toMatchObject({ type: 'run-start', resumed: true, step: 6 });
    expect(resumed.policy.fingerprint).toBe(whole.policy.fingerprint);
    expect(resumed.result.loss).toBe(whole.result.loss);
  });

  it.each<[string, PretrainConfigInput, Partial<PretrainOptions>, string]>([
    [
      'an unknown style',
      { mixture: { rigth: 1 } },
      {},
      'found rigth, expected right | wrong. Did you mean "right"?',
    ],
    ['a mixture of nothing', { mixture: {} }, {}, 'found no style at all, expected right | wrong'],
    ['a share that is not positive', { mixture: { right: 0 } }, {}, 'mixture.right'],
    [
      'a task in another form',
      {},
      { task: lettersTask().configure({ form: 'r1-zero' }) },
      'found form r1-zero',
    ],
    [
      'a task without worked examples',
      {},
      {
        task: defineTask({
          name: 'none',
          prompts: [
            { prompt: 'a', answer: 'b' },
            { prompt: 'c', answer: 'd' },
          ],
          verify: 'exact',
        }),
      },
      'Task none has no worked examples',
    ],
    [
      'examples that do not fit',
      {},
      { policy: new TabularPolicy({ vocabulary: alphabet.length, capabilities: { contextLength: 3 } }) },
      'found 4 tokens: ',
    ],
    ['an unknown key', { exampelsPerStep: 3 } as PretrainConfigInput, {}, 'Did you mean "examplesPerStep"?'],
  ])('refuses %s', async (_, config, options, message) => {
    await expect(run(config, options)).rejects.toThrow(message);
  });
});
