/**
 * A repository of the Hub, model or data set: the commit that a revision stands for, the files of a commit, and
 * fetching some of them into the cache. Which files, its callers know.
 *
 * `@huggingface/hub` resolves revisions and lists files; its downloads neither resume nor verify, so those are ours
 * (download.ts).
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError, isAhaError } from '../errors.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { cacheFolder, type HubOptions } from './client.ts';
import { downloadFile, type RemoteFile } from './download.ts';
import { hubFetch, nounOf, pageOf, type HubClient } from './request.ts';

const commitPattern = /^[0-9a-f]{40}$/;

/** How long to look for a newer commit when there is a cached one to fall back to. */
const refreshTimeoutMs = 10_000;

/** The folder of a repository in the cache. */
export function repositoryFolder({ kind, repository }: HubClient, options: HubOptions): string {
  const root = options.cacheFolder ?? cacheFolder();
  return join(root, kind === 'model' ? 'hub' : 'datasets', repository.replace('/', '--'));
}

/** The commit that the revision stands for: asked from the Hub, or as it was when we last could ask. */
export async function resolveCommit(
  client: HubClient,
  revision: string,
  root: string,
  offline: boolean,
): Promise<string> {
  if (commitPattern.test(revision)) return revision;
  const refPath = join(root, 'refs', encodeURIComponent(revision));
  const stored = (await readFile(refPath, 'utf8').catch(() => '')).trim();
  const known = commitPattern.test(stored) ? stored : undefined;
  if (offline) {
    if (known !== undefined) return known;
    throw notCached(client, revision, root);
  }
  // With something to fall back to, a missing network should not make anyone wait.
  const quick =
    known === undefined
      ? client
      : { ...client, retries: 0, timeoutMs: Math.min(client.timeoutMs, refreshTimeoutMs) };
  try {
    const { datasetInfo, modelInfo } = await import('@huggingface/hub');
    const asked = {
      name: client.repository,
      revision,
      additionalFields: ['sha' as const],
      hubUrl: client.endpoint,
      fetch: fetchOf(quick),
    };
    const answer: unknown = await ask(client, async () =>
      client.kind === 'model' ? modelInfo(asked) : datasetInfo(asked),
    );
    const commit = (answer as { sha?: unknown } | null)?.sha;
    if (typeof commit !== 'string' || !commitPattern.test(commit))
      throw strange(client, 'no commit', 'a commit');
    if (commit !== known) await writeFileAtomic(refPath, `${commit}\n`);
    return commit;
  } catch (error) {
    const passing =
      isAhaError(error, 'hub-unreachable') ||
      isAhaError(error, 'hub-unavailable') ||
      isAhaError(error, 'hub-rate-limited');
    if (known !== undefined && passing) return known;
    throw error;
  }
}

/** Runs a call of the library; what it makes of an answer that makes no sense becomes one clear error. */
async function ask<T>(client: HubClient, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof AhaError || client.signal?.aborted === true) throw error;
    throw strange(
      client,
      error instanceof Error ? error.message : String(error),
      'what the Hub documents',
      error,
    );
  }
}

function fetchOf(client: HubClient): typeof fetch {
  return async (input, init) => {
    const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
    return hubFetch(client, url, init);
  };
}

export const entrySchema = z.looseObject({
  type: z.string(),
  path: z.string(),
  size: z.int().nonnegative(),
  oid: z.string().optional(),
  lfs: z.looseObject({ oid: z.string(), size: z.int().nonnegative() }).nullish(),
});
export type Entry = z.infer<typeof entrySchema>;

/** More entries than any repository that can be used lists. */
const maxEntries = 100_000;

/** The files of a commit by path. */
export async function listRepository(
  client: HubClient,
  commit: string,
  recursive: boolean,
): Promise<Map<string, Entry>> {
  const { listFiles } = await import('@huggingface/hub');
  const entries = new Map<string, Entry>();
  await ask(client, async () => {
    const listing = listFiles({
      repo: { type: client.kind, name: client.repository },
      revision: commit,
      recursive,
      hubUrl: client.endpoint,
      fetch: fetchOf(client),
    });
    let count = 0;
    for await (const item of listing) {
      if (++count > maxEntries)
        throw strange(client, `more than ${maxEntries} files`, `a ${nounOf(client.kind)}`);
      const parsed = entrySchema.safeParse(item);
      if (!parsed.success)
        throw strange(client, 'an entry of another form', 'path, size and hash of each file');
      if (parsed.data.type === 'file') entries.set(parsed.data.path, parsed.data);
    }
  });
  return entries;
}

/**
 * Fetches the files of `paths`, in order, to `root/COMMIT/PATH`; those that are there already cost nothing. `paths`
 * may grow while its files are fetched, by `onFile`. Gives the sizes.
 */
export async function fetchFiles(
  client: HubClient,
  listed: ReadonlyMap<string, Entry>,
  paths: ReadonlySet<string>,
  { root, commit }: { readonly root: string; readonly commit: string },
  onProgress: HubOptions['onProgress'],
  onFile?: (path: string, target: string) => Promise<void>,
): Promise<Map<string, number>> {
  let allBytesDone = 0;
  const fetched = new Map<string, number>();
  for (const path of paths) {
    const remote = remoteFile(client, commit, listed.get(path)!);
    const target = join(root, commit, path);
    const report = (bytesDone: number) => {
      const waiting = [...paths].reduce((sum, name) => sum + (listed.get(name)?.size ?? 0), 0);
      onProgress?.({
        repository: client.repository,
        file: path,
        bytesDone,
        bytesTotal: remote.size,
        allBytesDone: allBytesDone + bytesDone,
        allBytesTotal: waiting,
      });
    };
    if ((await sizeOf(target)) === remote.size) report(remote.size);
    else {
      const place = { target, partFolder: join(root, 'parts'), partKey: partKeyOf(commit, path) };
      await downloadFile(client, remote, place, report);
    }
    allBytesDone += remote.size;
    fetched.set(path, remote.size);
    await onFile?.(path, target);
  }
  return fetched;
}

/** A file name that no other file of the repository has, short enough for every file system. */
function partKeyOf(commit: string, path: string): string {
  const name = path.replaceAll('/', '--');
  const short = name.length <= 120 ? name : createHash('sha256').update(path).digest('hex');
  return `${commit}--${short}`;
}

function remoteFile(client: HubClient, commit: string, entry: Entry): RemoteFile {
  const { lfs, oid } = entry;
  const path = entry.path.split('/').map(encodeURIComponent).join('/');
  const url = `${pageOf(client)}/resolve/${commit}/${path}`;
  const size = lfs?.size ?? entry.size;
  const value = lfs?.oid ?? oid;
  const pattern = lfs === undefined || lfs === null ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  if (value === undefined || !pattern.test(value))
    throw strange(client, `no hash of ${entry.path}`, 'a hash');
  return { path: entry.path, url, size, hash: { kind: lfs ? 'sha256' : 'git-sha1', value } };
}

/** undefined when there is no such file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw storageError(`Could not use the cache file ${path}`, error);
  }
}

export async function isFile(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined;
}

export function notCached(
  { repository }: Pick<HubClient, 'repository'>,
  revision: string,
  root: string,
): AhaError {
  return new AhaError({
    code: 'hub-not-cached',
    boundary: 'provider',
    what: `${repository} at ${revision} is not completely in the cache, and the network is switched off`,
    expected: root,
    fix: 'Run the same command once without HF_HUB_OFFLINE.',
    fields: { repository },
  });
}

export function strange(client: HubClient, found: string, expected: string, cause?: unknown): AhaError {
  return new AhaError({
    code: 'hub-response-invalid',
    boundary: 'provider',
    what: `The Hub's answer about ${client.repository} makes no sense`,
    found,
    expected,
    fix: 'Check HF_ENDPOINT, and whether something on your network answers in the place of the Hub.',
    fields: { repository: client.repository },
    ...(cause === undefined ? {} : { cause }),
  });
}
