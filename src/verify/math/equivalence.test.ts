import { describe, expect, it } from 'vitest';
import { compareAnswers, defaultEquivalence, referenceFault } from './equivalence.ts';

const same = (reference: string, response: string) => compareAnswers(reference, response).outcome === 'equal';
const table = (rows: string) =>
  rows
    .trim()
    .split('\n')
    .map((line) => line.split(' || ').map((part) => part.trim()) as [string, string]);

describe('equal', () => {
  it.each(
    table(String.raw`
    \frac12 || 0.5
    \frac{1}{2} || 1/2
    \dfrac43 || \tfrac{4}{3}
    1\frac{4}{5} || 9/5
    137 \frac{1}{2} || 137.5
    1 1/2 || 1.5
    0.\overline{3} || \frac13
    0.1\overline{6} || 1/6
    10,\!080 || 10080
    58,500 || 58500
    1{,}000 || 1000
    1 000 || 1000
    .0000672 || 6.72 \times 10^{-5}
    6.72e-5 || .0000672
    2^{10} || 1024
    \sqrt{12} || 2\sqrt3
    \frac{1}{\sqrt{2}} || \frac{\sqrt2}{2}
    \sqrt{3+2\sqrt2} || 1+\sqrt2
    \sqrt{5+2\sqrt6} || \sqrt2+\sqrt3
    \frac{1}{1+\sqrt2} || \sqrt2-1
    \sqrt[3]{7+5\sqrt2} || 1+\sqrt2
    \sqrt[3]{-8} || -2
    \sqrt{-4} || 2i
    8^{2/3} || 4
    (1+i)^2 || 2i
    \frac{1}{1-i} || \frac{1+i}{2}
    e^{i\pi} || -1
    \cos\frac{\pi}{5} || \frac{1+\sqrt5}{4}
    \sin 75^\circ || \frac{\sqrt6+\sqrt2}{4}
    \cos\frac{\pi}{7}\cos\frac{2\pi}{7}\cos\frac{3\pi}{7} || \frac18
    \tan 15^\circ || 2-\sqrt3
    \sin^2 x+\cos^2 x || 1
    \sin 2x || 2\sin x\cos x
    2 \sin b \cos a || \sin(a+b)-\sin(a-b)
    \cot x || \frac{\cos x}{\sin x}
    \ln 8 || 3\ln 2
    \log_2 8 || 3
    \frac{\log 8}{\log 2} || 3
    e^{2\ln 3} || 9
    2^{x+1} || 2 \cdot 2^x
    4^x || 2^{2x}
    x^n x^m || x^{n+m}
    (x+1)^2 || x^2+2x+1
    (a+5)(b+2) || ab+2a+5b+10
    \frac{x^2-1}{x-1} || x+1
    \frac{1}{x}+\frac1y || \frac{x+y}{xy}
    x^5-1 || (x-1)(x^4+x^3+x^2+x+1)
    \sqrt{4x} || 2\sqrt{x}
    (\sqrt{x})^2 || x
    |{-3}| || 3
    5! || 120
    \binom{5}{2} || 10
    \lfloor 3.7 \rfloor || 3
    28\% || 28 percent
    28\% || 28
    28\% || 0.28
    0.5 || 50\%
    90^\circ || 90
    90^\circ || \frac{\pi}{2}
    \frac{270}7\text{ degrees} || \frac{270}{7}
    \$18.90 || 18.9
    \$32,\!348 || 32348
    5.4 \text{ cents} || 5.4\text{ cent}
    864 \mbox{ inches}^2 || 864\text{ square inches}
    15\mbox{ cm}^2 || 15
    52_8 || 52_{8}
    (3,4] || \left( 3, 4 \right]
    x \in [-2,7] || -2 \le x \le 7
    (-\infty,3) || x<3
    x<1 || -x>-1
    (-\infty, 2) \cup (3, \infty) || x<2 \text{ or } x>3
    (0,9) \cup (9,36) || (9,36)\cup(0,9)
    [0,1]\cup[1,2] || [0,2]
    x \ne 3 || (-\infty,3)\cup(3,\infty)
    3, 5, 7 || 7, 5 \text{ and } 3
    \{1\pm\sqrt{5},-2\} || -2, 1-\sqrt5, 1+\sqrt5
    1 \pm \sqrt{19} || 1+\sqrt{19}, 1-\sqrt{19}
    x=1, x=2 || x = 1 \text{ or } 2
    x=5 || 5
    5 || x=5
    (p,q)=(3,2) || (3,2)
    k = 45, n = 2 || n=2, k=45
    AB=4,CD=5 || 4, 5
    f(x)=x^2+1 || 1+x^2
    y = 2x+3 || 2x-y+3=0
    5x - 7y + 11z + 4 = 0 || 7y-5x-11z-4=0
    \begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} || \begin{bmatrix} 0.2 \\ -3.6 \end{bmatrix}
    \begin{pmatrix}6 & 8\end{pmatrix} || \begin{pmatrix}1 & 2\end{pmatrix}+\begin{pmatrix}5 & 6\end{pmatrix}
    11:21 || 11 : 21
    \text{Evelyn} || Evelyn
    \text{even} || \text{Even}
    \text{(C)} || C
    \text{(C)} || (C)
    x^2 || x²
    \sqrt2 || √2
    2\pi || 2π
    -3 || −3
    \infty || +\infty
    x || \displaystyle x
    \frac{\pi}{6} || \arcsin\frac12
    `),
  )('%s ~ %s', (reference, response) => {
    expect(compareAnswers(reference, response)).toEqual({ outcome: 'equal' });
  });
});

describe('different', () => {
  it.each(
    table(String.raw`
    \frac13 || 0.333
    \sqrt2 || 1.414
    \pi || 3.14159265358979
    \pi || \frac{22}{7}
    x || \sqrt{x^2}
    \sqrt{x}\sqrt{y} || \sqrt{xy}
    x || \ln(e^x)
    x^2 || x2
    52_8 || 42
    52_8 || 52
    52_8 || 52_9
    42 || 52_8
    (3,4] || (3,4)
    (3,4] || [3,4]
    (1,2) || (2,1)
    (1,2) || [1,2]
    x<3 || x \le 3
    x<3 || x>3
    x<3 || y<3
    (-\infty,3) || x\le 3
    1,2 || 1,3
    1,2 || 1,2,3
    32349 || 32, 349
    x=5 || y=5
    7 = 11a+c || 11a+c
    a^2+b=0 || 0
    k = 45, n = 2 || k=2, n=45
    AB=4,CD=5 || 5, 4
    \$36 || 36\%
    5\text{ m} || 5\text{ km}
    15\mbox{ cm}^2 || 15\text{ cm}
    5 || 5\text{ million}
    5 || 5 or 6
    5 || 5, 6
    5 || 5 = 6
    5 || x = 5 = 6
    5 || 0/0
    5 || \frac{5(\sqrt{3+2\sqrt2}-1-\sqrt2)}{\sqrt{3+2\sqrt2}-1-\sqrt2}
    5 || \frac{5(\sin^2x+\cos^2x-1)}{\sin^2x+\cos^2x-1}
    -2 || (-8)^{1/3}
    2^{10} || 2^{10}+10^{-30}
    \sqrt{3+2\sqrt2} || 1+\sqrt2+10^{-40}
    2x+4y-3=0 || y=-\frac{1}{2}x+\frac{3}{4}
    \text{even} || \text{odd}
    \text{(C)} || D
    f(x) || f(y)
    i || 1
    11:21 || \frac{11}{21}
    3:30 || 1:10
    10^{10^{10}} || 10^{10^{10}}+1
    1-2 || 12
    \begin{pmatrix}1\\2\end{pmatrix} || \begin{pmatrix}1&2\end{pmatrix}
    \frac{1}{2x} || 1/2x
    `),
  )('%s is not %s', (reference, response) => {
    const { outcome } = compareAnswers(reference, response);
    expect(['different', 'undecided']).toContain(outcome);
  });
});

describe('options', () => {
  it('rounds to the shown digits of the reference where asked', () => {
    const rounded = (reference: string, response: string) =>
      compareAnswers(reference, response, { ...defaultEquivalence, decimals: 'rounded' }).outcome;
    expect(rounded('1.41', String.raw`\sqrt2`)).toBe('equal');
    expect(rounded('1.42', String.raw`\sqrt2`)).toBe('different');
    expect(rounded('0.3', '1/3')).toBe('equal');
    expect(rounded('0.33', '0.335')).toBe('equal');
    expect(rounded('0.33', '0.3351')).toBe('different');
    expect(rounded('1/3', '0.333')).toBe('different');
    expect(rounded('3', '3.1')).toBe('different');
    expect(same('1.41', String.raw`\sqrt2`)).toBe(false);
  });

  it('scales equations where asked', () => {
    const scaled = (reference: string, response: string) =>
      compareAnswers(reference, response, { ...defaultEquivalence, equations: 'up-to-scale' }).outcome;
    expect(scaled('2x+4y-3=0', String.raw`y=-\frac{1}{2}x+\frac{3}{4}`)).toBe('equal');
    expect(scaled('2x+4y-3=0', '2x+4y-4=0')).toBe('different');
    expect(scaled('2x+4y-3=0', '0=0')).toBe('different');
  });
});

it.each([
  [''],
  ['the set of all numbers that are prime: x'],
  [String.raw`\frac{1}{0}`],
  ['0^0'],
  [String.raw`1/2x`],
  [String.raw`\sum_{k=1}^{10} k`],
  [String.raw`2\frac{3}{2}`],
  [String.raw`\frac{1}{`],
  ['(1,2'],
  ['5 @ 6'],
  ['[3,1]'.replace('[3', 'x \\in [3')],
  ['1.2.3'],
  ['x = 3 = 4'],
])('refuses the reference %j', (reference) => {
  expect(referenceFault(reference)).toBeTypeOf('string');
});
