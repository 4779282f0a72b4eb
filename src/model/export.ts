/**
 * Writes a model as a Hugging Face folder that transformers loads and llama.cpp's converter accepts: config.json,
 * safetensors (in shards when large), tokenizer and generation configuration. The folder appears whole or not at
 * all. One tensor is in memory at a time.
 */
import { join } from 'node:path';
import { AhaError } from '../errors.ts';
import { writeFileAtomic } from '../util/files.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { checkTensors } from './checkpoint.ts';
import { configToHuggingFace, type ModelConfig } from './config.ts';
import { checkFileNames, toJson, writeFolderAtomic } from './export-folder.ts';
import { bytesPerValue, writeSafetensors, type SafetensorsDtype, type TensorToWrite } from './safetensors.ts';
import { indexFile, singleFile } from './shards.ts';
import { elementCount } from './stored-tensor.ts';

export interface ExportContents {
  readonly config: ModelConfig;
  /** Every tensor of the model under its Hugging Face name; `read` is called once each, in order. */
  readonly tensors: readonly TensorToWrite[];
  /** Default `f32`. */
  readonly dtype?: SafetensorsDtype;
  /** The `config.json` that the model was loaded with: passed on, but for the type of the weights. */
  readonly originalConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly generationConfig?: Readonly<Record<string, unknown>> | undefined;
  /** Tokenizer, chat template, licence. */
  readonly files?: readonly CheckpointFile[];
}

export interface ExportOptions {
  /** Replace a model that the folder holds already. Default false. */
  readonly overwrite?: boolean;
  /** Weights beyond this go into several files. Default 5 GB, as transformers 4. */
  readonly maxShardBytes?: number;
}

const torchDtype: Readonly<Record<SafetensorsDtype, string>> = {
  f32: 'float32',
  f16: 'float16',
  bf16: 'bfloat16',
};

/**
 * Writes the model to `folder`, which must not exist or be empty, unless `overwrite` is set and it holds a model.
 * Throws `AhaError` (model for contents that make no model, storage for the disk); `folder` is then as it was.
 */
export async function exportHuggingFace(
  folder: string,
  contents: ExportContents,
  options: ExportOptions = {},
): Promise<void> {
  checkContents(contents, folder);
  await writeFolderAtomic(folder, options, async (work) => {
    await writeModel(work, contents, options.maxShardBytes ?? 5_000_000_000);
  });
}

function checkContents(contents: ExportContents, folder: string): void {
  const warnings = checkTensors(contents.config, new Map(contents.tensors.map((t) => [t.name, t])), folder);
  if (warnings.length > 0) {
    throw new AhaError({
      code: 'tensor-unknown',
      boundary: 'model',
      what: 'The export has tensors that the model does not have',
      found: warnings[0],
    });
  }
  checkFileNames(contents.files, ['config.json', 'generation_config.json', singleFile, indexFile]);
}

async function writeModel(work: string, contents: ExportContents, maxShardBytes: number): Promise<void> {
  const dtype = contents.dtype ?? 'f32';
  await writeFileAtomic(join(work, 'config.json'), toJson(exportedConfig(contents, dtype)));
  const generation = contents.generationConfig ?? defaultGenerationConfig(contents.config);
  await writeFileAtomic(join(work, 'generation_config.json'), toJson(generation));
  for (const file of contents.files ?? []) await writeFileAtomic(join(work, file.name), await file.read());

  const shards = shardsOf(contents.tensors, dtype, maxShardBytes);
  // Other tools look for this to know which framework's layout it is.
  const options = { dtype, metadata: { format: 'pt' } };
  if (shards.length === 1) {
    await writeSafetensors(join(work, singleFile), contents.tensors, options);
    return;
  }
  const weightMap: Record<string, string> = {};
  let totalBytes = 0;
  for (const [i, tensors] of shards.entries()) {
    const name = `model-${String(i + 1).padStart(5, '0')}-of-${String(shards.length).padStart(5, '0')}.safetensors`;
    await writeSafetensors(join(work, name), tensors, options);
    for (const tensor of tensors) {
      weightMap[tensor.name] = name;
      totalBytes += elementCount(tensor.shape) * bytesPerValue[dtype];
    }
  }
  const index = { metadata: { total_size: totalBytes }, weight_map: weightMap };
  await writeFileAtomic(join(work, indexFile), toJson(index));
}

function exportedConfig(contents: ExportContents, dtype: SafetensorsDtype): Record<string, unknown> {
  const { originalConfig } = contents;
  // transformers 4 reads torch_dtype; 5 reads both, dtype first.
  const type = torchDtype[dtype];
  if (originalConfig === undefined) return { ...configToHuggingFace(contents.config), torch_dtype: type };
  const key = 'dtype' in originalConfig ? 'dtype' : 'torch_dtype';
  const config: Record<string, unknown> = { ...originalConfig, [key]: type };
  if (key === 'dtype') delete config['torch_dtype'];
  return config;
}

function defaultGenerationConfig(config: ModelConfig): Record<string, unknown> {
  const { eosTokenIds } = config;
  return {
    _from_model_config: true,
    bos_token_id: config.bosTokenId,
    eos_token_id: eosTokenIds.length > 1 ? eosTokenIds : (eosTokenIds[0] ?? null),
    pad_token_id: config.padTokenId,
  };
}

/** Tensors in order, split so that no part is larger than the limit (but for a single tensor that is). */
function shardsOf(
  tensors: readonly TensorToWrite[],
  dtype: SafetensorsDtype,
  maxShardBytes: number,
): TensorToWrite[][] {
  const shards: TensorToWrite[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const size = elementCount(tensor.shape) * bytesPerValue[dtype];
    if (bytes > 0 && bytes + size > maxShardBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(tensor);
    bytes += size;
  }
  return shards;
}
