import { describe, expect, it } from 'vitest';
import { checkTask } from './check.ts';
import type { Problem } from './problem.ts';
import { defineTask, type TaskDefinition } from './task.ts';

const rows: Problem[] = Array.from({ length: 50 }, (_, i) => ({
  prompt: `What is ${i} + 1?`,
  answer: `${i + 1}`,
}));
const task = (changes: Partial<TaskDefinition<Problem>> = {}) =>
  defineTask<Problem>({ name: 'sums', prompts: rows, verify: 'number', ...changes });

describe('checkTask', () => {
  it('counts references that score 1', async () => {
    expect(await checkTask(task())).toEqual({ references: 50, withoutReference: 0 });
    expect(await checkTask(task().configure({ form: 'chat' }))).toEqual({
      references: 50,
      withoutReference: 0,
    });
  });

  it('counts problems without a reference', async () => {
    const open = task({ verify: (_problem, answer) => Math.min(1, answer.length / 100), reference: null });
    expect(await checkTask(open)).toEqual({ references: 0, withoutReference: 50 });
  });

  it.each([
    [
      'a wrong reference',
      { reference: () => '7 or 8' },
      /refused: its own reference does not score 1: found a score of 0 \(accuracy 0\) for the reference "7 or 8"/,
    ],
    [
      'a reference half right',
      { verify: (_p: Problem, a: string) => a.length && 0.5 },
      /found a score of 0.5/,
    ],
    [
      'a reference that the verifier cannot read',
      { prompts: rows.map((row) => ({ ...row, answer: 'many' })) },
      /found a failure of the reference/,
    ],
    [
      'a verifier that throws',
      {
        verify: () => {
          throw new Error('no such module');
        },
      },
      /found a failure of the verifier \(accuracy: no such module\)/,
    ],
    ['a verifier that says yes to everything', { verify: () => 1 }, /does not turn away an empty response/],
    [
      'a verifier that cannot take an empty response',
      { verify: (p: Problem, a: string) => (a[0]!.length === 1 && a === p.answer ? 1 : 0) },
      /does not turn away an empty response: found a failure of the verifier/,
    ],
  ])('refuses %s', async (_name, changes, message) => {
    await expect(checkTask(task(changes as never))).rejects.toThrow(message);
  });

  it('names the problem', async () => {
    await expect(checkTask(task({ reference: () => '' }))).rejects.toThrow(
      /Held-out problem 0: "What is \d+ \+ 1\?"/,
    );
  });

  it('refuses a generator that keeps its own state', async () => {
    let count = 0;
    const counting = task({ prompts: () => ({ prompt: `${count++} + 1`, answer: `${count}` }) });
    await expect(checkTask(counting)).rejects.toThrow(/two different problems for one address/);
  });

  it('refuses reasoning that breaks the format of the reference', async () => {
    const broken = task({ reasoning: () => 'so </think> and so' }).configure({ form: 'r1-zero' });
    await expect(checkTask(broken)).rejects.toThrow(/accuracy 1, format 0/);
  });

  it('looks through a long data set for a bounded time', async () => {
    let now = 0;
    const clock = { monotonic: () => (now += 10), wall: () => 0 };
    const long = task({
      prompts: Array.from({ length: 5000 }, (_, i) => ({ prompt: `What is ${i}?`, answer: `${i}` })),
    });
    const { references } = await checkTask(long, { budget: 5000, clock });
    expect(references).toBeGreaterThanOrEqual(200);
    expect(references).toBeLessThan(1200);
  });

  it('ends when the run does', async () => {
    await expect(checkTask(task(), { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow(
      'stopped',
    );
  });
});
