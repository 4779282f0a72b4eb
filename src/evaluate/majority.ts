/**
 * Majority vote over the samples of a problem (self-consistency, Wang et al. 2023; cons@k in DeepSeek-R1). What two
 * responses must share to vote for the same answer is what the task's verifier extracted from them (a number in
 * lowest terms, a choice, a normalised text); where it says nothing of the kind, the answer's text.
 */
import { locateAnswer } from '../verify/format.ts';
import { normalizeText } from '../verify/exact.ts';
import { accuracyOf } from '../verify/verdict.ts';
import type { ResponseRecord } from './record.ts';

/** The answer that a response votes for, or undefined when it gives none. */
export function votedAnswer(
  record: Pick<ResponseRecord, 'verdict' | 'prefilled' | 'response'>,
): string | undefined {
  const { verdict } = record;
  if (verdict.outcome === 'failed') return undefined;
  const own = verdict.evidence;
  const inner = own['accuracy'];
  const places = [inner, own].filter(
    (place): place is Record<string, unknown> => typeof place === 'object' && place !== null,
  );
  for (const place of places) {
    if (!Object.hasOwn(place, 'extracted')) continue;
    const value = place['extracted'];
    if (value === null || value === undefined) return undefined;
    return typeof value === 'string' ? normalizeText(value) : JSON.stringify(value);
  }
  // A verifier that found no answer says so without `extracted`.
  if (places.some((place) => typeof place['problem'] === 'string') && accuracyOf(verdict) === 0)
    return undefined;
  const located = locateAnswer(record.prefilled + record.response);
  const text = located === undefined ? '' : normalizeText(located.text);
  return text === '' ? undefined : text;
}

export interface Vote {
  readonly answer: string | undefined;
  /** Accuracy of the response, in [0, 1]. */
  readonly accuracy: number;
}

export interface MajorityResult {
  /**
   * Accuracy of the answer with the most votes; where several have as many, their mean, which is what drawing one of
   * them at random gives on average. 0 when no response gives an answer.
   */
  readonly accuracy: number;
  /** The winning answer; undefined without votes, the first one drawn among equals. */
  readonly answer: string | undefined;
  /** Its share of all responses. */
  readonly share: number;
}

export function majorityVote(votes: readonly Vote[]): MajorityResult {
  const counts = new Map<string, { votes: number; accuracy: number }>();
  for (const { answer, accuracy } of votes) {
    if (answer === undefined) continue;
    const count = counts.get(answer) ?? { votes: 0, accuracy: 0 };
    count.votes++;
    count.accuracy += accuracy;
    counts.set(answer, count);
  }
  const most = Math.max(0, ...[...counts.values()].map((count) => count.votes));
  if (most === 0) return { accuracy: 0, answer: undefined, share: 0 };
  const winners = [...counts].filter(([, count]) => count.votes === most);
  const accuracy = winners.reduce((sum, [, count]) => sum + count.accuracy / count.votes, 0) / winners.length;
  return { accuracy, answer: winners[0]![0], share: most / votes.length };
}
