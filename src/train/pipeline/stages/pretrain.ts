/** A small model from nothing: random numbers, trained on the task's worked examples. */
import { join } from 'node:path';
import { pretrain } from '../../pretrain.ts';
import type { StageOf } from '../recipe.ts';
import type { StageContext, StageOutcome } from '../stage.ts';
import { exported } from './exported.ts';

export async function pretrainStage(context: StageContext<StageOf<'pretrain'>>): Promise<StageOutcome> {
  const { stage, seed, tools, work, emit } = context;
  await using model = await tools.createModel(stage.size, await context.task(), seed);
  const { task, codec } = await context.posed(model);
  const { reason, steps } = await pretrain({
    policy: model.policy,
    task,
    codec,
    config: { ...stage.settings, seed },
    folder: join(work, 'run'),
    identity: { size: stage.size },
    clock: tools.clock,
    ...(tools.signal === undefined ? {} : { signal: tools.signal }),
    onEvent: (event) => emit({ type: 'pretrain', event }),
  });
  if (reason === 'interrupted') return { reason };
  return await exported(context, model, { steps });
}
