/**
 * Writes a model in the layout of Hugging Face, wherever it comes from. What needs no engine (a folder, a GGUF file)
 * is copied tensor by tensor; checkpoints of runs and adapters are loaded as they would be to go on with them.
 */
import { readdir } from 'node:fs/promises';
import { AhaError } from '../../errors.ts';
import { expectedTensors } from '../../model/checkpoint.ts';
import { exportHuggingFace } from '../../model/export.ts';
import { storageError } from '../../util/files.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { commandLine } from '../command-line.ts';
import type { ExportFlags } from '../commands/export.ts';
import { adapterAt } from '../model/adapter-folder.ts';
import { modelFiles, openModel, openModelFiles } from '../model/open-model.ts';
import { loraOf } from '../../train/model-settings.ts';
import { runFiles } from '../runs/run-files.ts';
import { formatCount } from '../terminal/quantities.ts';
import { baseModelOf, chooseCheckpoint, exists, type NamedRun, runNamed } from './run-checkpoint.ts';

interface Exported {
  readonly source: string;
  readonly parameters: number;
  /** Of a run. */
  readonly checkpoint?: string;
}

export async function exportModel(
  name: string,
  flags: ExportFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter } = context;
  await checkTarget(flags);
  const run = await runNamed(name, flags.checkpoint);
  if (run === undefined && flags.checkpoint !== undefined) {
    throw new AhaError({
      code: 'not-a-run',
      boundary: 'configuration',
      what: `${name} is not the folder of a run, so that it has no checkpoints`,
      found: `--checkpoint ${flags.checkpoint}`,
      fix: 'Leave --checkpoint out.',
    });
  }
  const { source, parameters, checkpoint } =
    run === undefined ? await exportGiven(name, flags, context) : await exportRun(run, flags, context);
  const form = flags.adapter === true ? 'adapter' : 'merged';
  const what = `${form === 'adapter' ? 'The adapter' : 'The model'} of ${formatCount(parameters)} parameters`;
  reporter.line(`${what} is in ${flags.to}.`);
  if (form === 'merged') {
    reporter.line(`Ask it: ${commandLine(['sample', flags.to])}`);
  }
  return {
    result: {
      model: flags.to,
      form,
      source,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      dtype: flags.dtype ?? 'f32',
      parameters,
    },
  };
}

/** A model that is a model already: a folder, a GGUF file, the Hub, or a PEFT adapter to be merged. */
async function exportGiven(name: string, flags: ExportFlags, context: CommandContext): Promise<Exported> {
  const adapter = await adapterAt(name);
  if (adapter !== undefined) return exportLoaded(name, flags, context);
  if (flags.base !== undefined) {
    throw new AhaError({
      code: 'not-an-adapter',
      boundary: 'configuration',
      what: `${name} is not an adapter, so that it has no base model`,
      found: `--base ${flags.base}`,
      fix: 'Leave --base out.',
    });
  }
  if (flags.adapter === true) throw noAdapter(name);
  return copyModel(name, flags, context);
}

/** Tensor by tensor, without an engine. */
async function copyModel(name: string, flags: ExportFlags, context: CommandContext): Promise<Exported> {
  const { reporter, interruption } = context;
  const { checkpoint, tokenizer } = await openModelFiles(name, {
    reporter,
    signal: interruption.signal,
  });
  const names = expectedTensors(checkpoint.config);
  const progress = reporter.progress({ label: `Writing ${flags.to}`, total: names.length, quiet: true });
  try {
    let written = 0;
    const tensors = names.map(({ name: tensor, shape }) => ({
      name: tensor,
      shape,
      read: async () => {
        const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
        await checkpoint.tensor(tensor).readInto(values);
        progress.update(++written);
        return values;
      },
    }));
    const { config, originalConfig, generationConfig } = checkpoint;
    await exportHuggingFace(
      flags.to,
      {
        config,
        tensors,
        originalConfig,
        generationConfig,
        files: modelFiles(checkpoint, tokenizer),
        ...(flags.dtype === undefined ? {} : { dtype: flags.dtype }),
      },
      { overwrite: flags.force === true },
    );
  } finally {
    progress.finish();
    await checkpoint.close();
  }
  const parameters = names.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { source: checkpoint.source, parameters };
}

/** The state of a run at one of its checkpoints; the model that it has written where no checkpoint is left. */
async function exportRun(run: NamedRun, flags: ExportFlags, context: CommandContext): Promise<Exported> {
  const { reporter } = context;
  const lora = loraOf(run.stored.recipe);
  if (flags.adapter === true && lora === undefined) throw noAdapter(run.folder);
  const base = flags.base ?? (await baseModelOf(run));
  const checkpoint = await chooseCheckpoint(run, (name, reason) => {
    reporter.warn(`the checkpoint ${name} is passed over: ${reason}`);
  });
  if (checkpoint !== undefined) {
    const exported = await exportLoaded(base, flags, context, { run, state: checkpoint.folder });
    return { ...exported, source: run.folder, checkpoint: checkpoint.name };
  }
  const files = runFiles(run.folder);
  if (await exists(files.model)) {
    return flags.adapter === true
      ? exportLoaded(files.adapter, flags, context)
      : copyModel(files.model, flags, context);
  }
  throw new AhaError({
    code: 'run-has-no-checkpoint',
    boundary: 'model',
    what: `The run in ${run.folder} has saved no checkpoint yet`,
    expected: files.folder,
    fix: `Its model is still the one that it began with: ${commandLine(['export', base, '--to', flags.to])}`,
  });
}

/** Through the engine: adapters, and states of runs. */
async function exportLoaded(
  name: string,
  flags: ExportFlags,
  { reporter, interruption }: CommandContext,
  saved?: { readonly run: NamedRun; readonly state: string },
): Promise<Exported> {
  const recipe = saved?.run.stored.recipe;
  await using model = await openModel(name, {
    reporter,
    engine: { threads: flags.threads },
    lora: recipe === undefined ? undefined : loraOf(recipe),
    ...(recipe === undefined ? {} : { seed: recipe.seed }),
    base: saved === undefined ? flags.base : undefined,
    exportDtype: flags.dtype,
    overwrite: flags.force === true,
    signal: interruption.signal,
  });
  const { policy } = model;
  if (saved !== undefined) await policy.load(`${saved.state}/policy`);
  const form = flags.adapter === true ? 'adapter' : 'merged';
  await policy.export(flags.to, { form });
  const { parameters, trainableParameters } = policy.description;
  const adapters = policy.lora === undefined ? 0 : trainableParameters;
  return { source: model.source, parameters: form === 'adapter' ? adapters : parameters - adapters };
}

/** Said before minutes are spent on the model. The export checks again when it writes. */
async function checkTarget({ to, force }: ExportFlags): Promise<void> {
  let names: string[];
  try {
    names = await readdir(to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw storageError(`Could not export to ${to}`, error);
  }
  if (names.length === 0) return;
  const isModel = names.includes('config.json') || names.includes('adapter_config.json');
  if (isModel && force === true) return;
  throw new AhaError({
    code: 'export-exists',
    boundary: 'configuration',
    what: isModel ? `${to} holds a model already` : `${to} is not empty`,
    found: names.slice(0, 5),
    expected: 'an empty folder, or one that does not exist',
    fix: isModel ? 'Choose another folder, or replace that model with --force.' : 'Choose another folder.',
  });
}

function noAdapter(name: string): AhaError {
  return new AhaError({
    code: 'export-no-adapter',
    boundary: 'configuration',
    what: `There is no adapter in ${name}: its weights are those of a whole model`,
    found: '--adapter',
    fix: 'Leave --adapter out. Adapters come from runs with --lora.',
  });
}
