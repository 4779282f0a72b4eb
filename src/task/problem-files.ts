/** Files of problems beyond the one that was named. */
import { isAhaError } from '../errors.ts';
import type { HubOptions } from '../hub/client.ts';
import { openDataFiles, type DataFiles } from '../hub/data-files.ts';

/**
 * What is held out for a data set of which the split `train` is trained on: its split `test`, at the same commit.
 * undefined when it has none, or when the training data is a file that was named.
 */
export async function heldOutOf(train: DataFiles, hub?: HubOptions): Promise<string | undefined> {
  if (train.split !== 'train') return undefined;
  try {
    const { split } = await openDataFiles(train.pinned, { split: 'test' }, hub);
    return split === 'test' ? train.pinned : undefined;
  } catch (error) {
    if (isAhaError(error, 'data-choice')) return undefined;
    throw error;
  }
}
