import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSandbox } from '../sandbox/open.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { randomStream } from '../util/random.ts';
import { useSandbox } from '../verify/code/shared-sandbox.ts';
import { bouncingBallTask } from './bouncing-ball.ts';
import { checkTask } from './check.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ tier: 'deno' });
  useSandbox(sandbox);
}, 120_000);
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

describe('bouncing-ball', () => {
  const task = bouncingBallTask({ scenarios: 1 });

  it('passes the checks of every task, and turns corrupted programs away', async () => {
    const formed = task.configure({ form: 'chat' });
    expect(await checkTask(formed, { perLevel: 1 })).toEqual({ references: 10, withoutReference: 0 });
    for (const level of task.levels) {
      for (let index = 0; index < 3; index++) {
        const problem = formed.problem({ split: 'train', index, level });
        const wrong = formed.corrupted(problem, randomStream(index, 'wrong', level))!;
        const verdict = await formed.verify(problem, wrong);
        expect(verdict).toMatchObject({ outcome: 'scored', parts: { format: 1 } });
        expect((verdict as { parts: Record<string, number> }).parts['accuracy']).toBeLessThan(1);
      }
    }
  }, 300_000);

  it('logs a score for each law, and takes the last block of TypeScript', async () => {
    const problem = task.problem({ split: 'train', index: 0, level: 5 });
    const reference = task.reference(problem)!;
    const verdict = await task.verify(
      problem,
      `First try:\n\`\`\`ts\nnothing\n\`\`\`\nBetter:\n${reference}`,
    );
    expect(verdict).toMatchObject({ outcome: 'scored', score: 1 });
    expect(Object.keys((verdict as { parts: object }).parts)).toEqual(
      expect.arrayContaining(['accuracy/flight', 'accuracy/walls', 'accuracy/friction', 'accuracy/symmetry']),
    );
    expect(await task.verify(problem, 'I would simulate the ball.')).toMatchObject({ score: 0 });
  });

  it('hides its scenarios: the prompt shows another one', () => {
    const first = task.problem({ split: 'train', index: 0, level: 1 });
    const second = task.problem({ split: 'train', index: 1, level: 1 });
    expect(first.seed).not.toBe(second.seed);
    expect(first.prompt).not.toBe(second.prompt);
    expect(first.prompt).not.toContain(first.seed);
    expect(first.prompt).toMatch(/restitution/);
  });

  it('refuses options that it does not have', () => {
    expect(() => bouncingBallTask({ level: 1 } as never)).toThrow(/Did you mean "levels"/);
    expect(() => bouncingBallTask({ levels: [6] })).toThrow(/at levels\[0\]/);
  });
});
