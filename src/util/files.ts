/** Files written whole or not at all: a crash, a full disk or SIGKILL never leaves half of one behind. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import { AhaError } from '../errors.ts';

/**
 * Writes `chunks` to `path` through a temporary file beside it, synced to disk, then renamed into place.
 * Creates the folder if needed. Throws `AhaError` (storage) that names the path; the old file stays as it was.
 */
export async function writeFileAtomic(
  path: string,
  chunks: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`);
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, 'wx');
    try {
      if (typeof chunks === 'string') await file.writeFile(chunks);
      else if (chunks instanceof Uint8Array) await file.writeFile(chunks);
      else for await (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw storageError(`Could not write ${path}`, error);
  }
}

/** Makes a rename in `folder` durable. Windows has no such call and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Turns a system error into an `AhaError` that says what to do about it; passes ours through. */
export function storageError(what: string, error: unknown): AhaError {
  if (error instanceof AhaError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const fixes: Record<string, string> = {
    ENOSPC: 'The disk is full: free some space, then run the same command again.',
    EDQUOT: 'The disk quota is used up: free some space, then run the same command again.',
    EACCES: 'Permission was denied: choose a folder that you may write to.',
    EPERM: 'Permission was denied: choose a folder that you may write to.',
    EROFS: 'The file system is read-only: choose another folder.',
    ENOENT: 'Check the path.',
    ENOTDIR: 'A part of the path is a file, not a folder: choose another path.',
    EISDIR: 'The path is a folder: name a file.',
    EMFILE: 'Too many files are open: raise the limit (ulimit -n).',
  };
  const name = typeof code === 'string' ? code : 'unknown';
  const fix = fixes[name];
  return new AhaError({
    code: `storage-${name.toLowerCase()}`,
    boundary: 'storage',
    what,
    found: error instanceof Error ? error.message : String(error),
    ...(fix === undefined ? {} : { fix }),
    cause: error,
  });
}
