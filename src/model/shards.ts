/** The weights of a Hugging Face folder: one safetensors file, or several with an index that says what lies where. */
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { problemIn, readJsonObject } from './json.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';
import type { StoredTensor } from './stored-tensor.ts';

export interface Shards {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

export const singleFile = 'model.safetensors';
export const indexFile = 'model.safetensors.index.json';

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** More than any model has; each is an open file. */
const maxShards = 1000;

/** Opens the weights in `folder`, whose entries are `names`. As transformers, takes the single file if there is one. */
export async function openShards(folder: string, names: readonly string[]): Promise<Shards> {
  if (names.includes(singleFile)) {
    const file = await openSafetensors(join(folder, singleFile));
    return { tensors: file.tensors, close: async () => file.close() };
  }
  if (!names.includes(indexFile)) throw noWeights(folder, names);
  const indexPath = join(folder, indexFile);
  const weightMap = parseIndex(await readJsonObject(indexPath), indexPath);

  const files = new Map<string, SafetensorsFile>();
  const close = async () => {
    await Promise.all([...files.values()].map(async (file) => file.close()));
  };
  try {
    for (const name of new Set(weightMap.values())) {
      if (!names.includes(name)) throw missingShard(indexPath, name);
      files.set(name, await openSafetensors(join(folder, name)));
    }
    const tensors = new Map<string, StoredTensor>();
    for (const [tensorName, fileName] of weightMap) {
      const tensor = files.get(fileName)!.tensors.get(tensorName);
      if (tensor === undefined) {
        throw invalidIndex(
          indexPath,
          `Tensor ${JSON.stringify(tensorName)} does not lie where it says`,
          fileName,
        );
      }
      tensors.set(tensorName, tensor);
    }
    return { tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Which file each tensor lies in. Names that would lead out of the folder are refused. */
export function parseIndex(json: unknown, path: string): Map<string, string> {
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success)
    throw invalidIndex(path, 'It has no map from tensors to files', problemIn(parsed.error));
  const map = new Map(Object.entries(parsed.data.weight_map));
  if (map.size === 0) throw invalidIndex(path, 'It names no tensors', 'an empty weight_map');
  const names = new Set(map.values());
  for (const name of names) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/.test(name)) {
      throw invalidIndex(path, 'A shard is not a plain file name ending in .safetensors', name);
    }
  }
  if (names.size > maxShards) throw invalidIndex(path, 'It names too many files', names.size);
  return map;
}

function noWeights(folder: string, names: readonly string[]): AhaError {
  const pickles = names.filter((name) => /\.(bin|pt|pth)$/.test(name));
  const others = names.filter((name) => name.endsWith('.safetensors'));
  return new AhaError({
    code: 'weights-not-found',
    boundary: 'model',
    what: `${folder} holds no weights that can be read`,
    found: others.length > 0 ? others : pickles.length > 0 ? pickles : names,
    expected: `${singleFile} or ${indexFile}`,
    fix:
      pickles.length > 0 && others.length === 0
        ? 'Pickle files can run code when opened: load and save the model with transformers to get safetensors.'
        : 'Download the model again, weights included.',
    fields: { file: folder },
  });
}

function missingShard(path: string, name: string): AhaError {
  return new AhaError({
    code: 'shard-missing',
    boundary: 'model',
    what: `${path} names a file that is not there`,
    found: name,
    fix: 'The download is incomplete: download the model again.',
    fields: { file: path },
  });
}

function invalidIndex(path: string, what: string, found: unknown): AhaError {
  return new AhaError({
    code: 'safetensors-index-invalid',
    boundary: 'model',
    what: `${path} is not a valid index of safetensors files. ${what}`,
    found,
    fix: 'Download the model again.',
    fields: { file: path },
  });
}
