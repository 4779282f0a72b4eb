/** `aha pipeline show`: the graph of a pipeline with states, times and scores. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { planPipeline } from '../../train/pipeline/plan.ts';
import { PipelineStatus, type StageStatus } from '../../train/pipeline/status.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { readPipeline, recipeFile, type PipelineFlags } from './run.ts';
import { stageGraph, stageTable } from './stage-table.ts';
import { pipelineTools } from './tools.ts';

/** `name` is a recipe or the folder of a run. */
export async function showPipeline(
  name: string,
  flags: PipelineFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter } = context;
  const isFolder = await stat(name).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const { recipe } = await readPipeline(isFolder ? join(name, recipeFile) : name, flags);
  const folder = isFolder ? name : (flags.output ?? join('runs', recipe.name));
  const plan = await planPipeline(recipe, pipelineTools(recipe, context));
  const status = await PipelineStatus.read(folder);
  const known = new Map<string, StageStatus>();
  for (const { name: stage, key } of plan) {
    const own = status.of(stage, key);
    if (own !== undefined) known.set(stage, own);
  }
  reporter.lines(stageGraph(recipe, known, reporter.terminal));
  reporter.line();
  reporter.lines(stageTable(recipe, known, reporter.terminal));
  return {
    result: {
      run: folder,
      stages: plan.map(({ name: stage, stage: { kind }, key, inputs }) => ({
        name: stage,
        kind,
        key,
        inputs: inputs.map((input) => ('stage' in input ? input.stage : input.outside)),
        state: known.get(stage)?.state ?? 'waiting',
        seconds: known.get(stage)?.seconds ?? null,
        measures: known.get(stage)?.measures ?? null,
      })),
    },
  };
}
