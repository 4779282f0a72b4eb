/** A pipeline with its views: which stage is under way, how it goes, and a table of what each has contributed. */
import { join } from 'node:path';
import { AhaError, describeError } from '../../errors.ts';
import { parsePipeline, type PipelineRecipe } from '../../train/pipeline/recipe.ts';
import { type PipelineEvent, type PipelineResult, runPipeline } from '../../train/pipeline/run-pipeline.ts';
import type { StageEvent } from '../../train/pipeline/stage.ts';
import { writeFileAtomic } from '../../util/files.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { commandLine } from '../command-line.ts';
import { parseSetting, readConfigFile, setAt, type ConfigValue } from '../recipe/config-file.ts';
import { formatDuration } from '../terminal/quantities.ts';
import { StageView } from './stage-view.ts';
import { stageTable } from './stage-table.ts';
import { pipelineTools } from './tools.ts';

export const recipeFile = 'pipeline.json';

const stopMessage = 'Finishing this step, then saving. Press Ctrl-C again to quit at once.';

export interface PipelineFlags {
  readonly output?: string;
  readonly set?: readonly string[];
  readonly threads?: number;
  readonly seed?: number | string;
}

/** The recipe in `path` with what flags change. */
export async function readPipeline(
  path: string,
  flags: PipelineFlags,
): Promise<{ readonly value: ConfigValue; readonly recipe: PipelineRecipe }> {
  const value = await readConfigFile(path);
  for (const setting of flags.set ?? []) {
    const { path: at, value: to } = parseSetting(setting);
    setAt(value, at, to);
  }
  if (flags.threads !== undefined) setAt(value, ['engine', 'threads'], flags.threads);
  if (flags.seed !== undefined) setAt(value, ['seed'], flags.seed);
  return { value, recipe: parsePipeline(value, path) };
}

export async function runPipelineCommand(
  path: string,
  flags: PipelineFlags,
  words: readonly string[],
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter, clock, interruption } = context;
  const { value, recipe } = await readPipeline(path, flags);
  const folder = flags.output ?? join('runs', recipe.name);
  const start = clock.monotonic();
  using _deferred = interruption.defer(stopMessage);
  let view: StageView | undefined;
  let result: PipelineResult;
  const again = commandLine([
    ...words,
    path,
    ...(flags.output === undefined ? [] : ['--output', flags.output]),
    ...(flags.set ?? []).flatMap((setting) => ['--set', setting]),
  ]);
  try {
    result = await runPipeline({
      recipe,
      folder,
      tools: pipelineTools(recipe, context),
      onEvent: (event) => {
        view = show(event, view, context);
        if (event.type === 'plan') void writeRecipe(folder, value, reporter);
      },
    });
  } catch (error) {
    view?.close();
    if (error instanceof AhaError && typeof error.fields['stage'] === 'string')
      reporter.note(`To go on: ${again}`);
    throw error;
  } finally {
    view?.close();
  }
  const seconds = (clock.monotonic() - start) / 1000;
  reporter.line();
  reporter.lines(
    stageTable(recipe, new Map(result.stages.map(({ name, status }) => [name, status])), reporter.terminal),
  );
  reporter.line();
  if (result.reason === 'completed') {
    reporter.line(`Done in ${formatDuration(seconds)}. Everything is in ${folder}.`);
  } else if (result.reason === 'stopped') {
    reporter.line(`Stopped at a gate. ${result.explanation}`);
    reporter.line(
      'Change the recipe and run the same command again: only what depends on the change is run.',
    );
  } else {
    reporter.line('Stopped and saved. To go on:');
    reporter.line(`  ${again}`);
  }
  return {
    result: {
      run: folder,
      reason: result.reason,
      seconds,
      stages: result.stages.map(({ name, artifact, status }) => ({
        name,
        artifact: artifact.folder,
        key: artifact.key,
        digest: artifact.digest,
        seconds: status.seconds,
        measures: status.measures ?? null,
        facts: status.facts ?? {},
      })),
      ...(result.explanation === undefined ? {} : { explanation: result.explanation }),
      ...(result.reason === 'interrupted' ? { resume: again } : {}),
    },
    ...(result.reason === 'stopped' ? { exitCode: 1 } : {}),
  };
}

/** For `aha pipeline show FOLDER`: what was asked for, flags included. */
async function writeRecipe(
  folder: string,
  value: ConfigValue,
  reporter: CommandContext['reporter'],
): Promise<void> {
  try {
    await writeFileAtomic(join(folder, recipeFile), `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    reporter.warn(describeError(error));
  }
}

function show(
  event: PipelineEvent,
  view: StageView | undefined,
  context: CommandContext,
): StageView | undefined {
  const { reporter } = context;
  switch (event.type) {
    case 'plan':
      return view;
    case 'warning':
      reporter.warn(event.message);
      return view;
    case 'stage-start':
      return new StageView(event.stage, event.known, context);
    case 'stage-event':
      view?.handle(event.event satisfies StageEvent);
      return view;
    case 'stage-end':
      view?.end(event.status);
      return undefined;
  }
}
