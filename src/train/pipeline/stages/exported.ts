/** How a stage that has trained a model ends. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFolder, type StageContext, type StageModel, type StageOutcome } from '../stage.ts';

/** Exports the model while it is open; the folder becomes part of the artifact. */
export async function exported(
  { work }: Pick<StageContext, 'work'>,
  { policy }: Pick<StageModel, 'policy'>,
  facts: Readonly<Record<string, unknown>>,
): Promise<StageOutcome> {
  const made = join(work, modelFolder);
  await rm(made, { recursive: true, force: true });
  await policy.export(made);
  return {
    reason: 'completed',
    write: async (folder) => {
      await rename(made, join(folder, modelFolder));
      return facts;
    },
  };
}
