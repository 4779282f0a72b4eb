import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatNumber, formatShare } from './quantities.ts';

describe('formatDuration', () => {
  it.each([
    [0, '0.0 s'],
    [1.26, '1.3 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1m 00s'],
    [65, '1m 05s'],
    [3599.4, '59m 59s'],
    [3600, '1h 00m'],
    [7620, '2h 07m'],
    [86_400 * 3 + 3600 * 4, '3d 04h'],
    [-1, '–'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%d → %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('counts, bytes, shares and numbers', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [999.6, '1.00k'],
    [12_345, '12.3k'],
    [3_412_000, '3.41M'],
    [1.5e12, '1.50T'],
    [Number.NaN, '–'],
  ])('count %d → %s', (value, text) => {
    expect(formatCount(value)).toBe(text);
  });

  it.each([
    [812, '812 B'],
    [12_345, '12.3 KB'],
    [134_500_000, '135 MB'],
    [1.2e9, '1.20 GB'],
  ])('bytes %d → %s', (value, text) => {
    expect(formatBytes(value)).toBe(text);
  });

  it.each([
    [0, '0.0 %'],
    [0.731, '73.1 %'],
    [0.9996, '100 %'],
    [1, '100 %'],
    [Number.NaN, '–'],
  ])('share %d → %s', (value, text) => {
    expect(formatShare(value)).toBe(text);
  });

  it.each([
    [0, '0.000'],
    [0.7312, '0.731'],
    [0.00312, '0.0031'],
    [-12.345, '-12.35'],
    [123.456, '123.5'],
    [1e-7, '1.0e-7'],
    [1.5e9, '1.5e+9'],
    [Number.NaN, '–'],
  ])('number %d → %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});
