import { describe, expect, it } from 'vitest';
import type { ResponseRecord } from '../../evaluate/record.ts';
import { stageSchemas, type StageOf } from './recipe.ts';
import { selectResponses } from './rejection.ts';

type Input = Partial<Pick<ResponseRecord, 'response' | 'tokens' | 'finish' | 'level'>> & {
  readonly score?: number | 'failed';
};

/** The responses to problems, by problem. */
function records(problems: Readonly<Record<string, readonly Input[]>>): ResponseRecord[] {
  return Object.entries(problems).flatMap(([problem, responses]) =>
    responses.map(({ score = 1, response, tokens = 10, finish = 'stop', level = 1 }, sample) => ({
      task: 't',
      problem,
      sample,
      level,
      category: null,
      prompt: problem,
      answer: null,
      prefilled: '',
      response: response ?? `response ${sample} to ${problem}`,
      tokens,
      finish,
      verdict:
        score === 'failed'
          ? { outcome: 'failed' as const, boundary: 'sandbox' as const, reason: 'gone', evidence: {} }
          : { outcome: 'scored' as const, score, parts: {}, evidence: {} },
    })),
  );
}

function select(
  problems: Readonly<Record<string, readonly Input[]>>,
  settings: { keep?: Record<string, unknown>; balance?: string } = {},
) {
  const stage: StageOf<'rejection-sample'> = stageSchemas['rejection-sample'].parse({
    kind: 'rejection-sample',
    model: 'rl',
    ...settings,
  });
  const share = (text: string) => (text.includes('中') ? 0.5 : 1);
  const { kept, problems: draws } = selectResponses(records(problems), stage, 'seed', share);
  return { kept: kept.map(({ problem, sample }) => `${problem}${sample}`), draws };
}

describe('selectResponses', () => {
  it('keeps right responses that ended, and counts why others were not kept', () => {
    const { kept, draws } = select({
      a: [{}, { score: 0 }, { score: 'failed' }, { finish: 'length' }, { score: 0.5 }],
    });
    expect(kept).toEqual(['a0']);
    expect(draws).toEqual([
      {
        problem: 'a',
        level: 1,
        drawn: 5,
        // The failed check says nothing about the response.
        solveRate: 2.5 / 4,
        kept: 1,
        refused: { wrong: 2, 'check failed': 1, truncated: 1 },
      },
    ]);
  });

  it('keeps at most so many of a problem, by preference, in the order in which they were drawn', () => {
    const a = [{ tokens: 30 }, { tokens: 10 }, { tokens: 20 }, { tokens: 40 }];
    expect(select({ a }, { keep: { perProblem: 2, prefer: 'shortest' } }).kept).toEqual(['a1', 'a2']);
    expect(select({ a }, { keep: { perProblem: 2, prefer: 'longest' } }).kept).toEqual(['a0', 'a3']);
    const random = select({ a }, { keep: { perProblem: 2 } });
    expect(random.kept).toHaveLength(2);
    expect(random.draws[0]!.refused).toEqual({ 'enough of this problem': 2 });
  });

  it('keeps a text once per problem', () => {
    const same = [{ response: 'x  y' }, { response: ' x y' }];
    const { kept, draws } = select({ a: same, b: same });
    expect(kept).toEqual(['a0', 'b0']);
    expect(draws[0]!.refused).toEqual({ repeated: 1 });
  });

  it('drops by length and by language', () => {
    const a = [{ tokens: 3 }, { tokens: 99 }, { tokens: 50, response: 'some 中文' }, { tokens: 50 }];
    const keep = {
      minTokens: 5,
      maxTokens: 60,
      perProblem: 9,
      language: { target: 'en', minimumShare: 0.9 },
    };
    const { kept, draws } = select({ a }, { keep });
    expect(kept).toEqual(['a3']);
    expect(draws[0]!.refused).toEqual({ 'too short': 1, 'too long': 1, 'mixes languages': 1 });
  });

  it('drops problems outside the bounds of the solve rate', () => {
    const problems = {
      easy: [{}, {}],
      medium: [{}, { score: 0 }],
      hard: [{ score: 0 }, { score: 0 }],
    };
    const { kept, draws } = select(problems, { keep: { solveRate: [0.2, 0.8] } });
    expect(kept).toEqual(['medium0']);
    expect(draws.map(({ solveRate }) => solveRate)).toEqual([1, 0.5, 0]);
    expect(draws[0]!.refused).toEqual({ 'problem too easy or too hard': 2 });
  });

  it('balances levels: none keeps more than the mean of all', () => {
    const problems = Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [`p${i}`, [{ level: i < 8 ? 1 : 2 }]]),
    );
    const { kept, draws } = select(problems, { balance: 'level' });
    const levels = draws.filter(({ kept: count }) => count > 0).map(({ level }) => level);
    expect(levels.filter((level) => level === 1)).toHaveLength(5);
    expect(levels.filter((level) => level === 2)).toHaveLength(2);
    expect(kept).toHaveLength(7);
  });
});
