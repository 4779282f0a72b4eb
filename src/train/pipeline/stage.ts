/** What a kind of stage is: from inputs and settings to files, in a way that can be interrupted and gone on with. */
import type { Policy } from '../../engine/policy.ts';
import type { Endpoint } from '../../provider/endpoint.ts';
import type { Task } from '../../task/task.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Clock } from '../../util/clock.ts';
import type { GrpoEvent, LearnEvent, PretrainEvent } from '../events.ts';
import type { LoraSettings, ModelSize } from '../model-settings.ts';
import type { RewardParts } from '../reward-parts.ts';
import type { PromptCodec } from '../prompt-codec.ts';
import type { PlannedStage, PlanOptions } from './plan.ts';
import type { PipelineRecipe, Stage } from './recipe.ts';

/** A model that is open. Closing it frees its memory. */
export interface StageModel extends AsyncDisposable {
  /** For people. */
  readonly source: string;
  readonly policy: Policy;
  tokenizer(): Tokenizer;
}

export interface PosedTask {
  readonly task: Task;
  readonly codec: PromptCodec;
}

/** What a pipeline needs from its surroundings: models and tasks by name. */
export interface PipelineTools extends PlanOptions {
  /** `seed` names the stream of new adapters. */
  openModel(
    path: string,
    options: { readonly seed: string; readonly lora?: LoraSettings | undefined },
  ): Promise<StageModel>;
  /** A model of random numbers over the task's alphabet. */
  createModel(size: ModelSize, task: Task, seed: string): Promise<StageModel>;
  /** Checked: its references score 1. `seed` orders its training problems. */
  loadTask(name: string, options: Readonly<Record<string, unknown>>, seed: string): Promise<Task>;
  /** `asked` is the form that the recipe names. */
  pose(task: Task, model: StageModel, asked: PipelineRecipe['prompt']): Promise<PosedTask>;
  /** The files on this machine that a reference to rows from outside stands for. */
  readonly dataFiles: (reference: string) => Promise<readonly string[]>;
  /** The model behind an endpoint whose opinion is a part of the reward. */
  readonly openJudge: (judge: NonNullable<RewardParts['judge']>) => Endpoint;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export type StageEvent =
  | { readonly type: 'pretrain'; readonly event: PretrainEvent }
  | { readonly type: 'learn'; readonly event: LearnEvent }
  | { readonly type: 'grpo'; readonly event: GrpoEvent }
  /** Responses drawn and judged, those of earlier processes included. */
  | { readonly type: 'responses'; readonly done: number; readonly total: number }
  | { readonly type: 'note'; readonly text: string };

export interface StageContext<S extends Stage = Stage> {
  readonly recipe: PipelineRecipe;
  readonly planned: PlannedStage;
  readonly stage: S;
  readonly seed: string;
  /** Kept until the artifact is written: what is in it lets an interrupted stage go on. */
  readonly work: string;
  readonly tools: PipelineTools;
  /** The folder or the Hub id of the model that is the input `role`. */
  modelPath(role: string): string;
  /** Files of rows, or references to the Hub, in the order of the references. */
  readonly dataFiles: readonly string[];
  task(): Promise<Task>;
  /** The task in the form in which problems are put to this model, and the codec for it. */
  posed(model: StageModel): Promise<PosedTask>;
  readonly emit: (event: StageEvent) => void;
}

export type StageOutcome =
  /** Aborted, with everything saved that is needed to go on. */
  | { readonly reason: 'interrupted' }
  | {
      readonly reason: 'completed';
      /** Writes the artifact's files into a folder and returns its facts: nothing that depends on time or place. */
      readonly write: (folder: string) => Promise<Readonly<Record<string, unknown>>>;
    };

export type StageRunner<S extends Stage> = (context: StageContext<S>) => Promise<StageOutcome>;

/** Names of the parts of an artifact. */
export const modelFolder = 'model';
export const rowsFile = 'rows.jsonl';
