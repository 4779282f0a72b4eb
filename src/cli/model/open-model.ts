/**
 * From what a user calls a model to a policy that is ready: checkpoint (folder, GGUF, Hub, or the folder of a run),
 * tokenizer and local engine, with progress while it is fetched and read.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalPolicy, type LocalPolicy, type PolicyExporter } from '../../engine/local-policy.ts';
import { AhaError, isAhaError } from '../../errors.ts';
import { openCheckpoint, type Checkpoint } from '../../model/checkpoint.ts';
import { exportHuggingFace } from '../../model/export.ts';
import { loraConfig, type LoraConfig } from '../../model/lora.ts';
import { exportAdapter } from '../../model/peft.ts';
import type { SafetensorsDtype } from '../../model/safetensors.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import { tokenizerFromGguf } from '../../text/gguf-tokenizer.ts';
import { loadTokenizer } from '../../text/tokenizer-folder.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import type { LoraSettings } from '../recipe/recipe.ts';
import { runFiles } from '../runs/run-files.ts';
import type { Progress, Reporter } from '../terminal/reporter.ts';
import { stopWatcher } from './stop-watcher.ts';

export interface EngineSettings {
  readonly threads?: number | undefined;
  readonly contextLength?: number | undefined;
  readonly maxSequences?: number | undefined;
  readonly microBatchPositions?: number | undefined;
}

export interface OpenModelOptions {
  readonly reporter: Reporter;
  readonly engine?: EngineSettings;
  readonly lora?: LoraSettings | undefined;
  /** Names the stream that adapters are drawn from. */
  readonly seed?: number | string;
  /** Of what is exported. Default f32. */
  readonly exportDtype?: SafetensorsDtype | undefined;
  /** Whether an export replaces a model that is there already. */
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenModel extends AsyncDisposable {
  /** For people: a path, or a Hub id with its commit. */
  readonly source: string;
  readonly checkpoint: Checkpoint;
  /** Throws `AhaError` (tokenizer-missing) for a model that comes without one: it knows ids, but no text. */
  tokenizer(): Tokenizer;
  readonly hasTokenizer: boolean;
  readonly policy: LocalPolicy;
}

/**
 * Opens the model called `name`. The folder of a run stands for the model that the run has made.
 * Throws `AhaError` for everything that can be wrong with a model.
 */
export async function openModel(name: string, options: OpenModelOptions): Promise<OpenModel> {
  const { reporter } = options;
  const path = await resolveRunFolder(name);
  const checkpoint = await openWithProgress(path, options);
  try {
    for (const warning of checkpoint.warnings) reporter.warn(warning);
    const tokenizer = await tokenizerOf(checkpoint);
    if (tokenizer instanceof Tokenizer) checkVocabulary(checkpoint, tokenizer);
    const runtime = openOnnxRuntime(
      options.engine?.threads === undefined ? {} : { threads: options.engine.threads },
    );
    try {
      const policy = await loadPolicy(checkpoint, tokenizer, runtime, options);
      return {
        source: checkpoint.source,
        checkpoint,
        tokenizer() {
          if (tokenizer instanceof Tokenizer) return tokenizer;
          throw tokenizer;
        },
        hasTokenizer: tokenizer instanceof Tokenizer,
        policy,
        async [Symbol.asyncDispose]() {
          await policy.dispose();
          await runtime[Symbol.asyncDispose]();
          await checkpoint.close();
        },
      };
    } catch (error) {
      await runtime[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** The model that a run has made, if `name` is the folder of a run; otherwise `name` itself. */
export async function resolveRunFolder(name: string): Promise<string> {
  const files = runFiles(name);
  const isRun = await stat(files.recipe).then(
    (entry) => entry.isFile(),
    () => false,
  );
  if (!isRun) return name;
  const made = await readdir(files.model).catch((): string[] => []);
  if (made.includes('config.json')) return files.model;
  throw new AhaError({
    code: 'run-has-no-model',
    boundary: 'model',
    what: `The run in ${name} has not written its model yet`,
    found: 'a run that is not finished',
    expected: files.model,
    fix: `Finish it, or write the model of its latest checkpoint: aha export ${name} --to ${join(name, 'model')}`,
  });
}

/** LoRA settings as the engine takes them. */
export function toLoraConfig(settings: LoraSettings): LoraConfig {
  const { alpha, ...rest } = settings;
  return loraConfig({ ...rest, ...(alpha === undefined ? {} : { alpha }) });
}

/** The checkpoint's tokenizer, or the error that says that it has none. */
async function tokenizerOf(checkpoint: Checkpoint): Promise<Tokenizer | AhaError> {
  const { ggufMetadata, path } = checkpoint;
  if (ggufMetadata !== undefined) return tokenizerFromGguf(Object.fromEntries(ggufMetadata), path);
  try {
    return await loadTokenizer(path);
  } catch (error) {
    if (isAhaError(error, 'tokenizer-missing')) return error;
    throw error;
  }
}

/** Bars appear with the first byte: a model that is cached needs none. */
async function openWithProgress(name: string, { reporter, signal }: OpenModelOptions): Promise<Checkpoint> {
  let progress: Progress | undefined;
  try {
    const checkpoint = await openCheckpoint(name, {
      hub: {
        ...(signal === undefined ? {} : { signal }),
        onProgress: ({ allBytesDone, allBytesTotal }) => {
          progress ??= reporter.progress({
            label: `Downloading ${name}`,
            total: allBytesTotal,
            unit: 'bytes',
            done: allBytesDone,
          });
          progress.update(allBytesDone, allBytesTotal);
        },
      },
    });
    progress?.finish(`Downloaded ${checkpoint.source}`);
    return checkpoint;
  } catch (error) {
    progress?.finish();
    throw error;
  }
}

async function loadPolicy(
  checkpoint: Checkpoint,
  tokenizer: Tokenizer | AhaError,
  runtime: ReturnType<typeof openOnnxRuntime>,
  options: OpenModelOptions,
): Promise<LocalPolicy> {
  const { engine = {}, reporter } = options;
  const lora = options.lora === undefined ? undefined : toLoraConfig(options.lora);
  const progress = reporter.progress({
    label: `Loading ${checkpoint.source}`,
    total: checkpoint.tensorNames.length,
    quiet: true,
  });
  let read = 0;
  try {
    return await createLocalPolicy({
      runtime,
      config: checkpoint.config,
      weights: {
        read: async (name, into) => {
          options.signal?.throwIfAborted();
          await checkpoint.tensor(name).readInto(into);
          progress.update(++read);
        },
      },
      ...(lora === undefined ? {} : { lora }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(engine.contextLength === undefined ? {} : { contextLength: engine.contextLength }),
      ...(engine.maxSequences === undefined ? {} : { maxSequences: engine.maxSequences }),
      ...(engine.microBatchPositions === undefined
        ? {}
        : { microBatchPositions: engine.microBatchPositions }),
      ...(tokenizer instanceof Tokenizer ? { watchStops: stopWatcher(tokenizer) } : {}),
      exporter: exporterFor(
        checkpoint,
        tokenizer instanceof Tokenizer ? tokenizer.files : new Map(),
        options,
      ),
    });
  } finally {
    progress.finish();
  }
}

/** Writes what is trained with everything that came with the checkpoint: tokenizer, template, licence. */
function exporterFor(
  checkpoint: Pick<Checkpoint, 'source' | 'files' | 'originalConfig' | 'generationConfig'>,
  tokenizerFiles: Tokenizer['files'],
  { exportDtype, overwrite }: Pick<OpenModelOptions, 'exportDtype' | 'overwrite'>,
): PolicyExporter {
  return async ({ folder, form, config, lora, tensors }) => {
    const own = new Set(checkpoint.files.map((file) => file.name));
    const files = [
      ...checkpoint.files,
      ...[...tokenizerFiles]
        .filter(([name]) => !own.has(name) && name !== 'generation_config.json')
        .map(([name, content]) => ({ name, read: async () => content })),
    ];
    const dtype = exportDtype === undefined ? {} : { dtype: exportDtype };
    const options = { overwrite: overwrite === true };
    if (form === 'adapter' && lora !== undefined) {
      const adapter = { lora, baseModel: checkpoint.source, tensors: [...tensors], files, ...dtype };
      await exportAdapter(folder, adapter, options);
      return;
    }
    const { originalConfig, generationConfig } = checkpoint;
    const contents = { config, tensors: [...tensors], originalConfig, generationConfig, files, ...dtype };
    await exportHuggingFace(folder, contents, options);
  };
}

/** For models that come from no checkpoint. */
export function exporterForScratch(tokenizer: Tokenizer): PolicyExporter {
  const nothing = { source: 'scratch', files: [], originalConfig: undefined, generationConfig: undefined };
  return exporterFor(nothing, tokenizer.files, {});
}

/** A tokenizer that knows more tokens than the model has embeddings belongs to another model. */
function checkVocabulary(checkpoint: Checkpoint, tokenizer: Tokenizer): void {
  const { vocabularySize } = checkpoint.config;
  if (tokenizer.vocabularySize <= vocabularySize) return;
  throw new AhaError({
    code: 'tokenizer-too-large',
    boundary: 'model',
    what: `The tokenizer of ${checkpoint.source} has more tokens than the model has embeddings`,
    found: tokenizer.vocabularySize,
    expected: `at most ${vocabularySize}`,
    fix: 'Tokenizer and weights are of different models: download both again.',
  });
}
