/** The kinds of stages and what runs each. */
import type { Stage, StageKind, StageOf } from './recipe.ts';
import type { StageContext, StageOutcome, StageRunner } from './stage.ts';
import { coldStartStage } from './stages/cold-start.ts';
import { distillStage } from './stages/distill.ts';
import { evaluateStage } from './stages/evaluate.ts';
import { grpoStage } from './stages/grpo.ts';
import { mergeDataStage } from './stages/merge-data.ts';
import { pretrainStage } from './stages/pretrain.ts';
import { rejectionSampleStage } from './stages/rejection-sample.ts';
import { sftStage } from './stages/sft.ts';

const runners: { readonly [Kind in StageKind]: StageRunner<StageOf<Kind>> } = {
  pretrain: pretrainStage,
  'cold-start': coldStartStage,
  sft: sftStage,
  grpo: grpoStage,
  'rejection-sample': rejectionSampleStage,
  'merge-data': mergeDataStage,
  distill: distillStage,
  evaluate: evaluateStage,
};

export async function runStage(context: StageContext): Promise<StageOutcome> {
  const run = runners[context.stage.kind] as StageRunner<Stage>;
  return run(context);
}
