/**
 * Mathematical answers against data that was not made here: all pairs of the references of MATH-500, a public table
 * of (gold, prediction, expected) rows, and pairs of expressions judged by SymPy (math-pairs.py).
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/util/random.ts';
import { compareAnswers, defaultEquivalence, referenceFault } from '../../src/verify/math/equivalence.ts';
import { clean, extractAnswer, referenceAnswer } from '../../src/verify/math/extraction.ts';

const lines = <T>(path: string | URL): T[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
const fixture = (name: string) => new URL(`../fixtures/verify/${name}`, import.meta.url);

describe('a public table of rows', () => {
  // [reference, prediction, why it does not agree]
  const exceptions: readonly (readonly [string, string, string])[] = [
    ['f(x)', 'f(y)', 'the table says both 1 and 0 of this row; the names differ'],
    [String.raw`{3}`, '0.33', '0.33 is not 1/3'],
    ['x = 11', '=11', 'a chain of equations that does not hold (11 = 7) is no answer'],
    ['|z|', 'cup', '|z| bounds a ring of complex numbers unless z is known to be real'],
    ['2.74', '2,74', 'a comma separates thousands or elements, not decimals'],
    ['1,22', '1.22', 'a comma separates thousands or elements, not decimals'],
    ['2x+4y-3=0', 'y=', 'equal up to scale, which is asked for by an option (below)'],
  ];

  it('agrees, with exceptions that have a reason; none is called equal that is not', () => {
    const used = new Set<string>();
    for (const row of lines<{ gold: string; prediction: string; expected: 0 | 1 }>(
      fixture('math-examples.jsonl'),
    )) {
      const reference = referenceAnswer(row.gold);
      const answer = extractAnswer(row.prediction);
      const isEqual =
        answer !== undefined &&
        referenceFault(reference) === undefined &&
        compareAnswers(reference, answer.text).outcome === 'equal';
      if (isEqual === (row.expected === 1)) continue;
      const exception = exceptions.find(
        ([gold, prediction]) => row.gold.includes(gold) && row.prediction.includes(prediction),
      );
      expect({ ...row, isEqual, exception }).toMatchObject({
        expected: 1,
        isEqual: false,
        exception: expect.anything() as unknown,
      });
      used.add(exception![2]);
    }
    expect(used.size).toBe(new Set(exceptions.map(([, , reason]) => reason)).size);
  });

  it('agrees on the equation up to scale where that is asked for', () => {
    const options = { ...defaultEquivalence, equations: 'up-to-scale' } as const;
    expect(compareAnswers('2x+4y-3=0', String.raw`y=-\frac{1}{2}x+\frac{3}{4}`, options).outcome).toBe(
      'equal',
    );
  });
});

describe('pairs judged by SymPy', () => {
  const rows = lines<{ reference: string; response: string; equal: boolean }>(fixture('math-pairs.jsonl'));

  it('none is called equal that is not', { timeout: 300_000 }, () => {
    const wrong = rows.filter(({ reference, response, equal }) => {
      return (
        !equal &&
        [compareAnswers(reference, response), compareAnswers(response, reference)].some(
          ({ outcome }) => outcome === 'equal',
        )
      );
    });
    expect(wrong).toEqual([]);
    expect(rows.filter(({ equal }) => !equal).length).toBeGreaterThan(200);
  });

  it('nearly all that are equal are called so', { timeout: 300_000 }, () => {
    const equal = rows.filter((row) => row.equal);
    const missed = equal.filter(
      ({ reference, response }) => compareAnswers(reference, response).outcome !== 'equal',
    );
    expect(equal.length).toBeGreaterThan(100);
    // Roots of products of symbols, which are joined only where the symbols are known to be positive.
    expect(
      missed
        .filter(({ response }) => !/sqrt\{\w*y\}|sqrt\{x/.test(response))
        .map(({ reference, response }) => [reference, response]),
    ).toEqual([]);
  });
});

const shared = fileURLToPath(new URL('../../../shared/data/math500.jsonl', import.meta.url));

describe.skipIf(!existsSync(shared))(
  'the references of MATH-500 (skipped where ../shared/data is absent: it is not part of the repository)',
  () => {
    const answers = [...new Set(lines<{ answer: string }>(shared).map(({ answer }) => clean(answer)))];

    it('each equals itself, also under decorations that mean nothing', () => {
      for (const answer of answers) {
        const decorated = [
          answer,
          ` ${answer} `,
          String.raw`\displaystyle ${answer}`,
          String.raw`\,${answer}\!`,
          answer.replaceAll('\\frac', '\\dfrac'),
          answer.replaceAll('\\frac', '\\tfrac'),
          answer.replaceAll('\\left', '').replaceAll('\\right', ''),
          answer.replaceAll('pmatrix', 'bmatrix'),
        ];
        for (const one of decorated) {
          expect([answer, one, compareAnswers(answer, clean(one)).outcome]).toEqual([answer, one, 'equal']);
        }
        expect(extractAnswer(`So $\\boxed{${answer}}$.`)?.text).toBe(answer);
      }
    });

    it('no two are called equal except those that are', { timeout: 600_000 }, () => {
      const equal: string[] = [];
      for (const reference of answers) {
        for (const response of answers) {
          if (reference !== response && compareAnswers(reference, response).outcome === 'equal') {
            equal.push(`${reference} ~ ${response}`);
          }
        }
      }
      expect(equal.sort()).toEqual([...samePairs].sort());
    });

    it('a changed digit or sign is another answer', { timeout: 300_000 }, () => {
      const random = randomStream(1, 'math mutations');
      const wrong: string[] = [];
      for (const answer of answers) {
        for (const match of answer.matchAll(/\d/g)) {
          const digit = (Number(match[0]) + 1 + random.integer(9)) % 10;
          const changed = answer.slice(0, match.index) + String(digit) + answer.slice(match.index + 1);
          if (compareAnswers(answer, changed).outcome === 'equal' && digit !== Number(match[0]))
            wrong.push(`${answer} ~ ${changed}`);
        }
      }
      expect(wrong).toEqual([]);
    });

    it('random characters never throw and never equal', { timeout: 300_000 }, () => {
      const random = randomStream(1, 'math garbage');
      const pieces = [
        ...Array.from("0123456789xyzabi+-*/^_(){}[]|,;:=<>!$%&\\ .'"),
        '\\frac',
        '\\sqrt',
        '\\pi',
        '\\sin',
        '\\ln',
        '\\cup',
        '\\in',
        '\\infty',
        '\\pm',
        '\\text{',
        '\\left(',
        '\\right)',
        '^\\circ',
        '\\begin{pmatrix}',
        '\\end{pmatrix}',
        '²',
        '√',
        '−',
        '\u202e',
      ];
      for (let i = 0; i < 5000; i++) {
        const length = 1 + random.integer(14);
        const text = Array.from({ length }, () => random.pick(pieces)).join('');
        expect([text, compareAnswers('982451653', text).outcome]).not.toEqual([text, 'equal']);
        expect(typeof (extractAnswer(text)?.text ?? '')).toBe('string');
        const fault = referenceFault(text);
        if (fault === undefined && compareAnswers(text, text).outcome !== 'equal')
          throw new Error(`${text} does not equal itself`);
      }
    });
  },
);

/** Seen by eye: the same value; or the same number, whose unit or name the response adds or leaves out. */
const samePairs: readonly string[] = String.raw`
90^\circ ~ 90
5 ~ x=5
\pi ~ 180^\circ
x=5 ~ 5
1,-2 ~ -2,1
120^\circ ~ 120
36 ~ 36^\circ
36 ~ \$36
120 ~ 120^\circ
\frac{1}{4} ~ \frac14
\frac14 ~ \frac{1}{4}
30^\circ ~ 30
30 ~ 30^\circ
10,\!080 ~ 10080
10080 ~ 10,\!080
90 ~ 90^\circ
15 ~ 15\mbox{ cm}^2
15\mbox{ cm}^2 ~ 15
180^\circ ~ \pi
36^\circ ~ 36
2 \sqrt{5} ~ 2\sqrt{5}
2\sqrt{5} ~ 2 \sqrt{5}
-2,1 ~ 1,-2
\$36 ~ 36`
  .trim()
  .split('\n');
