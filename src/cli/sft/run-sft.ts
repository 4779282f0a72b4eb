/** A run of `aha train sft`. A folder that holds an interrupted run of the same recipe goes on with it. */
import { chatTemplateOf } from '../../text/chat-template.ts';
import { type ExampleData, loadExampleData } from '../../train/example-data.ts';
import { createExampleEncoder } from '../../train/example-encoder.ts';
import { trainSft } from '../../train/sft.ts';
import type { CommandContext } from '../command.ts';
import { openDataFiles } from '../../hub/data-files.ts';
import { openTask } from '../task/open-task.ts';
import { withDownloads } from '../terminal/downloads.ts';
import { type OpenModel, openModel } from '../model/open-model.ts';
import { chooseForm, codecFor } from '../model/prompt-form.ts';
import { loraOf } from '../../train/model-settings.ts';
import type { SftRecipe } from '../recipe/sft-recipe.ts';
import { type StoredRecipe, writeStoredRecipe } from '../runs/run-files.ts';
import { formatCount } from '../terminal/quantities.ts';
import { type LearnOutcome, learnRun, trainedSize } from './learn-run.ts';

export async function runSft(
  folder: string,
  stored: StoredRecipe<'train sft'>,
  context: CommandContext,
): Promise<LearnOutcome> {
  const { recipe } = stored;
  const { reporter, interruption } = context;
  const files = recipe.data;
  await using model = await openModel(recipe.model, {
    reporter,
    engine: recipe.engine,
    lora: loraOf(recipe),
    seed: recipe.seed,
    overwrite: true,
    forTraining: true,
    signal: interruption.signal,
  });
  const task = await taskOf(recipe, model, context);
  const data = await dataOf(files, recipe, model, context);
  for (const note of data.notes) reporter.warn(note);
  // Only now: what cannot be trained leaves no folder behind.
  await writeStoredRecipe(folder, stored);
  const {
    model: _m,
    data: _d,
    task: _t,
    taskOptions: _o,
    prompt,
    templateVariables,
    lora,
    engine: _e,
    ...config
  } = recipe;
  const title = `Fine-tuning ${model.source} (${trainedSize(model)}) on ${formatCount(data.train.length)} examples, in ${folder}`;
  const outcome = await learnRun({
    folder,
    title,
    model,
    context,
    train: async (options) =>
      trainSft({
        policy: model.policy,
        data,
        config,
        folder,
        ...(task === undefined ? {} : { task }),
        identity: { model: recipe.model, lora, prompt, templateVariables },
        ...options,
      }),
  });
  const { rows, bad, tooLong } = data.counts;
  return {
    ...outcome,
    counts: {
      rows,
      badRows: bad,
      tooLong,
      examples: data.train.length,
      heldOutExamples: data.heldOut.length,
    },
  };
}

/** The examples of a recipe as the model's own tokens; those of the Hub are downloaded. */
export async function dataOf(
  data: readonly string[],
  recipe: Omit<SftRecipe, 'data'>,
  model: OpenModel,
  context: CommandContext,
): Promise<ExampleData> {
  const tokenizer = model.tokenizer();
  const template = chatTemplateOf(tokenizer);
  const { templateVariables } = recipe;
  const { createPromptCodec } = await import('../../train/prompt-codec.ts');
  const encode = createExampleEncoder({
    tokenizer,
    codec: createPromptCodec(tokenizer, { template, templateVariables }),
    template,
    templateVariables,
    learn: recipe.learn,
  });
  const { contextLength } = model.policy.capabilities;
  const files = await withDownloads(context, async (hub) => {
    const found: string[] = [];
    for (const one of data) found.push(...(await openDataFiles(one, { split: 'train' }, hub)).files);
    return found;
  });
  return loadExampleData({ files, encode, config: recipe, contextLength });
}

/** The task that measures accuracy, put to this model. */
export async function taskOf(
  recipe: Pick<SftRecipe, 'task' | 'taskOptions' | 'seed' | 'prompt' | 'model'>,
  model: OpenModel,
  context: CommandContext,
) {
  if (recipe.task === undefined) return undefined;
  const task = await openTask(
    recipe.task,
    { options: recipe.taskOptions, seed: recipe.seed, check: false },
    context,
  );
  const form = await chooseForm(recipe.prompt, recipe.model, model.tokenizer());
  return { task: task.configure({ form }), codec: codecFor(model.tokenizer(), form, model.source) };
}
