/**
 * HumanEval (Chen et al. 2021): complete a Python function from its signature and documentation. Rows of `prompt`,
 * `canonical_solution`, `test` (a function `check(candidate)`) and `entry_point`. Judged by running the check; the
 * answer runs in a process of its own and only plain data comes back to the check.
 *
 * Reads local files, JSON lines (compressed or not) or Parquet, or a data set on the Hub.
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { parseWithSchema } from '../util/schema.ts';
import { code } from '../verify/code/code.ts';
import { scoringSchema } from '../verify/code/scoring.ts';
import type { HubOptions } from '../hub/client.ts';
import type { Problem } from './problem.ts';
import { readRows } from './rows.ts';
import { defineTask, type Task } from './task.ts';

export const humanEvalSchema = scoringSchema.extend({
  /** HumanEval.jsonl or HumanEval.jsonl.gz. */
  file: z.string().min(1),
  heldOutShare: z.number().gt(0).lt(1).default(0.5),
});

export interface HumanEvalProblem extends Problem {
  /** The body of the function. */
  readonly answer: string;
  readonly id: string;
  readonly test: string;
  readonly entryPoint: string;
}

/** One answer may run up to a dozen times, each with a limit of its own; waiting for a turn does not count. */
export const codeDeadline = 300_000;

export async function humanEvalTask(
  options: z.input<typeof humanEvalSchema>,
  hub?: HubOptions,
): Promise<Task<HumanEvalProblem>> {
  const { file, heldOutShare, ...scoring } = parseWithSchema(humanEvalSchema, options, {
    what: 'The options of task humaneval',
    boundary: 'task',
    fix: 'Give the path of the data, file: HumanEval.jsonl.gz, or a data set on the Hub, file: hf:openai/openai_humaneval.',
  });
  const rows = await readRows(file, {
    query: { split: 'test' },
    ...(hub === undefined ? {} : { hub }),
    fields: { prompt: 'prompt', answer: 'canonical_solution' },
    maxBadShare: 0,
    fault: (row) => {
      if (typeof row['test'] !== 'string') return 'test is no text';
      return typeof row['entry_point'] === 'string' ? undefined : 'entry_point is no text';
    },
  });
  return defineTask<HumanEvalProblem>({
    name: 'humaneval',
    description: `Python functions from their documentation, judged by unit tests (${basename(file)}).`,
    notes: rows.notes,
    heldOutShare,
    deadline: codeDeadline,
    prompts: rows.problems.map((row) => ({
      prompt: row.prompt,
      answer: row.answer,
      id: String(row['task_id']),
      test: row['test'] as string,
      entryPoint: row['entry_point'] as string,
    })),
    question: ({ prompt }) =>
      'Complete this Python function. Answer with the whole function in one block of code.\n\n' +
      `\`\`\`python\n${prompt.trimEnd()}\n\`\`\``,
    reference: (problem, form) =>
      form === 'raw' ? problem.answer : `\`\`\`python\n${problem.prompt}${problem.answer}\`\`\``,
    verify: code.python<HumanEvalProblem>({
      ...scoring,
      // Some checks use a helper that the prompt gives.
      tests: ({ prompt, test, entryPoint }) => ({ kind: 'check', setup: prompt, source: test, entryPoint }),
      complete: completeFunction,
    }),
  });
}

/**
 * The prompt ends behind the documentation of its last function, which is a function already: what follows is either
 * its body, or a whole program that defines it again.
 */
export function completeFunction({ prompt }: Problem, source: string): string {
  return `${prompt.trimEnd()}\n${source}`;
}
