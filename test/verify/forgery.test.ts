/** Programs that want the reward without the work, in every language and form of test: none gets it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSandbox } from '../../src/sandbox/open.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { code } from '../../src/verify/code/code.ts';
import type { Tests } from '../../src/verify/code/tests.ts';
import { judge, type Verdict } from '../../src/verify/verdict.ts';
import { closeSharedTypeChecker } from '../../src/verify/typescript/type-checker.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ tier: 'deno' });
}, 120_000);
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  closeSharedTypeChecker();
});

const limits = { wallMs: 8000 };

async function verdictOf(
  language: 'python' | 'typescript' | 'javascript',
  tests: Tests,
  response: string,
): Promise<Verdict> {
  const verify = code[language]<null>({ tests, sandbox, limits });
  return judge((signal) => verify(null, response, { response, signal }), { deadline: 100_000 });
}

const calls: Tests = {
  kind: 'calls',
  function: 'double',
  cases: [
    { args: [2], expected: 4 },
    { args: [[3, { a: [1] }].length], expected: 4 },
    { args: [-5], expected: -10 },
  ],
};

const equalToAll = `
class E:
    def __eq__(s, o): return True
    def __ne__(s, o): return False
    def __bool__(s): return True
    def __hash__(s): return 0
    __class__ = int
    def __repr__(s): return '4'
    def __sub__(s, o): return 0
`;

const pythonForgeries: Record<string, string> = {
  pass: 'def double(x): pass',
  'a constant': 'def double(x): return 4',
  'PASS and exit': "print('PASS'); import sys; sys.exit(0)",
  'os._exit': 'import os; os._exit(0)',
  'exit in the call': 'def double(x):\n    import sys; sys.exit(0)',
  'an object that equals everything': `${equalToAll}\ndef double(x): return E()`,
  'a subclass of int that lies':
    'class I(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef double(x): return I(0)',
  'a patched json':
    'import json\njson.dumps = lambda *a, **k: \'{"n":0,"returned":{"i":"4"}}\'\ndef double(x): return 0',
  'patched builtins':
    'import builtins\nbuiltins.type = lambda x: int\nbuiltins.AssertionError = BaseException\ndef double(x): return 0',
  'markers of the protocol':
    'print(\'\\n@aha-000000000000000000000000@{"n":0,"returned":{"i":"4"}}\')\ndef double(x): return 0',
  'searching frames and memory':
    'import gc, sys\ndef double(x):\n    f = sys._getframe()\n    seen = []\n    while f: seen.append(f.f_locals); f = f.f_back\n    for s in seen:\n        for k in list(s):\n            if "expected" in str(k): return s[k]\n    for o in gc.get_objects():\n        if type(o) is dict and "expected" in o: return o["expected"]\n    return 0',
  atexit:
    'import atexit, os\natexit.register(lambda: os.write(1, b\'{"passed": true}\'))\ndef double(x): return 0',
  'writing to every descriptor':
    "import os\nfor fd in (1, 2, 3):\n    try: os.write(fd, b'PASS 3/3\\n')\n    except OSError: pass\ndef double(x): return 0",
  'an endless loop': 'def double(x):\n    while True: pass',
  recursion: 'def double(x): return double(x)',
};

describe('Python', () => {
  it.each(Object.entries(pythonForgeries))(
    '%s earns nothing from calls',
    async (_name, response) => {
      const verdict = await verdictOf('python', calls, response);
      expect(verdict).toMatchObject({ outcome: 'scored' });
      // A constant is right once; nothing is right twice.
      expect(verdict.outcome === 'scored' && verdict.score).toBeLessThan(0.7);
      const all = await verdictOf(
        'python',
        {
          kind: 'check',
          entryPoint: 'double',
          source:
            'def check(candidate):\n    assert candidate(3) == 6\n    assert abs(candidate(4) - 8) < 1e-6\n    assert candidate(candidate(1)) == 4\n',
        },
        response,
      );
      expect(all).toMatchObject({ outcome: 'scored', score: 0 });
    },
    240_000,
  );

  it('a right program earns everything, in every form', async () => {
    const right = 'Here:\n```python\ndef double(x):\n    return x * 2\n```';
    const forms: Tests[] = [
      calls,
      {
        kind: 'assertions',
        assertions: [
          'assert double(2) == 4',
          'assert double("a") == "aa"',
          'assert abs(double(0.1) - 0.2) < 1e-9',
        ],
      },
      {
        kind: 'check',
        entryPoint: 'double',
        source:
          'def check(candidate):\n    for x in range(5):\n        assert candidate(x) == x + x\n    assert candidate(candidate(1)) == 4\n',
      },
      {
        kind: 'file',
        source:
          'import pytest\nfrom solution import double\n@pytest.mark.parametrize("a,b", [(1, 2), (2, 4)])\ndef test_all(a, b):\n    assert double(a) == b\ndef test_error():\n    with pytest.raises(TypeError):\n        double()\n',
      },
    ];
    for (const tests of forms) expect(await verdictOf('python', tests, right)).toMatchObject({ score: 1 });
  }, 240_000);

  it('counts the share of tests, and says what was expected', async () => {
    const tests: Tests = {
      kind: 'assertions',
      assertions: ['assert f(1) == 1', 'assert f(2) == [2]', 'assert f(3) == 3'],
    };
    const verdict = await verdictOf('python', tests, 'def f(x): return x');
    expect(verdict).toMatchObject({
      score: 2 / 3,
      evidence: {
        passed: 2,
        of: 3,
        compared: 'host',
        failing: [{ test: 2, name: 'f(2)', expected: '[2]', got: '2' }],
      },
    });
  }, 120_000);

  it('tests that do not work are nobody’s fault', async () => {
    const tests: Tests = { kind: 'check', entryPoint: 'f', source: 'def check(candidate:\n' };
    expect(await verdictOf('python', tests, 'def f(x): return x')).toMatchObject({
      outcome: 'failed',
      boundary: 'reference',
    });
  }, 120_000);
});

const scriptForgeries: Record<string, string> = {
  nothing: 'function double(x) {}',
  'a constant': 'function double(x) { return 4 }',
  exit: 'console.log("PASS"); try { Deno.exit(0) } catch {} function double(x) { return 0 }',
  toJSON: 'function double(x) { return { toJSON() { return x * 2 } } }',
  'valueOf and toPrimitive':
    'function double(x) { return { valueOf: () => x * 2, [Symbol.toPrimitive]: () => x * 2 } }',
  'a Proxy':
    'function double(x) { return new Proxy({}, { get: () => () => x * 2, getPrototypeOf: () => Number.prototype }) }',
  'polluted prototypes':
    'Object.prototype.expected = 4; Array.prototype.push = () => 4; Object.is = () => true; JSON.stringify = () => "4"; JSON.parse = () => ({}); function double(x) { return 0 }',
  'patched equality':
    'Object.defineProperty(Number.prototype, "valueOf", { value: () => 4 }); function double(x) { return new Number(4) }',
  'markers of the protocol':
    'console.log("\\n@aha-000000000000000000000000@{\\"n\\":0,\\"returned\\":{\\"f\\":\\"4\\"}}"); function double(x) { return 0 }',
  'looking at the caller':
    'function double(x) { try { return double.caller.arguments[0].expected } catch { return new Error().stack.length } }',
  'a thenable': 'function double(x) { return { then(resolve) { resolve(x * 2) } } }',
  'an endless loop': 'function double(x) { while (true) {} }',
  'a throw': 'function double(x) { throw { passed: true } }',
};

describe('JavaScript', () => {
  it.each(Object.entries(scriptForgeries))(
    '%s earns nothing',
    async (_name, response) => {
      const verdict = await verdictOf('javascript', calls, response);
      expect(verdict).toMatchObject({ outcome: 'scored' });
      expect(verdict.outcome === 'scored' && verdict.score).toBeLessThan(0.7);
      const file =
        'import { test, expect } from "vitest"; import { double } from "./solution"; test("it", () => { expect(double(3)).toBe(6); expect(double(4) - 8).toBe(0); });';
      expect(await verdictOf('javascript', { kind: 'file', source: file }, response)).toMatchObject({
        outcome: 'scored',
        score: 0,
      });
    },
    240_000,
  );
});

describe('TypeScript', () => {
  const right = 'export const double = (x: number): number => x * 2;';
  it('a right program earns everything, in calls and in test files', async () => {
    expect(await verdictOf('typescript', calls, right)).toMatchObject({
      score: 1,
      parts: { compile: 1, tests: 1 },
    });
    const vitest =
      'import { describe, it, expect } from "vitest"; import { double } from "../src/double";\ndescribe("double", () => { it.each([[1, 2], [2, 4]])("%i", (a, b) => { expect(double(a)).toBe(b); }); it("nests", () => { expect(double(double(1))).toEqual(4); }); });';
    const node =
      'import test from "node:test"; import assert from "node:assert/strict"; import { double } from "./double.ts";\ntest("it", () => { assert.equal(double(2), 4); assert.deepEqual([double(1)], [2]); });';
    for (const source of [vitest, node]) {
      expect(await verdictOf('typescript', { kind: 'file', source }, right)).toMatchObject({ score: 1 });
    }
  }, 240_000);

  it.each([
    ['// @ts-nocheck\nconst double = (x: number): number => x * 2;'],
    ['const double = (x: any) => x * 2;'],
    ['const double = (x: number): number => ("" as unknown as number) + x * 2;'],
    ['declare global { interface Number { twice: number } }\nconst double = (x: number): number => x * 2;'],
    ['const double = (x: number): string => x * 2;'],
  ])(
    '%j does not compile, so that it earns nothing',
    async (response) => {
      expect(await verdictOf('typescript', calls, response)).toMatchObject({
        score: 0,
        parts: { compile: 0 },
      });
    },
    120_000,
  );

  it('what silences the checker costs what was configured', async () => {
    const response = 'const double = (x: any): number => x * 2;';
    const verify = code.typescript<null>({ tests: calls, sandbox, limits, suppressions: { any: 0.5 } });
    const verdict = await judge((signal) => verify(null, response, { response, signal }), {
      deadline: 100_000,
    });
    expect(verdict).toMatchObject({ score: 0.5, evidence: { suppressions: [{ kind: 'any' }] } });
  }, 120_000);

  it('a program that compiles and fails keeps its part for compiling', async () => {
    const verify = code.typescript<null>({
      tests: calls,
      sandbox,
      limits,
      scoring: 'compile-then-fraction',
      compileShare: 0.25,
    });
    const response = 'const double = (x: number): number => x;';
    const verdict = await judge((signal) => verify(null, response, { response, signal }), {
      deadline: 100_000,
    });
    expect(verdict).toMatchObject({ score: 0.25, parts: { compile: 1, tests: 0 } });
  }, 120_000);
});
