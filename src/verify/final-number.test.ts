import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { equalsQuantity, finalNumber, numberVerifier, referenceQuantity } from './final-number.ts';
import { formatRational } from './rational.ts';
import { judge } from './verdict.ts';

const show = (response: string) => {
  const final = finalNumber(response);
  return final === undefined ? undefined : `${formatRational(final.quantity.value)} from ${final.source}`;
};

describe('finalNumber', () => {
  it.each([
    ['48 + 24 = 72\n#### 72', '72 from ####'],
    ['#### 1\nno, wait\n#### 2\nso 99', '2 from ####'],
    ['####5', '5 from ####'],
    [String.raw`so \boxed{7} or 9`, '7 from boxed'],
    [String.raw`\boxed{1} then \boxed{\frac{1}{2}}`, '1/2 from boxed'],
    [String.raw`#### 3 and \boxed{4}`, undefined],
    [String.raw`\boxed{4} #### 3`, '3 from ####'],
    ['<think>1 2 3</think> <answer>12</answer>', '12 from answer'],
    ['<think>1 2 3</think> <answer>The answer is 12 apples.</answer> 99', '12 from answer'],
    [String.raw`<think>x</think><answer>It is \boxed{12}, not 13</answer>`, '12 from boxed'],
    ['<think>5 and 6</think>\nThe answer is 11.', '11 from last'],
    ['The answer is 11.', '11 from last'],
    ['<answer>1</answer><answer>2</answer>', '2 from answer'],
    // Nothing certain: no falling through to a guess.
    ['#### unknown, maybe 5 or 6', undefined],
    ['#### \n5', undefined],
    [String.raw`\boxed{5 or 6} so 5`, undefined],
    [String.raw`\boxed{5`, undefined],
    [String.raw`\boxed{} 5`, undefined],
    ['<think></think><answer>5 or 6</answer>', undefined],
    ['<think></think><answer></answer> 5', undefined],
    // Unfinished
    ['<think>so it is 5', undefined],
    ['<think>a</think> <answer>5', undefined],
    ['<think>a</think> 4 <think> 5', undefined],
    ['', undefined],
  ])('%j → %s', (response, expected) => {
    expect(show(response)).toBe(expected);
  });

  it('reads megabytes without delay', () => {
    for (const piece of ['#### 5 ', '\\boxed{', '<answer>', '<think>', '5 ', '= 5 ', '</think>']) {
      finalNumber(piece.repeat(1_000_000 / piece.length));
    }
    expect(show('1 '.repeat(500_000) + '#### 5')).toBe('5 from ####');
  });
});

describe('a public table of (reference, prediction, expected) rows', () => {
  // The table refuses a formula with line breaks inside its delimiters; here only the number counts.
  const exceptions = [String.raw`Answer \( ${'\n'} 9 ${'\n'} \)`];

  it('no prediction is called equal that is not', () => {
    const path = new URL('../../test/fixtures/verify/math-examples.jsonl', import.meta.url);
    const rows = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { gold: string; prediction: string; expected: 0 | 1 });
    let equal = 0;
    for (const row of rows) {
      const reference = referenceQuantity(row.gold);
      const final = finalNumber(row.prediction);
      if (reference === undefined || final === undefined) continue;
      if (!equalsQuantity(reference, final.quantity) || exceptions.includes(row.prediction)) continue;
      expect(row).toMatchObject({ expected: 1 });
      equal++;
    }
    expect(equal).toBe(16);
  });
});

describe('numberVerifier', () => {
  const verify = async (reference: string, response: string) => {
    const verifier = numberVerifier<string>((problem) => problem);
    return judge((signal) => verifier(reference, response, { response, signal }));
  };

  it.each([
    ['50', '50', 1],
    ['50', '50%', 1],
    ['50', '$50.00', 1],
    ['50%', '50', 1],
    ['50%', '50 percent', 1],
    ['$50', '50 dollars', 1],
    ['5 kg', '5kg', 1],
    ['1,000', '1000', 1],
    ['0.75', '3/4', 1],
    ['-3', '-3.0', 1],
    ['0.5', '50%', 0],
    ['50%', '0.5', 0],
    ['$50', '50%', 0],
    ['$50', '€50', 0],
    ['5 kg', '5 g', 0],
    ['5 kg', '5000 g', 0],
    ['5 apples', '5 oranges', 0],
    ['5', '-5', 0],
    ['5', '5 million', 0],
    ['5', '5 or 6', 0],
    ['0.3333', '1/3', 0],
    ['12345678901234567890', '12345678901234567891', 0],
    ['0.1', '0.1000000000000000000000001', 0],
    ['5', '', 0],
    ['5', 'five', 0],
  ])('reference %j, response %j: %d', async (reference, response, score) => {
    expect(await verify(reference, `<answer>${response}</answer>`)).toMatchObject({
      outcome: 'scored',
      score,
    });
  });

  it.each([[''], ['many'], ['5 or 6'], ['1 000'], ['x'.repeat(1001)]])(
    'a reference that says no clear number (%j) is a failure, never a score',
    async (reference) => {
      expect(await verify(reference, reference)).toMatchObject({ outcome: 'failed', boundary: 'reference' });
    },
  );

  it('reads the reference of a GSM8K solution', () => {
    expect(referenceQuantity('a 1 b 2\n#### 1,234')?.value.numerator).toBe(1234n);
  });
});
