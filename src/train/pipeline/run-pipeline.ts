/**
 * Runs a plan: stage after stage, each once. A stage whose artifact is there is not run again; one that was interrupted
 * or killed goes on where it was; one that fails leaves the artifacts of the others as they are. Behind each stage that
 * makes a model, the model is measured on held-out problems, and the stage's gate decides whether the pipeline goes on.
 */
import { join } from 'node:path';
import { AhaError, describeError } from '../../errors.ts';
import { lockRun } from '../run-lock.ts';
import { type Artifact, ArtifactStore } from './artifacts.ts';
import { passGate } from './gate.ts';
import { measureModel } from './measure.ts';
import { planPipeline, type PlannedStage, taskOf } from './plan.ts';
import type { PipelineRecipe } from './recipe.ts';
import {
  modelFolder,
  type PipelineTools,
  rowsFile,
  type StageContext,
  type StageEvent,
  type StageOutcome,
} from './stage.ts';
import { runStage } from './stages.ts';
import { PipelineStatus, type StageMeasures, type StageStatus } from './status.ts';

export interface PipelineOptions {
  readonly recipe: PipelineRecipe;
  readonly folder: string;
  readonly tools: PipelineTools;
  readonly onEvent?: (event: PipelineEvent) => void;
}

export type PipelineEvent =
  | { readonly type: 'plan'; readonly stages: readonly PlannedStage[] }
  /** `known`: its artifact is there already. */
  | { readonly type: 'stage-start'; readonly stage: PlannedStage; readonly known: boolean }
  | { readonly type: 'stage-event'; readonly stage: PlannedStage; readonly event: StageEvent }
  | { readonly type: 'stage-end'; readonly stage: PlannedStage; readonly status: StageStatus }
  | { readonly type: 'warning'; readonly stage: string; readonly message: string };

export interface PipelineResult {
  /** `stopped`: a gate did not let it go on. */
  readonly reason: 'completed' | 'interrupted' | 'stopped';
  readonly stages: readonly {
    readonly name: string;
    readonly artifact: Artifact;
    readonly status: StageStatus;
  }[];
  /** Why it stopped. */
  readonly explanation?: string;
}

/** @throws AhaError of a stage, with the stage in `fields.stage`; what was made until then is kept */
export async function runPipeline(options: PipelineOptions): Promise<PipelineResult> {
  const { recipe, folder, tools } = options;
  const emit = (event: PipelineEvent) => options.onEvent?.(event);
  const plan = await planPipeline(recipe, tools);
  emit({ type: 'plan', stages: plan });
  await using _lock = await lockRun(folder);
  const store = new ArtifactStore(folder);
  await store.clean();
  const status = await PipelineStatus.read(folder);
  await status.keepOnly(plan.map(({ name }) => name));

  const made = new Map<string, Artifact>();
  const measured = new Map<string, StageMeasures>();
  const stages: { name: string; artifact: Artifact; status: StageStatus }[] = [];
  for (const planned of plan) {
    const { name, key, stage } = planned;
    const earlier = status.of(name, key);
    const start = tools.clock.monotonic();
    const seconds = () => (earlier?.seconds ?? 0) + (tools.clock.monotonic() - start) / 1000;
    const set = async (state: StageStatus['state'], more: Partial<StageStatus> = {}) => {
      const now: StageStatus = { key, state, seconds: seconds(), ...more };
      await status.set(name, now);
      return now;
    };
    const known = await store.find(key, (reason) => {
      emit({
        type: 'warning',
        stage: name,
        message: `The artifact of stage ${name} is made again: ${reason}`,
      });
    });
    emit({ type: 'stage-start', stage: planned, known: known !== undefined });
    if (known === undefined) await set('running');
    let artifact: Artifact;
    let measures: StageMeasures | undefined;
    try {
      const context = contextOf(options, planned, { store, made, emit });
      if (known === undefined) {
        const outcome: StageOutcome = await runStage(context);
        if (outcome.reason === 'interrupted') {
          await set('running');
          return { reason: 'interrupted', stages };
        }
        artifact = await store.save({
          key,
          kind: stage.kind,
          inputs: inputsOf(planned, made),
          settings: JSON.parse(JSON.stringify(stage)) as unknown,
          write: outcome.write,
        });
      } else artifact = known;
      made.set(name, artifact);
      if (planned.product === 'model' && recipe.measure.problems > 0) {
        const outcome = await measureModel(context, artifact, store);
        if (outcome === 'interrupted') {
          await set('running');
          return { reason: 'interrupted', stages };
        }
        measures = outcome;
        measured.set(name, measures);
      }
    } catch (error) {
      await set('failed', { reason: describeError(error) });
      throw stageError(name, error);
    }
    const gate = 'gate' in stage ? stage.gate : undefined;
    const passed =
      gate === undefined || measures === undefined
        ? undefined
        : passGate(
            gate,
            measures,
            gate.notWorseThan === undefined ? undefined : measured.get(gate.notWorseThan),
          );
    const stopped = passed?.passed === false;
    // A stage that was done before has taken the time that it took then.
    const done: StageStatus = {
      key,
      state: stopped ? 'stopped' : 'done',
      seconds: earlier?.state === 'done' || earlier?.state === 'stopped' ? earlier.seconds : seconds(),
      digest: artifact.digest,
      facts: artifact.record.facts,
      ...(measures === undefined ? {} : { measures }),
      ...(stopped ? { reason: passed.reason } : {}),
    };
    await status.set(name, done);
    emit({ type: 'stage-end', stage: planned, status: done });
    stages.push({ name, artifact, status: done });
    if (stopped) return { reason: 'stopped', stages, explanation: `Stage ${name}: ${passed.reason}.` };
  }
  return { reason: 'completed', stages };
}

function contextOf(
  { recipe, tools }: PipelineOptions,
  planned: PlannedStage,
  {
    store,
    made,
    emit,
  }: { store: ArtifactStore; made: ReadonlyMap<string, Artifact>; emit: (event: PipelineEvent) => void },
): StageContext {
  const { stage, seed, key } = planned;
  const pathOf = (role: string) => {
    const input = planned.inputs.find((one) => one.role === role)!;
    if ('outside' in input) return input.outside;
    return join(made.get(input.stage)!.folder, role.startsWith('data') ? rowsFile : modelFolder);
  };
  const task = async () => {
    const own = taskOf(recipe, stage);
    return tools.loadTask(own.task, own.taskOptions, seed);
  };
  return {
    recipe,
    planned,
    stage,
    seed,
    work: store.workFolder(key),
    tools,
    modelPath: pathOf,
    dataFiles: planned.inputs.filter(({ role }) => role.startsWith('data')).map(({ role }) => pathOf(role)),
    task,
    posed: async (model) => tools.pose(await task(), model, recipe.prompt),
    emit: (event) => emit({ type: 'stage-event', stage: planned, event }),
  };
}

function inputsOf({ inputs }: PlannedStage, made: ReadonlyMap<string, Artifact>): Record<string, string> {
  return Object.fromEntries(
    inputs.map((input) => [input.role, 'stage' in input ? made.get(input.stage)!.key : input.outside]),
  );
}

/** Says which stage it was; what was wrong stays as it was said. */
function stageError(name: string, error: unknown): AhaError {
  const inner = error instanceof AhaError ? error : undefined;
  return new AhaError({
    code: inner?.code ?? 'stage-failed',
    boundary: inner?.boundary ?? 'engine',
    what: `Stage ${name} failed: ${inner === undefined ? describeError(error) : inner.message.replace(/\.$/, '')}`,
    fix: 'What the stages before it have made is kept: the same command goes on from there.',
    fields: { ...inner?.fields, stage: name },
    cause: error,
  });
}
