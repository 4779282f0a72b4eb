import { afterAll, describe, expect, it } from 'vitest';
import { findSuppressions, mayReachOut } from './suppressions.ts';
import { TypeChecker } from './type-checker.ts';

describe('findSuppressions', () => {
  it.each([
    ['// @ts-nocheck\nlet a = 1', ['directive']],
    ['/* x */ /* @ts-ignore */ f()', ['directive']],
    ['const x = y as any', ['any']],
    ['let a: any = 1', ['any']],
    ['let a: Array<any>', ['any']],
    ['const f = <any>x', ['any']],
    ['const f = (x: unknown): x is any[] => true', ['any']],
    ['`text ${1 as any} more`', ['any']],
    ['x as unknown as T', ['double-assertion']],
    ['const g = <unknown>f', ['double-assertion']],
    ['const v = a!.b', ['non-null']],
    ['let z!: string', ['non-null']],
    ['declare const q: number', ['ambient']],
    ['declare\nglobal {}', ['ambient']],
    ['namespace A { }', ['ambient']],
    ['/// <reference path="/etc/passwd" />', ['triple-slash']],
    ['import a from "b"', ['import']],
    ['export * from "c"', ['import']],
    ['export = 3', ['import']],
    ['eval("1")', ['eval']],
    ['new Function("x")', ['eval']],
    // Nothing is silenced here.
    ['"as any"; /as any/; `as any`', []],
    ['const any = 1; o.any; ({ any: 2 })', []],
    ['a !== b; !a; if (!a) {}', []],
    ['function f(a: unknown): unknown { return a }', []],
    ['a / b / c', []],
  ])('%j', (source, kinds) => {
    expect([...new Set(findSuppressions(source).map(({ kind }) => kind))]).toEqual(kinds);
  });

  it('counts each once per place and says where', () => {
    expect(findSuppressions('let a = 1;\nlet b = a as any;')).toEqual([
      { kind: 'any', line: 2, text: 'as any' },
    ]);
  });

  it('suspects every spelling that could reach the global scope', () => {
    for (const source of [
      'declare global {}',
      'declare module "x" {}',
      '/// < reference lib="dom"/>',
      'gl\\u006fbal',
    ]) {
      expect(mayReachOut(source)).toBe(true);
    }
    expect(mayReachOut('const a = [1].map(x => x + 1)')).toBe(false);
  });
});

describe('TypeChecker', () => {
  const checker = new TypeChecker({ deadlineMs: 20_000 });
  afterAll(() => checker.close());
  const codes = async (source: string) => (await checker.check(source)).messages.map(({ code }) => code);

  it('says line, column and message', async () => {
    expect(await checker.check('const a = 1;\nconst b: string = a;\n')).toEqual({
      outcome: 'errors',
      errors: 1,
      messages: [
        { line: 2, column: 7, code: 2322, text: "Type 'number' is not assignable to type 'string'." },
      ],
    });
    expect(await checker.check('export function f(x: number) { return x; }')).toEqual({
      outcome: 'passed',
      errors: 0,
      messages: [],
    });
  }, 120_000);

  it('lets no program see another, whether they are checked together or one after the other', async () => {
    const results = await Promise.all([
      checker.check('declare global { interface Array<T> { zap(): T } var leaked: number }'),
      checker.check('interface Shared { a: number } const one = 1;'),
      codes('const a: number = [1].zap();'),
      codes('const b = leaked; const one = 2;'),
      codes('const s: Shared = { a: 1 };'),
    ]);
    expect(results[2]).toEqual([2339]);
    expect(results[3]).toEqual([2304]);
    expect(results[4]).toEqual([2304]);
    expect(await codes('const a: number = [1].zap();')).toEqual([2339]);
  }, 120_000);

  it('reads no file of the host', async () => {
    for (const source of [
      "import x from '/etc/passwd'; x;",
      "import x = require('/etc/passwd');",
      '/// <reference path="/etc/passwd" />\nexport {};',
      "type T = typeof import('/etc/passwd');",
      "import x from '/etc/hostname' with { type: 'json' }; x;",
    ]) {
      const { messages } = await checker.check(source);
      expect(JSON.stringify(messages)).not.toContain('root:');
    }
    // References to libraries bring nothing to those who come after.
    await checker.check('/// <reference lib="dom" />\nexport {};');
    expect(await codes('document.title;')).toEqual([2584]);
  }, 120_000);

  it('ends bombs at the deadline, and what stood beside them is judged', async () => {
    const strict = new TypeChecker({ deadlineMs: 4000 });
    const digits = '${0|1|2|3|4|5|6|7|8|9}';
    const bomb =
      `type U = \`${digits.repeat(4)}\`; type X = { [K in U as \`\${K}\${U}\`]: 1 }; const y: X = {}; ` +
      'type A<N extends number, T extends unknown[] = []> = T["length"] extends N ? T : A<N, [...T, unknown]>; type B = A<900>;';
    const [late, fine, wrong] = await Promise.all([
      strict.check(bomb),
      strict.check('const a: number = 1;'),
      strict.check('const a: number = "";'),
    ]);
    expect(late.outcome).not.toBe('passed');
    expect(fine.outcome).toBe('passed');
    expect(wrong.outcome).toBe('errors');
    expect((await strict.check('x'.repeat(1_000_000))).outcome).toBe('too-long');
    expect((await strict.check('['.repeat(100_000))).outcome).not.toBe('passed');
    expect((await strict.check('const b: boolean = true;')).outcome).toBe('passed');
    strict.close();
  }, 240_000);

  it('checks more than a batch, each with its own result', async () => {
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        codes(`const a${i}: ${i % 3 === 0 ? 'string' : 'number'} = ${i};`),
      ),
    );
    for (const [i, result] of results.entries()) expect(result).toEqual(i % 3 === 0 ? [2322] : []);
  }, 120_000);
});
