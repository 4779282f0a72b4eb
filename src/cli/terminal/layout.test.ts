import picocolors from 'picocolors';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { fitToWidth, sideBySide, table, truncateToWidth, wrapToWidth } from './layout.ts';

const red = picocolors.createColors(true).red;

describe('widths', () => {
  it('counts wide characters and not escapes', () => {
    expect(truncateToWidth('数学数学数学', 5)).toBe('数学…');
    expect(stringWidth(fitToWidth(red('abc'), 6))).toBe(6);
    expect(stringWidth(truncateToWidth(red('abcdefgh'), 4))).toBe(4);
    expect(fitToWidth('7', 3, 'right')).toBe('  7');
    expect(truncateToWidth('abc', 0)).toBe('');
  });

  it('wraps between words and says when lines are missing', () => {
    expect(wrapToWidth('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrapToWidth('aaaaaaaaaa', 4)).toEqual(['aaaa', 'aaaa', 'aa']);
    expect(wrapToWidth('  one two', 5)).toEqual(['  one', 'two']);
    expect(wrapToWidth('one two three four', 7, 1)).toEqual(['one tw…']);
    expect(wrapToWidth('one two three four', 9, 1)).toEqual(['one two…']);
    expect(wrapToWidth('x', 3, 0)).toEqual([]);
  });
});

describe('table', () => {
  const columns = [{ title: 'name' }, { title: 'value', align: 'right' as const }];

  it('aligns columns', () => {
    expect(
      table(
        columns,
        [
          ['a', '1'],
          ['long name', '22'],
        ],
        40,
      ),
    ).toEqual(['name       value', '─────────  ─────', 'a              1', 'long name     22']);
  });

  it('cuts the widest column to fit', () => {
    const lines = table(columns, [['a very long name indeed', '22']], 16);
    expect(lines.map((line) => stringWidth(line))).toEqual([16, 16, 16]);
    expect(lines[2]).toBe('a very l…     22');
  });
});

describe('sideBySide', () => {
  it('wraps both texts under their titles', () => {
    expect(
      sideBySide({ title: 'before', text: '12' }, { title: 'after', text: 'one two three' }, 21),
    ).toEqual(['before    │ after', '12        │ one two', '          │ three']);
  });
});
