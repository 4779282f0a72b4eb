import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lettersCodec, lettersPolicy, lettersTask } from '../../test/support/letters.ts';
import { type Setup, temporaryFolder, trainLetters } from '../../test/support/letters-run.ts';

let root: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ folder: root, remove } = await temporaryFolder());
});
afterEach(() => remove());

const train = (setup: Partial<Setup> = {}) => trainLetters({ folder: join(root, 'run'), ...setup });

describe('preflight', () => {
  it.each<[string, Partial<Setup>, string, RegExp]>([
    [
      'a policy that cannot be trained',
      { policy: lettersPolicy({ training: false }) },
      'preflight-capabilities',
      /cannot be trained/,
    ],
    [
      'a policy without losses of one’s own',
      { policy: lettersPolicy({ customLoss: false }) },
      'preflight-capabilities',
      /accepts no loss/,
    ],
    [
      'KL without a reference model',
      { policy: lettersPolicy({ referenceModel: false }), config: { kl: { beta: 0.1 } } },
      'preflight-capabilities',
      /no reference model/,
    ],
    [
      'truncated sampling without correction',
      { config: { sampling: { topP: 0.9 } } },
      'preflight-capabilities',
      /another distribution than the one that is trained.*importance\.correction/,
    ],
    [
      'truncated sampling that the policy does not have',
      {
        policy: lettersPolicy({ truncatedSampling: false }),
        config: { sampling: { topK: 5 }, importance: { correction: 'token' } },
      },
      'preflight-capabilities',
      /cannot sample with top-k/,
    ],
    [
      'completions as long as the context',
      { config: { maxCompletionTokens: 32 } },
      'preflight-context',
      /found 32, expected less than 32/,
    ],
    [
      'a penalty over more than a completion',
      { config: { overlong: { window: 4 } } },
      'preflight-overlong',
      /found 4, expected at most 3/,
    ],
    [
      'a turn that never ends',
      { options: { codec: { ...lettersCodec, turnEnd: { token: 0, text: '<|im_end|>' } } } },
      'preflight-turn-end',
      /found <\|im_end\|> \(0\), expected one of the stop tokens: 12/,
    ],
    [
      'chat messages for a model without a template',
      { task: lettersTask().configure({ form: 'chat' }) },
      'preflight-turn-end',
      /speaks in chat messages/,
    ],
    [
      'responses that nothing ends',
      { options: { codec: { ...lettersCodec, stopTokens: [] } } },
      'preflight-turn-end',
      /Nothing ends a response/,
    ],
    [
      'a reference that does not score 1',
      { task: lettersTask((problem, answer) => answer === problem.prompt) },
      'reference-does-not-score',
      /its own reference does not score 1/,
    ],
    [
      'a task that is too hard',
      {
        task: lettersTask((problem, answer, { tokens }) => tokens === undefined && answer === problem.answer),
      },
      'preflight-variance',
      /mean reward of 0\.000.*too hard/,
    ],
    [
      'a task that is too easy',
      { task: lettersTask((_, answer, { tokens }) => tokens !== undefined || answer !== '') },
      'preflight-variance',
      /mean reward of 1\.000.*too easy/,
    ],
    [
      'a level that the task does not have',
      { config: { curriculum: { kind: 'fixed', level: 3 } } },
      'invalid-curriculum',
      /does not have: found 3/,
    ],
  ])('refuses %s', async (_, setup, code, message) => {
    await expect(train(setup)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses a sampler whose log-probabilities are not those of learning', async () => {
    const policy = lettersPolicy();
    const sample = policy.sample.bind(policy);
    policy.sample = async (requests, options) => {
      const groups = await sample(requests, options);
      return groups.map((group) =>
        group.map((one) => ({ ...one, logprobs: one.logprobs.map((value) => value + 2e-4) })),
      );
    };
    await expect(train({ policy })).rejects.toMatchObject({
      code: 'preflight-ratio',
      message: expect.stringMatching(/off by 2\.00e-4 among \d+ tokens, expected at most 0\.0001/) as string,
    });
  });

  it('says when a policy cannot be resumed exactly', async () => {
    const { warnings } = await train({ policy: lettersPolicy({ exactResume: false }), config: { steps: 1 } });
    expect(warnings).toEqual(['resume-not-exact']);
  });

  it('refuses unknown keys with the nearest known one, and contradictions', async () => {
    const refused = (config: object) => train({ config });
    await expect(refused({ groupsize: 4 })).rejects.toThrow('Did you mean "groupSize"?');
    await expect(refused({ loss: { clipLo: 0.2 } })).rejects.toThrow('Did you mean "clipLow"?');
    // 0.2 is TRL's epsilon, not a largest ratio: training at a fifth of the rate would go unnoticed.
    await expect(refused({ loss: { type: 'cispo', cispoMaxRatio: 0.2 } })).rejects.toThrow('at least 1');
    await expect(refused({ loss: { maxNegativeRatio: 1.1 } })).rejects.toThrow(
      'more than 1 + clipHigh = 1.28',
    );
    await expect(refused({ loss: { ratio: 'sequence' } })).rejects.toThrow('type grpo');
  });
});
