/**
 * Files of rows, wherever they lie: a path on this machine is that file; `hf:org/name` is downloaded into the cache,
 * resumed and verified as models are, and needs no network once it is there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../util/files.ts';
import { hubClient, isOffline, type HubOptions } from './client.ts';
import { chooseDataFiles, type DataQuery } from './data-choice.ts';
import { isHubData, isPlainPath, parseDataReference } from './data-reference.ts';
import {
  entrySchema,
  fetchFiles,
  listRepository,
  notCached,
  repositoryFolder,
  resolveCommit,
  sizeOf,
  strange,
  type Entry,
} from './repository.ts';
import type { HubClient } from './request.ts';

export interface DataFiles {
  /** Paths on this machine, in order. */
  readonly files: readonly string[];
  /** The split that they hold, where the Hub's conventions chose them. */
  readonly split?: string | undefined;
  /** The same reference with the commit that was found: `hf:org/name@0123…/path`. A path stays what it is. */
  readonly pinned: string;
}

/**
 * The files that `reference` means, downloaded where it names the Hub. A path is not looked at.
 * Throws `AhaError`: configuration, provider, storage, and data for a choice that cannot be made.
 */
export async function openDataFiles(
  reference: string,
  query: DataQuery,
  options: HubOptions = {},
): Promise<DataFiles> {
  if (!isHubData(reference)) return { files: [reference], pinned: reference };
  const { repository, revision, path } = parseDataReference(reference);
  const client = hubClient({ kind: 'dataset', repository }, options);
  const root = repositoryFolder(client, options);
  const offline = isOffline(options);
  const commit = await resolveCommit(client, revision, root, offline);
  const listed = await listingOf(client, root, revision, commit, offline);
  const at = revision === 'main' ? '' : `@${revision}`;
  const names = { repository, reference: `hf:${repository}${at}` };
  const { paths, split } = chooseDataFiles(names, [...listed.keys()], path, query);
  for (const one of paths) {
    if (!isPlainPath(one)) throw strange(client, `a file called ${one}`, 'paths within the data set');
  }
  const files = paths.map((one) => join(root, commit, one));
  const missing = [];
  for (const [index, one] of paths.entries()) {
    if ((await sizeOf(files[index]!)) !== listed.get(one)!.size) missing.push(one);
  }
  if (missing.length > 0) {
    if (offline) throw notCached(client, revision, root);
    await fetchFiles(client, listed, new Set(missing), { root, commit }, options.onProgress);
  }
  return { files, split, pinned: `hf:${repository}@${commit}${path === undefined ? '' : `/${path}`}` };
}

/** The files of a commit never change: asked for once. */
async function listingOf(
  client: HubClient,
  root: string,
  revision: string,
  commit: string,
  offline: boolean,
): Promise<Map<string, Entry>> {
  const path = join(root, 'listings', `${commit}.json`);
  const stored = await storedListing(path);
  if (stored !== undefined) return new Map(stored.map((entry) => [entry.path, entry]));
  if (offline) throw notCached(client, revision, root);
  const listed = await listRepository(client, commit, true);
  await writeFileAtomic(path, `${JSON.stringify([...listed.values()])}\n`);
  return listed;
}

/** undefined for none, or one that is damaged. */
async function storedListing(path: string): Promise<Entry[] | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return z.array(entrySchema).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
