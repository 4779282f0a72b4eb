/**
 * Models from the Hugging Face Hub, through a cache on disk. Only the files that aha reads or passes on are fetched,
 * never pickles. A model that is completely cached needs no network.
 *
 * `@huggingface/hub` resolves revisions and lists files; its downloads neither resume nor verify, so those are ours
 * (hub-download.ts).
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { AhaError, isAhaError } from '../errors.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { companionFiles } from './companion-files.ts';
import { downloadFile, type RemoteFile } from './hub-download.ts';
import { hubFetch, type HubClient } from './hub-request.ts';
import { isRecord, readJsonObject } from './json.ts';
import type { HubReference } from './model-reference.ts';
import { indexFile, parseIndex, singleFile } from './shards.ts';

export interface DownloadProgress {
  readonly file: string;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Of all files together. Grows by the shards once the index of a sharded model is known. */
  readonly allBytesDone: number;
  readonly allBytesTotal: number;
}

export interface HubOptions {
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  /** Default: AHA_CACHE, or else `aha` in the platform's folder for caches. */
  readonly cacheFolder?: string;
  /** Default: HF_ENDPOINT, or else https://huggingface.co. */
  readonly endpoint?: string;
  /** Default: HF_TOKEN. Never logged. */
  readonly token?: string;
  /** Use what is cached, and no network. Default: HF_HUB_OFFLINE=1. */
  readonly offline?: boolean;
  /** Further tries after a failure that may pass. Default 5. */
  readonly retries?: number;
  /** Wait before the first further try; doubles with each. Default 1000. */
  readonly retryDelayMs?: number;
  /** How long to wait for the next bytes. Default 60000. */
  readonly timeoutMs?: number;
}

export interface DownloadedModel {
  /** The folder, or the GGUF file if the reference named one. */
  readonly path: string;
  readonly commit: string;
}

const commitPattern = /^[0-9a-f]{40}$/;

/** How long to look for a newer commit when there is a cached one to fall back to. */
const refreshTimeoutMs = 10_000;

/**
 * Makes the model available on this machine. Throws `AhaError`: provider for the Hub and the network, storage for
 * the cache, model for a repository that holds no model that aha reads.
 */
export async function downloadModel(
  reference: HubReference,
  options: HubOptions = {},
): Promise<DownloadedModel> {
  const client = clientOf(reference, options);
  const root = join(options.cacheFolder ?? cacheFolder(), 'hub', reference.repository.replace('/', '--'));
  const offline = options.offline ?? process.env['HF_HUB_OFFLINE'] === '1';
  const commit = await resolveCommit(client, reference, root, offline);
  const folder = join(root, commit);
  const manifest = join(root, 'complete', `${commit}.json`);
  const complete =
    reference.file === undefined
      ? await isComplete(folder, manifest)
      : await isFile(join(folder, reference.file));
  if (!complete) {
    if (offline) throw notCached(reference, root);
    await fetchFiles(client, reference, { root, folder, commit, manifest }, options.onProgress);
  }
  return { path: reference.file === undefined ? folder : join(folder, reference.file), commit };
}

/** Where downloads are kept: AHA_CACHE, or else `aha` in the platform's folder for caches. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment['AHA_CACHE'];
  if (own !== undefined && own !== '') return resolve(own);
  switch (process.platform) {
    case 'darwin':
      return join(homedir(), 'Library', 'Caches', 'aha');
    case 'win32':
      return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'aha', 'Cache');
    default: {
      const xdg = environment['XDG_CACHE_HOME'];
      return join(xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache'), 'aha');
    }
  }
}

function clientOf(reference: HubReference, options: HubOptions): HubClient {
  const endpoint =
    (options.endpoint ?? process.env['HF_ENDPOINT'] ?? '').replace(/\/+$/, '') || 'https://huggingface.co';
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new AhaError({
      code: 'hub-endpoint-invalid',
      boundary: 'configuration',
      what: 'The address of the Hub is not a web address',
      found: endpoint,
      expected: 'such as https://huggingface.co',
      fix: 'Correct or unset HF_ENDPOINT.',
    });
  }
  const token = (options.token ?? process.env['HF_TOKEN'] ?? '').trim();
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new AhaError({
      code: 'hub-token-invalid',
      boundary: 'configuration',
      what: 'The access token for the Hub has characters that no token has',
      expected: 'one word such as hf_…',
      fix: 'Copy the token again into HF_TOKEN.',
    });
  }
  return {
    endpoint,
    token: token === '' ? undefined : token,
    repository: reference.repository,
    retries: options.retries ?? 5,
    retryDelayMs: options.retryDelayMs ?? 1000,
    timeoutMs: options.timeoutMs ?? 60_000,
    signal: options.signal,
  };
}

/** The commit that the revision stands for: asked from the Hub, or as it was when we last could ask. */
async function resolveCommit(
  client: HubClient,
  { repository, revision }: HubReference,
  root: string,
  offline: boolean,
): Promise<string> {
  if (commitPattern.test(revision)) return revision;
  const refPath = join(root, 'refs', encodeURIComponent(revision));
  const stored = (await readFile(refPath, 'utf8').catch(() => '')).trim();
  const known = commitPattern.test(stored) ? stored : undefined;
  if (offline) {
    if (known !== undefined) return known;
    throw notCached({ repository, revision }, root);
  }
  // With something to fall back to, a missing network should not make anyone wait.
  const quick =
    known === undefined
      ? client
      : { ...client, retries: 0, timeoutMs: Math.min(client.timeoutMs, refreshTimeoutMs) };
  try {
    const { modelInfo } = await import('@huggingface/hub');
    const answer: unknown = await ask(client, async () =>
      modelInfo({
        name: repository,
        revision,
        additionalFields: ['sha'],
        hubUrl: client.endpoint,
        fetch: fetchOf(quick),
      }),
    );
    const commit = isRecord(answer) ? answer['sha'] : undefined;
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

const entrySchema = z.looseObject({
  type: z.string(),
  path: z.string(),
  size: z.int().nonnegative(),
  oid: z.string().optional(),
  lfs: z.looseObject({ oid: z.string(), size: z.int().nonnegative() }).nullish(),
});
type Entry = z.infer<typeof entrySchema>;

/** More entries than any model repository lists. */
const maxEntries = 100_000;

interface Places {
  readonly root: string;
  readonly folder: string;
  readonly commit: string;
  readonly manifest: string;
}

async function fetchFiles(
  client: HubClient,
  reference: HubReference,
  places: Places,
  onProgress: HubOptions['onProgress'],
): Promise<void> {
  const { root, folder, commit, manifest } = places;
  const listed = await listRepository(client, commit, reference.file?.includes('/') === true);
  const files = chooseFiles(client, reference, listed);
  let allBytesDone = 0;
  const fetched = new Map<string, number>();
  for (const path of files) {
    const remote = remoteFile(client, commit, listed.get(path)!);
    const target = join(folder, path);
    const report = (bytesDone: number) => {
      const waiting = [...files].reduce((sum, name) => sum + (listed.get(name)?.size ?? 0), 0);
      onProgress?.({
        file: path,
        bytesDone,
        bytesTotal: remote.size,
        allBytesDone: allBytesDone + bytesDone,
        allBytesTotal: waiting,
      });
    };
    if ((await sizeOf(target)) === remote.size) report(remote.size);
    else {
      const partKey = `${commit}--${path.replaceAll('/', '--')}`;
      await downloadFile(client, remote, { target, partFolder: join(root, 'parts'), partKey }, report);
    }
    allBytesDone += remote.size;
    fetched.set(path, remote.size);
    if (path === indexFile) {
      const index = parseIndex(await readJsonObject(target), `${indexFile} of ${client.repository}`);
      for (const shard of new Set(index.values())) {
        if (!listed.has(shard)) throw incomplete(client, shard);
        files.add(shard);
      }
    }
  }
  if (reference.file === undefined) {
    await writeFileAtomic(manifest, `${JSON.stringify({ files: Object.fromEntries(fetched) })}\n`);
  }
}

async function listRepository(
  client: HubClient,
  commit: string,
  recursive: boolean,
): Promise<Map<string, Entry>> {
  const { listFiles } = await import('@huggingface/hub');
  const entries = new Map<string, Entry>();
  await ask(client, async () => {
    const listing = listFiles({
      repo: { type: 'model', name: client.repository },
      revision: commit,
      recursive,
      hubUrl: client.endpoint,
      fetch: fetchOf(client),
    });
    let count = 0;
    for await (const item of listing) {
      if (++count > maxEntries) throw strange(client, `more than ${maxEntries} files`, 'a model');
      const parsed = entrySchema.safeParse(item);
      if (!parsed.success)
        throw strange(client, 'an entry of another form', 'path, size and hash of each file');
      if (parsed.data.type === 'file') entries.set(parsed.data.path, parsed.data);
    }
  });
  return entries;
}

/** The files to fetch, small ones first. Iterating while shards are added reaches those too. */
function chooseFiles(
  client: HubClient,
  reference: HubReference,
  listed: ReadonlyMap<string, Entry>,
): Set<string> {
  const names = [...listed.keys()];
  if (reference.file !== undefined) {
    if (listed.has(reference.file)) return new Set([reference.file]);
    throw wrongRepository(
      client,
      `has no file ${reference.file}`,
      names.filter((name) => name.endsWith('.gguf')),
      'Name one of its files.',
    );
  }
  const ggufs = names.filter((name) => /^[^/]+\.gguf$/.test(name));
  if (!listed.has('config.json')) {
    if (ggufs.length > 0) {
      throw wrongRepository(
        client,
        'holds GGUF files, of which you must name one',
        ggufs,
        `For example ${client.repository}/${ggufs[0]}.`,
      );
    }
    const adapter = listed.has('adapter_config.json');
    const fix = adapter ? 'Name its base model.' : 'Choose a repository with config.json and safetensors.';
    throw wrongRepository(
      client,
      adapter ? 'holds a LoRA adapter, not a model' : 'holds no model',
      names.slice(0, 20),
      fix,
    );
  }
  const weights = [singleFile, indexFile].find((name) => listed.has(name));
  if (weights === undefined) {
    const fix = 'Choose a repository with safetensors: pickle files (.bin) can run code when opened.';
    throw wrongRepository(client, 'has no safetensors weights', names.slice(0, 20), fix);
  }
  const wanted = ['config.json', 'generation_config.json', ...companionFiles];
  return new Set([...wanted.filter((name) => listed.has(name)), weights]);
}

function remoteFile(client: HubClient, commit: string, entry: Entry): RemoteFile {
  const { lfs, oid } = entry;
  const path = entry.path.split('/').map(encodeURIComponent).join('/');
  const url = `${client.endpoint}/${client.repository}/resolve/${commit}/${path}`;
  const size = lfs?.size ?? entry.size;
  const value = lfs?.oid ?? oid;
  const pattern = lfs === undefined || lfs === null ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  if (value === undefined || !pattern.test(value))
    throw strange(client, `no hash of ${entry.path}`, 'a hash');
  return { path: entry.path, url, size, hash: { kind: lfs ? 'sha256' : 'git-sha1', value } };
}

const manifestSchema = z.object({ files: z.record(z.string(), z.int().nonnegative()) });

/** Whether everything that the manifest lists is there. A file gets its name only once it is verified. */
async function isComplete(folder: string, manifest: string): Promise<boolean> {
  if (!(await isFile(manifest))) return false;
  const parsed = manifestSchema.safeParse(await readJsonObject(manifest).catch(() => undefined));
  if (!parsed.success) return false;
  for (const [path, size] of Object.entries(parsed.data.files)) {
    if ((await sizeOf(join(folder, path))) !== size) return false;
  }
  return true;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw storageError(`Could not use the cache file ${path}`, error);
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined;
}

function notCached(
  { repository, revision }: Pick<HubReference, 'repository' | 'revision'>,
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

function incomplete(client: HubClient, shard: string): AhaError {
  return wrongRepository(
    client,
    'has an index that names a file that is not there',
    shard,
    'Report it to its authors.',
  );
}

function wrongRepository(client: HubClient, what: string, found: unknown, fix: string): AhaError {
  return new AhaError({
    code: 'hub-repository-unsuitable',
    boundary: 'model',
    what: `${client.repository} on the Hub ${what}`,
    found,
    fix,
    fields: { repository: client.repository },
  });
}

function strange(client: HubClient, found: string, expected: string, cause?: unknown): AhaError {
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
