/**
 * Whether the problems of an evaluation were in the training data. Two signs are looked for, and both are reported:
 *
 * - *exact*: a training text, or one of its fields, is the problem's prompt, white space and Unicode form aside;
 * - *overlap*: a run of n words of the prompt stands in a training text (Brown et al. 2020, appendix C: n = 13, and
 *   down to 8 for short examples). A word is a run of letters, a number, or a sign, in lower case.
 *
 * Prompts of fewer than 8 words are compared exactly only: parts of `7 + 5 =` stand everywhere and mean nothing.
 */
import { normalizeText } from '../verify/exact.ts';
import { accuracyOf } from '../verify/verdict.ts';
import type { EvaluatedProblem } from './problems.ts';
import type { ResponseRecord } from './record.ts';
import { accuracyInterval, type Estimate } from './statistics.ts';

export interface TrainingTexts {
  /** Where the texts are from, for people. */
  readonly sources: readonly string[];
  /** Each text with its fields one by one: the prompt of a row beside its answer. */
  texts(): AsyncIterable<readonly string[]>;
}

export interface ContaminationReport {
  readonly sources: readonly string[];
  /** Training texts that were read. */
  readonly texts: number;
  readonly problems: number;
  /** Problems whose prompt is a training text. */
  readonly exact: number;
  /** Problems of which at least one run of n words is in a training text, the exact ones included. */
  readonly overlapping: number;
  /** Mean share of a problem's runs of n words that are in training texts. */
  readonly meanShare: number;
  /** Accuracy on problems without any overlap, and on those with; null for none. */
  readonly accuracyClean: Estimate | null;
  readonly accuracyOverlapping: Estimate | null;
  /** The problems with the greatest overlap, at most 20. */
  readonly worst: readonly {
    readonly task: string;
    readonly problem: string;
    readonly prompt: string;
    readonly exact: boolean;
    readonly share: number;
  }[];
}

/** Longest and shortest run of words that counts. */
export const longestRun = 13;
export const shortestRun = 8;

export interface Overlap {
  readonly exact: boolean;
  /** Of the prompt's runs of n words, in [0, 1]. */
  readonly share: number;
}

/** The overlap of each prompt with the texts. Memory grows with the prompts, not with the texts. */
export async function findOverlap(
  prompts: readonly string[],
  texts: AsyncIterable<readonly string[]>,
  signal?: AbortSignal,
): Promise<{ readonly overlaps: readonly Overlap[]; readonly texts: number }> {
  const exact = new Map<string, number[]>();
  /** Run of words → the prompts that hold it, by length of run. */
  const runs = new Map<number, Map<string, number[]>>();
  const totals = prompts.map((prompt, at) => {
    push(exact, normalizeText(prompt), at);
    const words = wordsOf(prompt);
    const size = Math.min(longestRun, words.length);
    if (size < shortestRun) return 0;
    const own = new Set(runsOf(words, size));
    const ofSize = runs.get(size) ?? new Map<string, number[]>();
    runs.set(size, ofSize);
    for (const run of own) push(ofSize, run, at);
    return own.size;
  });
  const found = prompts.map(() => new Set<string>());
  const same = new Set<number>();
  let count = 0;
  for await (const fields of texts) {
    if (count % 1000 === 0) signal?.throwIfAborted();
    count++;
    for (const field of fields) {
      for (const at of exact.get(normalizeText(field)) ?? []) same.add(at);
    }
    const words = wordsOf(fields.join('\n'));
    for (const [size, ofSize] of runs) {
      for (const run of runsOf(words, size)) {
        for (const at of ofSize.get(run) ?? []) found[at]!.add(run);
      }
    }
  }
  const overlaps = prompts.map((_, at) => ({
    exact: same.has(at),
    share: same.has(at) ? 1 : totals[at] === 0 ? 0 : found[at]!.size / totals[at]!,
  }));
  return { overlaps, texts: count };
}

export async function checkContamination(
  problems: readonly EvaluatedProblem[],
  records: readonly ResponseRecord[],
  training: TrainingTexts,
  signal?: AbortSignal,
): Promise<ContaminationReport> {
  const { overlaps, texts } = await findOverlap(
    problems.map(({ problem }) => problem.prompt),
    training.texts(),
    signal,
  );
  const scores = new Map<string, number[]>();
  for (const { task, problem, verdict } of records) {
    if (verdict.outcome === 'scored') push(scores, `${task}/${problem}`, accuracyOf(verdict));
  }
  const accuracyWhere = (overlapping: boolean) => {
    const chosen = problems.flatMap(({ task, identity }, at) => {
      const own = scores.get(`${task.name}/${identity}`);
      return own !== undefined && overlaps[at]!.share > 0 === overlapping ? [own] : [];
    });
    return chosen.length === 0 ? null : accuracyInterval(chosen);
  };
  const worst = problems
    .map(({ task, identity, problem }, at) => ({
      task: task.name,
      problem: identity,
      prompt: problem.prompt.slice(0, 300),
      ...overlaps[at]!,
    }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share)
    .slice(0, 20);
  return {
    sources: training.sources,
    texts,
    problems: problems.length,
    exact: overlaps.filter((overlap) => overlap.exact).length,
    overlapping: overlaps.filter(({ share }) => share > 0).length,
    meanShare: overlaps.reduce((sum, { share }) => sum + share, 0) / overlaps.length,
    accuracyClean: accuracyWhere(false),
    accuracyOverlapping: accuracyWhere(true),
    worst,
  };
}

/** Runs of letters, numbers, and single signs, in lower case. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}]+|\p{N}+|[^\s\p{L}\p{M}\p{N}]/gu) ?? []
  );
}

function* runsOf(words: readonly string[], size: number): Generator<string> {
  for (let start = 0; start + size <= words.length; start++) {
    yield words.slice(start, start + size).join(' ');
  }
}

function push<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
