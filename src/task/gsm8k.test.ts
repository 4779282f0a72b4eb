import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTask } from './check.ts';
import { gsm8kTask, type Gsm8kProblem } from './gsm8k.ts';
import type { Task } from './task.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-gsm8k-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const row = (
  i: number,
  answer = `${i} + ${i} = <<${i}+${i}=${2 * i}>>${2 * i}.\n#### ${(2 * i).toLocaleString('en')}`,
) => JSON.stringify({ question: `What is twice ${i}?`, answer });
const write = async (name: string, lines: readonly string[]) => {
  const path = join(folder, name);
  await writeFile(path, lines.join('\n'));
  return path;
};

describe('gsm8kTask', () => {
  it('reads questions, final numbers, solutions and levels', async () => {
    const path = await write(
      'one.jsonl',
      Array.from({ length: 60 }, (_, i) => row(i * 100)),
    );
    const task = await gsm8kTask({ train: path });
    expect(task.size('train') + task.size('heldOut')).toBe(60);
    expect(await checkTask(task)).toEqual({ references: 60, withoutReference: 0 });
    const all = [
      ...task.heldOut(60),
      ...Array.from({ length: task.size('train') }, (_, index) => task.problem({ split: 'train', index })),
    ];
    expect(all.find((problem) => problem.prompt.includes(' 1500?'))).toEqual({
      prompt: 'What is twice 1500?',
      answer: '3,000',
      level: 1,
      solution: '1500 + 1500 = 3000.',
    });
  });

  it('takes two files and never trains on what is held out', async () => {
    const train = await write(
      'train.jsonl',
      Array.from({ length: 20 }, (_, i) => row(i)),
    );
    const heldOut = await write(
      'test.jsonl',
      Array.from({ length: 10 }, (_, i) => row(i + 15)),
    );
    const task = await gsm8kTask({ train, heldOut });
    expect([task.size('train'), task.size('heldOut')]).toEqual([15, 10]);
    expect(task.notes).toEqual(['5 training problems are also held out: removed from training']);
  });

  it.each([
    [row(1, 'no marker 5'), /the answer does not end in #### and a number/],
    [row(1, 'x\n#### 5 or 6'), /what follows #### is no clear number/],
    [row(1, 'x\n####'), /what follows #### is no clear number/],
    ['{"question":"x"}', /no answer/],
  ])('refuses the row %j', async (line, message) => {
    const path = await write('bad.jsonl', [row(5), line]);
    await expect(gsm8kTask({ train: path })).rejects.toThrow(message);
  });

  it('wants a path', async () => {
    await expect(gsm8kTask({} as never)).rejects.toThrow(/a value is missing at train.*gsm8k-train.jsonl/);
    await expect(gsm8kTask({ train: join(folder, 'none') })).rejects.toThrow(/Check the path/);
  });
});

const shared = (name: string) => fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
const present = existsSync(shared('gsm8k-train.jsonl')) && existsSync(shared('gsm8k-test.jsonl'));

describe.skipIf(!present)(
  'the whole data set (skipped where ../shared/data is absent: it is not part of the repository)',
  () => {
    let task: Task<Gsm8kProblem>;
    let problems: Gsm8kProblem[];
    beforeAll(async () => {
      task = await gsm8kTask({ train: shared('gsm8k-train.jsonl'), heldOut: shared('gsm8k-test.jsonl') });
      problems = [
        ...task.heldOut(10_000),
        ...Array.from({ length: task.size('train') }, (_, index) => task.problem({ split: 'train', index })),
      ];
    });

    it('has all rows, none in both splits', () => {
      expect([task.size('train'), task.size('heldOut')]).toEqual([7473, 1319]);
      expect(new Set(problems.map((problem) => task.identity(problem))).size).toBe(8792);
      expect(task.notes).toEqual([]);
      expect(task.levels).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    it('every reference scores 1, as a solution, as tagged text, and boxed', async () => {
      const zero = task.configure({ form: 'r1-zero' });
      const bad: unknown[] = [];
      for (const problem of problems) {
        const responses = [
          [task, task.reference(problem)!],
          [task, `The answer is $\\boxed{${problem.answer}}$.`],
          [task, `So the answer is ${problem.answer}.`],
          [zero, zero.reference(problem)!],
        ] as const;
        for (const [form, response] of responses) {
          const verdict = await form.verify(problem, response);
          if (verdict.outcome !== 'scored' || verdict.score !== 1) bad.push({ problem, response, verdict });
        }
      }
      expect(bad).toEqual([]);
    });

    it('no corrupted reference scores 1', async () => {
      const bad: unknown[] = [];
      for (const [i, problem] of problems.entries()) {
        const value = BigInt(problem.answer.replaceAll(',', ''));
        const wrong = [value + 1n, value - 1n, value * 10n + 1n, -value - 1n].map((other) => `#### ${other}`);
        wrong.push(
          `#### ${value}.5`,
          `#### ${value}1`,
          `#### ${value} or ${value + 1n}`,
          `#### ${value} thousand`,
          `#### ${value}/7`,
          `#### 1 ${value}`,
          `#### ${value}-${value + 2n}`,
          `####`,
          task.reference(problem)!.replace('####', '#### not'),
          '',
        );
        // Every way for the held-out problems, a fifth of them for each training problem in turn.
        const chosen = i < 1319 ? wrong : wrong.filter((_, way) => (way + i) % 5 === 0);
        for (const response of chosen) {
          const verdict = await task.verify(problem, response);
          const isZero = value === 0n && / thousand|\/7/.test(response);
          if (!isZero && (verdict.outcome !== 'scored' || verdict.score !== 0))
            bad.push({ response, verdict });
        }
      }
      expect(bad).toEqual([]);
    });
  },
);
