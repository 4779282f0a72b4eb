/**
 * MBPP (Austin et al. 2021): write a Python function from a sentence. Rows of `text`, `code`, `test_list` (assertions)
 * and `test_setup_code`. Judged by the share of assertions that hold; the answer runs in a process of its own and only
 * plain data comes back. The prompt shows the first assertion, which says how the function is called; the others stay
 * hidden, so that they cannot be answered by heart (`shownTests`).
 *
 * Reads local files, JSON lines (compressed or not) or Parquet, or a data set on the Hub.
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { parseWithSchema } from '../util/schema.ts';
import { code } from '../verify/code/code.ts';
import { scoringSchema } from '../verify/code/scoring.ts';
import { codeDeadline } from './humaneval.ts';
import type { HubOptions } from '../hub/client.ts';
import type { Problem } from './problem.ts';
import { readRows } from './rows.ts';
import { defineTask, type Task } from './task.ts';

export const mbppSchema = scoringSchema.extend({
  file: z.string().min(1),
  /** How many of the assertions the prompt shows. */
  shownTests: z.int().min(1).default(1),
  /** Milliseconds for all tests of one answer. */
  wallMs: z.int().min(1).default(60_000),
  heldOutShare: z.number().gt(0).lt(1).default(0.5),
});

export interface MbppProblem extends Problem {
  readonly answer: string;
  readonly id: string;
  readonly text: string;
  readonly tests: readonly string[];
  readonly setup: string;
  /** What the tests call of the answer; one of them is called sum. */
  readonly functions: readonly string[];
}

export async function mbppTask(
  options: z.input<typeof mbppSchema>,
  hub?: HubOptions,
): Promise<Task<MbppProblem>> {
  const { file, shownTests, wallMs, heldOutShare, ...scoring } = parseWithSchema(mbppSchema, options, {
    what: 'The options of task mbpp',
    boundary: 'task',
    fix: 'Give the path of the data, file: mbpp.jsonl, or a data set on the Hub, file: hf:google-research-datasets/mbpp.',
  });
  const rows = await readRows(file, {
    query: { split: 'all', configurations: ['full'] },
    ...(hub === undefined ? {} : { hub }),
    // Different rows have the same sentence: what tells them apart is the function that is tested.
    fields: { prompt: 'text', answer: 'code' },
    severalAnswers: true,
    maxBadShare: 0,
    fault: (row) => {
      const tests = row['test_list'];
      const good = Array.isArray(tests) && tests.length > 0 && tests.every((one) => typeof one === 'string');
      return good ? undefined : 'test_list is no list of texts';
    },
  });
  return defineTask<MbppProblem>({
    name: 'mbpp',
    description: `Small Python programs from a sentence, judged by assertions (${basename(file)}).`,
    notes: rows.notes,
    heldOutShare,
    deadline: codeDeadline,
    canonical: ({ text, tests }) => `${text}\n${tests.join('\n')}`,
    prompts: rows.problems.map((row) => {
      const tests = (row['test_list'] as string[]).map((test) => test.replaceAll('\r', ''));
      const text = row.prompt.trim();
      return {
        prompt: `"""\n${text}\n${tests.slice(0, shownTests).join('\n')}\n"""\n`,
        answer: row.answer.replaceAll('\r', ''),
        id: String(row['task_id']),
        text,
        tests,
        functions: functionsOf(row.answer, tests),
        setup: typeof row['test_setup_code'] === 'string' ? row['test_setup_code'].replaceAll('\r', '') : '',
      };
    }),
    question: ({ text, tests }) =>
      `${text}\nYour Python code must satisfy:\n${tests.slice(0, shownTests).join('\n')}\n` +
      'Answer with the whole program in one block of code.',
    reference: (problem, form) =>
      form === 'raw' ? problem.answer : `\`\`\`python\n${problem.answer}\n\`\`\``,
    verify: code.python<MbppProblem>({
      ...scoring,
      tests: ({ tests, setup, functions }) => ({
        kind: 'assertions',
        assertions: [...tests],
        // One test asks sys for a size and leaves the import to the answer.
        setup: `import sys, math\n${setup}`,
        functions: [...functions],
      }),
      // Problem 123 adds up the divisors of all numbers below 9999, which takes a slow machine half a minute.
      limits: { wallMs },
      // Two of the 974 build trees of the answer's own class.
      sameProcess: true,
    }),
  });
}

/** Functions and classes of the reference that the tests name. */
function functionsOf(source: string, tests: readonly string[]): string[] {
  const defined = [...source.matchAll(/^(?:def|class)\s+(\w+)/gm)].map(([, name]) => name!);
  return defined.filter((name) => tests.some((test) => new RegExp(`\\b${name}\\s*\\(`).test(test)));
}
