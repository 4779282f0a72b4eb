/** From the responses of an evaluation to its numbers. What each means is in docs/evaluation.md. */
import { accuracyOf } from '../verify/verdict.ts';
import { majorityVote, votedAnswer } from './majority.ts';
import type { ResponseRecord } from './record.ts';
import { accuracyInterval, type Estimate, passAtKInterval, quantileOf } from './statistics.ts';

export interface LengthMeasures {
  /** Tokens of a response; null when no response has a count. */
  readonly mean: number | null;
  readonly median: number | null;
  readonly p90: number | null;
  readonly max: number | null;
  /** Means over right and over wrong responses. */
  readonly meanRight: number | null;
  readonly meanWrong: number | null;
}

export interface Measures {
  readonly problems: number;
  readonly responses: number;
  /** Responses whose check failed; they count neither as right nor as wrong. */
  readonly failed: number;
  readonly failedBy: Readonly<Record<string, number>>;
  /** Accuracy: the mean over problems of the mean over samples. Null when nothing could be checked. */
  readonly passAt1: Estimate | null;
  /** Unbiased pass@k for k = 2, 4, 8, … and the number of samples. Only problems with at least k checked samples. */
  readonly passAtK: readonly (Estimate & { readonly k: number })[];
  /** Majority vote over all samples; null with fewer than 3, where it decides nothing. */
  readonly consAtK: (Estimate & { readonly k: number }) | null;
  /** Mean score: accuracy and format as the task weighs them. */
  readonly score: number | null;
  readonly length: LengthMeasures;
  /** Shares of all responses. */
  readonly truncated: number;
  /** Responses from which no answer could be taken, among those that were checked. */
  readonly unanswered: number;
  /** Responses that keep the format; null where the task checks none. */
  readonly formatKept: number | null;
}

const confidence = 0.95;

export function measure(records: readonly ResponseRecord[]): Measures {
  const problems = byProblem(records);
  const groups = [...problems.values()].map((own) =>
    own.flatMap((record) =>
      record.verdict.outcome === 'scored'
        ? [{ accuracy: accuracyOf(record.verdict), answer: votedAnswer(record), score: record.verdict.score }]
        : [],
    ),
  );
  const checked = groups.filter((group) => group.length > 0);
  const all = checked.flat();
  const samples = Math.max(0, ...checked.map((group) => group.length));
  const failedBy: Record<string, number> = {};
  for (const { verdict } of records) {
    if (verdict.outcome === 'failed') failedBy[verdict.boundary] = (failedBy[verdict.boundary] ?? 0) + 1;
  }
  const formats = records.flatMap(({ verdict }) => {
    const kept = verdict.outcome === 'scored' ? verdict.parts['format'] : undefined;
    return kept === undefined ? [] : [kept];
  });
  const voters = checked.filter((group) => group.length === samples);
  return {
    problems: problems.size,
    responses: records.length,
    failed: records.length - all.length,
    failedBy,
    passAt1:
      checked.length === 0
        ? null
        : accuracyInterval(
            checked.map((group) => group.map(({ accuracy }) => accuracy)),
            confidence,
          ),
    passAtK: powersOfTwo(samples).map((k) => ({
      k,
      ...passAtKInterval(
        checked
          .filter((group) => group.length >= k)
          .map((group) => ({
            drawn: group.length,
            correct: group.filter(({ accuracy }) => accuracy === 1).length,
          })),
        k,
        confidence,
      ),
    })),
    consAtK:
      samples < 3
        ? null
        : {
            k: samples,
            ...accuracyInterval(
              voters.map((group) => [majorityVote(group).accuracy]),
              confidence,
            ),
          },
    score: meanOf(all.map(({ score }) => score)),
    length: measureLengths(records),
    truncated: shareOf(records, ({ finish }) => finish === 'length'),
    unanswered: shareOf(all, ({ answer }) => answer === undefined),
    formatKept: meanOf(formats),
  };
}

/** Records by problem, in the order of their first appearance. */
export function byProblem(records: readonly ResponseRecord[]): Map<string, ResponseRecord[]> {
  const groups = new Map<string, ResponseRecord[]>();
  for (const record of records) {
    const key = `${record.task}/${record.problem}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return groups;
}

/** 2, 4, 8, … below `samples`, and `samples`. */
export function powersOfTwo(samples: number): number[] {
  const list: number[] = [];
  for (let k = 2; k < samples; k *= 2) list.push(k);
  return samples >= 2 ? [...list, samples] : list;
}

function measureLengths(records: readonly ResponseRecord[]): LengthMeasures {
  const counted = records.filter((record) => record.tokens !== null);
  const lengths = Float64Array.from(counted, ({ tokens }) => tokens!).sort();
  const quantile = (p: number) => (lengths.length === 0 ? null : quantileOf(lengths, p));
  const meanWhere = (right: boolean) =>
    meanOf(
      counted
        .filter(({ verdict }) => verdict.outcome === 'scored' && (accuracyOf(verdict) === 1) === right)
        .map(({ tokens }) => tokens!),
    );
  return {
    mean: meanOf([...lengths]),
    median: quantile(0.5),
    p90: quantile(0.9),
    max: quantile(1),
    meanRight: meanWhere(true),
    meanWrong: meanWhere(false),
  };
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function shareOf<T>(items: readonly T[], test: (item: T) => boolean): number {
  return items.length === 0 ? 0 : items.filter((item) => test(item)).length / items.length;
}
