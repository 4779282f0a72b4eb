/** Reinforcement learning of a model on the stage's task. */
import { join } from 'node:path';
import { trainGrpo } from '../../grpo.ts';
import { loraOf } from '../../model-settings.ts';
import { withRewardParts } from '../../reward-parts.ts';
import type { StageOf } from '../recipe.ts';
import type { StageContext, StageOutcome } from '../stage.ts';
import { exported } from './exported.ts';

export async function grpoStage(context: StageContext<StageOf<'grpo'>>): Promise<StageOutcome> {
  const { stage, seed, tools, work, emit } = context;
  const lora = loraOf(stage);
  await using model = await tools.openModel(context.modelPath('model'), { seed, lora });
  const { task, codec } = await context.posed(model);
  const { reason, steps } = await trainGrpo({
    policy: model.policy,
    task: withRewardParts(task, stage.reward, tools.openJudge),
    codec,
    config: { ...stage.settings, seed },
    folder: join(work, 'run'),
    identity: { lora: stage.lora, reward: stage.reward },
    clock: tools.clock,
    ...(tools.signal === undefined ? {} : { signal: tools.signal }),
    onEvent: (event) => emit({ type: 'grpo', event }),
  });
  if (reason === 'interrupted') return { reason };
  return await exported(context, model, { steps });
}
