/** `aha evaluate` from its flags to a saved report, of one model or of two that are compared. */
import { rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { compareEvaluations } from '../../evaluate/compare.ts';
import { evaluate, type EvaluationOutcome } from '../../evaluate/evaluate.ts';
import { evaluationFiles, readEvaluation } from '../../evaluate/evaluation-folder.ts';
import type { Responder, ResponseSettings } from '../../evaluate/responder.ts';
import type { ResponseRecord } from '../../evaluate/record.ts';
import type { EvaluationReport } from '../../evaluate/report.ts';
import { writeSolveRates } from '../../evaluate/solve-rates.ts';
import type { PromptForm } from '../../task/presentation.ts';
import { printable } from '../../text/printable.ts';
import { lockRun } from '../../train/run-lock.ts';
import { streamKey } from '../../util/random.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import type { EvaluateFlags } from '../commands/evaluate.ts';
import type { Lineage } from './lineage.ts';
import { comparisonLines, reportLines } from './summary.ts';
import { openEndpointResponder, openResponder } from './open-responder.ts';
import { loadTasks, taskShares } from './tasks.ts';
import { trainingTexts } from './training-data.ts';

/** A finished evaluation, just made or read from its folder. */
interface Finished {
  readonly folder: string;
  readonly report: EvaluationReport;
  readonly records: readonly ResponseRecord[];
}

const stopMessage = 'Stopping; what was answered is saved. Press Ctrl-C again to quit at once.';

export async function runEvaluate(
  model: string | undefined,
  flags: EvaluateFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter } = context;
  if (model !== undefined && flags.endpoint !== undefined && flags.against !== undefined) {
    throw new AhaError({
      code: 'too-many-models',
      boundary: 'configuration',
      what: 'Three models were named',
      found: `${model}, --endpoint and --against`,
      expected: 'at most two: MODEL --against OTHER, or MODEL and --endpoint',
    });
  }
  const first = await evaluated(model, flags, context);
  if (!isFinished(first)) return interrupted(first);
  const behindEndpoint = model !== undefined && flags.endpoint !== undefined;
  if (flags.against === undefined && !behindEndpoint) {
    reporter.lines(reportLines(first.report, first.folder, reporter.terminal));
    return { result: resultOf(first) };
  }
  const second = await evaluated(flags.against, { ...flags, output: undefined }, context);
  if (!isFinished(second)) return interrupted(second);
  for (const { report, folder } of [first, second]) {
    reporter.lines(reportLines(report, folder, reporter.terminal));
    reporter.line();
  }
  const comparison = compareEvaluations(first, second);
  reporter.lines(comparisonLines(first.report, second.report, comparison, reporter.terminal));
  return { result: { first: resultOf(first), second: resultOf(second), comparison } };
}

type EvaluateFlagsWithoutOutput = Omit<EvaluateFlags, 'output'> & { readonly output?: string | undefined };

async function evaluated(
  name: string | undefined,
  flags: EvaluateFlagsWithoutOutput,
  context: CommandContext,
): Promise<Finished | EvaluationOutcome> {
  if (name !== undefined && (await isReport(name))) {
    context.reporter.note(`Reading the report in ${name}`);
    return { folder: name, ...(await readEvaluation(name)) };
  }
  if (name === undefined && (flags.endpoint !== undefined || flags.model !== undefined)) {
    await using source = openEndpointResponder(flags as EvaluateFlags, context);
    try {
      return await answerAndJudge(source.responder, source.form, undefined, flags as EvaluateFlags, context);
    } finally {
      const { requests, promptTokens, completionTokens, price, cached } = source.endpoint.usage;
      const spent = price === null ? '' : `, ${price.toFixed(4)} spent`;
      context.reporter.note(
        `${requests} requests, ${promptTokens + completionTokens} tokens${spent}; ${cached} answers from the cache`,
      );
    }
  }
  if (name === undefined) {
    throw new AhaError({
      code: 'model-missing',
      boundary: 'configuration',
      what: 'No model was named',
      expected: 'a model, the folder of a saved report, or --endpoint URL --model NAME',
      fix: 'For example: aha evaluate runs/demo --task arithmetic',
    });
  }
  await using source = await openResponder(name, flags as EvaluateFlags, context);
  return await answerAndJudge(source.responder, source.form, source.lineage, flags as EvaluateFlags, context);
}

async function answerAndJudge(
  responder: Responder,
  form: PromptForm,
  lineage: Lineage | undefined,
  flags: EvaluateFlags,
  context: CommandContext,
): Promise<Finished | EvaluationOutcome> {
  const { reporter, interruption, clock } = context;
  const tasks = await loadTasks(flags, lineage, context);
  for (const { task } of tasks) for (const note of task.notes) reporter.note(printable(note));
  const shares = taskShares(tasks, form, flags);
  const settings = settingsOf(flags, lineage, form);
  const folder =
    flags.output ??
    join('runs', 'evaluations', folderName(responder, { form, shares: tasks, settings, flags }));
  if (flags.fresh === true) await removeReport(folder);
  await using _lock = await lockRun(folder);
  using _deferred = interruption.defer(stopMessage);
  const names = tasks.map(({ task }) => task.name).join(', ');
  const progress = reporter.progress({ label: `${printable(responder.name)} on ${names}` });
  let outcome: EvaluationOutcome;
  try {
    outcome = await evaluate({
      responder,
      tasks: shares,
      samples: flags.samples,
      settings,
      seed: flags.seed,
      folder,
      training: await trainingTexts(flags.trainingData ?? [], lineage, context),
      signal: interruption.signal,
      clock,
      onProgress: ({ done, total }) => {
        progress.update(done, total);
      },
    });
  } finally {
    progress.finish();
  }
  if (outcome.reason === 'interrupted') {
    reporter.line(
      `Stopped after ${outcome.done} of ${outcome.total} responses, which are in ${folder}. The same command goes on.`,
    );
    return outcome;
  }
  if (flags.solveRates !== undefined) {
    const rates = await writeSolveRates(flags.solveRates, outcome);
    reporter.note(`${rates} solve rates are in ${flags.solveRates}`);
  }
  return { folder, report: outcome.report!, records: outcome.records };
}

/** Several samples are drawn as the run did, or as DeepSeek-R1 was evaluated (temperature 0.6, top-p 0.95). */
function settingsOf(flags: EvaluateFlags, lineage: Lineage | undefined, form: PromptForm): ResponseSettings {
  const ownForm = lineage?.temperature !== undefined || form === 'raw';
  const temperature =
    flags.temperature ?? (flags.samples === 1 ? 0 : ownForm ? (lineage?.temperature ?? 1) : 0.6);
  const topP =
    flags.topP ?? (flags.samples > 1 && !ownForm && flags.temperature === undefined ? 0.95 : undefined);
  return {
    maxTokens: flags.maxTokens ?? lineage?.maxTokens ?? 1024,
    temperature,
    ...(topP === undefined || topP === 1 ? {} : { topP }),
  };
}

/** The same question about the same model has the same folder: `arithmetic-demo-1f0c9a2b`. */
function folderName(
  responder: Responder,
  about: {
    readonly form: string;
    readonly shares: readonly {
      readonly task: { readonly name: string };
      readonly count: number;
      readonly details: unknown;
    }[];
    readonly settings: ResponseSettings;
    readonly flags: EvaluateFlags;
  },
): string {
  const { form, shares, settings, flags } = about;
  const tasks = shares.map(({ task, count, details }) => [task.name, count, details]);
  const key = JSON.stringify([
    responder.identity,
    form,
    tasks,
    settings,
    flags.level,
    flags.split,
    flags.samples,
  ]);
  const [a, b] = streamKey(flags.seed, key);
  const hash = (a * 2 ** 32 + b).toString(16).padStart(16, '0').slice(0, 8);
  const short = `${shares.map(({ task }) => task.name).join('-')}-${basename(responder.name.split(' at ')[0]!)}`;
  return `${short
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .slice(0, 60)}-${hash}`;
}

async function isReport(name: string): Promise<boolean> {
  return stat(evaluationFiles(name).identity).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

/** Only what an evaluation has written. */
async function removeReport(folder: string): Promise<void> {
  await Promise.all(Object.values(evaluationFiles(folder)).map(async (path) => rm(path, { force: true })));
}

function isFinished(value: Finished | EvaluationOutcome): value is Finished {
  return 'folder' in value;
}

function interrupted({ done, total }: EvaluationOutcome): CommandResult {
  return {
    result: {
      error: { code: 'interrupted', message: 'Interrupted; the same command goes on.' },
      done,
      total,
    },
  };
}

function resultOf({ report, folder }: Finished): Readonly<Record<string, unknown>> {
  const { measures } = report;
  const estimate = measures.passAt1;
  return {
    accuracy: estimate?.mean ?? null,
    low: estimate?.low ?? null,
    high: estimate?.high ?? null,
    ...report,
    folder,
  };
}
