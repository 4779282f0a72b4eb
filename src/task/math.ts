/**
 * Competition mathematics in the format of MATH (`math-problems.ts`), judged by whether the final answer is equal
 * (`verify/math`). Levels are those of the data, 1 to 5; a curriculum may go through them.
 *
 * Reads local files, or data sets on the Hub (`hf:org/name`), of which the split `test` is held out if there is one.
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { nearestWord, parseWithSchema } from '../util/schema.ts';
import { math, mathOptionsSchema } from '../verify/math/math.ts';
import { mathLevels, readMathProblems, type MathData, type MathProblem } from './math-problems.ts';
import { defineTask, type Task } from './task.ts';
import type { HubOptions } from '../hub/client.ts';
import { heldOutOf } from './problem-files.ts';

export const mathTaskSchema = z.strictObject({
  /**
   * A JSONL or Parquet file, a folder of .json files or a data set on the Hub to train on; split by content unless
   * `heldOut` names another.
   */
  train: z.string().min(1),
  heldOut: z.string().min(1).optional(),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
  /** Only these subjects, such as `Algebra`; upper and lower case alike. Default: all. */
  subjects: z.array(z.string().min(1)).min(1).optional(),
  /** Only these levels. Default: all. */
  levels: z.array(z.int().min(1).max(mathLevels)).min(1).optional(),
  maxBadShare: z.number().min(0).max(1).default(0.02),
  decimals: mathOptionsSchema.shape.decimals,
  equations: mathOptionsSchema.shape.equations,
});

export type MathTaskOptions = z.input<typeof mathTaskSchema>;

type Parsed = z.output<typeof mathTaskSchema>;

export async function mathTask(options: MathTaskOptions, hub?: HubOptions): Promise<Task<MathProblem>> {
  const parsed = parseWithSchema(mathTaskSchema, options, {
    what: 'The options of task math',
    boundary: 'task',
    fix: 'Give the path of a file or folder of problems in the format of MATH: train: math-train.jsonl, or of a data set on the Hub: train: hf:HuggingFaceH4/MATH-500.',
  });
  const read = async (path: string, split: 'train' | 'test') =>
    chosen(await readMathProblems(path, parsed.maxBadShare, { split }, hub), parsed, path);
  const train = await read(parsed.train, 'train');
  const heldOutPath = parsed.heldOut ?? (await heldOutOf(train.data, hub));
  const heldOut = heldOutPath === undefined ? undefined : await read(heldOutPath, 'test');
  const paths = [parsed.train, parsed.heldOut].filter((path) => path !== undefined);
  return defineTask<MathProblem>({
    name: 'math',
    description: `Competition mathematics, judged by the final answer (${paths.map((path) => basename(path)).join(', ')}).`,
    notes: [...train.notes, ...(heldOut?.notes ?? [])],
    prompts: heldOut === undefined ? train.problems : { train: train.problems, heldOut: heldOut.problems },
    heldOutShare: parsed.heldOutShare,
    verify: math.equals<MathProblem>(({ answer }) => answer, {
      decimals: parsed.decimals,
      equations: parsed.equations,
    }),
    reasoning: ({ solution }) => solution || 'The answer follows from the problem.',
    reference: boxed,
    workedExamples: { steps: worked, direct: boxed },
  });
}

/** The problems of the chosen subjects and levels. */
function chosen(data: MathData, { subjects, levels }: Parsed, path: string): MathData {
  const known = new Map(data.problems.map(({ subject }) => [normal(subject), subject]));
  for (const subject of subjects ?? []) {
    if (known.has(normal(subject))) continue;
    const names = [...known.values()].filter((name) => name !== '').sort();
    const nearest = nearestWord(subject, names);
    throw new AhaError({
      code: 'subject-unknown',
      boundary: 'task',
      what: `${path} has no problems of this subject`,
      found: subject,
      expected: names.join(', ') || 'no subjects: the data names none',
      ...(nearest === undefined ? {} : { fix: `Did you mean ${nearest}?` }),
    });
  }
  const wanted = subjects && new Set(subjects.map(normal));
  const problems = data.problems.filter(
    ({ subject, level }) =>
      (wanted === undefined || wanted.has(normal(subject))) &&
      (levels === undefined || levels.includes(level)),
  );
  if (problems.length === 0) {
    throw new AhaError({
      code: 'no-rows',
      boundary: 'task',
      what: `${path} has no problems of these subjects and levels`,
      found: `subjects ${subjects?.join(', ') ?? 'all'}, levels ${levels?.join(', ') ?? 'all'}`,
      expected: 'at least one problem',
      fix: 'Choose others, or leave the option out.',
    });
  }
  return { ...data, problems };
}

function normal(subject: string): string {
  return subject.toLowerCase().replaceAll(/[\s_&-]+/g, ' ');
}

function boxed({ answer }: MathProblem): string {
  return `\\boxed{${answer}}`;
}

/** The solution as it is where it boxes its answer, else followed by it. */
function worked(problem: MathProblem): string {
  const { solution } = problem;
  return solution.includes('\\boxed') ? solution : `${solution}\n${boxed(problem)}`.trim();
}
