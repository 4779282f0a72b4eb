/**
 * An evaluation from problems to a report: every problem is answered `samples` times, every response judged, and all
 * of it kept. Knows nothing about terminals, models or networks: what answers is a `Responder`.
 *
 * Deterministic: sample s of a problem is drawn from the stream (seed, 'evaluate', task, problem, s), whatever else is
 * evaluated, in whatever order, in how many processes.
 */
import { AhaError } from '../errors.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { Queue } from '../util/queue.ts';
import { type StreamKey, streamKey } from '../util/random.ts';
import type { Verdict } from '../verify/verdict.ts';
import { checkContamination, type TrainingTexts } from './contamination.ts';
import { EvaluationFolder } from './evaluation-folder.ts';
import { chooseProblems, type EvaluatedProblem, fingerprintProblems, type TaskShare } from './problems.ts';
import { categoryOf, recordKey, type ResponseRecord } from './record.ts';
import { buildReport, type EvaluationIdentity, type EvaluationReport } from './report.ts';
import { reportHtml } from './report-html.ts';
import { reportMarkdown } from './report-markdown.ts';
import type { DrawnResponse, Responder, ResponseSettings } from './responder.ts';

export interface EvaluateOptions {
  readonly responder: Responder;
  /** One task, or a mixture. */
  readonly tasks: readonly (TaskShare & {
    /** JSON: what its problems and verdicts depend on beside what it says itself, such as its options. */
    readonly details?: Readonly<Record<string, unknown>>;
  })[];
  /** Responses to each problem. */
  readonly samples: number;
  readonly settings: ResponseSettings;
  readonly seed: number | string;
  /** Where responses and report are kept, and found again by the next call. Without it nothing is written. */
  readonly folder?: string | undefined;
  /** What the model was trained on, to look for the problems in it. */
  readonly training?: TrainingTexts | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
  readonly onProgress?: (progress: EvaluationProgress) => void;
}

export interface EvaluationProgress {
  /** Responses that are drawn and judged, those of earlier processes included. */
  readonly done: number;
  readonly total: number;
  /** Responses that were there before. */
  readonly known: number;
}

export interface EvaluationOutcome {
  /** `interrupted`: the signal was aborted; what is done is kept, and the same call goes on. */
  readonly reason: 'completed' | 'interrupted';
  readonly done: number;
  readonly total: number;
  /** Responses that were there before. */
  readonly known: number;
  readonly report: EvaluationReport | undefined;
  readonly records: readonly ResponseRecord[];
  readonly problems: readonly EvaluatedProblem[];
}

/** A verdict's evidence may be anything; more than this of it is not kept. */
const mostEvidenceCharacters = 20_000;
/** Verifiers that run at a time; those in a sandbox are processes. */
const verifiersAtOnce = 8;

/**
 * Evaluates, or goes on with what is in the folder.
 * @throws AhaError of the responder, of the storage, or `evaluation-differs`; what was judged until then is kept
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationOutcome> {
  const { responder, tasks, samples, seed, signal, clock = systemClock } = options;
  checkSamples(samples);
  const start = clock.monotonic();
  const chosen = chooseProblems(tasks);
  const skipped: { task: string; problem: string; reason: string }[] = [];
  const problems = chosen.filter(({ task, problem, identity }) => {
    const reason = responder.refusal(task.prompt(problem));
    if (reason !== undefined) skipped.push({ task: task.name, problem: identity, reason });
    return reason === undefined;
  });
  if (problems.length === 0) throw nothingFits(skipped);
  const identity = identify(options, chosen);
  await using folder =
    options.folder === undefined ? undefined : await EvaluationFolder.open(options.folder, identity);

  const wanted = problems.flatMap((problem) =>
    Array.from({ length: samples }, (_, sample) =>
      recordKey({ task: problem.task.name, problem: problem.identity, sample }),
    ),
  );
  const elapsed = () => (folder?.earlierSeconds ?? 0) + (clock.monotonic() - start) / 1000;
  const records = new Map<string, ResponseRecord>();
  for (const key of wanted) {
    const known = folder?.known.get(key);
    if (known !== undefined) records.set(key, known);
  }
  const known = records.size;
  const progress = () => options.onProgress?.({ done: records.size, total: wanted.length, known });
  progress();
  const interrupted = await answer(problems, options, {
    stream: ({ task, identity }, sample) => streamKey(seed, 'evaluate', task.name, identity, sample),
    isKnown: (key) => records.has(key),
    keep: (record) => {
      records.set(recordKey(record), record);
      folder?.append(record, elapsed());
      progress();
    },
  });
  await folder?.written();
  const ordered = wanted.flatMap((key) => records.get(key) ?? []);
  const counts = { done: ordered.length, total: wanted.length, known, records: ordered, problems };
  if (interrupted) return { reason: 'interrupted', report: undefined, ...counts };
  const contamination =
    options.training === undefined
      ? null
      : await checkContamination(problems, ordered, options.training, signal);
  const report = buildReport(ordered, {
    identity: JSON.parse(JSON.stringify(identity)) as EvaluationIdentity,
    model: responder.name,
    skipped,
    contamination,
    seconds: elapsed(),
  });
  await folder?.finish(ordered, report, {
    markdown: reportMarkdown(report, ordered),
    html: reportHtml(report, ordered),
  });
  return { reason: 'completed', report, ...counts };
}

/** What tells this evaluation from others. */
function identify(options: EvaluateOptions, chosen: readonly EvaluatedProblem[]): EvaluationIdentity {
  const { responder, tasks, samples, settings, seed } = options;
  return {
    format: 'aha-evaluation',
    version: 1,
    model: responder.identity,
    tasks: tasks.map(({ task, split = 'heldOut', level, details = {} }) => ({
      name: task.name,
      split,
      level: level ?? null,
      problems: chosen.filter((one) => one.task === task).length,
      form: task.presentation.form,
      formatCheck: task.presentation.format,
      // Held-out problems are the same for every seed.
      seed: split === 'train' ? task.seed : 'held-out',
      details,
    })),
    problems: fingerprintProblems(chosen),
    samples,
    settings,
    seed,
  };
}

interface Keeping {
  stream(problem: EvaluatedProblem, sample: number): StreamKey;
  isKnown(key: string): boolean;
  keep(record: ResponseRecord): void;
}

/** Draws and judges what is not known yet. Returns whether it was interrupted. */
async function answer(
  problems: readonly EvaluatedProblem[],
  { responder, samples, settings, signal }: EvaluateOptions,
  keeping: Keeping,
): Promise<boolean> {
  const jobs = problems.flatMap((posed) => {
    const open = Array.from({ length: samples }, (_, index) => index).filter(
      (sample) => !keeping.isKnown(recordKey({ task: posed.task.name, problem: posed.identity, sample })),
    );
    if (open.length === 0) return [];
    return [
      {
        posed,
        prompt: posed.task.prompt(posed.problem),
        samples: open.map((index) => ({ index, stream: keeping.stream(posed, index) })),
      },
    ];
  });
  if (jobs.length === 0) return false;
  const verifiers = new Queue(verifiersAtOnce);
  const judging: Promise<void>[] = [];
  const onResponse = (job: number, sample: number, response: DrawnResponse) => {
    const { posed } = jobs[job]!;
    const judged = verifiers.run(async () => {
      const verdict = await posed.task.verify(posed.problem, response.text, {
        prefilled: response.prefilled,
        finish: response.finish,
        ...(response.tokens === null ? {} : { tokens: response.tokens }),
      });
      keeping.keep(recordOf(posed, sample, response, verdict));
    });
    judged.catch(() => undefined);
    judging.push(judged);
  };
  try {
    signal?.throwIfAborted();
    await responder.respond(jobs, settings, { onResponse, signal });
    await Promise.all(judging);
    return false;
  } catch (error) {
    // What was drawn was paid for: it is judged and kept, whatever came then.
    await Promise.allSettled(judging);
    if (signal?.aborted === true && !(error instanceof AhaError && error.boundary === 'storage')) return true;
    throw error;
  }
}

function recordOf(
  { task, problem, identity }: EvaluatedProblem,
  sample: number,
  response: DrawnResponse,
  verdict: Verdict,
): ResponseRecord {
  return {
    task: task.name,
    problem: identity,
    sample,
    level: problem.level ?? null,
    category: categoryOf(problem),
    prompt: problem.prompt,
    answer: problem.answer ?? null,
    prefilled: response.prefilled,
    response: response.text,
    tokens: response.tokens,
    finish: response.finish,
    verdict: plain({ ...verdict, evidence: storable(verdict.evidence) }),
  };
}

/** Evidence as plain JSON: whatever a verifier put there must not make a report unwritable. */
function storable(evidence: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    const text = JSON.stringify(evidence);
    if (text.length <= mostEvidenceCharacters) return JSON.parse(text) as Record<string, unknown>;
    return { omitted: `${text.length} characters of evidence` };
  } catch {
    return { omitted: 'evidence that is no JSON' };
  }
}

function plain(verdict: Verdict): ResponseRecord['verdict'] {
  return verdict.outcome === 'scored'
    ? {
        outcome: 'scored',
        score: verdict.score,
        parts: { ...verdict.parts },
        evidence: { ...verdict.evidence },
      }
    : {
        outcome: 'failed',
        boundary: verdict.boundary,
        reason: verdict.reason,
        evidence: { ...verdict.evidence },
      };
}

function checkSamples(samples: number): void {
  if (Number.isSafeInteger(samples) && samples >= 1) return;
  throw new AhaError({
    code: 'samples-out-of-range',
    boundary: 'configuration',
    what: 'The number of samples cannot be used',
    found: String(samples),
    expected: 'an integer of at least 1',
  });
}

function nothingFits(skipped: readonly { readonly reason: string }[]): AhaError {
  return new AhaError({
    code: 'no-prompt-fits',
    boundary: 'data',
    what: 'No problem can be put to this model',
    found: `${skipped.length} problems; of the first ${skipped[0]?.reason ?? 'nothing is known'}`,
    expected: 'prompts shorter than the context of the model',
    fix: 'Use another form (--prompt), easier problems (--level), or a model with a longer context.',
  });
}
