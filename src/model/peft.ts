/**
 * LoRA adapters in the layout of PEFT: `adapter_config.json` and `adapter_model.safetensors`. Reading accepts what
 * means plain LoRA on linear layers and refuses every variant that would mean something else.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import type { ModelConfig } from './config.ts';
import { checkFileNames, toJson, writeFolderAtomic } from './export-folder.ts';
import { problemIn, readJsonObject } from './json.ts';
import type { LoraConfig } from './lora.ts';
import { linearModules, loraParameters, type LinearModule } from './parameters.ts';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsDtype,
  type TensorToWrite,
} from './safetensors.ts';
import type { StoredTensor } from './stored-tensor.ts';

export const adapterConfigFile = 'adapter_config.json';
export const adapterWeightsFile = 'adapter_model.safetensors';

/** PEFT names a tensor after its place in its wrapper of the model. */
const prefix = 'base_model.model.';

export interface Adapter {
  readonly lora: LoraConfig;
  /** What the adapter says it was trained on: a Hub id or a path. */
  readonly baseModel: string | null;
  /** `model.layers.0.self_attn.q_proj.lora_A.weight` [r, in] and `…lora_B.weight` [out, r]. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

const absent = z.union([z.null(), z.literal(false), z.array(z.never()), z.strictObject({})]).optional();

const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive().max(65_536),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  use_rslora: z.boolean().nullish(),
  bias: z.literal('none').nullish(),
  base_model_name_or_path: z.string().nullish(),
  fan_in_fan_out: absent,
});

/** Keys of variants of LoRA that compute something else. Each may be absent, null, false or empty. */
const variants = [
  'use_dora',
  'use_qalora',
  'use_bdlora',
  'lora_bias',
  'modules_to_save',
  'rank_pattern',
  'alpha_pattern',
  'layers_to_transform',
  'layer_replication',
  'exclude_modules',
  'trainable_token_indices',
  'target_parameters',
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'velora_config',
  'monteclora_config',
  'megatron_config',
] as const;

/**
 * Opens the adapter in `folder` for a model of configuration `config` and checks that it fits. The caller closes it.
 * Throws `AhaError` (model): `adapter-invalid`, `adapter-unsupported`, `adapter-mismatch`.
 */
export async function openAdapter(folder: string, config: ModelConfig): Promise<Adapter> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw storageError(`Could not open the adapter ${folder}`, error);
  });
  if (!names.includes(adapterConfigFile) || !names.includes(adapterWeightsFile)) {
    const pickle = names.includes('adapter_model.bin');
    throw new AhaError({
      code: 'adapter-invalid',
      boundary: 'model',
      what: `${folder} holds no LoRA adapter that can be read`,
      found: names.slice(0, 20),
      expected: `${adapterConfigFile} and ${adapterWeightsFile}`,
      fix: pickle
        ? 'Pickle files can run code when opened: save the adapter with PEFT again.'
        : 'Check the path.',
      fields: { file: folder },
    });
  }
  const path = join(folder, adapterConfigFile);
  const settings = parseAdapterConfig(await readJsonObject(path), path);
  const weights = await openSafetensors(join(folder, adapterWeightsFile));
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of weights.tensors) {
      const own = name.startsWith(prefix) ? name.slice(prefix.length) : name;
      tensors.set(own, { ...tensor, name: own });
    }
    const lora: LoraConfig = { ...settings, targets: targetsOf(tensors, weights.path) };
    checkShapes(config, lora, tensors, weights.path);
    return { lora, baseModel: settings.baseModel, tensors, close: async () => weights.close() };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

function parseAdapterConfig(json: Record<string, unknown>, path: string) {
  if (json['peft_type'] !== 'LORA')
    throw unsupported(path, 'peft_type', json['peft_type'] ?? 'nothing', 'LORA');
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw new AhaError({
      code: 'adapter-invalid',
      boundary: 'model',
      what: `${path} does not describe a LoRA adapter that aha can use`,
      found: problemIn(parsed.error),
      fix: 'Use an adapter of plain LoRA: no bias, no fan_in_fan_out.',
      fields: { file: path },
    });
  }
  for (const key of variants) {
    if (!absent.safeParse(json[key]).success) throw unsupported(path, key, json[key], 'null or false');
  }
  const { r, lora_alpha: alpha, use_rslora: stabilised, base_model_name_or_path: base } = parsed.data;
  return { rank: r, alpha, rankStabilised: stabilised ?? false, baseModel: base ?? null };
}

/** The tensors themselves say which modules are adapted; `target_modules` may be a pattern. */
function targetsOf(tensors: ReadonlyMap<string, StoredTensor>, path: string): LinearModule[] {
  const found = new Set<LinearModule>();
  for (const name of tensors.keys()) {
    const match = /^model\.layers\.\d+\.(.+)\.lora_[AB]\.weight$/.exec(name);
    const module = linearModules.find((candidate) => candidate === match?.[1]);
    if (module === undefined) {
      const expected = linearModules.join(', ');
      throw mismatch(path, 'It adapts something that is not a linear layer of the model', name, expected);
    }
    found.add(module);
  }
  return linearModules.filter((module) => found.has(module));
}

function checkShapes(
  config: ModelConfig,
  lora: LoraConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
  path: string,
): void {
  const expected = loraParameters(config, lora);
  if (expected.length === 0) throw mismatch(path, 'It holds no tensors', 'nothing', 'lora_A and lora_B');
  for (const { name, shape } of expected) {
    const found = tensors.get(name)?.shape;
    if (found?.length === shape.length && shape.every((size, i) => size === found[i])) continue;
    const what = `Tensor ${name} does not fit the base model or the rank`;
    throw mismatch(
      path,
      what,
      found === undefined ? 'nothing' : `[${found.join(', ')}]`,
      `[${shape.join(', ')}]`,
    );
  }
  const known = new Set(expected.map(({ name }) => name));
  const extra = [...tensors.keys()].find((name) => !known.has(name));
  if (extra !== undefined) {
    throw mismatch(
      path,
      'It adapts a layer that the base model does not have',
      extra,
      `${config.layers} layers`,
    );
  }
}

export interface AdapterContents {
  readonly lora: LoraConfig;
  /** Hub id or path of the model that the adapter is for. */
  readonly baseModel: string | null;
  /** Commit of the base model on the Hub. */
  readonly revision?: string | undefined;
  /** As `Adapter.tensors`. */
  readonly tensors: readonly TensorToWrite[];
  readonly dtype?: SafetensorsDtype;
  /** Tokenizer and chat template, so that the folder can be used by itself. */
  readonly files?: readonly CheckpointFile[];
}

/**
 * Writes an adapter that PEFT loads to `folder`, which must not exist or be empty, unless `overwrite` is set and it
 * holds an adapter. It appears whole or not at all. Throws `AhaError` (model, storage).
 */
export async function exportAdapter(
  folder: string,
  contents: AdapterContents,
  options: { readonly overwrite?: boolean } = {},
): Promise<void> {
  checkFileNames(contents.files, [adapterConfigFile, adapterWeightsFile]);
  const tensors = contents.tensors.map((tensor) => ({
    name: `${prefix}${tensor.name}`,
    shape: tensor.shape,
    read: () => tensor.read(),
  }));
  const { dtype } = contents;
  await writeFolderAtomic(folder, options, async (work) => {
    await writeFileAtomic(join(work, adapterConfigFile), toJson(adapterConfig(contents)));
    const weights = join(work, adapterWeightsFile);
    await writeSafetensors(weights, tensors, { metadata: { format: 'pt' }, ...(dtype ? { dtype } : {}) });
    for (const file of contents.files ?? []) await writeFileAtomic(join(work, file.name), await file.read());
  });
}

function adapterConfig({ lora, baseModel, revision }: AdapterContents): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    revision: revision ?? null,
    inference_mode: true,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: 0,
    use_rslora: lora.rankStabilised,
    target_modules: lora.targets.map((target) => target.slice(target.indexOf('.') + 1)),
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
  };
}

function unsupported(path: string, key: string, found: unknown, expected: string): AhaError {
  return new AhaError({
    code: 'adapter-unsupported',
    boundary: 'model',
    what: `${path} describes an adapter that aha cannot use: ${key}`,
    found,
    expected,
    fix: 'Use an adapter of plain LoRA.',
    fields: { file: path },
  });
}

function mismatch(path: string, what: string, found: unknown, expected: unknown): AhaError {
  return new AhaError({
    code: 'adapter-mismatch',
    boundary: 'model',
    what: `${path} does not belong to this base model. ${what}`,
    found,
    expected,
    fix: 'Give the base model that the adapter was trained on.',
    fields: { file: path },
  });
}
