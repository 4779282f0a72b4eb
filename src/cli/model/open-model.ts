/**
 * From what a user calls a model to a policy that is ready: checkpoint (folder, GGUF, Hub, or the folder of a run),
 * tokenizer and local engine, with progress while it is fetched and read.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createLocalPolicy, type LocalPolicy, type PolicyExporter } from '../../engine/local-policy.ts';
import { AhaError, isAhaError } from '../../errors.ts';
import { openCheckpoint, type Checkpoint } from '../../model/checkpoint.ts';
import type { CheckpointFile } from '../../model/checkpoint-file.ts';
import { exportHuggingFace } from '../../model/export.ts';
import { loraConfig, type LoraConfig } from '../../model/lora.ts';
import { exportAdapter, openAdapter } from '../../model/peft.ts';
import type { SafetensorsDtype } from '../../model/safetensors.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import { tokenizerFromGguf } from '../../text/gguf-tokenizer.ts';
import { loadTokenizer } from '../../text/tokenizer-folder.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import type { LoraSettings } from '../../train/model-settings.ts';
import { runFiles } from '../runs/run-files.ts';
import type { Progress, Reporter } from '../terminal/reporter.ts';
import { adapterAt, baseOf } from './adapter-folder.ts';
import { stopWatcher } from './stop-watcher.ts';

export interface EngineSettings {
  readonly threads?: number | undefined;
  readonly contextLength?: number | undefined;
  readonly maxSequences?: number | undefined;
  readonly microBatchPositions?: number | undefined;
  readonly rememberedBytes?: number | undefined;
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
  /** Refuses an adapter, which cannot be trained on by itself. */
  readonly forTraining?: boolean;
  /** The base model of an adapter, if it is not the one that the adapter names. */
  readonly base?: string | undefined;
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
  const path = await resolveRunFolder(name);
  const adapterFolder = await adapterAt(path);
  if (adapterFolder !== undefined && options.forTraining === true) throw adapterToTrain(name);
  const { checkpoint, tokenizer } = await openModelFiles(
    adapterFolder === undefined ? path : baseOf(adapterFolder, options.base),
    options,
  );
  try {
    const adapter =
      adapterFolder === undefined ? undefined : await openAdapter(adapterFolder.folder, checkpoint.config);
    await using _adapter = { [Symbol.asyncDispose]: async () => adapter?.close() };
    const runtime = openOnnxRuntime(
      options.engine?.threads === undefined ? {} : { threads: options.engine.threads },
    );
    try {
      const policy = await loadPolicy(checkpoint, tokenizer, runtime, adapter?.lora, options);
      if (adapter !== undefined) await policy.loadAdapter(adapter.tensors);
      return {
        source: adapterFolder === undefined ? checkpoint.source : `${name} on ${checkpoint.source}`,
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

/** The files of a model alone, with progress while they are fetched. The caller closes the checkpoint. */
export async function openModelFiles(
  name: string,
  options: Pick<OpenModelOptions, 'reporter' | 'signal'>,
): Promise<{ readonly checkpoint: Checkpoint; readonly tokenizer: Tokenizer | AhaError }> {
  const checkpoint = await openWithProgress(name, options);
  try {
    for (const warning of checkpoint.warnings) options.reporter.warn(warning);
    const tokenizer = await tokenizerOf(checkpoint);
    if (tokenizer instanceof Tokenizer) checkVocabulary(checkpoint, tokenizer);
    return { checkpoint, tokenizer };
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
async function openWithProgress(
  name: string,
  { reporter, signal }: Pick<OpenModelOptions, 'reporter' | 'signal'>,
): Promise<Checkpoint> {
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
  adapter: LoraConfig | undefined,
  options: OpenModelOptions,
): Promise<LocalPolicy> {
  const { engine = {}, reporter } = options;
  const lora = options.lora === undefined ? adapter : toLoraConfig(options.lora);
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
      ...(engine.rememberedBytes === undefined ? {} : { rememberedBytes: engine.rememberedBytes }),
      ...(tokenizer instanceof Tokenizer ? { watchStops: stopWatcher(tokenizer) } : {}),
      exporter: exporterFor(checkpoint, modelFiles(checkpoint, tokenizer), options),
    });
  } finally {
    progress.finish();
  }
}

/** What goes with a model beside its weights: tokenizer, template, licence. */
export function modelFiles(
  checkpoint: Pick<Checkpoint, 'files'>,
  tokenizer: Tokenizer | AhaError,
): CheckpointFile[] {
  if (!(tokenizer instanceof Tokenizer)) return [...checkpoint.files];
  const own = new Set(checkpoint.files.map((file) => file.name));
  const more = [...tokenizer.files].filter(([name]) => !own.has(name) && name !== 'generation_config.json');
  return [...checkpoint.files, ...more.map(([name, content]) => ({ name, read: async () => content }))];
}

/** Writes what is trained with everything that came with the checkpoint. */
function exporterFor(
  checkpoint: Pick<Checkpoint, 'path' | 'hub' | 'originalConfig' | 'generationConfig'> | undefined,
  files: readonly CheckpointFile[],
  { exportDtype, overwrite, reporter }: Partial<OpenModelOptions>,
): PolicyExporter {
  return async ({ folder, form, config, lora, tensors: given }) => {
    const list = [...given];
    const progress = reporter?.progress({ label: `Writing ${folder}`, total: list.length, quiet: true });
    let written = 0;
    const tensors = list.map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      read: () => {
        progress?.update(++written);
        return tensor.read();
      },
    }));
    const dtype = exportDtype === undefined ? {} : { dtype: exportDtype };
    const options = { overwrite: overwrite === true };
    try {
      if (form === 'adapter' && lora !== undefined) {
        // As PEFT finds it again: an id of the Hub with its commit, or a path from wherever it is opened.
        const { hub, path } = checkpoint ?? {};
        const base = hub?.repository ?? (path === undefined ? null : resolve(path));
        const adapter = { lora, baseModel: base, revision: hub?.commit, tensors, files, ...dtype };
        await exportAdapter(folder, adapter, options);
        return;
      }
      const { originalConfig, generationConfig } = checkpoint ?? {};
      const contents = { config, tensors, originalConfig, generationConfig, files, ...dtype };
      await exportHuggingFace(folder, contents, options);
    } finally {
      progress?.finish();
    }
  };
}

/** For models that come from no checkpoint. */
export function exporterForScratch(tokenizer: Tokenizer): PolicyExporter {
  return exporterFor(undefined, modelFiles({ files: [] }, tokenizer), {});
}

/** Training begins with a model: rank and targets of an adapter are settled already. */
function adapterToTrain(name: string): AhaError {
  return new AhaError({
    code: 'model-is-adapter',
    boundary: 'configuration',
    what: `${name} is a LoRA adapter, and training needs a whole model to begin with`,
    fix: `Merge it into its base model first: aha export ${name} --to FOLDER`,
  });
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
