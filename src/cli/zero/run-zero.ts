/**
 * A run of reinforcement learning from beginning to end: the model (made from nothing if asked), GRPO on a task, the
 * trained model as a Hugging Face folder. What `aha train zero` and `aha demo` have in common. A folder that holds
 * an interrupted run of the same recipe goes on with it.
 */
import type { EvaluationMetrics, GrpoEvent, RunHistory } from '../../train/events.ts';
import { trainGrpo } from '../../train/grpo.ts';
import { readSolveRates, selectBySolveRate } from '../../task/solve-rates.ts';
import type { Task } from '../../task/task.ts';
import { withRewardParts } from '../../train/reward-parts.ts';
import type { CommandContext } from '../command.ts';
import { openModel, type OpenModel } from '../model/open-model.ts';
import { openJudge } from '../model/open-judge.ts';
import { chooseForm, codecFor } from '../model/prompt-form.ts';
import { loraOf } from '../../train/model-settings.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { readRunLog, RunLog, runFiles, writeStoredRecipe, type StoredRecipe } from '../runs/run-files.ts';
import { formatCount } from '../terminal/quantities.ts';
import type { View } from '../terminal/reporter.ts';
import { TrainingView } from '../terminal/training-view.ts';
import { openTask } from '../task/open-task.ts';
import { makeBaseModel } from './base-model.ts';

export interface ZeroOutcome {
  readonly reason: 'completed' | 'interrupted';
  readonly folder: string;
  /** Steps of reinforcement learning in all, those of earlier processes included. */
  readonly steps: number;
  readonly history: RunHistory;
  /** The first and the last evaluation on held-out problems; undefined when there was none. */
  readonly before: EvaluationMetrics | undefined;
  readonly after: EvaluationMetrics | undefined;
  /** Folders that were written at the end. */
  readonly model: string | undefined;
  readonly adapter: string | undefined;
  /** Of work in all, those of earlier processes included. */
  readonly seconds: number;
}

const stopMessage = 'Finishing this step, then saving. Press Ctrl-C again to quit at once.';

export async function runZero(
  folder: string,
  stored: StoredRecipe<'train zero' | 'demo'>,
  context: CommandContext,
): Promise<ZeroOutcome> {
  const { recipe } = stored;
  const { clock, interruption } = context;
  const start = clock.monotonic();
  const files = runFiles(folder);
  // Before the folder is made: a task that cannot be used leaves nothing behind.
  const whole = await openTask(
    recipe.task,
    { options: recipe.taskOptions, seed: recipe.seed, check: recipe.model === 'scratch' ? {} : false },
    context,
  );
  const task =
    recipe.solveRates === undefined
      ? whole
      : selectBySolveRate(whole, await readSolveRates(recipe.solveRates.file), recipe.solveRates).task;
  for (const note of task.notes) context.reporter.note(note);
  const earlier = secondsOf(await readRunLog(folder));
  const scratch = recipe.model === 'scratch';
  const lora = loraOf(recipe);
  const open = async () =>
    openModel(scratch ? files.base : recipe.model, {
      reporter: context.reporter,
      engine: recipe.engine,
      lora,
      seed: recipe.seed,
      overwrite: true,
      forTraining: true,
      signal: interruption.signal,
    });
  // The same holds for a model that cannot be used.
  await using given = scratch ? undefined : await open();
  await writeStoredRecipe(folder, stored);
  const log = new RunLog(folder);
  const outcome = async (rest: Partial<ZeroOutcome> & Pick<ZeroOutcome, 'reason'>): Promise<ZeroOutcome> => {
    const seconds = (clock.monotonic() - start) / 1000;
    log.append({ time: clock.wall(), type: 'session', seconds, reason: rest.reason });
    await log.written();
    const history = rest.history ?? { steps: [], evaluations: [] };
    return {
      folder,
      steps: 0,
      model: undefined,
      adapter: undefined,
      ...rest,
      history,
      before: history.evaluations[0]?.metrics,
      after: history.evaluations.at(-1)?.metrics,
      seconds: earlier + seconds,
    };
  };

  if (scratch) {
    using _deferred = interruption.defer(stopMessage);
    const made = await makeBaseModel(recipe, task, files, log, context);
    if (made === 'interrupted') return await outcome({ reason: 'interrupted' });
  }
  await using made = given === undefined ? await open() : undefined;
  const model = (given ?? made)!;
  using _deferred = interruption.defer(stopMessage);
  const { reason, steps, history } = await learn(folder, recipe, task, model, log, context);
  if (reason === 'interrupted') return await outcome({ reason, steps, history });
  await model.policy.export(files.model);
  if (lora !== undefined) await model.policy.export(files.adapter, { form: 'adapter' });
  return await outcome({
    reason,
    steps,
    history,
    model: files.model,
    ...(lora === undefined ? {} : { adapter: files.adapter }),
  });
}

/** GRPO with its view. */
async function learn(
  folder: string,
  recipe: Recipe,
  task: Task,
  model: OpenModel,
  log: RunLog,
  context: CommandContext,
) {
  const { reporter, interruption, clock } = context;
  const { policy, source } = model;
  const scratch = recipe.model === 'scratch';
  const form =
    scratch && recipe.prompt === 'auto'
      ? 'raw'
      : await chooseForm(recipe.prompt, recipe.model, model.tokenizer());
  const { parameters, trainableParameters } = policy.description;
  const trained =
    parameters === trainableParameters
      ? `${formatCount(parameters)} parameters`
      : `${formatCount(trainableParameters)} of ${formatCount(parameters)} parameters`;
  const title = `GRPO: ${scratch ? 'the new model' : source} (${trained}) on ${task.name}, in ${folder}`;
  const view = new TrainingView({ title, clock, terminal: reporter.progressTerminal });
  const {
    model: _name,
    task: _task,
    taskOptions: _options,
    solveRates,
    prompt: _prompt,
    lora,
    engine: _engine,
    scratch: _scratch,
    reward,
    ...config
  } = recipe;
  let shown: View | undefined;
  const warned = new Set<string>();
  const onStop = () => {
    view.stopping();
    shown?.refresh();
  };
  interruption.signal.addEventListener('abort', onStop);
  try {
    if (!reporter.progressTerminal.live) reporter.line(title);
    return await trainGrpo({
      policy,
      task: withRewardParts(task.configure({ form }), reward, openJudge),
      codec: codecFor(model.tokenizer(), form, source),
      config,
      folder,
      identity: { model: recipe.model, lora, reward, ...(solveRates === undefined ? {} : { solveRates }) },
      signal: interruption.signal,
      clock,
      onEvent: (event) => {
        view.handle(event);
        if (event.type === 'run-start') shown = reporter.show((size) => view.render(size));
        shown?.refresh();
        // The same warning at every step would push everything else away; the log has them all.
        const repeated = event.type === 'warning' && warned.has(event.code);
        if (event.type === 'warning') warned.add(event.code);
        if (!repeated && (shown === undefined || isWorthKeeping(event))) {
          const line = view.plainLine(event);
          if (line !== undefined) reporter.line(line);
        }
        const record = logRecord(event);
        if (record !== undefined) log.append({ time: clock.wall(), ...record });
      },
    });
  } finally {
    interruption.signal.removeEventListener('abort', onStop);
    shown?.close();
  }
}

/** What stays on a terminal beside the view. */
function isWorthKeeping(event: GrpoEvent): boolean {
  return event.type === 'warning' || event.type === 'preflight';
}

/** Progress within a step is for the eye; rollouts are for evaluations only, since each step has hundreds. */
function logRecord(event: GrpoEvent): Readonly<Record<string, unknown>> | undefined {
  switch (event.type) {
    case 'phase':
    case 'sampling':
    case 'update':
    case 'rollouts':
      return undefined;
    case 'run-start': {
      const { history: _history, ...rest } = event;
      return rest;
    }
    case 'evaluation':
      return { ...event, rollouts: event.rollouts.slice(0, loggedResponses) };
    case 'preflight':
    case 'step':
    case 'checkpoint':
    case 'warning':
    case 'run-end':
      return event;
  }
}

/** Responses of an evaluation that are kept, to be read before and after. */
const loggedResponses = 50;

/** Seconds that earlier processes have worked on a run. One that was killed has not said. */
function secondsOf(records: readonly Readonly<Record<string, unknown>>[]): number {
  return records.reduce((sum, { type, seconds }) => {
    return type === 'session' && typeof seconds === 'number' ? sum + seconds : sum;
  }, 0);
}
