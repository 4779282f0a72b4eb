/**
 * Models from the Hugging Face Hub, through a cache on disk (`hub/`). Only the files that aha reads or passes on are
 * fetched, never pickles. A model that is completely cached needs no network.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { hubClient, isOffline, type HubOptions } from '../hub/client.ts';
import {
  fetchFiles,
  isFile,
  listRepository,
  notCached,
  repositoryFolder,
  resolveCommit,
  sizeOf,
  type Entry,
} from '../hub/repository.ts';
import type { HubClient } from '../hub/request.ts';
import { writeFileAtomic } from '../util/files.ts';
import { companionFiles } from './companion-files.ts';
import { readJsonObject } from './json.ts';
import type { HubReference } from './model-reference.ts';
import { indexFile, parseIndex, singleFile } from './shards.ts';

export interface DownloadedModel {
  /** The folder, or the GGUF file if the reference named one. */
  readonly path: string;
  readonly commit: string;
}

/**
 * Makes the model available on this machine. Throws `AhaError`: provider for the Hub and the network, storage for
 * the cache, model for a repository that holds no model that aha reads.
 */
export async function downloadModel(
  reference: HubReference,
  options: HubOptions = {},
): Promise<DownloadedModel> {
  const client = hubClient({ kind: 'model', repository: reference.repository }, options);
  const root = repositoryFolder(client, options);
  const offline = isOffline(options);
  const commit = await resolveCommit(client, reference.revision, root, offline);
  const folder = join(root, commit);
  const manifest = join(root, 'complete', `${commit}.json`);
  const complete =
    reference.file === undefined
      ? await isComplete(folder, manifest)
      : await isFile(join(folder, reference.file));
  if (!complete) {
    if (offline) throw notCached(client, reference.revision, root);
    await fetchModel(client, reference, { root, commit, manifest }, options.onProgress);
  }
  return { path: reference.file === undefined ? folder : join(folder, reference.file), commit };
}

async function fetchModel(
  client: HubClient,
  reference: HubReference,
  { manifest, ...place }: { readonly root: string; readonly commit: string; readonly manifest: string },
  onProgress: HubOptions['onProgress'],
): Promise<void> {
  const listed = await listRepository(client, place.commit, reference.file?.includes('/') === true);
  const files = chooseFiles(client, reference, listed);
  const fetched = await fetchFiles(client, listed, files, place, onProgress, async (path, target) => {
    if (path !== indexFile) return;
    const index = parseIndex(await readJsonObject(target), `${indexFile} of ${client.repository}`);
    for (const shard of new Set(index.values())) {
      if (!listed.has(shard)) throw incomplete(client, shard);
      files.add(shard);
    }
  });
  if (reference.file === undefined) {
    await writeFileAtomic(manifest, `${JSON.stringify({ files: Object.fromEntries(fetched) })}\n`);
  }
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
