/**
 * A run of supervised steps from beginning to end: log, view, and the trained model as a Hugging Face folder. What
 * `aha train sft` and `aha train distill` have in common.
 */
import type { LearnEvent } from '../../train/events.ts';
import type { LearnResult } from '../../train/step-loop.ts';
import type { CommandContext } from '../command.ts';
import type { OpenModel } from '../model/open-model.ts';
import { readRunLog, RunLog, runFiles } from '../runs/run-files.ts';
import { formatCount } from '../terminal/quantities.ts';
import { StepsView } from '../terminal/steps-view.ts';

export interface LearnOutcome extends Omit<LearnResult, 'checkpoint'> {
  /** Folders that were written at the end. */
  readonly model: string | undefined;
  readonly adapter: string | undefined;
  /** Of work in all, those of earlier processes included. */
  readonly seconds: number;
  /** Further numbers for the result. */
  readonly counts?: Readonly<Record<string, unknown>>;
}

export interface LearnRunOptions {
  readonly folder: string;
  readonly title: string;
  readonly model: OpenModel;
  readonly context: CommandContext;
  readonly train: (options: {
    readonly signal: AbortSignal;
    readonly onEvent: (event: LearnEvent) => void;
  }) => Promise<LearnResult>;
}

const stopMessage = 'Finishing this step, then saving. Press Ctrl-C again to quit at once.';

export async function learnRun({
  folder,
  title,
  model,
  context,
  train,
}: LearnRunOptions): Promise<LearnOutcome> {
  const { reporter, interruption, clock } = context;
  const start = clock.monotonic();
  const files = runFiles(folder);
  const earlier = secondsOf(await readRunLog(folder));
  const log = new RunLog(folder);
  using _deferred = interruption.defer(stopMessage);
  const view = new StepsView(title, clock, reporter.progressTerminal);
  const shown = reporter.show((size) => view.render(size));
  const warned = new Set<string>();
  let result: LearnResult;
  try {
    result = await train({
      signal: interruption.signal,
      onEvent(event) {
        view.handle(event);
        shown?.refresh();
        // The same warning at every step would push everything else away; the log has them all.
        const repeated = event.type === 'warning' && warned.has(event.code);
        if (event.type === 'warning') warned.add(event.code);
        const kept = event.type === 'warning' || event.type === 'learn-evaluation';
        if (!repeated && (shown === undefined || kept)) {
          const line = view.plainLine(event);
          if (line !== undefined) reporter.line(line);
        }
        log.append({ time: clock.wall(), ...event });
      },
    });
  } finally {
    shown?.close();
  }
  let made: Pick<LearnOutcome, 'model' | 'adapter'> = { model: undefined, adapter: undefined };
  if (result.reason === 'completed') {
    await model.policy.export(files.model);
    const adapter = model.policy.lora === undefined ? undefined : files.adapter;
    if (adapter !== undefined) await model.policy.export(adapter, { form: 'adapter' });
    made = { model: files.model, adapter };
  }
  const seconds = (clock.monotonic() - start) / 1000;
  log.append({ time: clock.wall(), type: 'session', seconds, reason: result.reason });
  await log.written();
  return { ...result, ...made, seconds: earlier + seconds };
}

/** `1.2M of 135M parameters` */
export function trainedSize({ policy }: OpenModel): string {
  const { parameters, trainableParameters } = policy.description;
  return parameters === trainableParameters
    ? `${formatCount(parameters)} parameters`
    : `${formatCount(trainableParameters)} of ${formatCount(parameters)} parameters`;
}

/** Seconds that earlier processes have worked on a run. One that was killed has not said. */
export function secondsOf(records: readonly Readonly<Record<string, unknown>>[]): number {
  return records.reduce((sum, { type, seconds }) => {
    return type === 'session' && typeof seconds === 'number' ? sum + seconds : sum;
  }, 0);
}
