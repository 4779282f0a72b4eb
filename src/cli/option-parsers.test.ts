import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { collect, integer, real, seed, words } from './option-parsers.ts';

describe('option parsers', () => {
  it.each([
    ['12', 12],
    ['-3', -3],
    ['+7', 7],
  ])('integer %s', (text, value) => {
    expect(integer()(text)).toBe(value);
  });

  it.each(['', ' ', '1.5', '1e3', 'abc', '0x10', '12abc', '9'.repeat(30), 'NaN', 'Infinity'])(
    'refuses %j as an integer',
    (text) => {
      expect(() => integer()(text)).toThrow(InvalidArgumentError);
    },
  );

  it('says the bounds', () => {
    expect(() => integer({ min: 1 })('0')).toThrow('Expected an integer of at least 1.');
    expect(() => real({ min: 0, above: true })('0')).toThrow('Expected a number greater than 0.');
    expect(() => real({ min: 0, max: 1 })('1.5')).toThrow('Expected a number of at least 0 and at most 1.');
    expect(integer({ min: 1 })('1')).toBe(1);
  });

  it.each([
    ['0.7', 0.7],
    ['1e-6', 1e-6],
    ['-2', -2],
  ])('real %s', (text, value) => {
    expect(real()(text)).toBe(value);
  });

  it.each(['', ' ', 'x', 'NaN', 'Infinity', '1,5'])('refuses %j as a number', (text) => {
    expect(() => real()(text)).toThrow(InvalidArgumentError);
  });

  it('takes words and numbers as seeds', () => {
    expect(seed('7')).toBe(7);
    expect(seed('run-a')).toBe('run-a');
    expect(seed('1.5')).toBe('1.5');
    expect(seed('99999999999999999999')).toBe('99999999999999999999');
    expect(() => seed('')).toThrow(InvalidArgumentError);
  });

  it('splits and collects', () => {
    expect(words('q_proj, v_proj')).toEqual(['q_proj', 'v_proj']);
    expect(() => words('a,,b')).toThrow(InvalidArgumentError);
    expect(collect('b', ['a'])).toEqual(['a', 'b']);
    expect(collect('a', undefined)).toEqual(['a']);
  });
});
