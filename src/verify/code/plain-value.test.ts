import { describe, expect, it } from 'vitest';
import { extractProgram } from './extract-program.ts';
import { canonical, plainFromJson, samePlain, showPlain } from './plain-value.ts';
import { sameOutput } from './run-tests.ts';

describe('samePlain, as Python compares', () => {
  it.each([
    [{ i: '1' }, { f: '1.0' }, true],
    [{ i: '1' }, true, true],
    [{ i: '0' }, { f: '-0.0' }, true],
    [{ i: '9007199254740993' }, { f: '9007199254740992.0' }, false],
    [{ f: 'nan' }, { f: 'nan' }, false],
    [{ f: 'inf' }, { f: 'inf' }, true],
    [{ f: '1e22' }, { i: '10000000000000000000000' }, true],
    [[{ i: '1' }], { t: [{ i: '1' }] }, false],
    [{ S: [{ i: '1' }, { i: '2' }] }, { S: [{ i: '2' }, { f: '1.0' }] }, true],
    [
      {
        d: [
          ['a', null],
          ['b', true],
        ],
      },
      {
        d: [
          ['b', { i: '1' }],
          ['a', null],
        ],
      },
      true,
    ],
    [{ d: [['a', null]] }, { d: [] }, false],
    ['1', { i: '1' }, false],
    [null, false, false],
    [{ b: '61' }, 'a', false],
    [{ c: ['1.0', '0.0'] }, { i: '1' }, true],
    // What is no plain data equals nothing, itself included.
    [{ o: 'E' }, { o: 'E' }, false],
    [[{ o: 'E' }], [{ o: 'E' }], false],
    [{ i: 'x' }, { i: 'x' }, false],
    [{ i: '1', f: '1' }, { i: '1' }, false],
    [undefined, undefined, false],
  ])('%j and %j: %s', (a, b, equal) => {
    expect(samePlain(a, b)).toBe(equal);
  });

  it('bounds nesting', () => {
    let deep: unknown = null;
    for (let i = 0; i < 10_000; i++) deep = [deep];
    expect(canonical(deep)).toBeUndefined();
    expect(showPlain(deep)).toContain('…');
  });

  it('takes JSON', () => {
    expect(
      samePlain(plainFromJson({ a: [1, 2.5, 'x', null] }), {
        d: [['a', [{ f: '1.0' }, { f: '2.5' }, 'x', null]]],
      }),
    ).toBe(true);
    expect(samePlain({ t: [{ i: '1' }] }, plainFromJson([1]), { tuplesAsLists: true })).toBe(true);
  });
});

describe('extractProgram', () => {
  const python = ['python', 'py'];
  it.each([
    ['no fence at all', 'no fence at all'],
    ['a\n```python\nx = 1\n```\nb\n```\nout\n```', 'x = 1'],
    ['```\nfirst\n```\n```\nlast\n```', 'last'],
    ['```py\none\n```\n```python\ntwo\n```', 'two'],
    ['```js\none\n```', 'one'],
    ['text\n```python\ncut off', 'cut off'],
    ['````python\n```\nx\n```\n````', '```\nx\n```'],
    ['~~~python\nx\n~~~', 'x'],
    ['```python\r\nx = 1\r\n```\r\n', 'x = 1\r'],
    ['inline ```x``` only', 'inline ```x``` only'],
  ])('%j', (response, source) => {
    expect(extractProgram(response, python).source).toBe(source);
  });
});

describe('sameOutput', () => {
  it.each([
    ['1\n2\n', '1\n2', 'lines', true],
    ['1 \n2\r\n', '1\n2', 'lines', true],
    ['1\n', '1\n2', 'lines', false],
    ['1\n2\n3', '1\n2', 'lines', false],
    ['1\n\n2', '1\n2', 'lines', false],
    ['1  2', '1 2', 'lines', false],
    ['1  2', '1 2\n', 'tokens', true],
    ['1\n', '1', 'exact', false],
    ['', '', 'exact', true],
  ] as const)('%j for %j by %s: %s', (got, expected, how, same) => {
    expect(sameOutput(got, expected, how)).toBe(same);
  });
});
