/** What holds for every generated reasoning task; the test of each task's own solver is in solvers.test.ts. */
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../util/random.ts';
import { checkTask } from '../check.ts';
import { longestAnswer } from './answer-text.ts';
import type { ProceduralProblem } from './procedural-task.ts';
import { proceduralTasks } from './procedural-tasks.ts';

const hostile = [
  '',
  ' ',
  '\n\n',
  'Answer:',
  '\\boxed{}',
  '\\boxed{'.repeat(500),
  '```\n'.repeat(1000),
  '('.repeat(longestAnswer),
  ','.repeat(longestAnswer),
  '1,'.repeat(longestAnswer / 2),
  '9'.repeat(longestAnswer),
  'x'.repeat(1_000_000),
  '9^9^9^9',
  'A = '.repeat(900),
  'A = true, '.repeat(300),
  '-> '.repeat(1000),
  'unsatisfiable unsatisfiable',
  '__proto__ = 1, constructor = 2',
  'The answer is 42.',
  '\u0000\ud800',
];

describe.each(proceduralTasks.map((task) => [task.name, task] as const))('%s', (_name, builtIn) => {
  const task = builtIn.create({});
  const levels = task.levels;

  it('passes the checks of every task, in every form', async () => {
    for (const form of ['raw', 'r1-zero', 'chat'] as const) {
      const check = await checkTask(task.configure({ form }), {
        perLevel: 4,
        budget: Number.POSITIVE_INFINITY,
      });
      expect(check).toEqual({ references: levels.length * 2 * 4, withoutReference: 0 });
    }
  });

  it('turns away the corrupted references', async () => {
    let tried = 0;
    for (const form of ['raw', 'chat'] as const) {
      const formed = task.configure({ form, format: 'none' });
      for (const level of levels) {
        for (let index = 0; index < 12; index++) {
          const problem = formed.problem({ split: 'train', index, level });
          const wrong = formed.corrupted(problem, randomStream(index, 'corrupt'));
          if (wrong === undefined) continue;
          tried++;
          expect(wrong).not.toBe(formed.reference(problem));
          const verdict = await formed.verify(problem, wrong);
          expect({ wrong, problem: problem.prompt, verdict }).toMatchObject({
            verdict: { outcome: 'scored', score: 0 },
          });
          // The evidence says what is wrong.
          expect(verdict.evidence).toMatchObject({
            accuracy: { problem: expect.stringMatching(/./) as string },
          });
        }
      }
    }
    expect(tried).toBeGreaterThan(levels.length * 2 * 12 * 0.9);
  });

  it('turns away what is no answer, at once', async () => {
    for (const level of levels) {
      const problem = task.problem({ split: 'train', index: 0, level });
      for (const response of hostile) {
        const verdict = await task.verify(problem, response);
        expect({ response: response.slice(0, 40), verdict }).toMatchObject({ verdict: { score: 0 } });
      }
    }
  });

  it('takes the last answer line after reasoning, boxed or not, and no answer out of prose', async () => {
    const problem = task.problem({ split: 'train', index: 1 }) as ProceduralProblem<unknown>;
    const { answer } = problem;
    const score = async (response: string) => {
      const verdict = await task.verify(problem, response);
      return verdict.outcome === 'scored' ? verdict.score : verdict;
    };
    expect(await score(answer)).toBe(1);
    expect(await score(`Let me see.\nAnswer: 0\nNo.\n**Answer:** ${answer}`)).toBe(1);
    expect(await score(`So it is\nAnswer: \\boxed{${answer}}`)).toBe(1);
    expect(await score(`Answer:\n\`\`\`\n${answer}\n\`\`\`\n`)).toBe(1);
    expect(await score(`Answer: ${answer}\nAnswer: something else`)).toBe(0);
    expect(await score(`${answer} or maybe something else`)).toBe(0);
    expect(await score(`Well, I think ${answer}`)).toBe(0);
    for (const style of task.workedStyles) {
      expect(await score(task.workedExample(problem, style, randomStream(0)))).toBe(1);
    }
  });

  it('has many different problems at every level, and never one in both splits', () => {
    for (const level of levels) {
      const trained = Array.from({ length: 60 }, (_, index) =>
        task.identity(task.problem({ split: 'train', index, level })),
      );
      expect(new Set(trained).size).toBeGreaterThan(40);
      const heldOut = task.heldOut(6, level).map((problem) => task.identity(problem));
      expect(trained.filter((identity) => heldOut.includes(identity))).toEqual([]);
    }
  });

  it('has strict options, each of which a level may use', () => {
    expect(() => builtIn.create({ levls: [1] })).toThrow(/Did you mean "levels"/);
    expect(() => builtIn.create({ levels: [0] })).toThrow(/at levels\[0\]/);
    expect(() => builtIn.create({ levels: [levels.length + 1] })).toThrow(/at levels\[0\]/);
  });
});
