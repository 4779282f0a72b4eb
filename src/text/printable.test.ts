import { describe, expect, test } from 'vitest';
import { printable } from './printable.ts';

describe('printable', () => {
  test.each([
    ['plain text, 中文, 😀 👩‍👩‍👧‍👦 ❤️', 'plain text, 中文, 😀 👩‍👩‍👧‍👦 ❤️'],
    ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
    ['\u001b[31mred\u001b[0m', String.raw`\x1b[31mred\x1b[0m`],
    ['\u001b]0;title\u0007', String.raw`\x1b]0;title\x07`],
    ['\u009b2J', String.raw`\x9b2J`],
    ['over\rwritten', String.raw`over\rwritten`],
    ['windows\r\nline', 'windows\nline'],
    ['back\u0008\u007f', String.raw`back\x08\x7f`],
    ['access\u202e\u2066 x\u2069', String.raw`access\u202e\u2066 x\u2069`],
    ['a\u200eb\u200fc\u061cd', String.raw`a\u200eb\u200fc\u061cd`],
    ['a\u2028b\u2029c', String.raw`a\u2028b\u2029c`],
    ['half \ud83d pair', String.raw`half \ud83d pair`],
    ['tag \u{e0041}', String.raw`tag \u{e0041}`],
    ['\u0000', String.raw`\x00`],
  ])('%j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  test('on a single line', () => {
    expect(printable('a\r\nb\tc\nd', { singleLine: true })).toBe(String.raw`a\nb\tc\nd`);
  });

  test('leaves nothing that a terminal would obey', () => {
    const all = Array.from({ length: 0x11_0000 }, (_, code) => String.fromCodePoint(code)).join('');
    // oxlint-disable-next-line no-control-regex
    expect(printable(all)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  });
});
