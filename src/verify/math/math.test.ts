import { afterAll, describe, expect, it } from 'vitest';
import { judge } from '../verdict.ts';
import { defaultEquivalence } from './equivalence.ts';
import { math } from './math.ts';
import { ComparisonPool } from './pool.ts';

const verify = async (reference: string, response: string) => {
  const verifier = math.equals(reference);
  return judge((signal) => verifier({}, response, { response, signal }), { deadline: 60_000 });
};

describe('math.equals', () => {
  it('says what was extracted and from where', async () => {
    expect(
      await verify(String.raw`\frac{1}{2}`, String.raw`So $x^2 = \frac14$ and $x = \boxed{0.5}$.`),
    ).toEqual({
      outcome: 'scored',
      score: 1,
      parts: {},
      evidence: { extracted: '0.5', source: 'boxed' },
    });
    expect(await verify('7', 'no idea')).toMatchObject({ outcome: 'scored', score: 0 });
    expect(await verify('7', '')).toMatchObject({ score: 0, evidence: { extracted: null } });
  });

  it('takes the reference from the problem', async () => {
    const verifier = math.equals();
    const context = { response: String.raw`\boxed{x^2+2x+1}`, signal: AbortSignal.timeout(60_000) };
    expect(await verifier({ answer: '(x+1)^2' }, '', context)).toMatchObject({ score: 1 });
    expect(await verifier({ answer: '(x-1)^2' }, '', context)).toMatchObject({ score: 0 });
  });

  it('fails on a reference that cannot be compared with', async () => {
    for (const reference of [
      '',
      String.raw`\frac{1}{0}`,
      'if it rains, then 5',
      String.raw`\sum_{k=1}^{9^9} k`,
    ]) {
      expect(await verify(reference, reference)).toMatchObject({ outcome: 'failed', boundary: 'reference' });
    }
  });

  it('refuses options that it does not know', () => {
    expect(() => math.equals('5', { tolerance: 1 } as never)).toThrow(/tolerance/);
  });
});

const deep = (open: string, close: string, count: number) => `${open.repeat(count)}1${close.repeat(count)}`;
const hostile: readonly (readonly [string, string])[] = [
  ['a tower of powers', '9^{9^{9^{9^9}}}'],
  ['a tower beside a sum', '9^{9^{9^9}}+1-9^{9^{9^9}}'],
  ['a factorial of a factorial', '((9!)!)!'],
  ['many factorials', '400!'.repeat(20).replaceAll('!4', '!\\cdot 4')],
  ['a binomial coefficient', String.raw`\binom{400}{200}^{400}`],
  ['a large power of a sum', '(a+b+c+d+e+f)^{40}'],
  ['powers of powers of sums', '((((a+b)^{40}+1)^{40}+1)^{40}+1)^{40}'],
  ['products of sums', '(a+b+c+d+f+g+h)'.repeat(30)],
  ['nested roots', `${String.raw`\sqrt{2+`.repeat(50)}1${'}'.repeat(50)}`],
  ['sums of many roots', [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].map((n) => `\\sqrt{${n}}`).join('+')],
  ['a root of high degree', String.raw`\sqrt[63]{2}+\sqrt[61]{3}+\sqrt[59]{5}`],
  ['a cosine of a small part', String.raw`\cos\frac{\pi}{997}+\cos\frac{\pi}{991}`],
  ['a long fraction', `${String.raw`\frac{1}{1+`.repeat(55)}x${'}'.repeat(55)}`],
  ['brackets', deep('(', ')', 5000)],
  ['braces', deep('{', '}', 5000)],
  ['fractions', deep('\\frac{1}{', '}', 5000)],
  ['a long number', '7'.repeat(1_000_000)],
  ['many digits and a power', `${'7'.repeat(1900)}^{40}`],
  ['a megabyte of boxes', String.raw`\boxed{1}`.repeat(120_000)],
  ['a megabyte of open boxes', String.raw`\boxed{`.repeat(150_000)],
  ['a megabyte of dollars', '$'.repeat(1_000_000)],
  ['a megabyte of dollars and words', '$a '.repeat(350_000)],
  ['a megabyte of brackets', '\\('.repeat(500_000)],
  ['a megabyte of answers', 'the answer is '.repeat(70_000)],
  ['a megabyte of spaces', `answer is${' '.repeat(1_000_000)}5`],
  ['a megabyte of commas', ','.repeat(1_000_000)],
  ['commas', `1${',1'.repeat(900)}`],
  ['signs', `${'-'.repeat(1900)}1`],
  ['plus-minus signs', Array.from({ length: 400 }, () => '\\pm 1').join(' ')],
  ['thousands', `1${',000'.repeat(400)}`],
  ['spaced thousands', `1${' 000'.repeat(400)}`],
  ['superscripts', `2${'⁹'.repeat(1500)}`],
  ['strange letters', '５+𝟝+٥+Ⅴ'],
  ['directions', '5\u202e6\u2066'],
  ['an absolute value in itself', '|'.repeat(1001)],
  ['a matrix', `\\begin{pmatrix}${'1&'.repeat(900)}1\\end{pmatrix}`],
  ['exponentials', 'e^{e^{e^{e^{e^{x}}}}}'],
  ['logarithms', '\\ln '.repeat(400) + 'x'],
  ['a period', `0.\\overline{${'3'.repeat(40)}}`],
  ['an exponent of a number', '1e9999'],
];

describe('hostile texts', () => {
  it.each(hostile)('%s: a verdict, and never a wrong 1', async (_name, text) => {
    for (const response of [text, `\\boxed{${text}}`, `The answer is $${text}$.`]) {
      const verdict = await verify('12345678', response);
      expect(verdict).toMatchObject({ outcome: 'scored', score: 0 });
    }
    // As a reference it is refused, or equals itself.
    const verdict = await verify(text, `\\boxed{${text}}`);
    expect(verdict.outcome === 'scored' || verdict.boundary === 'reference').toBe(true);
  });
});

describe('the pool', () => {
  // Powers of powers of sums take many times this deadline before their budget ends; plain sums a hundredth of it.
  const pool = new ComparisonPool({ threads: 1, deadline: 100 });
  afterAll(() => pool.close());
  const ask = (response: string) =>
    pool.ask({ reference: '12', response: `\\boxed{${response}}`, options: defaultEquivalence });
  const slow = `${'('.repeat(8)}a+b${')^{40}+c'.repeat(8)}`;

  it('ends a thread that is late, and asks a new one the questions that waited behind', async () => {
    const [late, ...others] = await Promise.all([ask(slow), ask('3+9'), ask('13')]);
    expect(late?.outcome).toBe('late');
    // A machine under load may make these late, too; a lost question would never be answered.
    expect(['equal', 'late']).toContain(others[0]?.outcome);
    expect(['different', 'late']).toContain(others[1]?.outcome);
    let outcome = '';
    for (let attempt = 0; attempt < 50 && outcome !== 'equal'; attempt++) ({ outcome } = await ask('3+9'));
    expect(outcome).toBe('equal');
  });

  it('answers each question with its own judgement', async () => {
    const patient = new ComparisonPool({ deadline: 60_000 });
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    const judgements = await Promise.all(
      numbers.map((i) =>
        patient.ask({
          reference: `${i}`,
          response: `\\boxed{${i % 3 === 0 ? `${i - 1}+1` : i + 1}}`,
          options: defaultEquivalence,
        }),
      ),
    );
    expect(judgements.map(({ outcome }) => outcome)).toEqual(
      numbers.map((i) => (i % 3 === 0 ? 'equal' : 'different')),
    );
    await patient.close();
  });
});
