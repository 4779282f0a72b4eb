/**
 * Rejection sampling (R1, arXiv 2501.12948, section 2.3.3): of all responses drawn, those that are kept as data. A
 * pure function of the responses, so that what is kept can be understood and tested without a model.
 */
import type { ResponseRecord } from '../../evaluate/record.ts';
import { randomStream } from '../../util/random.ts';
import type { Language } from '../../verify/language/languages.ts';
import { accuracyOf } from '../../verify/verdict.ts';
import type { DrawSettings } from './recipe.ts';

type Settings = Pick<DrawSettings, 'keep' | 'balance'>;

/** Why a response was not kept. */
export type Refusal =
  | 'check failed'
  | 'wrong'
  | 'truncated'
  | 'too long'
  | 'too short'
  | 'mixes languages'
  | 'repeated'
  | 'problem too easy or too hard'
  | 'enough of this problem'
  | 'enough of this difficulty';

export interface ProblemDraws {
  readonly problem: string;
  readonly level: number | null;
  readonly drawn: number;
  /** Of the responses that could be checked; null when none could. */
  readonly solveRate: number | null;
  readonly kept: number;
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
}

export interface Selection {
  /** In the order of problems and samples. */
  readonly kept: readonly ResponseRecord[];
  readonly problems: readonly ProblemDraws[];
}

/** `languageShare` gives the share of the target language in a text. */
export function selectResponses(
  records: readonly ResponseRecord[],
  { keep, balance }: Settings,
  seed: string,
  languageShare: (text: string, target: Language) => number,
): Selection {
  const problems = new Map<string, ResponseRecord[]>();
  for (const record of records) {
    const own = problems.get(record.problem);
    if (own === undefined) problems.set(record.problem, [record]);
    else own.push(record);
  }
  const groups = [...problems].map(([problem, own]) => {
    const checked = own.flatMap(({ verdict }) => (verdict.outcome === 'scored' ? [accuracyOf(verdict)] : []));
    const solveRate =
      checked.length === 0 ? null : checked.reduce((sum, accuracy) => sum + accuracy, 0) / checked.length;
    const refused = new Map<Refusal, number>();
    const refuse = (reason: Refusal) => void refused.set(reason, (refused.get(reason) ?? 0) + 1);
    const texts = new Set<string>();
    const fit = own.filter((record) => {
      const reason = refusalOf(record, solveRate, keep, languageShare);
      if (reason !== undefined) {
        refuse(reason);
        return false;
      }
      const text = record.response.trim().replaceAll(/\s+/g, ' ');
      if (texts.has(text)) {
        refuse('repeated');
        return false;
      }
      texts.add(text);
      return true;
    });
    const chosen = preferred(fit, keep, randomStream(seed, 'keep', problem).shuffle(fit)).slice(
      0,
      keep.perProblem,
    );
    for (let extra = chosen.length; extra < fit.length; extra++) refuse('enough of this problem');
    return {
      problem,
      level: own[0]!.level,
      drawn: own.length,
      solveRate,
      refused,
      refuse,
      chosen: new Set(chosen),
    };
  });

  if (balance !== 'none') {
    const buckets = new Map<number, (typeof groups)[number][]>();
    for (const group of groups) {
      if (group.chosen.size === 0) continue;
      const bucket =
        balance === 'level' ? (group.level ?? 0) : Math.min(3, Math.floor((group.solveRate ?? 0) * 4));
      buckets.set(bucket, [...(buckets.get(bucket) ?? []), group]);
    }
    const sizeOf = (own: readonly (typeof groups)[number][]) =>
      own.reduce((sum, { chosen }) => sum + chosen.size, 0);
    const sizes = [...buckets.values()].map(sizeOf);
    const most = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length));
    for (const [bucket, own] of buckets) {
      const all = own.flatMap((group) => [...group.chosen].map((record) => ({ group, record })));
      const extra = randomStream(seed, 'balance', bucket).shuffle(all).slice(most);
      for (const { group, record } of extra) {
        group.chosen.delete(record);
        group.refuse('enough of this difficulty');
      }
    }
  }
  const kept = new Set(groups.flatMap(({ chosen }) => [...chosen]));
  return {
    kept: records.filter((record) => kept.has(record)),
    problems: groups.map(({ problem, level, drawn, solveRate, refused, chosen }) => ({
      problem,
      level,
      drawn,
      solveRate,
      kept: chosen.size,
      refused: Object.fromEntries(refused),
    })),
  };
}

function refusalOf(
  { verdict, finish, tokens, response }: ResponseRecord,
  solveRate: number | null,
  keep: Settings['keep'],
  languageShare: (text: string, target: Language) => number,
): Refusal | undefined {
  if (verdict.outcome === 'failed') return 'check failed';
  if (finish === 'length') return 'truncated';
  if (verdict.score < keep.minimumScore) return 'wrong';
  const [low, high] = keep.solveRate;
  if (solveRate !== null && (solveRate < low || solveRate > high)) return 'problem too easy or too hard';
  if (keep.maxTokens !== undefined && tokens !== null && tokens > keep.maxTokens) return 'too long';
  if (tokens !== null && tokens < keep.minTokens) return 'too short';
  const { language } = keep;
  if (language !== undefined && languageShare(response, language.target) < language.minimumShare) {
    return 'mixes languages';
  }
  return undefined;
}

/** Those that are kept first come first. */
function preferred(
  fit: readonly ResponseRecord[],
  { prefer }: Settings['keep'],
  shuffled: readonly ResponseRecord[],
): readonly ResponseRecord[] {
  const length = ({ tokens, response }: ResponseRecord) => tokens ?? response.length;
  switch (prefer) {
    case 'random':
      return shuffled;
    case 'shortest':
      return [...fit].sort((a, b) => length(a) - length(b));
    case 'longest':
      return [...fit].sort((a, b) => length(b) - length(a));
  }
}
