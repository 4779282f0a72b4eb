import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { evaluate } from '../evaluate/evaluate.ts';
import type { Responder } from '../evaluate/responder.ts';
import { writeSolveRates } from '../evaluate/solve-rates.ts';
import { arithmeticTask } from './arithmetic.ts';
import { readSolveRates, selectBySolveRate } from './solve-rates.ts';
import { defineTask, type Task } from './task.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-rates-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Solves a problem in the first `times(problem)` of its samples. */
function solver(task: Task, times: (prompt: string) => number): Responder {
  return {
    name: 'solver',
    identity: { kind: 'test' },
    refusal: () => undefined,
    async respond(jobs, _settings, { onResponse }) {
      const answers = new Map<string, string>();
      for (let index = 0; index < 200; index++) {
        const problem = task.problem({ split: 'train', index });
        answers.set(problem.prompt, task.reference(problem)!);
      }
      for (const [j, { prompt, samples }] of jobs.entries()) {
        const text = prompt.kind === 'text' ? prompt.text : '';
        for (const { index } of samples) {
          const right = index < times(text);
          onResponse(j, index, {
            text: right ? answers.get(text)! : 'no',
            prefilled: '',
            tokens: 1,
            finish: 'stop',
          });
        }
      }
      await Promise.resolve();
    },
  };
}

async function rated(task: Task, times: (prompt: string) => number, count = 12) {
  const outcome = await evaluate({
    responder: solver(task, times),
    tasks: [{ task, count, split: 'train' }],
    samples: 4,
    settings: { maxTokens: 10, temperature: 1 },
    seed: 0,
  });
  const path = join(folder, 'rates.jsonl');
  const written = await writeSolveRates(path, outcome);
  return { path, written, rates: await readSolveRates(path) };
}

const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `p${i}`, answer: `a${i}`, level: 1 + (i % 2) }));
const listed = () => defineTask({ name: 'listed', prompts: rows, verify: 'exact' });
const digit = (prompt: string) => Number(/\d+/.exec(prompt)![0]);

describe('solve rates', () => {
  it('are the share of samples that were right, for each training problem', async () => {
    const task = listed();
    const { written, rates } = await rated(task, (prompt) => digit(prompt) % 5);
    expect(written).toBe(12);
    for (const { prompt, rate, samples } of rates) {
      expect(samples).toBe(4);
      expect(rate).toBe((digit(prompt) % 5) / 4);
    }
  });

  it.each([
    ['a data set', listed],
    ['a generator', () => arithmeticTask({ levels: [1, 3] })],
  ])('choose among the training problems of %s, whatever the seed of the run', async (_name, make) => {
    const task = make();
    const times = (prompt: string) => (digit(prompt) * 3) % 5;
    const { rates } = await rated(task, times);
    const wanted = new Set(
      rates.filter(({ rate }) => rate >= 0.25 && rate <= 0.75).map(({ prompt }) => prompt),
    );
    expect(wanted.size).toBeGreaterThan(1);
    const {
      task: chosen,
      kept,
      rated: all,
    } = selectBySolveRate(task.configure({ seed: 9 }), rates, {
      min: 0.25,
      max: 0.75,
    });
    expect([kept, all]).toEqual([wanted.size, 12]);
    expect(chosen.size('train')).toBe(kept);
    const epoch = (first: number) =>
      Array.from({ length: kept }, (_, i) => chosen.problem({ split: 'train', index: first + i }).prompt);
    expect(new Set(epoch(0))).toEqual(wanted);
    expect(new Set(epoch(kept))).toEqual(wanted);
    // What is held out stays, and a problem of the generator is whole: its reference still scores 1.
    expect(chosen.heldOut(5)).toEqual(task.heldOut(5));
    const problem = chosen.problem({ split: 'train', index: 0 });
    expect(await chosen.verify(problem, chosen.reference(problem)!)).toMatchObject({
      outcome: 'scored',
      score: 1,
    });
    const level = problem.level!;
    expect(chosen.problem({ split: 'train', index: 0, level }).level).toBe(level);
    // Another form is the same choice.
    expect(chosen.configure({ form: 'r1-zero' }).size('train')).toBe(kept);
  });

  it('of another task, or of one with other options, are refused', async () => {
    const { rates } = await rated(arithmeticTask({ levels: [1] }), () => 2);
    expect(() => selectBySolveRate(listed(), rates, { min: 0, max: 1 })).toThrow(
      'No training problem of task listed',
    );
    const other = arithmeticTask({ levels: [5] });
    expect(() => selectBySolveRate(other, rates, { min: 0, max: 1 })).toThrow('other problems than those');
    const same = arithmeticTask({ levels: [1] });
    expect(() => selectBySolveRate(same, rates, { min: 0.9, max: 1 })).toThrow('between 0.9 and 1');
  });

  it('name the line of a file that cannot be read', async () => {
    const { path } = await rated(listed(), () => 1);
    const good = await readFile(path, 'utf8');
    await writeFile(path, `${good}{"task": "x"}\n`);
    await expect(readSolveRates(path)).rejects.toThrow(`Line 13 of ${path}`);
    await writeFile(path, 'nonsense');
    await expect(readSolveRates(path)).rejects.toThrow('not JSON');
    await expect(readSolveRates(join(folder, 'nowhere'))).rejects.toThrow('nowhere');
  });
});
