/** Supervised fine-tuning of a model on the data of earlier stages or of files. */
import { join } from 'node:path';
import { loraOf } from '../../model-settings.ts';
import { trainSft } from '../../sft.ts';
import type { SftConfig } from '../../sft-config.ts';
import { loadStageData } from '../data.ts';
import type { StageOf } from '../recipe.ts';
import type { StageContext, StageModel, StageOutcome } from '../stage.ts';
import { exported } from './exported.ts';

export async function sftStage(context: StageContext<StageOf<'sft'>>): Promise<StageOutcome> {
  const { stage, seed, tools } = context;
  await using model = await tools.openModel(context.modelPath('model'), { seed, lora: loraOf(stage) });
  return await fineTune(context, model, { ...stage.settings, seed }, context.dataFiles);
}

/** Fine-tunes an open model on files of rows; the outcome of the stage. */
export async function fineTune(
  context: StageContext,
  model: StageModel,
  config: SftConfig,
  files: readonly string[],
  facts: Readonly<Record<string, unknown>> = {},
): Promise<StageOutcome> {
  const { tools, work, emit } = context;
  const data = await loadStageData(context, model, config, files);
  const { reason, steps } = await trainSft({
    policy: model.policy,
    data,
    config,
    folder: join(work, 'run'),
    clock: tools.clock,
    ...(tools.signal === undefined ? {} : { signal: tools.signal }),
    onEvent: (event) => emit({ type: 'learn', event }),
  });
  if (reason === 'interrupted') return { reason };
  return exported(context, model, {
    ...facts,
    steps,
    rows: data.counts.rows,
    badRows: data.counts.bad,
    examples: data.train.length,
    heldOutExamples: data.heldOut.length,
  });
}
