/**
 * What a verifier says about a response. A verdict has two outcomes at run time: `scored`, or `failed` at a named
 * boundary. (The third, a task whose own reference does not score 1, is refused when the task loads.) A verifier
 * that crashes or runs late gives `failed`, never a reward of 0 or 1: what a failed verdict does to a rollout is
 * the trainer's configuration.
 *
 * Verifiers compose by weighted sums and gates; each part keeps its name and its score, so that it can be logged.
 */
import { AhaError, describeError } from '../errors.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import { Deadline, type Pause } from './deadline.ts';

/** Who is to blame: the place where untrusted programs run, the verifier itself, or the reference answer. */
export type FailureBoundary = 'sandbox' | 'verifier' | 'reference';

export interface Scored {
  readonly outcome: 'scored';
  /** In [0, 1]. */
  readonly score: number;
  /** Scores in [0, 1] by name; parts of parts as `accuracy/tests`. */
  readonly parts: Readonly<Record<string, number>>;
  /** Why: what was extracted, which tests passed, compiler messages. JSON values. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

export interface Failed {
  readonly outcome: 'failed';
  readonly boundary: FailureBoundary;
  /** One sentence. */
  readonly reason: string;
  readonly evidence: Readonly<Record<string, unknown>>;
}

export type Verdict = Scored | Failed;

/** What a verifier may know beside the problem and the answer. */
export interface VerifyContext {
  /** The whole response. A task with answer tags passes only what they enclose as the answer. */
  readonly response: string;
  /** Whether the response ended by itself or was cut off. */
  readonly finish?: 'stop' | 'length';
  /** How many tokens the model drew. */
  readonly tokens?: number;
  /** Aborted when the deadline passes or the run ends: stop working. */
  readonly signal: AbortSignal;
  /** Stops the deadline while this verdict waits for its turn. */
  readonly pause?: Pause;
}

/** From a problem and an answer to a verdict. May throw and may be late: call it through `judge`. */
export type Verifier<Problem = unknown> = (
  problem: Problem,
  answer: string,
  context: VerifyContext,
) => Verdict | Promise<Verdict>;

/** Throws `AhaError` (score-out-of-range) when the score or a part is not a number in [0, 1]. */
export function scored(
  score: number,
  detail: { readonly parts?: Scored['parts']; readonly evidence?: Scored['evidence'] } = {},
): Scored {
  const parts = detail.parts ?? {};
  for (const [name, value] of [['score', score] as const, ...Object.entries(parts)]) {
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
      throw new AhaError({
        code: 'score-out-of-range',
        boundary: 'verifier',
        what: `A verifier gave a value that is no ${name === 'score' ? 'score' : `score for its part ${name}`}`,
        found: typeof value === 'number' ? String(value) : value,
        expected: 'a number from 0 to 1',
      });
    }
  }
  return { outcome: 'scored', score, parts, evidence: detail.evidence ?? {} };
}

export function failed(boundary: FailureBoundary, reason: string, evidence: Failed['evidence'] = {}): Failed {
  return { outcome: 'failed', boundary, reason, evidence };
}

/** The share of the score that is about being right: the part `accuracy` where there is one, else the score. */
export function accuracyOf(verdict: Scored): number {
  return verdict.parts['accuracy'] ?? verdict.score;
}

export interface WeightedPart {
  /** At least 0; relative to the other parts. A part of weight 0 is logged and does not count. */
  readonly weight: number;
  readonly verdict: Verdict;
}

/**
 * The weighted mean of verdicts: score = Σ weight·score / Σ weight. One failed part makes the whole failed, since
 * a score without it would be a different quantity.
 */
export function weightedVerdict(parts: Readonly<Record<string, WeightedPart>>): Verdict {
  let total = 0;
  let sum = 0;
  const scores: Record<string, number> = {};
  const evidence: Record<string, unknown> = {};
  for (const [name, { weight, verdict }] of Object.entries(parts)) {
    if (!Number.isFinite(weight) || weight < 0) {
      throw new AhaError({
        code: 'weight-out-of-range',
        boundary: 'configuration',
        what: `The weight of the reward part ${name} cannot be used`,
        found: String(weight),
        expected: 'a finite number of at least 0',
      });
    }
    if (verdict.outcome === 'failed') {
      return failed(verdict.boundary, `${name}: ${verdict.reason}`, { [name]: verdict.evidence });
    }
    Object.assign(scores, partsOf(name, verdict));
    evidence[name] = verdict.evidence;
    total += weight;
    sum += weight * verdict.score;
  }
  if (!(total > 0)) {
    throw new AhaError({
      code: 'weights-all-zero',
      boundary: 'configuration',
      what: 'A weighted reward has no part that counts',
      found: `weights that sum to ${total}`,
      expected: 'at least one weight above 0',
    });
  }
  // Rounding may leave a mean of ones a hair above 1.
  return scored(Math.min(1, sum / total), { parts: scores, evidence });
}

/** Runs every part and takes the weighted mean. */
export function weighted<Problem>(
  parts: Readonly<Record<string, { readonly weight: number; readonly verify: Verifier<Problem> }>>,
): Verifier<Problem> {
  return async (problem, answer, context) => {
    const entries = await Promise.all(
      Object.entries(parts).map(async ([name, { weight, verify }]) => {
        return [name, { weight, verdict: await verify(problem, answer, context) }] as const;
      }),
    );
    return weightedVerdict(Object.fromEntries(entries));
  };
}

/**
 * Runs `gate` first. Below `threshold` (default 1) the score is 0 and `then` is not run; at or above it the score
 * is that of `then`. Both are logged by name.
 */
export function gated<Problem>(
  gate: { readonly name: string; readonly verify: Verifier<Problem>; readonly threshold?: number },
  then: { readonly name: string; readonly verify: Verifier<Problem> },
): Verifier<Problem> {
  return async (problem, answer, context) => {
    const first = await gate.verify(problem, answer, context);
    if (first.outcome === 'failed') return failed(first.boundary, `${gate.name}: ${first.reason}`);
    const evidence = { [gate.name]: first.evidence };
    if (first.score < (gate.threshold ?? 1)) {
      return scored(0, { parts: partsOf(gate.name, first), evidence: { ...evidence, closed: gate.name } });
    }
    const second = await then.verify(problem, answer, context);
    if (second.outcome === 'failed') return failed(second.boundary, `${then.name}: ${second.reason}`);
    return scored(second.score, {
      parts: { ...partsOf(gate.name, first), ...partsOf(then.name, second) },
      evidence: { ...evidence, [then.name]: second.evidence },
    });
  };
}

export interface JudgeOptions {
  /** Milliseconds until the verdict is `failed`, time spent in line not counted. Default 10 000. */
  readonly deadline?: number;
  /** Ends the wait: `judge` then rejects with the signal's reason, since no verdict was reached. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Runs a verifier under a deadline and turns whatever it does into a verdict. A boolean or a number from 0 to 1
 * counts as a score. Anything thrown, any other value, and being late give `failed`.
 *
 * A verifier that computes without ever yielding holds this thread: the deadline is then noticed only when it
 * returns. Code that may do so belongs in a process or thread of its own.
 */
export async function judge(
  run: (signal: AbortSignal, pause: Pause) => unknown,
  options: JudgeOptions = {},
): Promise<Verdict> {
  const milliseconds = options.deadline ?? 10_000;
  const outer = options.signal;
  outer?.throwIfAborted();
  const late = failed('verifier', `no verdict within the deadline of ${milliseconds} ms`);
  const controller = new AbortController();
  let onPassed: () => void = () => undefined;
  let onAbort: (() => void) | undefined;
  const deadline = new Deadline(milliseconds, options.clock ?? systemClock, () => onPassed());
  try {
    const result = run(controller.signal, deadline.pause);
    if (!isPromiseLike(result)) return deadline.passed ? late : toVerdict(result);
    const interrupted = new Promise<Verdict>((resolve, reject) => {
      onPassed = () => resolve(late);
      onAbort = () => reject(new Interruption(outer?.reason));
      outer?.addEventListener('abort', onAbort, { once: true });
    });
    // When the deadline wins, a later rejection of the verifier must not bring the process down.
    const verdict = Promise.resolve(result).then(toVerdict, failureOf);
    return await Promise.race([verdict, interrupted]);
  } catch (error) {
    if (error instanceof Interruption) throw error.reason;
    return failureOf(error);
  } finally {
    deadline.end();
    if (onAbort !== undefined) outer?.removeEventListener('abort', onAbort);
    controller.abort();
  }
}

/** Marks the caller's own abort, so that it is not taken for an error of the verifier. */
class Interruption extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super('interrupted');
    this.reason = reason;
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function failureOf(error: unknown): Failed {
  const boundary = error instanceof AhaError && error.boundary === 'sandbox' ? 'sandbox' : 'verifier';
  return failed(boundary, describeError(error));
}

/** Parses what a verifier returned, since it may be a user's JavaScript. Never throws. */
function toVerdict(value: unknown): Verdict {
  try {
    if (typeof value === 'boolean') return scored(value ? 1 : 0);
    if (typeof value === 'number') return scored(value);
    if (typeof value === 'object' && value !== null && 'outcome' in value) {
      const verdict = value as Record<keyof Scored | keyof Failed, unknown>;
      const evidence = (verdict.evidence ?? {}) as Scored['evidence'];
      if (verdict.outcome === 'scored') {
        return scored(verdict.score as number, { parts: (verdict.parts ?? {}) as Scored['parts'], evidence });
      }
      const { boundary } = verdict;
      if (verdict.outcome === 'failed' && isFailureBoundary(boundary)) {
        return failed(boundary, String(verdict.reason), evidence);
      }
    }
    throw new AhaError({
      code: 'not-a-verdict',
      boundary: 'verifier',
      what: 'A verifier returned something that is no verdict',
      found: value === undefined ? 'undefined' : value,
      expected: 'true, false, a number from 0 to 1, scored(…) or failed(…)',
    });
  } catch (error) {
    return failureOf(error);
  }
}

function isFailureBoundary(value: unknown): value is FailureBoundary {
  return value === 'sandbox' || value === 'verifier' || value === 'reference';
}

function partsOf(name: string, verdict: Scored): Record<string, number> {
  const parts: Record<string, number> = { [name]: verdict.score };
  for (const [inner, score] of Object.entries(verdict.parts)) parts[`${name}/${inner}`] = score;
  return parts;
}
