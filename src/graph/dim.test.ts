import { describe, expect, it } from 'vitest';
import { type Dim, dimProduct, dimQuotient, dimValue, sameShape } from './dim.ts';

const symbols = new Map([
  ['B', 4],
  ['T', 6],
]);

describe('dimProduct', () => {
  it.each<[Dim[], Dim]>([
    [[], 1],
    [[2, 3], 6],
    [['B'], 'B'],
    [['T', 'B'], 'B*T'],
    [['B', 2, 'T', 3], '6*B*T'],
    [['B', 'B'], 'B*B'],
    [['B/2', 2], 'B'],
    [['2*B/3', 'T/4'], 'B*T/6'],
    [['B', 0], 0],
  ])('%j is %s', (dims, expected) => expect(dimProduct(dims)).toBe(expected));

  it('is canonical: the order of the factors does not matter', () => {
    expect(dimProduct(['T', 3, 'B'])).toBe(dimProduct(['B', 'T', 3]));
    expect(sameShape([dimProduct(['T', 'B'])], [dimProduct(['B', 'T'])])).toBe(true);
  });
});

describe('dimQuotient', () => {
  it.each<[Dim, Dim, Dim | undefined]>([
    [6, 3, 2],
    [7, 3, undefined],
    [6, 0, undefined],
    ['B*T', 'T', 'B'],
    ['B*T', 'B*T', 1],
    ['B', 'T', undefined],
    ['B', 3, 'B/3'],
    ['B/3', 2, 'B/6'],
    ['6*B', 4, '3*B/2'],
    [0, 5, 0],
  ])('%s / %s is %s', (a, b, expected) => expect(dimQuotient(a, b)).toBe(expected));
});

describe('dimValue', () => {
  it.each<[Dim, number]>([
    [5, 5],
    ['B', 4],
    ['B*T', 24],
    ['2*B*T/3', 16],
    ['B/4', 1],
  ])('%s is %d', (dim, expected) => expect(dimValue(dim, symbols)).toBe(expected));

  it('names an unknown dimension and those that are known', () => {
    expect(() => dimValue('B*N', symbols)).toThrow('The dimension N has no value: expected one of B, T.');
  });

  it('refuses a fraction', () => {
    expect(() => dimValue('B*T/5', symbols)).toThrow(
      'The dimension B*T/5 is not a whole number: found 4.8. Pad the input to a multiple.',
    );
  });

  it.each(['', '2B', 'B/0', 'B/x', 'B*', 'B-1', 'B/2/3'])('refuses the malformed %j', (dim) => {
    expect(() => dimValue(dim, symbols)).toThrow('A dimension is malformed');
  });
});
