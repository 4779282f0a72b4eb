import { stat } from 'node:fs/promises';
import { builtInTasks } from '../../task/load.ts';
import { digestFile } from '../../util/digest.ts';

/**
 * SHA-256 of the file of a task of one's own; undefined for a built-in task. A task file that was changed is another
 * task: what it said before must not be taken for what it says.
 */
export async function taskFileHash(name: string): Promise<string | undefined> {
  if (Object.hasOwn(builtInTasks, name)) return undefined;
  const isFile = await stat(name).then(
    (entry) => entry.isFile(),
    () => false,
  );
  return isFile ? (await digestFile(name)).sha256 : undefined;
}
