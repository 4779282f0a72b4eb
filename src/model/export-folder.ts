/** A folder written whole or not at all: what an export of a model or of an adapter is. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AhaError } from '../errors.ts';
import { storageError, syncFolder } from '../util/files.ts';
import type { CheckpointFile } from './checkpoint-file.ts';

/**
 * Lets `write` fill a folder and then gives it the name `folder`, which must not exist or be empty, unless
 * `overwrite` is set and it holds a model or an adapter. Throws `AhaError` (storage, or what `write` throws);
 * `folder` is then as it was.
 */
export async function writeFolderAtomic(
  folder: string,
  options: { readonly overwrite?: boolean },
  write: (work: string) => Promise<void>,
): Promise<void> {
  const target = resolve(folder);
  const replaces = await checkTarget(target, options.overwrite === true);
  const work = join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}.tmp`);
  try {
    await mkdir(work, { recursive: true });
    await write(work);
    await moveInPlace(work, target, replaces);
  } catch (error) {
    await rm(work, { recursive: true, force: true }).catch(() => undefined);
    throw storageError(`Could not export to ${folder}`, error);
  }
}

/** Whether there is something at the target that is to be replaced. */
async function checkTarget(target: string, overwrite: boolean): Promise<boolean> {
  let names: string[];
  try {
    names = await readdir(target);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return false;
    throw storageError(`Could not export to ${target}`, error);
  }
  if (names.length === 0) return true;
  const isModel = names.includes('config.json') || names.includes('adapter_config.json');
  if (overwrite && isModel) return true;
  throw new AhaError({
    code: 'export-exists',
    boundary: 'storage',
    what: `The folder to export to is not empty: ${target}`,
    found: names.slice(0, 10),
    expected: overwrite
      ? 'a folder with a model to replace, an empty folder, or none'
      : 'an empty folder, or none',
    fix: 'Choose another folder.',
  });
}

async function moveInPlace(work: string, target: string, replaces: boolean): Promise<void> {
  if (!replaces) await rename(work, target);
  else {
    // The old one is moved aside first, so that there is a whole model under one of the two names at any moment.
    const old = `${work}.old`;
    await rename(target, old);
    try {
      await rename(work, target);
    } catch (error) {
      await rename(old, target);
      throw error;
    }
    await rm(old, { recursive: true, force: true });
  }
  await syncFolder(dirname(target));
}

/** Throws `AhaError` (model, `export-file-name`) if a name is not a plain file name, or one of `reserved`. */
export function checkFileNames(
  files: readonly CheckpointFile[] | undefined,
  reserved: readonly string[],
): void {
  for (const { name } of files ?? []) {
    if (/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) && !reserved.includes(name)) continue;
    throw new AhaError({
      code: 'export-file-name',
      boundary: 'model',
      what: 'A file to be exported has an impossible name',
      found: name,
      expected: 'a plain file name that the export does not use itself',
    });
  }
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
