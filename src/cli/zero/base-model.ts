/**
 * A small model from nothing, to do reinforcement learning on: a character tokenizer over the task's alphabet, a
 * Llama decoder of random numbers, and pre-training on the task's worked examples. It is written as a Hugging Face
 * folder, so that what follows knows no difference between it and any other checkpoint.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalPolicy } from '../../engine/local-policy.ts';
import { AhaError } from '../../errors.ts';
import { checkConfig, type ModelConfig } from '../../model/config.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import type { Task } from '../../task/task.ts';
import { createCharacterTokenizer } from '../../text/character-tokenizer.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { pretrain } from '../../train/pretrain.ts';
import type { CommandContext } from '../command.ts';
import { exporterForScratch } from '../model/open-model.ts';
import { codecFor } from '../model/prompt-form.ts';
import { scratchSchema, type Recipe, type ScratchSettings } from '../recipe/recipe.ts';
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

function tokenizerFor(task: Task): Tokenizer {
  if (task.alphabet === undefined) {
    throw new AhaError({
      code: 'task-without-alphabet',
      boundary: 'task',
      what: `Task ${task.name} does not say which characters it uses, so that no model can begin from scratch on it`,
      fix: 'Start from a checkpoint, or give the task an alphabet and workedExamples (defineTask).',
    });
  }
  return createCharacterTokenizer({ alphabet: task.alphabet });
}

/** A Llama decoder of the chosen size. Throws `AhaError` (configuration) for sizes that do not fit together. */
export function scratchConfig(settings: ScratchSettings, tokenizer: Tokenizer): ModelConfig {
  const { hiddenSize, heads, layers, contextLength } = settings;
  const headDim = hiddenSize / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new AhaError({
      code: 'scratch-sizes',
      boundary: 'configuration',
      what: 'scratch.heads does not fit scratch.hiddenSize',
      found: `${heads} heads for a width of ${hiddenSize}`,
      expected: 'heads that divide the width into parts of an even size',
    });
  }
  return checkConfig(
    {
      architecture: 'llama',
      vocabularySize: tokenizer.vocabularySize,
      hiddenSize,
      layers,
      heads,
      keyValueHeads: settings.keyValueHeads ?? heads,
      headDim,
      // Three matrices instead of two: 8/3 keeps the size of a plain block of 4 (Shazeer 2020), in steps of 32.
      intermediateSize: settings.intermediateSize ?? Math.ceil((hiddenSize * 8) / 3 / 32) * 32,
      rmsNormEps: 1e-6,
      tieWordEmbeddings: false,
      attentionBias: 'none',
      mlpBias: false,
      queryKeyNorm: false,
      contextLength,
      slidingWindow: null,
      rope: { kind: 'default', theta: 10_000 },
      initializerRange: 0.02,
      bosTokenId: tokenizer.bosId ?? null,
      eosTokenIds: tokenizer.eosIds,
      padTokenId: tokenizer.padId ?? null,
    },
    'the new model',
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
