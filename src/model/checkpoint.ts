/**
 * A trained model wherever it lies: a Hugging Face folder, a GGUF file, or a model on the Hugging Face Hub. What it
 * gives is the same for all: a normalised configuration and tensors under their Hugging Face names, read lazily as
 * float32. Opening reads headers only and checks that exactly the tensors that the architecture needs are there, in
 * the right shapes.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { parseHuggingFaceConfig, type ModelConfig } from './config.ts';
import { readCheckpointFile, type CheckpointFile } from './checkpoint-file.ts';
import { companionFiles } from './companion-files.ts';
import { ggufConfig, ggufTensors } from './gguf-model.ts';
import { openGguf, type GgufMetadata } from './gguf.ts';
import type { HubOptions } from '../hub/client.ts';
import { downloadModel } from './hub.ts';
import { readJsonObject } from './json.ts';
import { parseModelReference } from './model-reference.ts';
import { decoderParameters } from './parameters.ts';
import { openShards } from './shards.ts';
import type { StoredTensor } from './stored-tensor.ts';

export interface Checkpoint {
  readonly config: ModelConfig;
  /** Where it came from, for people: a path, or `org/name at COMMIT`. */
  readonly source: string;
  /** Its place on the Hub, if it came from there. */
  readonly hub: { readonly repository: string; readonly commit: string } | undefined;
  readonly format: 'huggingface' | 'gguf';
  /** The folder (Hugging Face) or file (GGUF) on this machine. */
  readonly path: string;
  /** Hugging Face names: `model.layers.0.self_attn.q_proj.weight`. */
  readonly tensorNames: readonly string[];
  /** The tensor of this name. Throws `AhaError` (model, `tensor-missing`). */
  tensor(name: string): StoredTensor;
  /** `config.json` as it was, to be passed on by an export. */
  readonly originalConfig: Readonly<Record<string, unknown>> | undefined;
  /** `generation_config.json` as it was. */
  readonly generationConfig: Readonly<Record<string, unknown>> | undefined;
  /** Ids that end a text: those of the configuration and of the generation configuration. */
  readonly eosTokenIds: readonly number[];
  /**
   * Tokenizer, chat template and licence files that lie beside the weights. Already read: an export at the end of a
   * long run must not depend on what has become of the folder since.
   */
  readonly files: readonly CheckpointFile[];
  /** The metadata of a GGUF file, tokenizer and chat template among it. */
  readonly ggufMetadata: GgufMetadata | undefined;
  /** What is odd but does no harm, one sentence each. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

export interface OpenOptions {
  /** How to fetch from the Hub, for an id. */
  readonly hub?: HubOptions;
}

/**
 * Opens the model at a path (folder or GGUF file) or, for `org/name[@revision]` or `hf:org/name[@revision]`, on the
 * Hub. A path that does not exist is never looked up on the Hub. The caller closes the checkpoint.
 * Throws `AhaError` (model; storage for what the system refuses; provider for the Hub).
 */
export async function openCheckpoint(pathOrId: string, options: OpenOptions = {}): Promise<Checkpoint> {
  const reference = await parseModelReference(pathOrId);
  if (reference.kind === 'path') return openPath(reference.path, { source: reference.path, hub: undefined });
  const { repository } = reference;
  const { path, commit } = await downloadModel(reference, options.hub);
  return openPath(path, { source: `${repository} at ${commit}`, hub: { repository, commit } });
}

type Origin = Pick<Checkpoint, 'source' | 'hub'>;

async function openPath(path: string, origin: Origin): Promise<Checkpoint> {
  const info = await stat(path).catch((error: unknown) => {
    throw storageError(`Could not open the model ${path}`, error);
  });
  if (!info.isDirectory()) return openFile(path, origin);
  const names = await readdir(path).catch((error: unknown) => {
    throw storageError(`Could not read the folder ${path}`, error);
  });
  if (names.includes('config.json')) return openFolder(path, origin, names);
  const gguf = names.filter((name) => name.toLowerCase().endsWith('.gguf'));
  if (gguf.length === 1) return openFile(join(path, gguf[0]!), origin);
  const adapter = names.includes('adapter_config.json');
  throw new AhaError({
    code: 'checkpoint-not-found',
    boundary: 'model',
    what: `${path} holds no model`,
    found:
      gguf.length > 1 ? gguf : adapter ? 'a LoRA adapter' : names.length === 0 ? 'an empty folder' : names,
    expected: 'config.json and safetensors, or one GGUF file',
    fix:
      gguf.length > 1
        ? 'Name one of the files.'
        : adapter
          ? 'Give the path of the base model, and the adapter beside it.'
          : 'Check the path.',
    fields: { file: path },
  });
}

async function openFolder(folder: string, origin: Origin, names: readonly string[]): Promise<Checkpoint> {
  const configPath = join(folder, 'config.json');
  const originalConfig = await readJsonObject(configPath);
  const config = parseHuggingFaceConfig(originalConfig, configPath);
  const generationConfig = names.includes('generation_config.json')
    ? await readJsonObject(join(folder, 'generation_config.json'))
    : undefined;
  const files: CheckpointFile[] = [];
  for (const name of companionFiles.filter((companion) => names.includes(companion))) {
    const contents = await readCheckpointFile(join(folder, name));
    files.push({ name, read: async () => contents });
  }
  const shards = await openShards(folder, names);
  try {
    return {
      ...describe(config, shards.tensors, folder),
      ...origin,
      format: 'huggingface',
      path: folder,
      originalConfig,
      generationConfig,
      eosTokenIds: endTokens(config, generationConfig),
      files,
      ggufMetadata: undefined,
      close: async () => shards.close(),
    };
  } catch (error) {
    await shards.close();
    throw error;
  }
}

async function openFile(path: string, origin: Origin): Promise<Checkpoint> {
  if (basename(path).endsWith('.safetensors')) {
    throw new AhaError({
      code: 'checkpoint-not-found',
      boundary: 'model',
      what: `${path} holds weights without the configuration that says what they are`,
      found: 'one safetensors file',
      expected: 'the folder that holds it beside config.json',
      fix: 'Give the path of the folder.',
      fields: { file: path },
    });
  }
  const gguf = await openGguf(path);
  try {
    const config = await ggufConfig(gguf);
    return {
      ...describe(config, ggufTensors(gguf, config), path),
      ...origin,
      format: 'gguf',
      path,
      originalConfig: undefined,
      generationConfig: undefined,
      eosTokenIds: config.eosTokenIds,
      files: [],
      ggufMetadata: gguf.metadata,
      close: async () => gguf.close(),
    };
  } catch (error) {
    await gguf.close();
    throw error;
  }
}

function describe(config: ModelConfig, tensors: ReadonlyMap<string, StoredTensor>, file: string) {
  const warnings = checkTensors(config, tensors, file);
  return {
    config,
    tensorNames: [...tensors.keys()],
    tensor(name: string): StoredTensor {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw missing(file, [name]);
      return tensor;
    },
    warnings,
  };
}

/** Name and shape of every tensor that a model of this configuration consists of. */
export function expectedTensors(config: ModelConfig): { name: string; shape: readonly number[] }[] {
  return decoderParameters(config).map(({ name, shape }) => ({ name, shape }));
}

/**
 * Checks that every tensor that the configuration needs is there in the right shape. Returns warnings about tensors
 * that nothing will read; throws `AhaError` (model): `tensor-missing`, `tensor-shape`. `file` names the source.
 */
export function checkTensors(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Pick<StoredTensor, 'shape'>>,
  file: string,
): string[] {
  const expected = expectedTensors(config);
  const absent = expected.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
  if (absent.length > 0) throw missing(file, absent);
  for (const { name, shape } of expected) {
    const found = tensors.get(name)!.shape;
    if (found.length === shape.length && found.every((size, i) => size === shape[i])) continue;
    throw new AhaError({
      code: 'tensor-shape',
      boundary: 'model',
      what: `Tensor ${name} in ${file} has another shape than the configuration says`,
      found: `[${found.join(', ')}]`,
      expected: `[${shape.join(', ')}]`,
      fix: 'Weights and configuration are of different models: download both again.',
      fields: { file, tensor: name },
    });
  }
  const known = new Set(expected.map(({ name }) => name));
  const extra = [...tensors.keys()].filter((name) => !known.has(name) && !isHarmless(name, config));
  if (extra.length === 0) return [];
  const shown = extra.slice(0, 5).map((name) => JSON.stringify(name.slice(0, 100)));
  const more = extra.length > 5 ? ` and ${extra.length - 5} more` : '';
  return [
    `${file} holds tensors that a ${config.architecture} model does not have; they are ignored: ${shown.join(', ')}${more}.`,
  ];
}

/** Tensors that say nothing new: tables that follow from the configuration, and a head that is tied anyway. */
function isHarmless(name: string, config: ModelConfig): boolean {
  return name.endsWith('rotary_emb.inv_freq') || (name === 'lm_head.weight' && config.tieWordEmbeddings);
}

function missing(file: string, names: readonly string[]): AhaError {
  const head = names.includes('lm_head.weight') && names.length === 1;
  return new AhaError({
    code: 'tensor-missing',
    boundary: 'model',
    what: `${file} lacks ${names.length === 1 ? `tensor ${names[0]}` : `${names.length} tensors, the first of them ${names[0]}`}`,
    expected: names.slice(0, 5),
    fix: head
      ? 'If the model ties its head to its embedding, config.json should say "tie_word_embeddings": true.'
      : 'The download is incomplete, or the configuration belongs to another model: download both again.',
    fields: { file, tensor: names[0] },
  });
}

function endTokens(config: ModelConfig, generation: Record<string, unknown> | undefined): number[] {
  const more: unknown = generation?.['eos_token_id'];
  const listed: unknown[] = Array.isArray(more) ? more : [more];
  const valid = listed.filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);
  return [...new Set([...config.eosTokenIds, ...valid])].filter((id) => id < config.vocabularySize);
}
