/**
 * One process per run folder: a lock file that names its holder. The lock of a process that no longer exists is
 * taken over, so that a run killed with SIGKILL can be resumed at once.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';

const fileName = 'lock.json';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process started, in the kernel's own unit; tells a reused pid from the holder's. */
  readonly started: string | null;
  /** Tells two locks of one process apart. */
  readonly token: string;
}

export interface RunLock extends AsyncDisposable {
  /** Gives the lock up. Later calls do nothing. */
  release(): Promise<void>;
}

/**
 * Takes the lock of `folder`, which is created if needed.
 * @throws AhaError `run-locked` while another process, or another run of this one, holds it.
 */
export async function lockRun(folder: string): Promise<RunLock> {
  const path = join(folder, fileName);
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    started: await startOf(process.pid),
    token: randomUUID(),
  };
  try {
    await mkdir(folder, { recursive: true });
    // A second attempt follows a lock that was taken over; more would mean that others keep coming.
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await createExclusive(path, own)) return lockOf(path, own);
      await removeIfStale(path);
    }
  } catch (error) {
    throw storageError(`Could not lock the run folder ${folder}`, error);
  }
  throw lockedError(path, 'several processes that come and go');
}

function lockOf(path: string, own: Holder): RunLock {
  let held = true;
  const release = async () => {
    if (!held) return;
    held = false;
    // Whoever removed our file and made another has its own lock now: leave that alone.
    const current = await readHolder(path);
    if (current !== 'malformed' && current?.token === own.token) await rm(path, { force: true });
  };
  return { release, [Symbol.asyncDispose]: release };
}

/** Creates the lock file whole or not at all; false if there is one. */
async function createExclusive(path: string, own: Holder): Promise<boolean> {
  // Written beside and linked into place: no reader ever sees half a file.
  const draft = `${path}.${own.token}.tmp`;
  await writeFile(draft, `${JSON.stringify(own)}\n`);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes the lock of a process that is gone; throws if its holder is alive or cannot be judged. */
async function removeIfStale(path: string): Promise<void> {
  const holder = await readHolder(path);
  if (holder === undefined) return;
  if (holder === 'malformed') throw lockedError(path, 'an unreadable lock file');
  if (holder.host !== hostname()) {
    throw lockedError(
      path,
      `process ${holder.pid} on the machine ${holder.host}, which cannot be asked from here`,
    );
  }
  if (await isAlive(holder)) {
    const self = holder.pid === process.pid ? ' (this process, in another run)' : '';
    throw lockedError(path, `process ${holder.pid}${self}`);
  }
  // Moved aside first, since only one process can move it. If somebody was faster, what was moved is a live lock.
  const aside = `${path}.${randomUUID()}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = await readHolder(aside);
  if (moved !== undefined && moved !== 'malformed' && moved.token !== holder.token) {
    await link(aside, path).catch(() => undefined);
  }
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<Holder | 'malformed' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (
      typeof value?.pid === 'number' &&
      typeof value.host === 'string' &&
      typeof value.token === 'string' &&
      (value.started === null || typeof value.started === 'string')
    ) {
      return value as Holder;
    }
  } catch {
    // Not JSON: as malformed as JSON of something else.
  }
  return 'malformed';
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists and is another user's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = await startOf(pid);
  return now === null || started === null || now === started;
}

/** When a process started, in clock ticks since boot, with the boot's id; null where the system does not say. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // The second field is the name in parentheses and may hold anything; the 22nd is the start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[19] === undefined ? null : `${boot.trim()}/${fields[19]}`;
  } catch {
    return null;
  }
}

function lockedError(path: string, holder: string): AhaError {
  return new AhaError({
    code: 'run-locked',
    boundary: 'storage',
    what: 'Another process is using this run folder',
    found: `${path} is held by ${holder}`,
    fix: `Wait for it, or choose another folder. If you are sure that nothing is running, delete ${path}.`,
    fields: { path },
  });
}
