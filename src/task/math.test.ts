import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTask } from './check.ts';
import { mathTask } from './math.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-math-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const row = (i: number, change: Record<string, unknown> = {}) =>
  JSON.stringify({
    problem: `What is half of $${i}$?`,
    solution: String.raw`Half of $${i}$ is $\boxed{\frac{${i}}{2}}$.`,
    level: `Level ${(i % 5) + 1}`,
    type: i % 2 === 0 ? 'Algebra' : 'Number Theory',
    ...change,
  });
const write = async (name: string, lines: readonly string[]) => {
  const path = join(folder, name);
  await writeFile(path, lines.join('\n'));
  return path;
};
const rows = (count: number) => Array.from({ length: count }, (_, i) => row(i));

describe('mathTask', () => {
  it('takes answers from solutions, levels and subjects', async () => {
    const task = await mathTask({ train: await write('one.jsonl', rows(40)) });
    expect(task.size('train') + task.size('heldOut')).toBe(40);
    expect(task.levels).toEqual([1, 2, 3, 4, 5]);
    expect(await checkTask(task)).toEqual({ references: 40, withoutReference: 0 });
    const problem = task.problem({ split: 'train', index: 0, level: 3 });
    expect(problem).toMatchObject({ level: 3 });
    const half = problem.answer.replace(/\\frac\{(\d+)\}\{2\}/, (_all, n: string) => `${Number(n) / 2}`);
    expect(await task.verify(problem, `So it is $\\boxed{${half}}$.`)).toMatchObject({ score: 1 });
    expect(await task.verify(problem, `So it is $\\boxed{${half}1}$.`)).toMatchObject({ score: 0 });
  });

  it('reads a folder, filters, and prefers a given answer', async () => {
    const path = join(folder, 'MATH', 'train');
    for (const [i, text] of rows(20).entries()) {
      const place = join(path, i % 2 === 0 ? 'algebra' : 'number_theory');
      await mkdir(place, { recursive: true });
      await writeFile(
        join(place, `${i}.json`),
        i === 4 ? row(4, { answer: '2', subject: 'Geometry' }) : text,
      );
    }
    const task = await mathTask({ train: path, subjects: ['number theory', 'geometry'], heldOutShare: 0.2 });
    const problems = [
      ...task.heldOut(20),
      ...Array.from({ length: task.size('train') }, (_, index) => task.problem({ split: 'train', index })),
    ];
    expect(problems.length).toBe(11);
    expect(problems.find(({ subject }) => subject === 'Geometry')).toMatchObject({ answer: '2', level: 5 });
    const third = await mathTask({ train: path, levels: [3] });
    expect(third.levels).toEqual([3]);
  });

  it.each([
    [row(1, { solution: 'no answer here' }), /neither an answer nor a \\boxed/],
    [row(1, { answer: '1/0' }), /cannot be compared with.*division by zero/],
    [row(1, { level: 'Level ?' }), /level is "Level \?"/],
    [row(1, { problem: ' ' }), /no text under problem/],
    ['[]', /no JSON object/],
    ['{', /not JSON/],
  ])('refuses the row %j', async (line, message) => {
    const path = await write('bad.jsonl', [row(5), line]);
    await expect(mathTask({ train: path })).rejects.toThrow(message);
  });

  it('names the subjects that there are', async () => {
    const path = await write('subjects.jsonl', rows(10));
    await expect(mathTask({ train: path, subjects: ['Algbra'] })).rejects.toThrow(/Did you mean Algebra\?/);
    await expect(mathTask({ train: join(folder, 'none') })).rejects.toThrow(/Check the path/);
    await expect(mathTask({} as never)).rejects.toThrow(/math-train.jsonl/);
  });
});

const shared = fileURLToPath(new URL('../../../shared/data/math500.jsonl', import.meta.url));

describe.skipIf(!existsSync(shared))(
  'MATH-500 (skipped where ../shared/data is absent: it is not part of the repository)',
  () => {
    it(
      'all 500 references score 1, and so do the solutions; corrupted ones do not',
      { timeout: 300_000 },
      async () => {
        const task = await mathTask({ train: shared });
        expect(task.notes).toEqual([]);
        expect(await checkTask(task)).toEqual({ references: 500, withoutReference: 0 });
        const problems = [
          ...task.heldOut(500),
          ...Array.from({ length: task.size('train') }, (_, index) =>
            task.problem({ split: 'train', index }),
          ),
        ];
        const bad: unknown[] = [];
        for (const problem of problems) {
          const verdict = await task.verify(problem, problem.solution);
          if (verdict.outcome !== 'scored' || verdict.score !== 1)
            bad.push({ answer: problem.answer, verdict });
          for (const wrong of [`${problem.answer} + 1`, `${problem.answer} \\text{ or } 12345`, 'none', '']) {
            const verdict = await task.verify(problem, `\\boxed{${wrong}}`);
            if (verdict.outcome !== 'scored' || verdict.score !== 0) bad.push({ wrong, verdict });
          }
        }
        expect(bad).toEqual([]);
      },
    );
  },
);
