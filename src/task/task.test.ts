import { describe, expect, expectTypeOf, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { failed } from '../verify/verdict.ts';
import type { Problem } from './problem.ts';
import { fingerprintOf } from './problem.ts';
import { defineTask, isTask, type Task, type TaskDefinition, type TaskVerifier } from './task.ts';

/** Reverse a word: 26^3 different problems a level. */
const reverse = (changes: Partial<TaskDefinition<Problem & { word: string }>> = {}) =>
  defineTask({
    name: 'reverse',
    levels: 3,
    prompts: (random, level) => {
      const letters = Array.from({ length: level + 2 }, () => String.fromCodePoint(97 + random.integer(26)));
      const word = letters.join('');
      return { prompt: `Reverse ${word}`, answer: letters.toReversed().join(''), word, level };
    },
    verify: (problem, answer) => answer.trim() === problem.answer,
    ...changes,
  });

const capitals: Problem[] = Array.from({ length: 200 }, (_, i) => ({
  prompt: `Capital of country ${i}?`,
  answer: `City ${i}`,
}));

describe('defineTask: the definition', () => {
  it('infers the problem type for the verifier', () => {
    const task = defineTask({
      name: 'typed',
      prompts: [
        { prompt: 'a', answer: 'A', extra: 1 },
        { prompt: 'b', answer: 'B', extra: 2 },
      ],
      verify: (problem) => {
        expectTypeOf(problem.extra).toBeNumber();
        return true;
      },
    });
    expectTypeOf(task.problem({ split: 'train', index: 0 }).extra).toBeNumber();
    expect(isTask(task)).toBe(true);
    expect(isTask({})).toBe(false);
    expect(isTask(null)).toBe(false);
  });

  it.each([
    [{ verfy: () => 1 }, /unknown key "verfy".*Did you mean "verify"/],
    [{ name: 'No Spaces' }, /at name: found No Spaces, expected lower case letters/],
    [{ name: undefined }, /a value is missing at name/],
    [{ verify: 'nummber' }, /at verify: found nummber, expected exact \| number/],
    [{ verify: undefined }, /at verify/],
    [{ prompts: 'rows.jsonl' }, /at prompts.*a list of \{ prompt, answer \}/],
    [{ prompts: { train: [] } }, /at prompts/],
    [{ prompts: null }, /at prompts/],
    [{ reference: 'text' }, /at reference/],
    [{ levels: 0 }, /at levels/],
    [{ levels: [1, 2.5] }, /at levels/],
    [{ heldOutShare: 1 }, /at heldOutShare.*less than 1/],
    [{ heldOutShare: Number.NaN }, /at heldOutShare: found NaN/],
    [{ deadline: 0 }, /at deadline/],
    [{ workedExamples: { steps: 'x' } }, /at workedExamples.steps/],
  ])('refuses %j', (changes, message) => {
    expect(() => reverse(changes as never)).toThrow(message);
  });

  it.each([[null], [undefined], ['task'], [3], [[]]])('refuses %j as a whole', (definition) => {
    expect(() => defineTask(definition as never)).toThrow(/The definition of a task/);
  });

  it.each([
    [
      [{ promt: 'x' }, { prompt: 'y' }],
      /prompts\[0\], is no problem: no prompt: found keys promt.*"promt" misspelt/,
    ],
    [[{ prompt: 'y' }, { prompt: 3 }], /prompts\[1\], is no problem: prompt is no text: found 3/],
    [[{ prompt: 'y' }, 'z'], /prompts\[1\], is no problem: no object: found z/],
    [[{ prompt: ' \n' }], /prompt is empty/],
    [[{ prompt: 'x', answer: 42 }], /answer is no text: found 42/],
    [[{ prompt: 'x', level: 0 }], /level cannot be used: found 0/],
    [[], /has no training problems: found 0 different problems/],
    [[{ prompt: 'x', answer: 'y' }], /has no training problems|has no held-out problems/],
    [
      [
        { prompt: 'x', answer: 'y' },
        { prompt: ' x', answer: 'z' },
      ],
      /prompts\[1\], repeats a prompt with another answer: found z, expected y/,
    ],
  ])('refuses the problems %j', (prompts, message) => {
    expect(() => defineTask({ name: 'bad', prompts: prompts as Problem[], verify: 'exact' })).toThrow(
      message,
    );
  });
});

describe('problems of a generator', () => {
  const task = reverse();

  it('are the same for the same address and seed', () => {
    const address = { split: 'train', index: 7, level: 2 } as const;
    expect(task.problem(address)).toEqual(reverse().problem(address));
    expect(task.configure({ seed: 1 }).problem(address)).not.toEqual(task.problem(address));
    // A golden, so that a change of the streams does not go unnoticed: it would change every run.
    expect(task.problem({ split: 'train', index: 0, level: 1 }).prompt).toBe('Reverse fdl');
  });

  it('held-out ones do not depend on the seed', () => {
    expect(task.configure({ seed: 'other' }).heldOut(20, 1)).toEqual(task.heldOut(20, 1));
  });

  it('are never in both splits, whatever the seed', () => {
    const heldOut = new Set(task.heldOut(500, 1).map((problem) => problem.prompt));
    expect(heldOut.size).toBe(500);
    for (const seed of [0, 1, 'x']) {
      const seeded = task.configure({ seed });
      for (let index = 0; index < 2000; index++) {
        expect(heldOut.has(seeded.problem({ split: 'train', index, level: 1 }).prompt)).toBe(false);
      }
    }
  });

  it('have the level asked for, or any when none is', () => {
    for (let index = 0; index < 20; index++) {
      expect(task.problem({ split: 'train', index, level: 3 }).word).toHaveLength(5);
    }
    const lengths = new Set(
      Array.from({ length: 100 }, (_, index) => task.problem({ split: 'train', index }).word.length),
    );
    expect(lengths).toEqual(new Set([3, 4, 5]));
  });

  it.each([
    [{ split: 'train', index: -1 }, /an integer from 0/],
    [{ split: 'train', index: 0.5 }, /an integer from 0/],
    [{ split: 'train', index: Number.NaN }, /an integer from 0/],
    [{ split: 'train', index: 0, level: 4 }, /no level 4: found 4, expected 1, 2, 3/],
  ] as const)('refuses the address %j', (address, message) => {
    expect(() => task.problem(address)).toThrow(message);
  });

  it('says so when a level has no problem in a split, instead of searching for ever', () => {
    // One single problem belongs to one split; the other is empty.
    const single = reverse({ prompts: () => ({ prompt: 'always', answer: 'x', word: 'x' }) });
    const heldOut = fingerprintOf('always').position < 0.1;
    expect(() => single.problem({ split: heldOut ? 'train' : 'heldOut', index: 0, level: 1 })).toThrow(
      /has no (training|held-out) problem at level 1: found 2000 problems drawn/,
    );
    expect(() => single.heldOut(3)).toThrow(/no held-out problem/);
  });

  it('gives as many different held-out problems as there are', () => {
    const few = reverse({
      prompts: (random) => ({ prompt: `n ${random.integer(100)}`, answer: 'x', word: 'x' }),
    });
    const all = Array.from({ length: 100 }, (_, i) => fingerprintOf(`n ${i}`)).filter(
      (f) => f.position < 0.1,
    );
    expect(few.heldOut(1000).length).toBe(all.length);
  });

  it('checks what the generator gives', () => {
    expect(() => reverse({ prompts: () => 'x' as never }).problem({ split: 'train', index: 0 })).toThrow(
      /What task reverse generated at level . is no problem/,
    );
  });
});

describe('problems of a data set', () => {
  const task = defineTask({ name: 'capitals', prompts: capitals, verify: 'exact' });

  it('are split by content, disjointly and completely', () => {
    const train = Array.from({ length: task.size('train') }, (_, index) =>
      task.problem({ split: 'train', index }),
    );
    const heldOut = task.heldOut(1000);
    expect(new Set([...train, ...heldOut].map((problem) => problem.prompt)).size).toBe(200);
    expect(task.size('train') + task.size('heldOut')).toBe(200);
    expect(heldOut.length).toBe(task.size('heldOut'));
    expect(heldOut.length).toBeGreaterThan(5);
    expect(heldOut.length).toBeLessThan(45);
  });

  it('stay in their split when others are added', () => {
    const more = defineTask({
      name: 'capitals',
      prompts: [{ prompt: 'A new one', answer: 'x' }, ...capitals],
      verify: 'exact',
    });
    const held = new Set(more.heldOut(1000).map((problem) => problem.prompt));
    for (const problem of task.heldOut(1000)) expect(held.has(problem.prompt)).toBe(true);
  });

  it('every training epoch has every problem once, in another order', () => {
    const n = task.size('train');
    const epoch = (e: number) =>
      Array.from({ length: n }, (_, i) => task.problem({ split: 'train', index: e * n + i }).prompt);
    expect(new Set(epoch(0)).size).toBe(n);
    expect(epoch(1)).not.toEqual(epoch(0));
    expect(epoch(1).toSorted()).toEqual(epoch(0).toSorted());
    // Any order of asking gives the same.
    const late = task.problem({ split: 'train', index: 40 * n + 3 });
    expect(epoch(0)).toEqual(epoch(0));
    expect(task.problem({ split: 'train', index: 40 * n + 3 })).toEqual(late);
  });

  it('held-out indices end with the size: no problem counts twice', () => {
    expect(() => task.problem({ split: 'heldOut', index: task.size('heldOut') })).toThrow(/an index below/);
  });

  it('removes from training what is held out too, and counts repetitions once', () => {
    const both = defineTask({
      name: 'both',
      prompts: {
        train: [
          ...capitals.slice(0, 10),
          { prompt: '  Capital of  country 12?', answer: 'City 12' },
          capitals[0]!,
        ],
        heldOut: capitals.slice(8, 20),
      },
      verify: 'exact',
    });
    expect(both.size('train')).toBe(8);
    expect(both.size('heldOut')).toBe(12);
    expect(both.notes).toEqual([
      '1 repeated problems in train: each counts once',
      '3 training problems are also held out: removed from training',
    ]);
  });

  it('gives each split of two problems one', () => {
    for (let i = 0; i < 20; i++) {
      const two = defineTask({ name: 'two', prompts: capitals.slice(2 * i, 2 * i + 2), verify: 'exact' });
      expect([two.size('train'), two.size('heldOut')]).toEqual([1, 1]);
    }
  });

  it('has levels when its problems say them', () => {
    const levelled = defineTask({
      name: 'levelled',
      prompts: capitals.map((problem, i) => ({ ...problem, level: 1 + (i % 3) })),
      verify: 'exact',
    });
    expect(levelled.levels).toEqual([1, 2, 3]);
    const sizes = [1, 2, 3].map((level) => levelled.size('train', level));
    expect(sizes.reduce((a, b) => a + b)).toBe(levelled.size('train'));
    for (let index = 0; index < 100; index++) {
      expect(levelled.problem({ split: 'train', index, level: 2 }).level).toBe(2);
    }
    expect(levelled.heldOut(1000, 3).every((problem) => problem.level === 3)).toBe(true);
  });
});

describe('presentation', () => {
  const task = reverse({ question: (problem) => `What is ${problem.word} backwards?` });
  const problem = task.problem({ split: 'train', index: 0, level: 1 });
  const { word } = problem;
  const answer = problem.answer!;

  it('raw: the prompt as it is, the response as it is', async () => {
    expect(task.prompt(problem)).toEqual({ kind: 'text', text: `Reverse ${word}` });
    expect(task.reference(problem)).toBe(answer);
    expect(await task.verify(problem, `${answer}\n`)).toMatchObject({ score: 1, parts: { accuracy: 1 } });
    expect(await task.verify(problem, 'x')).toMatchObject({ score: 0, parts: { accuracy: 0 } });
  });

  it('r1-zero: the template of Table 1 word for word; accuracy and format count the same', async () => {
    const zero = task.configure({ form: 'r1-zero' });
    expect(zero.prompt(problem)).toEqual({
      kind: 'text',
      text:
        'A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The ' +
        'assistant first thinks about the reasoning process in the mind and then provides the user with the ' +
        'answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> ' +
        'tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. ' +
        `User: What is ${word} backwards?. Assistant:`,
    });
    expect(await zero.verify(problem, zero.reference(problem)!)).toMatchObject({ score: 1 });
    expect(await zero.verify(problem, `<think>a</think> <answer>${answer}</answer>`)).toMatchObject({
      score: 1,
      parts: { accuracy: 1, format: 1 },
    });
    expect(await zero.verify(problem, '<think>a</think> <answer>no</answer>')).toMatchObject({
      score: 0.5,
      parts: { accuracy: 0, format: 1 },
    });
    expect(await zero.verify(problem, `<answer>${answer}</answer>`)).toMatchObject({
      score: 0.5,
      parts: { accuracy: 1, format: 0 },
      evidence: { format: { problem: '<think> is missing' } },
    });
    expect(await zero.verify(problem, answer)).toMatchObject({ score: 0.5 });
    expect(await zero.verify(problem, 'dunno')).toMatchObject({ score: 0 });
  });

  it('counts what the prompt already opened', async () => {
    const chat = task.configure({ form: 'chat' });
    const rest = `a</think> <answer>${answer}</answer>`;
    expect(await chat.verify(problem, rest)).toMatchObject({ parts: { accuracy: 1, format: 0 } });
    expect(await chat.verify(problem, rest, { prefilled: '<think>\n' })).toMatchObject({ score: 1 });
  });

  it('unfinished reasoning is no answer, and the verifier is not asked', async () => {
    const chat = reverse({ verify: () => 1 }).configure({ form: 'chat' });
    expect(await chat.verify(problem, `<think>${answer}`)).toMatchObject({
      score: 0,
      evidence: { accuracy: { problem: 'the response gives no answer' } },
    });
  });

  it('chat: a system message as long as the format counts', () => {
    const chat = task.configure({ form: 'chat' });
    const user = { role: 'user', content: `What is ${word} backwards?` };
    expect(chat.prompt(problem)).toMatchObject({ kind: 'chat', messages: [{ role: 'system' }, user] });
    const plain = task.configure({ form: 'chat', format: 'none' });
    expect(plain.prompt(problem)).toEqual({ kind: 'chat', messages: [user] });
    expect(plain.reference(problem)).toBe(answer);
    const own = task.configure({ form: 'chat', system: 'Be brief.' });
    expect(own.prompt(problem)).toMatchObject({ messages: [{ role: 'system', content: 'Be brief.' }, user] });
  });

  it('weights the parts as asked', async () => {
    const zero = task.configure({ form: 'r1-zero', accuracyWeight: 3, formatWeight: 1 });
    expect(await zero.verify(problem, answer)).toMatchObject({ score: 0.75 });
    expect(zero.configure({ form: 'raw' }).presentation).toMatchObject({ format: 'none' });
    expect(zero.configure({ seed: 3 })).toMatchObject({ seed: 3, presentation: zero.presentation });
  });

  it.each([
    [{ form: 'zero' }, /at form: found zero, expected raw \| r1-zero \| chat/],
    [{ form: 'raw', format: 'strict' }, /raw responses have no format/],
    [{ form: 'r1-zero', system: 'x' }, /a system message needs form chat/],
    [{ form: 'r1-zero', accuracyWeight: 0, formatWeight: 0 }, /no part of the reward counts/],
    [{ form: 'raw', accuracyWeight: 0 }, /no part of the reward counts/],
    [{ accuracyWeight: -1 }, /at accuracyWeight.*at least 0/],
    [{ frm: 'raw' }, /unknown key "frm".*Did you mean "form"/],
    [{ seed: Number.NaN }, /at seed/],
  ])('refuses the options %j', (options, message) => {
    expect(() => task.configure(options as never)).toThrow(message);
  });
});

describe('verify', () => {
  const withVerifier = (verify: TaskDefinition<Problem>['verify'], deadline = 60_000): Task =>
    defineTask({ name: 'v', prompts: capitals, verify, deadline });
  const problem = capitals[0]!;

  it.each([
    [() => 0.25, { outcome: 'scored', score: 0.25 }],
    [async () => true, { outcome: 'scored', score: 1 }],
    [() => 'yes' as never, { outcome: 'failed', boundary: 'verifier' }],
    [() => undefined as never, { outcome: 'failed', boundary: 'verifier' }],
    [() => Number.NaN, { outcome: 'failed', boundary: 'verifier' }],
    [() => failed('sandbox', 'gone'), { outcome: 'failed', boundary: 'sandbox', reason: 'accuracy: gone' }],
    [
      () => {
        throw new Error('boom');
      },
      { outcome: 'failed', boundary: 'verifier', reason: 'accuracy: boom' },
    ],
  ] as [TaskVerifier<Problem>, object][])(
    'turns what a verifier does into a verdict (%#)',
    async (verify, expected) => {
      const verdict = await withVerifier(verify).verify(problem, 'x');
      expect(verdict).toMatchObject(expected);
    },
  );

  it('gives up on a verifier that never answers', async () => {
    const verdict = await withVerifier(async () => new Promise<number>(() => undefined), 20).verify(
      problem,
      'x',
    );
    expect(verdict).toMatchObject({
      outcome: 'failed',
      reason: 'accuracy: no verdict within the deadline of 20 ms',
    });
  });

  it('named verifiers compare with the answer, and cannot without one', async () => {
    expect(await withVerifier('exact').verify(problem, 'City 0')).toMatchObject({ score: 1 });
    expect(await withVerifier('number').verify({ prompt: 'x', answer: '1,000' }, 'So 1000.')).toMatchObject({
      score: 1,
    });
    expect(await withVerifier('exact').verify({ prompt: 'x' }, 'y')).toMatchObject({ outcome: 'failed' });
  });

  it('passes the whole response, the form and the finish', async () => {
    let seen: unknown;
    const task = withVerifier((_problem, answer, context) => {
      seen = { answer, ...context, signal: undefined, pause: undefined };
      return 1;
    }).configure({ form: 'chat' });
    await task.verify(problem, 'a</think>b', { prefilled: '<think>', finish: 'length', tokens: 4 });
    expect(seen).toEqual({
      answer: 'b',
      response: '<think>a</think>b',
      form: 'chat',
      finish: 'length',
      tokens: 4,
      signal: undefined,
      pause: undefined,
    });
  });
});

describe('worked examples', () => {
  it('come by style, from a stream', () => {
    const task = reverse({
      workedExamples: { direct: (problem, random) => `${problem.answer}${random.integer(10)}` },
    });
    const problem = task.problem({ split: 'train', index: 0 });
    expect(task.workedStyles).toEqual(['direct']);
    expect(task.workedExample(problem, 'direct', randomStream(1))).toBe(
      task.workedExample(problem, 'direct', randomStream(1)),
    );
    expect(() => task.workedExample(problem, 'steps', randomStream(1))).toThrow(
      /found steps, expected direct/,
    );
    expect(() => task.workedExample(problem, 'toString', randomStream(1))).toThrow(/found toString/);
    expect(() => reverse().workedExample(problem, 'steps', randomStream(1))).toThrow(
      /it has no worked examples/,
    );
  });
});
