/**
 * Checks a task before anything is trained on it. A task is refused when its own reference does not score 1, when
 * an empty response does, when its verifier fails on either, or when its generator gives another problem the
 * second time.
 */
import { AhaError } from '../errors.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import type { Verdict } from '../verify/verdict.ts';
import type { Problem, ProblemAddress, Split } from './problem.ts';
import type { Task } from './task.ts';

export interface CheckOptions {
  /** Problems of each level of a generator, per split. Default 16. */
  readonly perLevel?: number;
  /**
   * Milliseconds after which no more problems are looked at: 100 a split of a data set, and two of each level and
   * split of a generator, always are. Default 20 000.
   */
  readonly budget?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface TaskCheck {
  /** How many references scored 1. */
  readonly references: number;
  /** How many problems have none. */
  readonly withoutReference: number;
}

export async function checkTask<P extends Problem>(
  task: Task<P>,
  options: CheckOptions = {},
): Promise<TaskCheck> {
  const clock = options.clock ?? systemClock;
  const start = clock.monotonic();
  const detail = options.signal === undefined ? {} : { signal: options.signal };
  let references = 0;
  let withoutReference = 0;
  for (const { address, first, always } of addressesToCheck(task, options.perLevel ?? 16)) {
    if (!always && clock.monotonic() - start > (options.budget ?? 20_000)) continue;
    const problem = task.problem(address);
    if (JSON.stringify(task.problem(address)) !== JSON.stringify(problem)) {
      throw refusal(task, address, problem, {
        code: 'generator-not-deterministic',
        what: 'gave two different problems for one address',
        fix: 'Take all randomness from the stream that the generator is given.',
      });
    }
    task.prompt(problem);
    const reference = task.reference(problem);
    if (reference === undefined) withoutReference++;
    else {
      const verdict = await task.verify(problem, reference, { ...detail, finish: 'stop' });
      if (verdict.outcome === 'failed' || verdict.score !== 1) {
        throw refusal(task, address, problem, {
          code: 'reference-does-not-score',
          what: 'is refused: its own reference does not score 1',
          found: `${describeVerdict(verdict)} for the reference ${JSON.stringify(reference.slice(0, 200))}`,
          expected: 'a score of 1',
          fix: 'Correct the reference, or the verifier that cannot read it.',
        });
      }
      references++;
    }
    if (!first) continue;
    const empty = await task.verify(problem, '', { ...detail, finish: 'stop' });
    if (empty.outcome === 'failed' || empty.score === 1) {
      throw refusal(task, address, problem, {
        code: 'empty-response-scores',
        what: 'is refused: its verifier does not turn away an empty response',
        found: describeVerdict(empty),
        expected: 'a score below 1',
        fix: 'Models do give empty responses: make the verifier score them.',
      });
    }
  }
  return { references, withoutReference };
}

interface CheckedAddress {
  readonly address: ProblemAddress;
  /** The first of its split and level. */
  readonly first: boolean;
  /** Whether it is checked however long that takes. */
  readonly always: boolean;
}

function* addressesToCheck(task: Task, perLevel: number): Generator<CheckedAddress> {
  for (const split of ['heldOut', 'train'] satisfies Split[]) {
    const size = task.size(split);
    if (Number.isFinite(size)) {
      for (let index = 0; index < size; index++) {
        yield { address: { split, index }, first: index === 0, always: index < 100 };
      }
      continue;
    }
    for (const level of task.levels) {
      for (let index = 0; index < perLevel; index++) {
        yield { address: { split, index, level }, first: index === 0, always: index < 2 };
      }
    }
  }
}

function describeVerdict(verdict: Verdict): string {
  if (verdict.outcome === 'failed') return `a failure of the ${verdict.boundary} (${verdict.reason})`;
  const parts = Object.entries(verdict.parts).map(([name, score]) => `${name} ${score}`);
  return `a score of ${verdict.score} (${parts.join(', ')})`;
}

function refusal(
  task: Task,
  address: ProblemAddress,
  problem: Problem,
  detail: { code: string; what: string; found?: string; expected?: string; fix: string },
): AhaError {
  return new AhaError({
    ...detail,
    boundary: 'task',
    what: `Task ${task.name} ${detail.what}`,
    fields: { address, prompt: problem.prompt.slice(0, 200) },
    fix: `${detail.fix} (${address.split === 'train' ? 'Training' : 'Held-out'} problem ${address.index}: ${JSON.stringify(
      problem.prompt.slice(0, 100),
    )}.)`,
  });
}
