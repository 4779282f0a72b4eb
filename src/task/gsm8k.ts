/**
 * GSM8K, grade school word problems (Cobbe et al. 2021): rows of `question` and `answer`, a worked solution that
 * ends in `#### N`. Judged by the final number (`verify/final-number.ts`). Levels are the number of calculations in
 * the solution, 1 to 8.
 *
 * Reads local files, JSON lines or Parquet, or data sets on the Hub: with `train: hf:openai/gsm8k` its split `train` is
 * trained on and its split `test` held out.
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { parseWithSchema } from '../util/schema.ts';
import { numberVerifier, referenceQuantity } from '../verify/final-number.ts';
import type { Problem } from './problem.ts';
import type { HubOptions } from '../hub/client.ts';
import { heldOutOf } from './problem-files.ts';
import { readRows, type RowProblem, type RowsOptions } from './rows.ts';
import { defineTask, type Task } from './task.ts';

export const gsm8kSchema = z.strictObject({
  /** The file to train on; its rows are split by content unless `heldOut` names a file. */
  train: z.string().min(1),
  heldOut: z.string().min(1).optional(),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
  maxBadShare: z.number().min(0).max(1).default(0.01),
});

export type Gsm8kOptions = z.input<typeof gsm8kSchema>;

export interface Gsm8kProblem extends Problem {
  /** The final number. */
  readonly answer: string;
  readonly level: number;
  /** The worked solution without its last line and without calculator annotations. */
  readonly solution: string;
}

export const gsm8kLevels = 8;

export async function gsm8kTask(options: Gsm8kOptions, hub?: HubOptions): Promise<Task<Gsm8kProblem>> {
  const parsed = parseWithSchema(gsm8kSchema, options, {
    what: 'The options of task gsm8k',
    boundary: 'task',
    fix: 'Give a file of questions and answers, train: gsm8k-train.jsonl, or a data set on the Hub, train: hf:openai/gsm8k.',
  });
  const { maxBadShare } = parsed;
  const shared = { maxBadShare, ...(hub === undefined ? {} : { hub }) };
  const train = await readGsm8k(parsed.train, { ...shared, query: { split: 'train' } });
  const heldOutPath = parsed.heldOut ?? (await heldOutOf(train.data, hub));
  const heldOut =
    heldOutPath === undefined
      ? undefined
      : await readGsm8k(heldOutPath, { ...shared, query: { split: 'test' } });
  const notes = [...train.notes, ...(heldOut?.notes ?? [])];
  const files = [parsed.train, parsed.heldOut]
    .filter((path) => path !== undefined)
    .map((path) => basename(path));
  return defineTask<Gsm8kProblem>({
    name: 'gsm8k',
    description: `Grade school word problems, judged by the final number (${files.join(', ')}).`,
    notes,
    prompts: heldOut === undefined ? train.problems : { train: train.problems, heldOut: heldOut.problems },
    heldOutShare: parsed.heldOutShare,
    verify: numberVerifier((problem) => problem.answer),
    reasoning: (problem) => problem.solution,
    reference: (problem, form) => (form === 'raw' ? worked(problem) : problem.answer),
    workedExamples: { steps: worked, direct: (problem) => `#### ${problem.answer}` },
  });
}

async function readGsm8k(path: string, options: RowsOptions) {
  const rows = await readRows(path, {
    ...options,
    fields: { prompt: 'question' },
    fault: (row) => {
      if (!row.answer.includes('####')) return 'the answer does not end in #### and a number';
      return referenceQuantity(row.answer) === undefined ? 'what follows #### is no clear number' : undefined;
    },
  });
  return { ...rows, problems: rows.problems.map(toProblem) };
}

function toProblem(row: RowProblem): Gsm8kProblem {
  const marker = row.answer.lastIndexOf('####');
  const calculations = row.answer.match(/<<[^<>]*>>/g)?.length ?? 0;
  return {
    prompt: row.prompt.trim(),
    answer: row.answer.slice(marker + 4).trim(),
    level: Math.min(gsm8kLevels, Math.max(1, calculations)),
    solution: row.answer
      .slice(0, marker)
      .replaceAll(/<<[^<>]*>>/g, '')
      .trim(),
  };
}

function worked(problem: Gsm8kProblem): string {
  return `${problem.solution}\n#### ${problem.answer}`;
}
