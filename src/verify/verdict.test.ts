import { describe, expect, it } from 'vitest';
import { AhaError } from '../errors.ts';
import {
  accuracyOf,
  failed,
  gated,
  judge,
  scored,
  weighted,
  weightedVerdict,
  type Verdict,
  type Verifier,
} from './verdict.ts';

const context = { response: 'x', signal: new AbortController().signal };
const always =
  (verdict: Verdict): Verifier =>
  () =>
    verdict;

describe('scored', () => {
  it.each([[Number.NaN], [-0.1], [1.1], [Number.POSITIVE_INFINITY], ['1' as unknown as number]])(
    'refuses a score of %s',
    (score) => {
      expect(() => scored(score)).toThrow(/from 0 to 1/);
      expect(() => scored(1, { parts: { tests: score } })).toThrow(/its part tests/);
    },
  );
});

describe('weightedVerdict', () => {
  it('is the weighted mean, with every part by name', () => {
    const verdict = weightedVerdict({
      accuracy: { weight: 3, verdict: scored(0.5, { parts: { tests: 0.25 }, evidence: { passed: 1 } }) },
      format: { weight: 1, verdict: scored(1) },
      length: { weight: 0, verdict: scored(0) },
    });
    expect(verdict).toEqual({
      outcome: 'scored',
      score: 0.625,
      parts: { accuracy: 0.5, 'accuracy/tests': 0.25, format: 1, length: 0 },
      evidence: { accuracy: { passed: 1 }, format: {}, length: {} },
    });
    expect(accuracyOf(verdict as Extract<Verdict, { outcome: 'scored' }>)).toBe(0.5);
    expect(accuracyOf(scored(0.25))).toBe(0.25);
  });

  it('never leaves [0, 1] by rounding', () => {
    const part = { weight: 0.1, verdict: scored(1) };
    expect(weightedVerdict({ a: part, b: part, c: part })).toMatchObject({ score: 1 });
  });

  it('fails when a part failed, and says which', () => {
    expect(
      weightedVerdict({
        format: { weight: 1, verdict: scored(1) },
        accuracy: { weight: 1, verdict: failed('sandbox', 'out of memory', { limit: 'memory' }) },
      }),
    ).toEqual({
      outcome: 'failed',
      boundary: 'sandbox',
      reason: 'accuracy: out of memory',
      evidence: { accuracy: { limit: 'memory' } },
    });
  });

  it('refuses weights that make no mean', () => {
    expect(() => weightedVerdict({})).toThrow(/no part that counts/);
    expect(() => weightedVerdict({ a: { weight: 0, verdict: scored(1) } })).toThrow(/no part that counts/);
    expect(() => weightedVerdict({ a: { weight: -1, verdict: scored(1) } })).toThrow(
      /weight of the reward part a/,
    );
    expect(() => weightedVerdict({ a: { weight: Number.NaN, verdict: scored(1) } })).toThrow(/NaN/);
  });
});

describe('weighted and gated', () => {
  it('run verifiers and combine them', async () => {
    const verify = weighted({
      a: { weight: 1, verify: always(scored(1)) },
      b: { weight: 1, verify: async () => scored(0) },
    });
    expect(await verify(undefined, 'x', context)).toMatchObject({ score: 0.5, parts: { a: 1, b: 0 } });
  });

  it('a closed gate gives 0 and does not run what follows', async () => {
    let ran = 0;
    const then: Verifier = () => {
      ran++;
      return scored(0.75, { parts: { tests: 0.75 } });
    };
    const closed = gated({ name: 'format', verify: always(scored(0.5)) }, { name: 'accuracy', verify: then });
    expect(await closed(undefined, 'x', context)).toEqual({
      outcome: 'scored',
      score: 0,
      parts: { format: 0.5 },
      evidence: { format: {}, closed: 'format' },
    });
    expect(ran).toBe(0);
    const open = gated(
      { name: 'format', verify: always(scored(0.5)), threshold: 0.5 },
      { name: 'accuracy', verify: then },
    );
    expect(await open(undefined, 'x', context)).toMatchObject({
      score: 0.75,
      parts: { format: 0.5, accuracy: 0.75, 'accuracy/tests': 0.75 },
    });
  });

  it('a failure on either side of a gate is a failure', async () => {
    const broken = always(failed('verifier', 'crashed'));
    const fine = always(scored(1));
    const first = gated({ name: 'format', verify: broken }, { name: 'accuracy', verify: fine });
    const second = gated({ name: 'format', verify: fine }, { name: 'accuracy', verify: broken });
    expect(await first(undefined, '', context)).toMatchObject({
      outcome: 'failed',
      reason: 'format: crashed',
    });
    expect(await second(undefined, '', context)).toMatchObject({
      outcome: 'failed',
      reason: 'accuracy: crashed',
    });
  });
});

describe('judge', () => {
  it.each([
    [true, 1],
    [false, 0],
    [0.25, 0.25],
    [scored(0.5), 0.5],
  ])('takes %j as a score', async (value, score) => {
    expect(await judge(() => value)).toMatchObject({ outcome: 'scored', score });
    expect(await judge(async () => value)).toMatchObject({ outcome: 'scored', score });
  });

  it.each([
    [undefined],
    [null],
    ['1'],
    [Number.NaN],
    [2],
    [-1],
    [{}],
    [[1]],
    [{ outcome: 'scored' }],
    [{ outcome: 'scored', score: 7 }],
    [{ outcome: 'scored', score: 1, parts: { tests: 'all' } }],
    [{ outcome: 'failed', boundary: 'elsewhere' }],
    [() => 1],
  ])('takes %j for a failure of the verifier, not for a reward', async (value) => {
    expect(await judge(() => value)).toMatchObject({ outcome: 'failed', boundary: 'verifier' });
    expect(await judge(async () => value)).toMatchObject({ outcome: 'failed', boundary: 'verifier' });
  });

  it('passes on a failed verdict with its boundary', async () => {
    const verdict = failed('reference', 'unreadable', { at: 3 });
    expect(await judge(() => verdict)).toEqual(verdict);
  });

  it('turns what is thrown into a failure at the right boundary', async () => {
    const thrown = (error: unknown) => () => {
      throw error;
    };
    expect(await judge(thrown(new Error('boom')))).toMatchObject({
      outcome: 'failed',
      boundary: 'verifier',
      reason: 'boom',
    });
    expect(await judge(async () => Promise.reject(new Error('later')))).toMatchObject({ reason: 'later' });
    expect(await judge(thrown('a string'))).toMatchObject({ reason: 'a string' });
    expect(await judge(thrown(undefined))).toMatchObject({ outcome: 'failed' });
    const sandbox = new AhaError({ code: 'x', boundary: 'sandbox', what: 'No sandbox' });
    expect(await judge(thrown(sandbox))).toMatchObject({ boundary: 'sandbox' });
    const hostile = {
      get outcome(): string {
        throw new Error('no looking');
      },
    };
    expect(await judge(() => hostile)).toMatchObject({ outcome: 'failed', reason: 'no looking' });
  });

  it('gives up at the deadline, tells the verifier, and ignores what comes later', async () => {
    let aborted = false;
    const verdict = await judge(
      async (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(new Error('too late to matter'));
          });
        }),
      { deadline: 5 },
    );
    expect(verdict).toMatchObject({
      outcome: 'failed',
      boundary: 'verifier',
      reason: 'no verdict within the deadline of 5 ms',
    });
    expect(aborted).toBe(true);
  });

  it('notices that a verifier held the thread past its deadline', async () => {
    let now = 0;
    const clock = { monotonic: () => now, wall: () => 0 };
    const run = () => {
      now += 11;
      return 1;
    };
    expect(await judge(run, { deadline: 10, clock })).toMatchObject({ outcome: 'failed' });
    expect(await judge(run, { deadline: 11, clock })).toMatchObject({ score: 1 });
  });

  it("rejects with the caller's own abort, which is no verdict", async () => {
    const controller = new AbortController();
    const pending = judge(async () => new Promise(() => undefined), { signal: controller.signal });
    controller.abort(new Error('the run ends'));
    await expect(pending).rejects.toThrow('the run ends');
    await expect(judge(() => 1, { signal: controller.signal })).rejects.toThrow('the run ends');
  });
});
