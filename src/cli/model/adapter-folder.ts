/** A LoRA adapter in PEFT's layout, named where a model is expected: it stands for its base model with it applied. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { readJsonObject } from '../../model/json.ts';
import { adapterConfigFile } from '../../model/peft.ts';

export interface AdapterFolder {
  readonly folder: string;
  /** The path or the Hub id of the model that it was trained on, as it says itself. */
  readonly base: string | undefined;
}

/** The adapter in `path`; undefined if that is no folder, or holds no adapter, or a whole model. */
export async function adapterAt(path: string): Promise<AdapterFolder | undefined> {
  const names = await readdir(path).catch((): string[] => []);
  if (!names.includes(adapterConfigFile) || names.includes('config.json')) return undefined;
  const { base_model_name_or_path: base } = await readJsonObject(join(path, adapterConfigFile));
  return { folder: path, base: typeof base === 'string' && base !== '' ? base : undefined };
}

/** Throws `AhaError` (adapter-base-unknown) if neither the adapter nor the caller says what it is for. */
export function baseOf({ folder, base }: AdapterFolder, given: string | undefined): string {
  const found = given ?? base;
  if (found !== undefined) return found;
  throw new AhaError({
    code: 'adapter-base-unknown',
    boundary: 'model',
    what: `The adapter in ${folder} does not say which model it was trained on`,
    expected: `base_model_name_or_path in ${adapterConfigFile}`,
    fix: `Merge it into its base model first: aha export ${folder} --base MODEL --to FOLDER`,
  });
}
