/** Responses of a model to training problems, of which the good ones are data for later stages. */
import { join } from 'node:path';
import { drawRows, originOf } from '../draw.ts';
import type { StageOf } from '../recipe.ts';
import { writeRows } from '../rows.ts';
import { rowsFile, type StageContext, type StageOutcome } from '../stage.ts';

/** What was drawn and kept of every problem, beside the rows. */
const drawsFile = 'draws.jsonl';

export async function rejectionSampleStage(
  context: StageContext<StageOf<'rejection-sample'>>,
): Promise<StageOutcome> {
  const { stage, seed, tools } = context;
  await using model = await tools.openModel(context.modelPath('model'), { seed });
  const draws = await drawRows(context, {
    model,
    posed: await context.posed(model),
    settings: stage,
    origin: originOf(context, 'model', stage.temperature),
  });
  if (draws === 'interrupted') return { reason: draws };
  return {
    reason: 'completed',
    write: async (folder) => {
      await writeRows(join(folder, rowsFile), draws.rows);
      await writeRows(join(folder, drawsFile), draws.problems);
      return draws.facts;
    },
  };
}
