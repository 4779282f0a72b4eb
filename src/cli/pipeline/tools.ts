/** What pipelines need from here: models and tasks by name, and what tells them from others. */
import { createLocalPolicy } from '../../engine/local-policy.ts';
import { openDataFiles } from '../../hub/data-files.ts';
import { fingerprintModel } from '../../model/fingerprint.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import type { ModelSize } from '../../train/model-settings.ts';
import { hashOf } from '../../train/pipeline/plan.ts';
import type { PipelineRecipe } from '../../train/pipeline/recipe.ts';
import type { PipelineTools, StageModel } from '../../train/pipeline/stage.ts';
import type { CommandContext } from '../command.ts';
import { openJudge } from '../model/open-judge.ts';
import { openTask } from '../task/open-task.ts';
import { withDownloads } from '../terminal/downloads.ts';
import { hashOfFile, identityOfTask } from './task-identity.ts';
import { exporterForScratch, openModel } from '../model/open-model.ts';
import { chooseForm, codecFor } from '../model/prompt-form.ts';
import { scratchConfig, tokenizerFor } from '../model/scratch-model.ts';

export function pipelineTools(recipe: PipelineRecipe, context: CommandContext): PipelineTools {
  const { reporter, interruption, clock } = context;
  const { signal } = interruption;
  const { engine } = recipe;
  const dataFiles = async (reference: string) =>
    withDownloads(context, async (hub) => (await openDataFiles(reference, { split: 'train' }, hub)).files);
  return {
    clock,
    signal,
    openJudge,
    openModel: async (path, { seed, lora }) =>
      openModel(path, { reporter, engine, lora, seed, overwrite: true, signal }),
    async createModel(size: ModelSize, task, seed) {
      const tokenizer = tokenizerFor(task);
      const config = scratchConfig(size, tokenizer);
      const runtime = openOnnxRuntime(engine.threads === undefined ? {} : { threads: engine.threads });
      try {
        const policy = await createLocalPolicy({
          runtime,
          config,
          weights: { seed },
          maxSequences: engine.maxSequences,
          microBatchPositions: engine.microBatchPositions,
          ...(engine.rememberedBytes === undefined ? {} : { rememberedBytes: engine.rememberedBytes }),
          exporter: exporterForScratch(tokenizer),
        });
        return {
          source: 'a new model',
          policy,
          tokenizer: () => tokenizer,
          async [Symbol.asyncDispose]() {
            await policy.dispose();
            await runtime[Symbol.asyncDispose]();
          },
        };
      } catch (error) {
        await runtime[Symbol.asyncDispose]();
        throw error;
      }
    },
    loadTask: async (name, options, seed) => openTask(name, { options, seed, check: false }, context),
    async pose(task, model, asked) {
      const form = await formOf(recipe, asked, model);
      return { task: task.configure({ form }), codec: codecFor(model.tokenizer(), form, model.source) };
    },
    identify: async (outside, product) =>
      product === 'model' ? fingerprintModel(outside, { signal }) : hashOfFiles(await dataFiles(outside)),
    dataFiles,
    async taskIdentity(name, options) {
      // Checked here, once, before anything is made.
      const task = await openTask(name, { options }, context);
      for (const note of task.notes) reporter.note(note);
      return identityOfTask(task, name, options);
    },
  };
}

/** Models that come out of a `pretrain` stage speak in raw prompts. */
async function formOf(recipe: PipelineRecipe, asked: PipelineRecipe['prompt'], model: StageModel) {
  if (asked === 'auto' && [...recipe.stages.values()].some(({ kind }) => kind === 'pretrain')) return 'raw';
  return chooseForm(asked, model.source, model.tokenizer());
}

async function hashOfFiles(paths: readonly string[]): Promise<string> {
  const hashes = await Promise.all(paths.map(hashOfFile));
  return hashes.length === 1 ? hashes[0]! : hashOf(hashes);
}
