/**
 * Solve rates: how often a model solves each problem, estimated once (`aha evaluate --solve-rates`), and the choice
 * of training problems by it. Problems that are always or never solved teach nothing: a group without variance has no
 * advantage (DAPO, arXiv 2503.14476, section 3.2; Kimi k1.5, arXiv 2501.12599, section 2.3.1).
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { randomStream } from '../util/random.ts';
import type { Problem, ProblemAddress } from './problem.ts';
import type { Task } from './task.ts';

export const solveRateSchema = z.strictObject({
  task: z.string(),
  /** `Task.identity`. */
  problem: z.string(),
  /** Where the task gives it, under `seed`. */
  seed: z.union([z.number(), z.string()]),
  split: z.enum(['train', 'heldOut']),
  index: z.int().min(0),
  /** Of the address: absent when problems of all levels were drawn together. */
  addressLevel: z.int().min(1).optional(),
  level: z.int().min(1).nullable(),
  samples: z.int().min(1),
  solved: z.number().min(0),
  /** solved / samples. */
  rate: z.number().min(0).max(1),
  prompt: z.string(),
});

export type SolveRate = z.output<typeof solveRateSchema>;

export const solveRateSelectionSchema = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .describe('Solve rates, as aha evaluate --split train --solve-rates FILE writes them.'),
    min: z.number().min(0).max(1).default(0.1).describe('Keep problems that are solved at least this often.'),
    max: z.number().min(0).max(1).default(0.9).describe('Keep problems that are solved at most this often.'),
  })
  .refine(({ min, max }) => min <= max, 'min ≤ max');

export type SolveRateSelection = z.output<typeof solveRateSelectionSchema>;

/** @throws AhaError `solve-rates-unreadable` with the line, or of the storage */
export async function readSolveRates(path: string): Promise<SolveRate[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    let found: string;
    try {
      const parsed = solveRateSchema.safeParse(JSON.parse(line));
      if (parsed.success) return [parsed.data];
      const [issue] = parsed.error.issues;
      found = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    } catch {
      found = 'a line that is not JSON';
    }
    throw new AhaError({
      code: 'solve-rates-unreadable',
      boundary: 'data',
      what: `Line ${index + 1} of ${path} is no solve rate`,
      found,
      expected: 'a line that aha evaluate --solve-rates has written',
      fields: { file: path, line: index + 1 },
    });
  });
}

export interface Selection {
  readonly task: Task;
  /** Problems that are kept, and problems that had a rate. */
  readonly kept: number;
  readonly rated: number;
}

/**
 * The task with only those training problems whose solve rate lies between the bounds. Held-out problems stay as they
 * are. Each epoch has its own order, drawn from the task's seed.
 * @throws AhaError `solve-rates-mismatch` for rates of other problems, `solve-rates-empty` if none is kept
 */
export function selectBySolveRate(
  task: Task,
  rates: readonly SolveRate[],
  bounds: Omit<SolveRateSelection, 'file'>,
): Selection {
  const own = rates.filter((rate) => rate.task === task.name && rate.split === 'train');
  const kept = own.filter(({ rate }) => rate >= bounds.min && rate <= bounds.max);
  if (kept.length === 0) {
    throw new AhaError({
      code: 'solve-rates-empty',
      boundary: 'data',
      what: `No training problem of task ${task.name} has a solve rate between ${bounds.min} and ${bounds.max}`,
      found: `${own.length} rates of its training problems, ${rates.length} in all`,
      expected: 'at least one problem',
      fix: 'Widen the bounds, or estimate the rates of more problems: aha evaluate MODEL --task … --split train --samples 8 --solve-rates FILE.',
    });
  }
  const problems = new Map<string, Problem>();
  for (const rate of kept) {
    const address: ProblemAddress = {
      split: rate.split,
      index: rate.index,
      ...(rate.addressLevel === undefined ? {} : { level: rate.addressLevel }),
    };
    const seeded = task.configure({ seed: rate.seed });
    const problem = seeded.problem(address);
    if (seeded.identity(problem) !== rate.problem) {
      throw new AhaError({
        code: 'solve-rates-mismatch',
        boundary: 'data',
        what: `The solve rates are of other problems than those of task ${task.name}`,
        found: problem.prompt.slice(0, 100),
        expected: rate.prompt.slice(0, 100),
        fix: 'Use the task with the options that the rates were estimated with, or estimate them again.',
      });
    }
    problems.set(rate.problem, problem);
  }
  return { task: restrict(task, [...problems.values()]), kept: problems.size, rated: own.length };
}

function restrict(task: Task, problems: readonly Problem[]): Task {
  const at = (level: number | undefined) =>
    level === undefined ? problems : problems.filter((problem) => (problem.level ?? 1) === level);
  const trainLevels = [...new Set(problems.map((problem) => problem.level ?? 1))].sort((a, b) => a - b);
  return {
    ...task,
    levels: trainLevels,
    notes: [...task.notes, `${problems.length} training problems chosen by their solve rate`],
    size: (split, level) => (split === 'train' ? at(level).length : task.size(split, level)),
    problem(address) {
      if (address.split !== 'train') return task.problem(address);
      const list = at(address.level);
      if (list.length === 0) {
        throw new AhaError({
          code: 'level-unknown',
          boundary: 'task',
          what: `No problem of level ${address.level} was chosen by its solve rate`,
          found: String(address.level),
          expected: trainLevels.join(', '),
        });
      }
      const epoch = Math.floor(address.index / list.length);
      const order = randomStream(task.seed, 'solve-rates', task.name, address.level ?? 'any', epoch).shuffle(
        list,
      );
      return order[address.index % list.length]!;
    },
    configure: (options) => restrict(task.configure(options), problems),
  };
}
