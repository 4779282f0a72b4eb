/** Several sets of rows as one, in the order of the parts. A row that stands in it already is not taken again. */
import { join } from 'node:path';
import { randomStream } from '../../../util/random.ts';
import { readRowFile } from '../../../util/row-file.ts';
import type { StageOf } from '../recipe.ts';
import { rowIdentity, writeRows } from '../rows.ts';
import { rowsFile, type StageContext, type StageOutcome } from '../stage.ts';

export async function mergeDataStage(context: StageContext<StageOf<'merge-data'>>): Promise<StageOutcome> {
  const { stage, seed, dataFiles, tools, emit } = context;
  const seen = new Set<string>();
  const rows: Record<string, unknown>[] = [];
  const parts: { from: string; rows: number; bad: number; repeated: number; taken: number }[] = [];
  for (const [index, { from, take }] of stage.parts.entries()) {
    const own: Record<string, unknown>[] = [];
    let bad = 0;
    let repeated = 0;
    for await (const { value, fault, line } of rowsOf(await tools.dataFiles(dataFiles[index]!))) {
      if (value === undefined) {
        bad++;
        if (bad <= 3) emit({ type: 'note', text: `${from}, line ${line} is left out: ${fault}` });
        continue;
      }
      const identity = rowIdentity(value);
      if (seen.has(identity)) repeated++;
      else {
        seen.add(identity);
        own.push({ ...value });
      }
    }
    const taken = take === undefined || take >= own.length ? own : sampleInOrder(own, take, seed, index);
    // Rows that were not taken may still come from a later part.
    if (taken !== own) for (const row of own) if (!taken.includes(row)) seen.delete(rowIdentity(row));
    rows.push(...taken);
    parts.push({ from, rows: own.length + bad + repeated, bad, repeated, taken: taken.length });
  }
  return {
    reason: 'completed',
    write: async (folder) => {
      await writeRows(join(folder, rowsFile), rows);
      return { rows: rows.length, parts };
    },
  };
}

async function* rowsOf(files: readonly string[]) {
  for (const file of files) yield* readRowFile(file);
}

/** `count` of the rows drawn at random, in their own order. */
function sampleInOrder<Row>(rows: readonly Row[], count: number, seed: string, part: number): Row[] {
  const indices = rows.map((_, index) => index);
  return randomStream(seed, 'merge', part)
    .shuffle(indices)
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((index) => rows[index]!);
}
