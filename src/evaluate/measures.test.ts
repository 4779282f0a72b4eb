import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { majorityVote, votedAnswer } from './majority.ts';
import { measure, powersOfTwo } from './measures.ts';
import type { ResponseRecord } from './record.ts';

/** Responses as a verifier of numbers judges them. */
function record(problem: string, sample: number, extracted: string | null, right: boolean): ResponseRecord {
  const evidence = { accuracy: { extracted } };
  return {
    task: 'numbers',
    problem,
    sample,
    level: null,
    category: null,
    prompt: problem,
    answer: null,
    prefilled: '',
    response: `I say ${extracted}`,
    tokens: 10 + sample,
    finish: 'stop',
    verdict: { outcome: 'scored', score: right ? 1 : 0, parts: { accuracy: right ? 1 : 0 }, evidence },
  };
}

describe('majorityVote', () => {
  const vote = (text: string) =>
    Array.from(text).map((letter) => ({
      answer: letter === '-' ? undefined : letter,
      accuracy: letter === 'R' ? 1 : 0,
    }));
  it.each([
    // Worked out by hand: the accuracy of the winner, the mean over winners where there are several.
    ['RRx', 1, 2 / 3],
    ['Rxx', 0, 2 / 3],
    ['Rx', 0.5, 1 / 2],
    ['Rxy', 1 / 3, 1 / 3],
    ['RRxxy', 0.5, 2 / 5],
    ['----', 0, 0],
    ['R---', 1, 1 / 4],
    ['xR--x', 0, 2 / 5],
  ])('%s gives %d', (text, accuracy, share) => {
    const result = majorityVote(vote(text));
    expect(result.accuracy).toBeCloseTo(accuracy, 12);
    expect(result.share).toBeCloseTo(share, 12);
  });

  it('is what drawing the answer at random among the most frequent gives on average', () => {
    const random = randomStream(1, 'majority');
    for (let round = 0; round < 20; round++) {
      const votes = Array.from({ length: 7 }, () => {
        const answer = random.pick(['a', 'b', 'c', 'R']);
        return { answer, accuracy: answer === 'R' ? 1 : 0 };
      });
      // Simulated: shuffle, then take the first answer to have the highest count.
      let right = 0;
      const rounds = 4000;
      for (let i = 0; i < rounds; i++) {
        const counts = new Map<string, number>();
        for (const { answer } of votes) counts.set(answer, (counts.get(answer) ?? 0) + 1);
        const most = Math.max(...counts.values());
        const winner = random.pick([...counts.keys()].filter((answer) => counts.get(answer) === most));
        if (winner === 'R') right++;
      }
      expect(Math.abs(majorityVote(votes).accuracy - right / rounds)).toBeLessThan(0.04);
    }
  });
});

describe('votedAnswer', () => {
  const base = record('p', 0, '7', true);
  it('takes what the verifier extracted, not how it was written', () => {
    expect(votedAnswer(base)).toBe('7');
    expect(votedAnswer({ ...base, response: 'it is 7.0' })).toBe('7');
    expect(votedAnswer(record('p', 0, null, false))).toBeUndefined();
  });
  it('takes the text of the answer where the verifier extracts nothing', () => {
    const verdict = {
      outcome: 'scored' as const,
      score: 1,
      parts: { accuracy: 1 },
      evidence: { accuracy: {} },
    };
    const response = '<think>so</think> <answer> a  b </answer>';
    expect(votedAnswer({ ...base, verdict, response })).toBe('a b');
  });
  it('has none in a response that could not be judged, or that gives no answer', () => {
    const failed = {
      outcome: 'failed' as const,
      boundary: 'verifier' as const,
      reason: 'late',
      evidence: {},
    };
    expect(votedAnswer({ ...base, verdict: failed })).toBeUndefined();
    const evidence = { accuracy: { problem: 'the response gives no answer' } };
    const verdict = { outcome: 'scored' as const, score: 0, parts: { accuracy: 0 }, evidence };
    expect(votedAnswer({ ...base, verdict })).toBeUndefined();
  });
});

describe('measure', () => {
  const responses = (problem: string, text: string) =>
    Array.from(text).map((letter, i) => record(problem, i, letter === '-' ? null : letter, letter === 'R'));

  it('gives the numbers worked out by hand', () => {
    // Right: 3 of 4, 1 of 4, 0 of 4. pass@2 = 1 − C(n−c, 2)/C(4, 2): 1, 1/2, 0.
    const measures = measure([
      ...responses('a', 'RRRx'),
      ...responses('b', 'Rxxx'),
      ...responses('c', 'xy--'),
    ]);
    expect(measures.passAt1!.mean).toBeCloseTo(4 / 12, 12);
    expect(measures.passAtK.map(({ k, mean }) => [k, mean])).toEqual([
      [2, expect.closeTo((1 + 1 / 2 + 0) / 3, 12)],
      [4, expect.closeTo(2 / 3, 12)],
    ]);
    expect(measures.consAtK).toMatchObject({ k: 4, mean: expect.closeTo(1 / 3, 12) as number });
    expect(measures.unanswered).toBeCloseTo(2 / 12, 12);
    expect(measures.length).toMatchObject({ mean: 11.5, median: 11.5, max: 13 });
    // Right ones have 10, 11, 12 and 10 tokens.
    expect(measures.length.meanRight).toBeCloseTo(43 / 4, 12);
    expect(measures).toMatchObject({ problems: 3, responses: 12, failed: 0, truncated: 0, formatKept: null });
  });

  it('has no vote of two, and nothing at all without a checked response', () => {
    expect(measure(responses('a', 'Rx')).consAtK).toBeNull();
    const failed: ResponseRecord = {
      ...record('a', 0, null, false),
      verdict: { outcome: 'failed', boundary: 'sandbox', reason: 'gone', evidence: {} },
    };
    expect(measure([failed])).toMatchObject({
      passAt1: null,
      passAtK: [],
      failed: 1,
      failedBy: { sandbox: 1 },
    });
  });

  it('estimates pass@k without bias: as often as a simulation of k draws succeeds', () => {
    // Problems of known difficulty, 8 samples each, many times: the mean estimate against the truth 1 − (1 − p)^k.
    const random = randomStream(7, 'pass-at-k');
    const difficulties = [0.05, 0.2, 0.5, 0.9];
    const sums = new Map<number, number>();
    const rounds = 1500;
    for (let round = 0; round < rounds; round++) {
      const records = difficulties.flatMap((p, i) =>
        Array.from({ length: 8 }, (_, s) => {
          const right = random.next() < p;
          return record(`p${i}`, s, right ? 'R' : 'x', right);
        }),
      );
      for (const { k, mean } of measure(records).passAtK) sums.set(k, (sums.get(k) ?? 0) + mean);
    }
    for (const [k, sum] of sums) {
      const truth = difficulties.reduce((total, p) => total + 1 - (1 - p) ** k, 0) / difficulties.length;
      // Four standard errors of the mean of 1500 rounds: a spread of at most 0.25 over four problems.
      expect(Math.abs(sum / rounds - truth)).toBeLessThan((4 * 0.25) / Math.sqrt(rounds));
    }
    expect([...sums.keys()]).toEqual([2, 4, 8]);
  });

  it('counts k in powers of two, up to the number of samples', () => {
    expect(powersOfTwo(1)).toEqual([]);
    expect(powersOfTwo(2)).toEqual([2]);
    expect(powersOfTwo(6)).toEqual([2, 4, 6]);
    expect(powersOfTwo(8)).toEqual([2, 4, 8]);
  });
});
