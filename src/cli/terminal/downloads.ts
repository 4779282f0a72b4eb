/** Progress of what is downloaded from the Hub while something is opened: a bar for each repository. */
import type { HubOptions } from '../../hub/client.ts';
import type { CommandContext } from '../command.ts';
import type { Progress } from './reporter.ts';

/** Runs `work` with options for its downloads. Bars appear with the first byte: what is cached needs none. */
export async function withDownloads<T>(
  { reporter, interruption }: Pick<CommandContext, 'reporter' | 'interruption'>,
  work: (hub: HubOptions) => Promise<T>,
): Promise<T> {
  const open = new Map<string, Progress>();
  const onProgress: HubOptions['onProgress'] = ({ repository, allBytesDone: done, allBytesTotal: total }) => {
    let progress = open.get(repository);
    if (progress === undefined) {
      const label = `Downloading ${repository}`;
      progress = reporter.progress({ label, total, unit: 'bytes', done });
      open.set(repository, progress);
    }
    progress.update(done, total);
    if (done < total) return;
    progress.finish(`Downloaded ${repository}`);
    open.delete(repository);
  };
  try {
    return await work({ signal: interruption.signal, onProgress });
  } finally {
    for (const progress of open.values()) progress.finish();
  }
}
