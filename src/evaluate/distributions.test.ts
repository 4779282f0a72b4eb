import { describe, expect, it } from 'vitest';
import {
  betaRegularized,
  binomialCumulative,
  logGamma,
  normalQuantile,
  normalTail,
  studentQuantile,
} from './distributions.ts';

/** All expected values: scipy 1.17.1 (norm.ppf, norm.sf, t.ppf, binom.cdf, gammaln). */
const relative = (actual: number, expected: number) =>
  Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-300);

describe('against scipy', () => {
  it.each([
    [1e-12, -7.034483825301131],
    [0.001, -3.090232306167813],
    [0.02, -2.053748910631823],
    [0.024, -1.977368428181947],
    [0.025, -1.9599639845400545],
    [0.3, -0.5244005127080409],
    [0.8, 0.8416212335729143],
    [0.975, 1.959963984540054],
    [0.995, 2.5758293035489004],
    [0.9999, 3.719016485455709],
  ])('normalQuantile(%d)', (p, expected) => {
    expect(relative(normalQuantile(p), expected)).toBeLessThan(1e-12);
  });

  it.each([
    [-3, 0.9986501019683699],
    [-0.5, 0.6914624612740131],
    [0, 0.5],
    [0.1, 0.460172162722971],
    [1, 0.15865525393145707],
    [1.96, 0.024997895148220435],
    [3, 0.0013498980316300933],
    [6, 9.865876450376946e-10],
    [10, 7.61985302416047e-24],
  ])('normalTail(%d)', (x, expected) => {
    expect(relative(normalTail(x), expected)).toBeLessThan(1e-12);
  });

  it.each([
    [0.975, 1, 12.706204736174694],
    [0.975, 2, 4.302652729749462],
    [0.975, 9, 2.262157162798205],
    [0.995, 4, 4.604094871349992],
    [0.95, 30, 1.697260886593957],
    [0.975, 1000, 1.9623390808264083],
    [0.1, 5, -1.4758840488244813],
    [0.6, 3, 0.2766706623326898],
    [0.999, 1, 318.30883898555015],
  ])('studentQuantile(%d, %d)', (p, degrees, expected) => {
    expect(relative(studentQuantile(p, degrees), expected)).toBeLessThan(1e-10);
  });

  it.each([
    [0, 1, 0.5, 0.5],
    [1, 10, 0.5, 0.0107421875],
    [5, 10, 0.5, 0.623046875],
    [3, 25, 0.2, 0.2339932592261913],
    [40, 100, 0.5, 0.028443966820490444],
    [450, 1000, 0.5, 0.0008652680424881513],
    [2, 6, 0.9, 0.0012699999999999988],
  ])('binomialCumulative(%d, %d, %d)', (k, n, p, expected) => {
    expect(relative(binomialCumulative(k, n, p), expected)).toBeLessThan(1e-11);
  });

  it.each([
    [0.5, 0.5723649429247],
    [3.5, 1.2009736023470743],
    [10, 12.801827480081469],
    [100.25, 360.28455963776423],
    [100000, 1051287.7089736569],
  ])('logGamma(%d)', (x, expected) => {
    expect(relative(logGamma(x), expected)).toBeLessThan(1e-13);
  });
});

it('ends', () => {
  expect([normalQuantile(0), normalQuantile(1), normalQuantile(0.5)]).toEqual([-Infinity, Infinity, 0]);
  expect(normalQuantile(-1)).toBeNaN();
  expect([betaRegularized(0, 2, 3), betaRegularized(1, 2, 3)]).toEqual([0, 1]);
  expect([binomialCumulative(-1, 5, 0.5), binomialCumulative(5, 5, 0.5)]).toEqual([0, 1]);
  expect(studentQuantile(0.5, 3)).toBe(0);
});
