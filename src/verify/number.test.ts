import { describe, expect, it } from 'vitest';
import { lastQuantity, readQuantity, type Quantity } from './number.ts';
import { formatRational } from './rational.ts';

const show = (quantity: Quantity | undefined) =>
  quantity === undefined
    ? undefined
    : formatRational(quantity.value) + (quantity.unit === undefined ? '' : ` ${quantity.unit}`);

describe('readQuantity: the one number of an answer', () => {
  it.each([
    // Plain numbers
    ['72', '72'],
    ['-5', '-5'],
    ['−5', '-5'],
    ['+5', '5'],
    ['0', '0'],
    ['-0', '0'],
    ['5.0', '5'],
    ['5.', '5'],
    ['.5', '1/2'],
    ['0.50', '1/2'],
    ['2.125', '17/8'],
    ['1,234', '1234'],
    ['1,234,567.80', '6172839/5'],
    ['  42\n', '42'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    // Fractions and mixed numbers
    ['3/4', '3/4'],
    ['6/3', '2'],
    ['-1/2', '-1/2'],
    ['1 1/2', '3/2'],
    ['1 and 1/2', '3/2'],
    // Units
    ['$5', '5 $'],
    ['$5.00', '5 $'],
    ['-$5', '-5 $'],
    ['5 dollars', '5 $'],
    ['€5', '5 €'],
    ['50%', '50 percent'],
    ['50 %', '50 percent'],
    ['50 percent', '50 percent'],
    ['50 per cent', '50 percent'],
    ['12 apples', '12 apple'],
    ['5kg', '5 kg'],
    ['5-year-old', '5 year-old'],
    ['Natalia sold 72 clips in May.', '72 clip'],
    ['The answer is 5.', '5'],
    ['5!!', undefined],
    // Scale words
    ['5 million', '5000000'],
    ['2 dozen eggs', '24 egg'],
    ['3 hundred thousand', '300000'],
    // Chains
    ['3 + 4 = 7', '7'],
    ['x = 5', '5'],
    ['7 = x', '7'],
    ['3+4 = 7 = 7', '7'],
    ['$5 + $3 = $8', '8 $'],
    // LaTeX and Markdown
    [String.raw`\$5`, '5 $'],
    [String.raw`50\%`, '50 percent'],
    ['$5$', '5'],
    ['$$5$$', '5'],
    ['$x = 5$', '5'],
    [String.raw`\(5\)`, '5'],
    [String.raw`1{,}000`, '1000'],
    [String.raw`10,\!000`, '10000'],
    [String.raw`\frac{3}{4}`, '3/4'],
    [String.raw`-\frac{3}{4}`, '-3/4'],
    [String.raw`\dfrac12`, '1/2'],
    [String.raw`1\frac{1}{2}`, '3/2'],
    [String.raw`5\text{ apples}`, '5 apple'],
    [String.raw`45^\circ`, '45 degree'],
    [String.raw`$90^\circ$`, '90 degree'],
    [String.raw`\frac3{3}`, '1'],
    [String.raw`$\cfrac{1}{3} $`, '1/3'],
    ['$5 and nothing else', '5 $'],
    [String.raw`\begin{align*} x &= 5 \end{align*}`, '5'],
    ['**5**', '5'],
    ['**$5**', '5 $'],
    ['_5_', '5'],
    ['(5)', '5'],
    ['"5"', '5'],
  ])('%j → %s', (text, expected) => {
    expect(show(readQuantity(text))).toBe(expected);
  });

  it.each([
    // No number
    [''],
    ['   '],
    ['none'],
    ['twelve'],
    ['NaN'],
    ['Infinity'],
    // Ambiguous ways of writing
    ['1 000'],
    ['12 345 678'],
    ['1,23'],
    ['12,34,567'],
    ['1.234.567'],
    ['1.234,5'],
    ['007'],
    ['0,500'],
    ['5e3'],
    ['5k'],
    ['5M'],
    ['5x'],
    ['0x10'],
    ['3:30'],
    ['1st'],
    ['5-6'],
    ['5–6'],
    ['–5'],
    ['--5'],
    ['2020-05-01'],
    ['3/4/5'],
    ['5/0'],
    ['1.5/2'],
    ['1/02'],
    ['½'],
    ['5½'],
    ['5²'],
    ['５'],
    ['٥'],
    // Expressions that were not worked out
    ['3 + 4'],
    ['3+4'],
    ['2*3'],
    ['3 x 4'],
    ['5!'],
    ['2^5'],
    ['5(3)'],
    ['(5)(3)'],
    ['max(5)'],
    ['10 - 5'],
    ['10 -5'],
    ['|5 - 8|'],
    [String.raw`\sqrt{9}`],
    [String.raw`2^{5}`],
    [String.raw`\frac{1+\sqrt{5}}{2}`],
    [String.raw`\frac{x}{2}`],
    [String.raw`\frac123`],
    [String.raw`\binom{4}{2}`],
    ['ext{13}'],
    ['$5$10'],
    [String.raw`1-\frac{1}{2}`],
    [String.raw`\frac{10}{2} \times 3`],
    ['5 squared'],
    ['minus 5'],
    ['negative 5'],
    ['not 5'],
    ['20 divided by 5'],
    // A part of a number
    ['5 and a half'],
    ['5 and one half'],
    ['2 thirds'],
    ['5-million'],
    ['one hundred and 5'],
    ['5 hundred and 20'],
    ['US$5 thousand'],
    ['twenty-5'],
    // Inequalities and approximations
    ['≈ 5'],
    ['~5'],
    ['< 5'],
    [String.raw`\approx 5`],
    // Hedging
    ['5 or 6'],
    ['5, 6'],
    ['1 hour 30 minutes'],
    ['x = 5 or y = 6'],
    ['x = 5, y = 6'],
    ['5; 1+5 = 6'],
    ['5\n1+5=6'],
    ['5 = 6'],
    ['between 5 to 6'],
  ])('%j is no clear number', (text) => {
    expect(show(readQuantity(text))).toBeUndefined();
  });
});

describe('lastQuantity: the last number of a text', () => {
  it.each([
    ['She sold 48 + 24 = 72 clips.', '72 clip'],
    ['First 3, then 4, so the answer is 7!', '7'],
    ['The total is $1,234.50.', '2469/2 $'],
    ['It takes 5 days for 3 men = 15 man-days', '15 man-day'],
    ['earned $120 in Q4.', '120 $'],
    ['the answer is 12.\n\nI hope this helps.', '12'],
    ['Step 1: 5\nStep 2: 10', '10'],
    ['a 5-year-old is 5', '5'],
    ['x'.repeat(5000) + ' 17', '17'],
  ])('%j → %s', (text, expected) => {
    expect(show(lastQuantity(text))).toBe(expected);
  });

  it.each([
    ['no digits at all'],
    ['so that is 3 * 5'],
    ['the answer is 5 or 6'],
    ['we need 5 to 6 eggs'],
    ['at 3:30'],
    ['costs US$5'],
    ['costs Rs.500'],
    ['It is 12 345'],
    ['1'.repeat(5000)],
    ['x'.repeat(990) + '12345678901234567890'],
  ])('%j has no clear last number', (text) => {
    expect(show(lastQuantity(text))).toBeUndefined();
  });

  it('ignores names of objects that every word list inherits', () => {
    expect(show(readQuantity('5 constructor'))).toBe('5 constructor');
    expect(show(readQuantity('5 toString __proto__'))).toBe('5 tostring');
  });

  it.each([
    ['digits', '9'.repeat(1_000_000)],
    ['signs', '-'.repeat(1_000_000)],
    ['commas', '1,'.repeat(500_000)],
    ['braces', '\\text{'.repeat(160_000)],
    ['white space', ' '.repeat(1_000_000)],
    ['equals signs', '1='.repeat(500_000)],
    ['stars', '*'.repeat(1_000_000) + '5'],
    ['slashes', '1/'.repeat(500_000)],
  ])('a megabyte of %s ends at once', (_name, text) => {
    expect(readQuantity(text)).toBeUndefined();
    lastQuantity(text);
  });
});
