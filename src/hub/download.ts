/**
 * One file from the Hub to disk: resumed where an earlier attempt stopped, verified against the hash that the Hub
 * lists, and put in place whole or not at all. Several processes may fetch the same file at once: each writes a part
 * of its own, takes over the part of a process that is gone, and only a verified part is renamed into place.
 */
import { createHash, randomUUID, type Hash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { hubFetch, networkError, showUrl, sleep, type HubClient } from './request.ts';

export interface RemoteFile {
  /** Path within the repository. */
  readonly path: string;
  readonly url: string;
  readonly size: number;
  /** `sha256` of the contents (large files) or git's `sha1` of the blob (small ones), in hexadecimal. */
  readonly hash: { readonly kind: 'sha256' | 'git-sha1'; readonly value: string };
}

export interface DownloadPlace {
  /** Where the verified file goes. */
  readonly target: string;
  /** Folder for parts, on the same file system. */
  readonly partFolder: string;
  /** Distinguishes parts of different files; a plain file name. */
  readonly partKey: string;
}

/** Parts that this process is writing now. */
const active = new Set<string>();

/** Which machine and process a part belongs to. */
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/**
 * Downloads `file` to its place. `onBytes` is told how much of the file is there so far.
 * Throws `AhaError` (provider, or storage); what was downloaded stays for the next attempt.
 */
export async function downloadFile(
  client: HubClient,
  file: RemoteFile,
  place: DownloadPlace,
  onBytes: (done: number) => void,
): Promise<void> {
  const part = await claimPart(place);
  try {
    await requireSpace(place, file, part);
    await fillPart(client, file, part, onBytes);
    await mkdir(dirname(place.target), { recursive: true });
    await rename(part, place.target).catch(async (error: unknown) => {
      // Windows refuses to replace a file that another process has open: it is the same file then.
      if ((await sizeOf(place.target)) !== file.size) throw error;
      await rm(part, { force: true });
    });
  } catch (error) {
    if (client.signal?.aborted === true) throw error;
    throw storageError(`Could not save ${file.path} in ${dirname(place.target)}`, error);
  } finally {
    active.delete(part);
  }
}

/** A part file that is ours alone: one left over by a process that is gone, or a new name. */
async function claimPart({ partFolder, partKey }: DownloadPlace): Promise<string> {
  const own = join(partFolder, `${partKey}.${machine}-${process.pid}-${randomUUID().slice(0, 8)}.part`);
  active.add(own);
  try {
    await mkdir(partFolder, { recursive: true });
    for (const name of await readdir(partFolder)) {
      if (!name.startsWith(`${partKey}.`)) continue;
      const owner = /\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.part$/.exec(name);
      const path = join(partFolder, name);
      if (owner?.[1] !== machine || active.has(path) || isAlive(Number(owner[2]))) continue;
      // Of several processes that try to take it, one succeeds.
      const taken = await rename(path, own).then(
        () => true,
        () => false,
      );
      if (taken) break;
    }
  } catch (error) {
    active.delete(own);
    throw storageError(`Could not use the cache folder ${partFolder}`, error);
  }
  return own;
}

function isAlive(pid: number): boolean {
  // A part that bears our own process number but is not ours is left from before a restart.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
}

async function requireSpace({ partFolder }: DownloadPlace, file: RemoteFile, part: string): Promise<void> {
  const needed = file.size - Math.min((await sizeOf(part)) ?? 0, file.size);
  const { bavail, bsize } = await statfs(partFolder);
  if (needed <= bavail * bsize) return;
  throw new AhaError({
    code: 'storage-enospc',
    boundary: 'storage',
    what: `There is not enough room in ${partFolder} for ${file.path}`,
    found: `${bavail * bsize} bytes free`,
    expected: `${needed}`,
    fix: 'Free some space, or set AHA_CACHE to a folder on another disk.',
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  );
}

async function fillPart(
  client: HubClient,
  file: RemoteFile,
  part: string,
  onBytes: (done: number) => void,
): Promise<void> {
  const handle = await open(part, 'a+');
  try {
    let startedOver = false;
    for (let failures = 0; ;) {
      const progress = await hashExisting(handle, file);
      const before = progress.done;
      onBytes(before);
      try {
        if (progress.done < file.size) await appendRest(client, file, handle, progress, onBytes);
      } catch (error) {
        if (error instanceof AhaError || client.signal?.aborted === true) throw error;
        // Any progress is a reason to go on trying.
        failures = progress.done > before ? 1 : failures + 1;
        if (failures > client.retries) throw networkError(client, file.url, error);
        await sleep(client.retryDelayMs * 2 ** (failures - 1), client.signal);
        continue;
      }
      const found = progress.hash.digest('hex');
      if (progress.done === file.size && found === file.hash.value) break;
      await handle.truncate(0);
      if (startedOver)
        throw mismatch(client, file, progress.done === file.size ? found : `${progress.done} bytes`);
      startedOver = true;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

interface Progress {
  done: number;
  hash: Hash;
}

/** The hash of what an earlier attempt left. */
async function hashExisting(handle: FileHandle, file: RemoteFile): Promise<Progress> {
  const hash = newHash(file);
  const { size } = await handle.stat();
  if (size > file.size) {
    await handle.truncate(0);
    return { done: 0, hash };
  }
  const buffer = new Uint8Array(1 << 20);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - done), done);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  return { done, hash };
}

function newHash(file: RemoteFile): Hash {
  if (file.hash.kind === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${file.size}\0`);
}

/** Requests what is missing and appends it. Throws when the connection breaks; `progress` says how far it came. */
async function appendRest(
  client: HubClient,
  file: RemoteFile,
  handle: FileHandle,
  progress: Progress,
  onBytes: (done: number) => void,
): Promise<void> {
  // Compressed answers have ranges of another kind.
  const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
  if (progress.done > 0) headers['Range'] = `bytes=${progress.done}-`;
  const stalled = new AbortController();
  const response = await hubFetch(client, file.url, { headers, signal: stalled.signal });
  const resumed = response.status === 206 && rangeStart(response) === progress.done;
  if (progress.done > 0 && !resumed) {
    // The server does not resume: from the beginning.
    await handle.truncate(0);
    progress.done = 0;
    progress.hash = newHash(file);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the server answered a request for a range with status ${response.status}`);
    }
  }
  if (response.body === null) throw new Error('the server sent no data');
  let timer = setTimeout(() => stalled.abort(new Error('no more data came')), client.timeoutMs);
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      if (progress.done + chunk.length > file.size) {
        stalled.abort();
        await handle.truncate(0);
        throw mismatch(client, file, `more than ${file.size} bytes`);
      }
      await handle.appendFile(chunk);
      progress.hash.update(chunk);
      progress.done += chunk.length;
      onBytes(progress.done);
      timer = setTimeout(() => stalled.abort(new Error('no more data came')), client.timeoutMs);
    }
  } catch (error) {
    // A full disk is not a broken connection.
    if (typeof (error as { syscall?: unknown } | null)?.syscall === 'string' && isStorage(error)) {
      throw storageError(`Could not save ${file.path}`, error);
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
  if (progress.done < file.size) throw new Error(`the connection ended after ${progress.done} bytes`);
}

function isStorage(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'EFBIG', 'EBADF'].includes(String(code));
}

function rangeStart(response: Response): number | undefined {
  const match = /^bytes (\d+)-/.exec(response.headers.get('Content-Range') ?? '');
  return match === null ? undefined : Number(match[1]);
}

function mismatch(client: HubClient, file: RemoteFile, found: string): AhaError {
  return new AhaError({
    code: 'hub-hash-mismatch',
    boundary: 'provider',
    what: `${file.path} of ${client.repository} arrived damaged`,
    found: `${found} from ${showUrl(file.url)}`,
    expected: `${file.size} bytes with ${file.hash.kind} ${file.hash.value}`,
    fix: 'Run the same command again. If it persists, something between here and the Hub alters downloads.',
    fields: { repository: client.repository, file: file.path },
  });
}
