import { describe, expect, it } from 'vitest';
import type { CompletionRequest } from '../provider/completion.ts';
import type { Endpoint } from '../provider/endpoint.ts';
import { defineTask } from '../task/task.ts';
import { type RewardParts, rewardPartsSchema, withRewardParts } from './reward-parts.ts';

const task = defineTask({
  name: 'half',
  prompts: [
    { prompt: 'Say yes in English.', answer: 'yes' },
    { prompt: 'Say no.', answer: 'no' },
  ],
  verify: (problem, answer) => (answer.includes(problem.answer) ? 1 : 0),
});
const problem = task.problem({ split: 'train', index: 0 });
const right = `The answer is ${problem.answer}`;

function judgeThatSays(text: string | Error, asked: CompletionRequest[] = []): Endpoint {
  return {
    address: 'http://127.0.0.1:1/v1',
    model: 'judge',
    concurrency: 1,
    usage: {} as Endpoint['usage'],
    async complete(request) {
      asked.push(request);
      if (text instanceof Error) throw text;
      return {
        text,
        reasoning: '',
        finish: 'stop',
        promptTokens: 1,
        completionTokens: 1,
        model: null,
        cached: false,
      };
    },
  };
}

const parts = (value: unknown): RewardParts => rewardPartsSchema.parse(value);
const judge = { address: 'http://127.0.0.1:1/v1', model: 'judge', criterion: 'short', weight: 1 };
const noJudge = () => {
  throw new Error('there is no judge');
};

describe('withRewardParts', () => {
  it('leaves a task without parts as it is', () => {
    expect(withRewardParts(task, parts({}), noJudge)).toBe(task);
  });

  it('adds the share of the language, and keeps accuracy what it was', async () => {
    const more = withRewardParts(task, parts({ language: { target: 'en', of: 'response' } }), noJudge);
    expect(await more.verify(problem, right)).toMatchObject({
      score: 1,
      parts: { accuracy: 1, language: 1 },
    });
    const mixed = await more.verify(problem, `答案是这样的没有问题我们继续思考 ${problem.answer}`);
    expect(mixed).toMatchObject({ outcome: 'scored', parts: { accuracy: 1 } });
    if (mixed.outcome !== 'scored') return;
    expect(mixed.parts['language']).toBeLessThan(0.3);
    expect(mixed.score).toBeCloseTo((1 + mixed.parts['language']!) / 2, 12);
  });

  it('keeps its parts in another form', async () => {
    const more = withRewardParts(task, parts({ language: { target: 'en' } }), noJudge).configure({
      form: 'chat',
    });
    const verdict = await more.verify(
      problem,
      `<think>I think so.</think><answer>${problem.answer}</answer>`,
    );
    expect(verdict).toMatchObject({ parts: { accuracy: 1, format: 1, language: 1 } });
  });

  it('asks a judge, marks its opinion as no rule, and shows it the response as data', async () => {
    const asked: CompletionRequest[] = [];
    const more = withRewardParts(task, parts({ judge }), () => judgeThatSays('7', asked));
    const verdict = await more.verify(problem, right);
    expect(verdict).toMatchObject({
      score: 0.85,
      parts: { accuracy: 1, judge: 0.7 },
      evidence: { judge: { rule: false, model: 'judge', reply: '7' } },
    });
    expect(JSON.stringify(asked)).toContain(`<response>\\n${right}\\n</response>`);
  });

  it.each(['11', 'seven', '', 'I would say 7, since it is good', '-1'])(
    'does not take %j of a judge for a grade',
    async (text) => {
      const more = withRewardParts(task, parts({ judge }), () => judgeThatSays(text));
      expect(await more.verify(problem, right)).toMatchObject({ outcome: 'failed', boundary: 'verifier' });
    },
  );

  it('gives no reward when the judge cannot be reached', async () => {
    const more = withRewardParts(task, parts({ judge }), () =>
      judgeThatSays(new Error('connection refused')),
    );
    expect(await more.verify(problem, right)).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('connection refused') as string,
    });
  });
});
