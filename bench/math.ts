/**
 * How many answers `math.equals` judges a second: `npm run bench:math`.
 * Pairs of references and responses of mixed kinds, half of them equal, as boxed responses; 64 at a time.
 */
import { systemClock } from '../src/util/clock.ts';
import { math } from '../src/verify/math/math.ts';
// The program of the threads, which nothing else imports: so that it is built beside this one.
import '../src/verify/math/worker.ts';

const pairs: readonly (readonly [string, string])[] = [
  ['42', '42'],
  [String.raw`\frac{3}{56}`, '0.0535'],
  [String.raw`3\sqrt{13}`, String.raw`\sqrt{117}`],
  [String.raw`x^5 - x^4 + x^3 - x^2 + x - 1`, String.raw`(x-1)(x^4+x^2+1)`],
  [String.raw`\left( 3, \frac{\pi}{2} \right)`, String.raw`(3, \pi/2)`],
  [String.raw`(-\infty, 2) \cup (3, \infty)`, String.raw`x<2 \text{ or } x>3`],
  [
    String.raw`\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}`,
    String.raw`\begin{pmatrix} 0.2 \\ 3.6 \end{pmatrix}`,
  ],
  [String.raw`\sqrt{3+2\sqrt2}`, String.raw`1+\sqrt2`],
  [String.raw`1 \pm \sqrt{19}`, String.raw`1+\sqrt{19}, 1-\sqrt{19}`],
  [String.raw`2 \sin b \cos a`, String.raw`\sin(a+b)-\sin(a-b)`],
  [String.raw`90^\circ`, '45'],
  [String.raw`6 - 5i`, '6+5i'],
];
const reasoning = 'We compute step by step and see that $a_1 = 3$ and so on. '.repeat(20);

const verify = math.equals();
const signal = new AbortController().signal;
const judge = async (i: number) => {
  const [answer, response] = pairs[i % pairs.length]!;
  return verify({ answer }, '', { response: `${reasoning}$\\boxed{${response}}$.`, signal });
};

await Promise.all(Array.from({ length: 512 }, (_, i) => judge(i)));
for (let round = 1; round <= 5; round++) {
  const start = systemClock.monotonic();
  const count = 6000;
  for (let i = 0; i < count; i += 64) {
    await Promise.all(Array.from({ length: Math.min(64, count - i) }, (_, j) => judge(i + j)));
  }
  const seconds = (systemClock.monotonic() - start) / 1000;
  console.log(`round ${round}: ${Math.round(count / seconds)} answers a second`);
}
