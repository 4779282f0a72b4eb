/** Rows of training data as pipelines write them: what `sft` reads, with where each came from. */
import { createHash } from 'node:crypto';
import type { Prompt } from '../../task/presentation.ts';
import { writeFileAtomic } from '../../util/files.ts';

/** Where a text came from. */
export interface RowSource {
  readonly task: string;
  /** `Task.identity` of the problem. */
  readonly problem: string;
  readonly level: number | null;
  /** For people: which model, whose example. */
  readonly origin: string;
  readonly score?: number;
  readonly tokens?: number | null;
}

/** A prompt with its completion. The same prompt, encoded, is what the model sees when it has to answer. */
export function rowOf(prompt: Prompt, completion: string, source: RowSource): Record<string, unknown> {
  return { prompt: prompt.kind === 'text' ? prompt.text : prompt.messages, completion, source };
}

/** What makes two rows the same: all that is learned, white space aside. */
export function rowIdentity(row: Readonly<Record<string, unknown>>): string {
  const { source: _source, ...learned } = row;
  return createHash('sha256')
    .update(JSON.stringify(learned).replaceAll(/(?:\\n|\\t|\s)+/g, ' '))
    .digest('hex');
}

export async function writeRows(path: string, rows: readonly unknown[]): Promise<void> {
  await writeFileAtomic(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
