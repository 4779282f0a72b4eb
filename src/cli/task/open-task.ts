/** A task by its name or file, with progress while the data that it names is downloaded. */
import { loadTask, type LoadTaskOptions } from '../../task/load.ts';
import type { Task } from '../../task/task.ts';
import type { CommandContext } from '../command.ts';
import { withDownloads } from '../terminal/downloads.ts';

export async function openTask(
  name: string,
  options: Omit<LoadTaskOptions, 'hub'>,
  context: Pick<CommandContext, 'reporter' | 'interruption'>,
): Promise<Task> {
  return withDownloads(context, async (hub) => loadTask(name, { ...options, hub }));
}
