/**
 * A small model from nothing, to do reinforcement learning on: a character tokenizer over the task's alphabet, a
 * Llama decoder of random numbers, and pre-training on the task's worked examples. It is written as a Hugging Face
 * folder, so that what follows knows no difference between it and any other checkpoint.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalPolicy } from '../../engine/local-policy.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import type { Task } from '../../task/task.ts';
import { pretrain } from '../../train/pretrain.ts';
import type { CommandContext } from '../command.ts';
import { exporterForScratch } from '../model/open-model.ts';
import { scratchConfig, tokenizerFor } from '../model/scratch-model.ts';
import { codecFor } from '../model/prompt-form.ts';
import { scratchSchema, type Recipe } from '../recipe/recipe.ts';
import type { RunFiles, RunLog } from '../runs/run-files.ts';
import { formatCount } from '../terminal/quantities.ts';
import { StepsView } from '../terminal/steps-view.ts';

/** Makes the base model of a run, or finds the one made by an earlier process. Resumes what was interrupted. */
export async function makeBaseModel(
  recipe: Recipe,
  task: Task,
  files: RunFiles,
  log: RunLog,
  { reporter, interruption, clock }: CommandContext,
): Promise<'completed' | 'interrupted'> {
  if (await exists(join(files.base, 'config.json'))) return 'completed';
  const settings = recipe.scratch ?? scratchSchema.parse({});
  const tokenizer = tokenizerFor(task);
  const config = scratchConfig(settings, tokenizer);
  await using runtime = openOnnxRuntime(
    recipe.engine.threads === undefined ? {} : { threads: recipe.engine.threads },
  );
  await using policy = await createLocalPolicy({
    runtime,
    config,
    weights: { seed: recipe.seed },
    microBatchPositions: recipe.engine.microBatchPositions,
    exporter: exporterForScratch(tokenizer),
  });
  const title = `Pre-training a model of ${formatCount(policy.description.parameters)} parameters on worked examples`;
  const view = new StepsView(title, clock, reporter.progressTerminal);
  const shown = reporter.show((size) => view.render(size));
  using _deferred = interruption.defer(
    'Finishing this step, then saving. Press Ctrl-C again to quit at once.',
  );
  try {
    const { reason, loss } = await pretrain({
      policy,
      task,
      codec: codecFor(tokenizer, 'raw', 'the new model'),
      config: settings.pretrain,
      folder: files.pretrain,
      identity: { scratch: settings },
      signal: interruption.signal,
      clock,
      onEvent: (event) => {
        view.handle(event);
        shown?.refresh();
        const line = view.plainLine(event);
        if (line !== undefined && shown === undefined) reporter.line(line);
        if (event.type !== 'pretrain-step') log.append({ time: clock.wall(), stage: 'pretrain', ...event });
      },
    });
    if (reason === 'interrupted') return 'interrupted';
    shown?.close();
    await policy.export(files.base);
    reporter.line(`${title}: done, loss ${loss.toFixed(3)}.`);
    return 'completed';
  } finally {
    shown?.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
