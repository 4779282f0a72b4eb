/** Draws responses to training problems, has them judged, and keeps the good ones as rows to learn from. */
import { join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { evaluate } from '../../evaluate/evaluate.ts';
import { policyResponder } from '../../evaluate/policy-responder.ts';
import { languageShare } from '../../verify/language/language.ts';
import type { DrawSettings } from './recipe.ts';
import { type ProblemDraws, selectResponses } from './rejection.ts';
import { rowOf } from './rows.ts';
import type { PosedTask, StageContext, StageModel } from './stage.ts';

export interface Draws {
  readonly rows: readonly Record<string, unknown>[];
  readonly problems: readonly ProblemDraws[];
  /** Counts for the record of the stage. */
  readonly facts: Readonly<Record<string, number>>;
}

/** `origin` says in every row where it came from. */
export async function drawRows(
  context: StageContext,
  {
    model,
    posed,
    settings,
    origin,
  }: { model: StageModel; posed: PosedTask; settings: DrawSettings; origin: string },
): Promise<Draws | 'interrupted'> {
  const { seed, tools, work, emit, planned } = context;
  const { task, codec } = posed;
  const outcome = await evaluate({
    responder: policyResponder({
      name: model.source,
      policy: model.policy,
      codec,
      identity: { stage: planned.key },
    }),
    tasks: [{ task, count: settings.problems, split: 'train' }],
    samples: settings.samples,
    settings: { maxTokens: settings.maxTokens, temperature: settings.temperature },
    seed,
    folder: join(work, 'responses'),
    clock: tools.clock,
    ...(tools.signal === undefined ? {} : { signal: tools.signal }),
    onProgress: ({ done, total }) => emit({ type: 'responses', done, total }),
  });
  if (outcome.reason === 'interrupted') return 'interrupted';
  const { kept, problems } = selectResponses(
    outcome.records,
    settings,
    seed,
    // A text without words, such as a formula, mixes no languages.
    (text, target) => languageShare(text, target).share ?? 1,
  );
  const drawn = outcome.records.length;
  if (kept.length === 0) {
    throw new AhaError({
      code: 'nothing-kept',
      boundary: 'data',
      what: 'Rejection sampling kept nothing',
      found: `${drawn} responses to ${problems.length} problems, none that fits`,
      fix: 'Draw more samples, use easier problems or a better model, or ask for less in keep.',
    });
  }
  const prompts = new Map(outcome.problems.map(({ identity, problem }) => [identity, task.prompt(problem)]));
  const rows = kept.map((record) =>
    rowOf(prompts.get(record.problem)!, record.response, {
      task: record.task,
      problem: record.problem,
      level: record.level,
      origin,
      ...(record.verdict.outcome === 'scored' ? { score: record.verdict.score } : {}),
      tokens: record.tokens,
    }),
  );
  const unsolved = problems.filter((problem) => problem.kept === 0).length;
  return { rows, problems, facts: { rows: rows.length, drawn, problems: problems.length, unsolved } };
}

/** For people: what an input is. */
export function originOf(
  { planned }: Pick<StageContext, 'planned'>,
  role: string,
  temperature: number,
): string {
  const input = planned.inputs.find((one) => one.role === role)!;
  const name = 'stage' in input ? `the model of stage ${input.stage}` : input.outside;
  return `drawn from ${name} at temperature ${temperature}`;
}
