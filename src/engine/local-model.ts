/**
 * A model ready for use on this machine: a policy with the tokenizer that belongs to it. Opens what people have (a
 * Hugging Face folder or Hub id, a GGUF file, a PEFT adapter on top) or starts a new model from nothing.
 */
import { AhaError } from '../errors.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { checkConfig, type ModelConfig } from '../model/config.ts';
import { exportHuggingFace } from '../model/export.ts';
import type { HubOptions } from '../hub/client.ts';
import type { LoraConfig } from '../model/lora.ts';
import { type Adapter, exportAdapter, openAdapter } from '../model/peft.ts';
import { tokenizerFromGguf } from '../text/gguf-tokenizer.ts';
import { StopStringMatcher } from '../text/stop-strings.ts';
import { StreamingDecoder } from '../text/streaming-decoder.ts';
import { loadTokenizer } from '../text/tokenizer-folder.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import {
  createLocalPolicy,
  type LocalPolicy,
  type LocalPolicyOptions,
  type PolicyExporter,
} from './local-policy.ts';

export interface LocalModel extends AsyncDisposable {
  readonly policy: LocalPolicy;
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  /** Tokens that end a completion: those of the tokenizer, the configuration and the generation configuration. */
  readonly stopTokens: readonly number[];
  /** Where it came from, for people. */
  readonly source: string;
  /** What is odd but does no harm, one sentence each. */
  readonly warnings: readonly string[];
}

export type LocalModelSettings = Pick<
  LocalPolicyOptions,
  'runtime' | 'contextLength' | 'maxSequences' | 'microBatchPositions'
>;

export interface OpenModelOptions extends LocalModelSettings {
  /** Train adapters of this form instead of the weights. With `adapter`, its own form is used. */
  readonly lora?: LoraConfig;
  /** A folder with a PEFT adapter to start from. */
  readonly adapter?: string;
  /** Names the stream that LoRA's initial values are drawn from. Default 0. */
  readonly seed?: number | string;
  readonly hub?: HubOptions;
}

/**
 * Opens the model at `pathOrId`: see `openCheckpoint`.
 * @throws AhaError of the boundary that failed: model, text, storage, provider, engine.
 */
export async function openLocalModel(pathOrId: string, options: OpenModelOptions): Promise<LocalModel> {
  const checkpoint = await openCheckpoint(pathOrId, options.hub === undefined ? {} : { hub: options.hub });
  let adapter: Adapter | undefined;
  try {
    const tokenizer = await tokenizerOf(checkpoint);
    checkVocabulary(tokenizer, checkpoint.config, checkpoint.source);
    if (options.adapter !== undefined) adapter = await openAdapter(options.adapter, checkpoint.config);
    const lora = adapter?.lora ?? options.lora;
    const policy = await createLocalPolicy({
      ...settingsOf(options),
      config: checkpoint.config,
      weights: { read: async (name, into) => checkpoint.tensor(name).readInto(into) },
      ...(lora === undefined ? {} : { lora }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      watchStops: stopWatcher(tokenizer),
      exporter: exporterFor(tokenizer, checkpoint),
    });
    if (adapter !== undefined) await policy.loadAdapter(adapter.tensors);
    return localModel(policy, tokenizer, checkpoint.source, {
      eosTokenIds: checkpoint.eosTokenIds,
      warnings: checkpoint.warnings,
    });
  } finally {
    await adapter?.close();
    await checkpoint.close();
  }
}

export interface CreateModelOptions extends LocalModelSettings {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The weights are drawn from streams under this seed. */
  readonly seed: number | string;
}

/** A new model with random weights. */
export async function createLocalModel(options: CreateModelOptions): Promise<LocalModel> {
  const { config, tokenizer, seed } = options;
  checkConfig(config, 'the new model');
  checkVocabulary(tokenizer, config, 'the new model');
  const policy = await createLocalPolicy({
    ...settingsOf(options),
    config,
    weights: { seed },
    watchStops: stopWatcher(tokenizer),
    exporter: exporterFor(tokenizer, undefined),
  });
  return localModel(policy, tokenizer, 'a new model', { eosTokenIds: config.eosTokenIds, warnings: [] });
}

function localModel(
  policy: LocalPolicy,
  tokenizer: Tokenizer,
  source: string,
  { eosTokenIds, warnings }: { eosTokenIds: readonly number[]; warnings: readonly string[] },
): LocalModel {
  return {
    policy,
    tokenizer,
    config: policy.config,
    stopTokens: [...new Set([...tokenizer.eosIds, ...eosTokenIds])],
    source,
    warnings,
    [Symbol.asyncDispose]: async () => policy.dispose(),
  };
}

function settingsOf(options: LocalModelSettings): LocalModelSettings {
  const { runtime, contextLength, maxSequences, microBatchPositions } = options;
  return {
    runtime,
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(maxSequences === undefined ? {} : { maxSequences }),
    ...(microBatchPositions === undefined ? {} : { microBatchPositions }),
  };
}

async function tokenizerOf(checkpoint: Checkpoint): Promise<Tokenizer> {
  if (checkpoint.ggufMetadata !== undefined) {
    return tokenizerFromGguf(Object.fromEntries(checkpoint.ggufMetadata), checkpoint.source);
  }
  return loadTokenizer(checkpoint.path);
}

/** A tokenizer may know fewer tokens than the model has rows for (they are padded), but never more. */
function checkVocabulary(tokenizer: Tokenizer, config: ModelConfig, source: string): void {
  if (tokenizer.vocabularySize <= config.vocabularySize) return;
  throw new AhaError({
    code: 'vocabulary-mismatch',
    boundary: 'model',
    what: `The tokenizer of ${source} knows tokens that the model has no row for`,
    found: `${tokenizer.vocabularySize} tokens`,
    expected: `at most vocab_size = ${config.vocabularySize}`,
    fix: 'Tokenizer and weights are of different models: download both again.',
  });
}

function stopWatcher(tokenizer: Tokenizer): NonNullable<LocalPolicyOptions['watchStops']> {
  return (stops) => {
    const decoder = new StreamingDecoder(tokenizer);
    const matcher = new StopStringMatcher(stops);
    return { push: (token) => matcher.push(decoder.push(token)).stopped };
  };
}

function exporterFor(tokenizer: Tokenizer, checkpoint: Checkpoint | undefined): PolicyExporter {
  const files =
    checkpoint !== undefined && checkpoint.files.length > 0
      ? checkpoint.files
      : [...tokenizer.files]
          .filter(([name]) => name !== 'generation_config.json')
          .map(([name, bytes]) => ({ name, read: async () => bytes }));
  return async ({ folder, form, config, lora, tensors }) => {
    if (form === 'adapter') {
      const baseModel = checkpoint?.source ?? null;
      await exportAdapter(
        folder,
        { lora: lora!, baseModel, tensors: [...tensors], files },
        { overwrite: true },
      );
      return;
    }
    await exportHuggingFace(
      folder,
      {
        config,
        tensors: [...tensors],
        files,
        originalConfig: checkpoint?.originalConfig,
        generationConfig: checkpoint?.generationConfig,
      },
      { overwrite: true },
    );
  };
}
