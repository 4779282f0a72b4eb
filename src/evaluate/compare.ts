/** Two models on the same problems: is one better? The unit is the problem, and pairs of results are compared. */
import { isDeepStrictEqual } from 'node:util';
import { AhaError } from '../errors.ts';
import { randomStream } from '../util/random.ts';
import { accuracyOf } from '../verify/verdict.ts';
import { majorityVote, votedAnswer } from './majority.ts';
import { byProblem } from './measures.ts';
import type { ResponseRecord } from './record.ts';
import type { EvaluationReport } from './report.ts';
import { mcnemarExact, pairedBootstrap, type PairedDifference, type PairedTest } from './statistics.ts';

export interface Comparison {
  /** Problems that both have a checked response to. */
  readonly problems: number;
  /** Problems that only one of the two has. */
  readonly unmatched: number;
  /** pass@1, second − first, by a paired bootstrap over problems. */
  readonly accuracy: PairedDifference;
  /** An exact test on right or wrong, of single samples or of majority votes; null where neither is to be had. */
  readonly mcnemar: (PairedTest & { readonly of: 'single answers' | 'majority votes' }) | null;
  /** Mean tokens of a response. */
  readonly length: { readonly first: number; readonly second: number } | null;
  /** How the two were not asked the same. */
  readonly warnings: readonly string[];
}

interface Evaluation {
  readonly report: EvaluationReport;
  readonly records: readonly ResponseRecord[];
}

/** @throws AhaError `nothing-to-compare` for evaluations without a common problem */
export function compareEvaluations(first: Evaluation, second: Evaluation): Comparison {
  const a = scoredByProblem(first.records);
  const b = scoredByProblem(second.records);
  const common = [...a.keys()].filter((key) => b.has(key));
  if (common.length === 0) {
    throw new AhaError({
      code: 'nothing-to-compare',
      boundary: 'data',
      what: 'The two evaluations have no problem in common',
      found: `${[...a.keys()].length} and ${[...b.keys()].length} problems`,
      expected: 'the same tasks',
      fix: 'Evaluate both on the same task, with the same options.',
    });
  }
  const pairs = common.map((key) => [a.get(key)!, b.get(key)!] as const);
  const single = pairs.every(([x, y]) => x.length === 1 && y.length === 1);
  const voting = pairs.every(([x, y]) => x.length >= 3 && y.length >= 3);
  const right = (records: readonly ResponseRecord[]) => voteOf(records) === 1;
  const means = (records: readonly ResponseRecord[]) =>
    records.reduce((sum, { verdict }) => sum + (verdict.outcome === 'scored' ? accuracyOf(verdict) : 0), 0) /
    records.length;
  const lengths = [first.report, second.report].map(({ measures }) => measures.length.mean);
  return {
    problems: common.length,
    unmatched: a.size + b.size - 2 * common.length,
    accuracy: pairedBootstrap(
      pairs.map(([x]) => means(x)),
      pairs.map(([, y]) => means(y)),
      { random: randomStream(0, 'evaluate', 'compare') },
    ),
    mcnemar:
      single || voting
        ? {
            of: single ? 'single answers' : 'majority votes',
            ...mcnemarExact(
              pairs.map(([x]) => right(x)),
              pairs.map(([, y]) => right(y)),
            ),
          }
        : null,
    length:
      lengths[0] === null || lengths[0] === undefined || lengths[1] === null || lengths[1] === undefined
        ? null
        : { first: lengths[0], second: lengths[1] },
    warnings: differences(first.report, second.report),
  };
}

function scoredByProblem(records: readonly ResponseRecord[]): Map<string, ResponseRecord[]> {
  return byProblem(records.filter(({ verdict }) => verdict.outcome === 'scored'));
}

function voteOf(records: readonly ResponseRecord[]): number {
  if (records.length === 1) {
    const { verdict } = records[0]!;
    return verdict.outcome === 'scored' ? accuracyOf(verdict) : 0;
  }
  return majorityVote(
    records.map((record) => ({
      answer: votedAnswer(record),
      accuracy: record.verdict.outcome === 'scored' ? accuracyOf(record.verdict) : 0,
    })),
  ).accuracy;
}

function differences(first: EvaluationReport, second: EvaluationReport): string[] {
  const notes: string[] = [];
  const [a, b] = [first.identity, second.identity];
  if (a.samples !== b.samples) notes.push(`they have ${a.samples} and ${b.samples} samples for each problem`);
  for (const key of new Set([...Object.keys(a.settings), ...Object.keys(b.settings)])) {
    const [x, y] = [a.settings, b.settings].map(
      (settings) => (settings as unknown as Record<string, unknown>)[key],
    );
    if (!isDeepStrictEqual(x, y))
      notes.push(`${key} was ${JSON.stringify(x) ?? 'not set'} and ${JSON.stringify(y) ?? 'not set'}`);
  }
  const forms = (identity: typeof a) => identity.tasks.map(({ form }) => form).join(', ');
  if (forms(a) !== forms(b)) notes.push(`problems were put to them in form ${forms(a)} and ${forms(b)}`);
  return notes;
}
