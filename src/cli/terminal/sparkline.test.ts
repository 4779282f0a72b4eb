import { describe, expect, it } from 'vitest';
import { divide, progressBar } from './bar.ts';
import { sparkline } from './sparkline.ts';

describe('sparkline', () => {
  it('draws the smallest value lowest and the largest highest', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], { width: 8 })).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([7, 0], { width: 8, unicode: false })).toBe('#_');
  });

  it('averages a series that is longer than the width', () => {
    expect(sparkline([0, 0, 0, 10, 10, 10], { width: 2 })).toBe('▁█');
    expect(sparkline([0, 10, 0, 10, 20, 20, 20, 20], { width: 2, minimum: 0, maximum: 20 })).toBe('▃█');
  });

  it('clips to a given scale', () => {
    expect(sparkline([-5, 0.5, 5], { width: 3, minimum: 0, maximum: 1 })).toBe('▁▅█');
  });

  it('shows what is no number as a gap and a constant at half height', () => {
    expect(sparkline([1, Number.NaN, 1], { width: 3 })).toBe('▅ ▅');
    expect(sparkline([], { width: 5 })).toBe('');
    expect(sparkline([Number.NaN], { width: 5 })).toBe(' ');
    expect(sparkline([1, 2], { width: 0 })).toBe('');
  });
});

describe('progressBar', () => {
  it('is full only when all is done', () => {
    expect(progressBar(0, 5)).toBe('░░░░░');
    expect(progressBar(0.5, 4)).toBe('██░░');
    expect(progressBar(0.99, 5)).toBe('████░');
    expect(progressBar(1, 5)).toBe('█████');
    expect(progressBar(7, 3, false)).toBe('###');
    expect(progressBar(Number.NaN, 3)).toBe('░░░');
  });
});

describe('divide', () => {
  it('fills the whole width', () => {
    expect(divide([1, 1, 1], 10)).toEqual([4, 3, 3]);
    expect(divide([0.7, 0.2, 0.1], 10)).toEqual([7, 2, 1]);
    expect(divide([0, 0], 10)).toEqual([0, 0]);
  });
});
