/** What pipelines need from here: models and tasks by name, and what tells them from others. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createLocalPolicy } from '../../engine/local-policy.ts';
import { AhaError } from '../../errors.ts';
import { openDataFiles } from '../../hub/data-files.ts';
import { fingerprintModel } from '../../model/fingerprint.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import type { Split } from '../../task/problem.ts';
import { builtInTasks } from '../../task/load.ts';
import type { Task } from '../../task/task.ts';
import type { ModelSize } from '../../train/model-settings.ts';
import { hashOf } from '../../train/pipeline/plan.ts';
import type { PipelineRecipe } from '../../train/pipeline/recipe.ts';
import type { PipelineTools, StageModel } from '../../train/pipeline/stage.ts';
import { storageError } from '../../util/files.ts';
import type { CommandContext } from '../command.ts';
import { openJudge } from '../model/open-judge.ts';
import { openTask } from '../task/open-task.ts';
import { withDownloads } from '../terminal/downloads.ts';
import { exporterForScratch, openModel } from '../model/open-model.ts';
import { chooseForm, codecFor } from '../model/prompt-form.ts';
import { scratchConfig, tokenizerFor } from '../model/scratch-model.ts';

/** Problems of each split whose text tells a task from another. */
const fingerprintedProblems = 200;

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
      return hashOf({
        name: task.name,
        builtIn: Object.hasOwn(builtInTasks, name),
        options,
        problems: problemsOf(task),
      });
    },
  };
}

/** Models that come out of a `pretrain` stage speak in raw prompts. */
async function formOf(recipe: PipelineRecipe, asked: PipelineRecipe['prompt'], model: StageModel) {
  if (asked === 'auto' && [...recipe.stages.values()].some(({ kind }) => kind === 'pretrain')) return 'raw';
  return chooseForm(asked, model.source, model.tokenizer());
}

/** The texts of the first problems of both splits, hashed. */
function problemsOf(task: Task): string {
  const hash = createHash('sha256');
  for (const split of ['train', 'heldOut'] satisfies Split[]) {
    for (const level of task.levels) {
      const count = Math.min(task.size(split, level), fingerprintedProblems);
      for (let index = 0; index < count; index++) {
        const problem = task.problem({ split, index, level });
        hash.update(JSON.stringify([split, level, problem.prompt, problem.answer ?? null]));
      }
    }
  }
  return hash.digest('hex');
}

async function hashOfFiles(paths: readonly string[]): Promise<string> {
  const hashes = await Promise.all(paths.map(hashOfFile));
  return hashes.length === 1 ? hashes[0]! : hashOf(hashes);
}

async function hashOfFile(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isFile()) {
      throw new AhaError({
        code: 'data-not-a-file',
        boundary: 'data',
        what: `${path} is no file of rows`,
        expected: 'a .jsonl or .parquet file',
      });
    }
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
}
