/** What is kept of one response: a line of `responses.jsonl`, complete enough to be read, counted and judged again. */
import { z } from 'zod';

const evidence = z.record(z.string(), z.unknown());

const verdictSchema = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('scored'),
    score: z.number().min(0).max(1),
    parts: z.record(z.string(), z.number()),
    evidence,
  }),
  z.strictObject({
    outcome: z.literal('failed'),
    boundary: z.enum(['sandbox', 'verifier', 'reference']),
    reason: z.string(),
    evidence,
  }),
]);

export const responseRecordSchema = z.strictObject({
  task: z.string(),
  /** `Task.identity`: 16 hexadecimal digits. */
  problem: z.string(),
  /** From 0. */
  sample: z.int().min(0),
  level: z.int().min(1).nullable(),
  category: z.string().nullable(),
  /** The problem's own prompt, without template. */
  prompt: z.string(),
  /** The reference answer, where the problem has one. */
  answer: z.string().nullable(),
  prefilled: z.string(),
  response: z.string(),
  tokens: z.int().min(0).nullable(),
  finish: z.enum(['stop', 'length']),
  verdict: verdictSchema,
});

export type ResponseRecord = z.output<typeof responseRecordSchema>;

/** Tells apart the responses of one evaluation. */
export function recordKey({ task, problem, sample }: Pick<ResponseRecord, 'task' | 'problem' | 'sample'>) {
  return `${task}/${problem}/${sample}`;
}

/** The columns of a data set that name the kind of a problem, in order of preference. */
const categoryColumns = ['category', 'subject', 'topic', 'type'] as const;

/** What kind of problem it is, where its data say so. */
export function categoryOf(problem: object): string | null {
  const columns = problem as Record<string, unknown>;
  for (const column of categoryColumns) {
    const value = columns[column];
    if (typeof value === 'string' && value.trim() !== '') return value.trim().slice(0, 100);
  }
  return null;
}
