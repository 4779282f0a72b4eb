/**
 * Checkpoints of a run: folders that exist whole or not at all, with a manifest of the SHA-256 of every file. A
 * crash, a full disk or SIGKILL at any moment leaves the earlier ones as they were; a file that was changed or cut
 * since is detected, and the latest good checkpoint is used instead.
 *
 * Knows nothing about what is saved.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { AhaError, describeError } from '../errors.ts';
import { digestFile } from '../util/digest.ts';
import { storageError, syncFolder } from '../util/files.ts';
import { parseWithSchema } from '../util/schema.ts';

const manifestName = 'manifest.json';

const manifestSchema = z.strictObject({
  format: z.literal('aha-checkpoint'),
  version: z.literal(1),
  name: z.string(),
  /** Later checkpoints have larger positions. */
  position: z.number(),
  best: z.boolean(),
  files: z.record(z.string(), z.strictObject({ bytes: z.int(), sha256: z.string() })),
});

type Manifest = z.output<typeof manifestSchema>;

export interface Checkpoint {
  readonly name: string;
  readonly folder: string;
  readonly position: number;
  /** Whether it was the best when it was saved. */
  readonly best: boolean;
}

export interface SaveRequest {
  /** The folder's name: letters, digits and dashes. */
  readonly name: string;
  /** Orders checkpoints. Of two with the same position the one saved later replaces the other if names agree. */
  readonly position: number;
  readonly best?: boolean;
  /** Writes the files into an existing, empty folder. */
  readonly write: (folder: string) => Promise<void>;
}

export interface Retention {
  readonly keepLast: number;
  /** Keep also the latest of those that were the best. */
  readonly keepBest: boolean;
}

export class CheckpointStore {
  /** The folder of all checkpoints; created by the first save. */
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Saves one checkpoint, durably. On failure the checkpoints that there were are as they were. */
  async save(request: SaveRequest): Promise<Checkpoint> {
    const { name, position, best = false } = request;
    const draft = join(this.folder, `.draft-${name}-${randomUUID().slice(0, 8)}`);
    const target = join(this.folder, name);
    try {
      await mkdir(draft, { recursive: true });
      await request.write(draft);
      const files: Record<string, { bytes: number; sha256: string }> = {};
      for (const path of await filesOf(draft)) {
        await syncFile(path);
        files[relative(draft, path).split(sep).join('/')] = await digestFile(path);
      }
      for (const folder of await foldersOf(draft)) await syncFolder(folder);
      const manifest: Manifest = { format: 'aha-checkpoint', version: 1, name, position, best, files };
      const file = await open(join(draft, manifestName), 'wx');
      try {
        await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await syncFolder(draft);
      await replaceFolder(draft, target);
      await syncFolder(this.folder);
      return { name, folder: target, position, best };
    } catch (error) {
      await rm(draft, { recursive: true, force: true }).catch(() => undefined);
      throw storageError(`Could not save the checkpoint ${target}`, error);
    }
  }

  /**
   * The latest checkpoint whose every file is as it was saved, or undefined when there is none. `onBad` is told of
   * each later one that is not, with the reason. `accept` says which are looked at.
   */
  async latest(
    onBad: (name: string, reason: string) => void = () => undefined,
    accept: (checkpoint: Checkpoint) => boolean = () => true,
  ): Promise<Checkpoint | undefined> {
    for (const { folder, manifest } of await this.#all(onBad)) {
      const { name, position, best } = manifest;
      if (!accept({ name, folder, position, best })) continue;
      try {
        await verifyFiles(folder, manifest);
        return { name, folder, position, best };
      } catch (error) {
        onBad(basename(folder), describeError(error));
      }
    }
    return undefined;
  }

  /** All with a readable manifest, the latest first; their files are not looked at. */
  async list(): Promise<Checkpoint[]> {
    return (await this.#all(() => undefined)).map(({ folder, manifest: { name, position, best } }) => {
      return { name, folder, position, best };
    });
  }

  /** Moves a checkpoint that is not good out of the way; the next `prune` removes it. */
  async setAside(name: string): Promise<void> {
    const aside = join(this.folder, `.corrupt-${name}-${randomUUID().slice(0, 8)}`);
    try {
      await rename(join(this.folder, name), aside);
    } catch (error) {
      throw storageError(`Could not move ${join(this.folder, name)} aside`, error);
    }
  }

  /** Removes what crashes left behind, which may be large. */
  async clean(): Promise<void> {
    await this.#remove((name) => name.startsWith('.draft-') || name.startsWith('.old-'));
  }

  /** Removes what `retention` does not keep, what crashes left behind, and what was set aside. */
  async prune({ keepLast, keepBest }: Retention): Promise<void> {
    try {
      const all = await this.#all(() => undefined);
      const kept = new Set(all.slice(0, keepLast).map(({ folder }) => folder));
      const best = all.find(({ manifest }) => manifest.best);
      if (keepBest && best !== undefined) kept.add(best.folder);
      for (const { folder } of all) if (!kept.has(folder)) await removeFolder(folder);
    } catch (error) {
      throw storageError(`Could not remove old checkpoints from ${this.folder}`, error);
    }
    await this.#remove((name) => /^\.(?:draft|old|corrupt)-/.test(name));
  }

  async #remove(isGone: (name: string) => boolean): Promise<void> {
    for (const name of await namesIn(this.folder)) {
      if (!isGone(name)) continue;
      try {
        await rm(join(this.folder, name), { recursive: true, force: true });
      } catch (error) {
        throw storageError(`Could not remove ${join(this.folder, name)}`, error);
      }
    }
  }

  /** All with a readable manifest, the latest first. */
  async #all(
    onBad: (name: string, reason: string) => void,
  ): Promise<{ folder: string; manifest: Manifest }[]> {
    const found: { folder: string; manifest: Manifest }[] = [];
    for (const name of await namesIn(this.folder)) {
      if (name.startsWith('.')) continue;
      const folder = join(this.folder, name);
      try {
        found.push({ folder, manifest: await readManifest(folder) });
      } catch (error) {
        onBad(name, describeError(error));
      }
    }
    return found.sort((a, b) => b.manifest.position - a.manifest.position);
  }
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AhaError({
      code: 'checkpoint-manifest',
      boundary: 'storage',
      what: `${path} is not JSON`,
      found: describeError(error),
      cause: error,
    });
  }
  return parseWithSchema(manifestSchema, value, {
    what: path,
    boundary: 'storage',
    code: 'checkpoint-manifest',
  });
}

async function verifyFiles(folder: string, manifest: Manifest): Promise<void> {
  const corrupt = (name: string, found: string, expected: string) =>
    new AhaError({
      code: 'checkpoint-corrupt',
      boundary: 'storage',
      what: `The checkpoint file ${join(folder, name)} is not as it was saved`,
      found,
      expected,
    });
  for (const [name, expected] of Object.entries(manifest.files)) {
    let found: { bytes: number; sha256: string };
    try {
      found = await digestFile(join(folder, name));
    } catch (error) {
      throw corrupt(name, describeError(error), `${expected.bytes} bytes`);
    }
    if (found.bytes !== expected.bytes)
      throw corrupt(name, `${found.bytes} bytes`, `${expected.bytes} bytes`);
    if (found.sha256 !== expected.sha256) {
      throw corrupt(name, `SHA-256 ${found.sha256.slice(0, 16)}…`, `${expected.sha256.slice(0, 16)}…`);
    }
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Renames `draft` to `target`, in place of whatever was there. */
async function replaceFolder(draft: string, target: string): Promise<void> {
  try {
    await rename(draft, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'EPERM' && code !== 'ENOTDIR') throw error;
    // A checkpoint of this name exists: one that was found corrupt, or of the same place in the same run.
    const aside = join(dirname(target), `.old-${basename(target)}-${randomUUID().slice(0, 8)}`);
    await rename(target, aside);
    await rename(draft, target);
    await rm(aside, { recursive: true, force: true });
  }
}

/** Removes a checkpoint so that no half of it is ever taken for one. */
async function removeFolder(folder: string): Promise<void> {
  const aside = join(dirname(folder), `.old-${basename(folder)}-${randomUUID().slice(0, 8)}`);
  await rename(folder, aside);
  await rm(aside, { recursive: true, force: true });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw storageError(`Could not read the folder ${folder}`, error);
  }
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}
