import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSandbox } from '../sandbox/open.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { randomStream } from '../util/random.ts';
import { useSandbox } from '../verify/code/shared-sandbox.ts';
import { closeSharedTypeChecker } from '../verify/typescript/type-checker.ts';
import { humanEvalTask } from './humaneval.ts';
import { mbppTask } from './mbpp.ts';
import { typeScriptFunctionsTask } from './typescript-functions.ts';

const data = new URL('../../../shared/data/', import.meta.url);
const path = (name: string) => new URL(name, data).pathname;

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ tier: 'deno' });
  useSandbox(sandbox);
}, 120_000);
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  closeSharedTypeChecker();
});

const impostor =
  'class E:\n    def __eq__(s, o): return True\n    def __bool__(s): return True\n    def __getattr__(s, n): return s\n    def __call__(s, *a): return s\n    __sub__ = __abs__ = __call__\n    def __lt__(s, o): return True\n';

// The data are public and not part of the project.
describe.skipIf(!existsSync(path('HumanEval.jsonl.gz')))(
  'data sets (skipped where ../shared/data is absent)',
  () => {
    it('humaneval: references score 1, impostors do not', async () => {
      const task = await humanEvalTask({ file: path('HumanEval.jsonl.gz') });
      expect(task.size('train') + task.size('heldOut')).toBe(164);
      for (const problem of task.heldOut(8)) {
        expect(await task.verify(problem, task.reference(problem)!)).toMatchObject({ score: 1 });
        for (const body of [
          '    pass',
          '    return 7654',
          '    import os; os._exit(0)',
          `    return E()\n${impostor}`,
        ]) {
          expect(await task.verify(problem, body)).toMatchObject({
            outcome: 'scored',
            parts: { 'accuracy/tests': expect.any(Number) as number },
          });
          expect(await task.verify(problem, body)).not.toMatchObject({ score: 1 });
        }
      }
    }, 300_000);

    it('mbpp: references score 1, impostors do not', async () => {
      const task = await mbppTask({ file: path('mbpp.jsonl') });
      expect(task.size('train') + task.size('heldOut')).toBe(974);
      for (const problem of task.heldOut(8)) {
        expect(await task.verify(problem, task.reference(problem)!)).toMatchObject({ score: 1 });
        const name = problem.functions[0]!;
        for (const body of ['pass', 'return 7654', 'import os; os._exit(0)', 'return E()']) {
          const response = `${impostor}\ndef ${name}(*a):\n    ${body}\n`;
          expect(await task.verify(problem, response)).not.toMatchObject({ score: 1 });
        }
      }
    }, 300_000);
  },
);

describe('typescript-functions', () => {
  const task = typeScriptFunctionsTask();
  it.each([1, 2, 3, 4, 5])(
    'level %d: the reference scores 1, and every neighbour of it less',
    async (level) => {
      for (let index = 0; index < 4; index++) {
        const problem = task.problem({ split: 'train', index, level });
        expect(await task.verify(problem, task.reference(problem)!)).toMatchObject({ score: 1 });
        const chat = task.configure({ form: 'chat', format: 'none' });
        expect(await chat.verify(problem, chat.reference(problem)!)).toMatchObject({ score: 1 });
        for (const wrong of problem.wrong) {
          const verdict = await task.verify(problem, wrong);
          expect(verdict).toMatchObject({ outcome: 'scored', parts: { 'accuracy/compile': 1 } });
          expect(verdict.outcome === 'scored' && verdict.score).toBeLessThan(1);
        }
      }
    },
    300_000,
  );

  it('drafts are right, wrong and broken in the shares that were asked for', async () => {
    const broken = typeScriptFunctionsTask({ broken: 1, wrong: 0 });
    const right = typeScriptFunctionsTask({ broken: 0, wrong: 0 });
    const bodies = new Set<string>();
    for (let index = 0; index < 60; index++) {
      const problem = task.problem({ split: 'train', index });
      expect(right.workedExample(problem, 'draft', randomStream(index))).toBe(problem.body);
      const draft = broken.workedExample(problem, 'draft', randomStream(index));
      bodies.add(draft);
      const verdict = await task.verify(problem, draft);
      expect(verdict, draft).toMatchObject({ outcome: 'scored', score: 0, parts: { 'accuracy/compile': 0 } });
    }
    expect(bodies.size).toBeGreaterThan(20);
  }, 300_000);
});
