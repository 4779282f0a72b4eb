/**
 * The program in which a test file for vitest or node:test runs: with small stand-ins for both, and without the
 * answer. What the file imports from the answer (any relative path, or `solution`) are functions that look results up
 * among those that the answer gave in its own process. See `python-tests.ts` for the rounds.
 *
 * Supported: describe, it, test with skip, only, each and todo; beforeEach, beforeAll, afterEach, afterAll; expect
 * with not, resolves and rejects and the matchers below; assert and assert/strict. No mocks, no snapshots, no timers.
 */

export interface ScriptTests {
  readonly marker: string;
  readonly source: string;
  /** Outcomes of the calls, in their order, as far as they are known. */
  readonly known: readonly unknown[];
}

/** The names that a test file imports from the answer, and the file without its imports. */
export function splitTestFile(source: string): { readonly names: string[]; readonly body: string } {
  const names: string[] = [];
  const body = source.replaceAll(
    /(^|;)[ \t]*import\s+(?:type\s+)?([^'"`;]*?)\s+from\s*['"]([^'"]+)['"]/gm,
    (_all, before: string, clause: string, from: string) => {
      return `${before}${replacement(clause, from)}`;
    },
  );
  return { names, body };

  function replacement(clause: string, from: string): string {
    if (from === 'vitest' || from === 'node:test' || from === 'test' || from === '@jest/globals') {
      const local = /^[\w$]+/.exec(clause.trim())?.[0];
      const own = local === undefined || local === 'test' || local === 'it' ? '' : `const ${local} = test;`;
      return `${own}${renamed(clause)}`;
    }
    if (/^(?:node:)?assert(?:\/strict)?$/.test(from)) {
      const local = /^(?:\*\s+as\s+)?([\w$]+)/.exec(clause.trim())?.[1];
      return `${local === undefined || local === 'assert' ? '' : `const ${local} = assert;`}${renamed(clause.replace(/^[^{]*/, ''), 'assert.')}`;
    }
    const lines: string[] = [];
    const whole = /^\*\s+as\s+([\w$]+)$/.exec(clause.trim())?.[1];
    if (whole !== undefined) lines.push(`const ${whole} = aha.answer;`);
    const standing = /^([\w$]+)\s*(?:,|$)/.exec(clause.trim())?.[1];
    if (standing !== undefined && whole === undefined) lines.push(`const ${standing} = aha.answer.default_;`);
    for (const part of /\{([^}]*)\}/.exec(clause)?.[1]?.split(',') ?? []) {
      const [name, local = name] = part
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/);
      if (name === undefined || name === '' || /^type\s/.test(part.trim())) continue;
      names.push(name);
      lines.push(`const ${local} = aha.answer.${name};`);
    }
    return lines.join(' ');
  }
}

/** `{ it as check }` of a framework as constants; the plain names are there already. */
function renamed(clause: string, from = ''): string {
  return (/\{([^}]*)\}/.exec(clause)?.[1]?.split(',') ?? [])
    .map((part) => part.trim().split(/\s+as\s+/))
    .flatMap(([name, local]) => {
      if (name === undefined || name === '') return [];
      if (from === '' && (local === undefined || local === name)) return [];
      return [`const ${local ?? name} = ${from}${name};`];
    })
    .join(' ');
}

export function scriptTests(job: ScriptTests): string {
  const { body } = splitTestFile(job.source);
  return `const job: any = ${JSON.stringify({ marker: job.marker, known: job.known })};
${shim}
await (async () => { try {
${body}
} catch (error) { aha.broken = aha.describeError(error); } })();
await aha.finish();
`;
}

const shim = String.raw`
class Unknown extends Error {}
const aha: any = (() => {
  const calls: any[] = [], results: any[] = [], checks: any[] = [];
  let whole = true, unsupported: any = null;
  const placeholders = new WeakMap<object, number>();
  function encode(value: any, depth = 0): any {
    if (depth > 100) throw new Error('nested too deeply');
    switch (typeof value) {
      case 'undefined': return { u: 1 };
      case 'boolean': case 'string': return value;
      case 'number': return { f: value === 0 ? '0' : String(value) };
      case 'bigint': return { d: [['$bigint', { i: String(value) }]] };
      case 'function': case 'symbol': return { o: typeof value };
    }
    if (value === null) return null;
    if (placeholders.has(value)) return { o: 'placeholder' };
    if (Array.isArray(value)) return Array.from(value, (item) => encode(item, depth + 1));
    const proto = Object.getPrototypeOf(value);
    if (proto === Map.prototype) return { d: [['$map', { d: [...value].map(([k, v]: any) => [encode(k, depth + 1), encode(v, depth + 1)]) }]] };
    if (proto === Set.prototype) return { S: [...value].map((item: any) => encode(item, depth + 1)) };
    if (proto === Date.prototype) return { d: [['$date', value.toISOString()]] };
    if (proto !== Object.prototype && proto !== null) return { o: 'an instance of a class' };
    return { d: Object.entries(value).map(([key, held]) => [key, encode(held, depth + 1)]) };
  }
  const opaque = (value: any): boolean => {
    if (value === null || typeof value !== 'object') return false;
    if (Array.isArray(value)) return value.some(opaque);
    if ('o' in value) return true;
    return Object.values(value).some(opaque);
  };
  class Opaque { name: string; constructor(name: string) { this.name = name; } }
  function decode(value: any): any {
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map(decode);
    if ('i' in value) return Number(value.i);
    if ('f' in value) return Number(value.f);
    if ('u' in value) return undefined;
    if ('S' in value) return new Set(value.S.map(decode));
    if ('t' in value) return value.t.map(decode);
    if ('o' in value) return new Opaque(value.o);
    const object: any = {};
    for (const [key, held] of value.d) {
      if (key === '$map') return new Map(held.d.map(([k, v]: any) => [decode(k), decode(v)]));
      if (key === '$bigint') return BigInt(held.i);
      if (key === '$date') return new Date(held);
      Object.defineProperty(object, key, { value: decode(held), writable: true, enumerable: true, configurable: true });
    }
    return object;
  }
  function placeholder(index: number): any {
    const used = () => { whole = false; throw new Unknown(); };
    const proxy = new Proxy(function () {}, { get: (_t, key) => key === 'then' ? undefined : used(), apply: used, has: used, ownKeys: used, getPrototypeOf: used, getOwnPropertyDescriptor: used, construct: used } as any);
    placeholders.set(proxy, index);
    return proxy;
  }
  const standIn = (name: string) => (...args: any[]) => {
    const index = calls.length;
    if (args.some((arg) => arg !== null && (typeof arg === 'object' || typeof arg === 'function') && placeholders.has(arg))) { whole = false; throw new Unknown(); }
    const sent = args.map((arg) => encode(arg));
    if (sent.some(opaque)) { unsupported ??= 'passes ' + name + ' what is no plain data'; throw new Unknown(); }
    calls.push({ name, args: sent });
    if (index >= job.known.length) return placeholder(index);
    const outcome = job.known[index];
    if ('raised' in outcome) {
      const kinds: any = { TypeError, RangeError, SyntaxError, EvalError, URIError, ReferenceError };
      const kind = outcome.raised.map((name: string) => kinds[name]).find((one: any) => one !== undefined) ?? Error;
      const error = new kind(outcome.message ?? '');
      if (outcome.raised[0] !== undefined) Object.defineProperty(error, 'name', { value: outcome.raised[0], configurable: true });
      throw error;
    }
    return decode(outcome.returned);
  };
  const names = new Map<string, any>();
  const answer = new Proxy({}, { get: (_t, key) => { if (typeof key !== 'string') return undefined; if (!names.has(key)) names.set(key, standIn(key)); return names.get(key); } });
  const describeError = (error: any) => String(error?.message ?? error).slice(0, 500);
  const isPlaceholder = (value: any) => value !== null && typeof value === 'function' && placeholders.has(value);
  const tests: any[] = [], stack: any[] = [{ name: '', before: [], after: [], beforeAll: [], afterAll: [] }];
  async function finish() {
    const only = tests.some((test) => test.only);
    for (const test of tests) {
      if (test.skip || (only && !test.only)) continue;
      const suites = test.suites;
      let outcome: any = { passed: true };
      try {
        for (const suite of suites) for (const hook of suite.beforeAll.splice(0)) await hook();
        for (const suite of suites) for (const hook of suite.before) await hook();
        await test.body({ expect });
        for (const suite of suites) for (const hook of suite.after) await hook();
      } catch (error) {
        const unknown = error instanceof Unknown || calls.length > job.known.length;
        if (unknown) whole = false;
        outcome = unknown ? { passed: null } : { passed: false, message: describeError(error) };
      }
      results.push({ ...outcome, pending: calls.length > job.known.length, name: test.name });
    }
    console.log('\n' + job.marker + JSON.stringify({ calls, checks, whole: whole && checks.length > 0, results, names: results.map((r) => r.name), unsupported, broken: aha.broken ?? null }));
  }
  function register(name: string, body: any, flags: any = {}) {
    const suites = [...stack];
    tests.push({ name: [...suites.slice(1).map((s) => s.name), name].join(' > '), body, suites, skip: flags.skip || suites.some((s) => s.skip), only: flags.only || suites.some((s) => s.only) });
  }
  function each(run: any) {
    return (rows: any[], ...rest: any[]) => (name: string, body: any) => {
      rows.forEach((row: any, index: number) => {
        const values = Array.isArray(row) ? row : [row];
        let next = 0;
        run(name.replace(/%[sdifjo#%]/g, (m) => (m === '%#' ? String(index) : m === '%%' ? '%' : String(values[next++]))), (context: any) => body(...values, context));
      });
    };
  }
  return { calls, results, checks, answer, encode, isPlaceholder, describeError, finish, register, each, stack, placeholders, currentTest: () => results.length, opaque, spoil: () => { whole = false; }, broken: null };
})();

function pick(args: any[]) { return args.find((arg) => typeof arg === 'function') ?? (() => {}); }
function define(flags: any) {
  const run: any = (name: any, ...rest: any[]) => aha.register(String(typeof name === 'function' ? name.name : name), pick([name, ...rest]), flags);
  return run;
}
const it: any = define({});
it.skip = define({ skip: true }); it.only = define({ only: true }); it.todo = () => {}; it.each = aha.each(it); it.concurrent = it; it.sequential = it;
it.skipIf = (skip: any) => (skip ? it.skip : it); it.runIf = (run: any) => (run ? it : it.skip);
const test = it;
function suite(flags: any) {
  return (name: any, ...rest: any[]) => {
    aha.stack.push({ name: String(name), before: [], after: [], beforeAll: [], afterAll: [], ...flags });
    try { pick(rest)(); } finally { aha.stack.pop(); }
  };
}
const describe: any = suite({});
describe.skip = suite({ skip: true }); describe.only = suite({ only: true }); describe.each = aha.each(describe);
const beforeEach = (hook: any) => aha.stack.at(-1).before.push(hook), afterEach = (hook: any) => aha.stack.at(-1).after.push(hook);
const beforeAll = (hook: any) => aha.stack.at(-1).beforeAll.push(hook), afterAll = (_hook: any) => {};
const before = beforeAll, after = afterAll;

function same(a: any, b: any, strict: boolean): boolean {
  if (b instanceof Asymmetric) return b.matches(a);
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof Map) return a.size === b.size && [...a].every(([k, v]) => [...b].some(([k2, v2]: any) => same(k, k2, strict) && same(v, v2, strict)));
  if (a instanceof Set) return a.size === b.size && [...a].every((v) => [...b].some((v2) => same(v, v2, strict)));
  if (Array.isArray(a) && a.length !== b.length) return false;
  const keys = (o: any) => Object.keys(o).filter((key) => strict || o[key] !== undefined);
  const left = keys(a);
  return left.length === keys(b).length && left.every((key) => Object.hasOwn(b, key) && same(a[key], b[key], strict));
}
class Asymmetric { matches: (value: any) => boolean; constructor(matches: (value: any) => boolean) { this.matches = matches; } }
const text = (value: any) => { try { return (JSON.stringify(value) ?? String(value)).slice(0, 200); } catch { return String(value); } };
class AssertionFailure extends Error {}
function verify(passed: boolean, what: string) { if (!passed) throw new AssertionFailure(what); }

function expect(actual: any, ..._: any[]): any { return expectation(actual, false); }
function expectation(actual: any, negated: boolean): any {
  const check = (kind: string, rule: (value: any) => boolean, expected?: any, comparable = false) => {
    if (aha.isPlaceholder(actual)) {
      const sent = comparable && !negated ? (() => { try { return aha.encode(expected); } catch { return { o: 'x' }; } })() : undefined;
      if (sent !== undefined && !aha.opaque(sent)) aha.checks.push({ unit: aha.currentTest(), call: aha.placeholders.get(actual), kind: 'equal', expected: sent });
      else aha.spoil();
      return;
    }
    verify(rule(actual) !== negated, 'expected ' + text(actual) + (negated ? ' not ' : ' ') + kind + (expected === undefined ? '' : ' ' + text(expected)));
  };
  const plain = (value: any): boolean => value === null || typeof value !== 'object';
  const api: any = {
    toBe: (e: any) => check('to be', (v) => Object.is(v, e), e, plain(e)),
    toEqual: (e: any) => check('to equal', (v) => same(v, e, false), e, !(e instanceof Asymmetric) && aha.encode !== undefined && !containsUndefined(e)),
    toStrictEqual: (e: any) => check('to equal', (v) => same(v, e, true), e, !containsUndefined(e)),
    toBeCloseTo: (e: number, digits = 2) => check('to be close to', (v) => v === e || Math.abs(v - e) < 10 ** -digits / 2, e),
    toBeTruthy: () => check('to be truthy', (v) => Boolean(v)), toBeFalsy: () => check('to be falsy', (v) => !v),
    toBeNull: () => check('to be null', (v) => v === null, null, true), toBeUndefined: () => check('to be undefined', (v) => v === undefined),
    toBeDefined: () => check('to be defined', (v) => v !== undefined), toBeNaN: () => check('to be NaN', (v) => Number.isNaN(v)),
    toBeGreaterThan: (e: any) => check('to be above', (v) => v > e, e), toBeGreaterThanOrEqual: (e: any) => check('to be at least', (v) => v >= e, e),
    toBeLessThan: (e: any) => check('to be below', (v) => v < e, e), toBeLessThanOrEqual: (e: any) => check('to be at most', (v) => v <= e, e),
    toContain: (e: any) => check('to contain', (v) => (typeof v === 'string' ? v.includes(e) : [...v].includes(e)), e),
    toContainEqual: (e: any) => check('to contain', (v) => [...v].some((item) => same(item, e, false)), e),
    toHaveLength: (e: any) => check('to have length', (v) => v.length === e, e),
    toHaveProperty: (e: any, ...held: any[]) => check('to have property', (v) => { let o = v; for (const key of Array.isArray(e) ? e : String(e).split('.')) { if (o === null || o === undefined || !(key in Object(o))) return false; o = o[key]; } return held.length === 0 || same(o, held[0], false); }, e),
    toMatch: (e: any) => check('to match', (v) => (typeof e === 'string' ? v.includes(e) : e.test(v)), String(e)),
    toMatchObject: (e: any) => check('to match', (v) => partial(v, e), e),
    toBeInstanceOf: (e: any) => check('to be an instance of', (v) => v instanceof e, e?.name), toBeTypeOf: (e: any) => check('to be of type', (v) => typeof v === e, e),
    toThrow: (e?: any) => { let error: any, threw = false; try { const result = actual(); if (aha.isPlaceholder(result)) { aha.spoil(); return; } } catch (caught) { if (caught instanceof Unknown) throw caught; threw = true; error = caught; }
      const right = threw && (e === undefined || (typeof e === 'string' ? String(error?.message).includes(e) : e instanceof RegExp ? e.test(String(error?.message)) : typeof e === 'function' ? error instanceof e || error?.name === e.name : String(error?.message) === String(e?.message)));
      verify(right !== negated, 'expected the function ' + (negated ? 'not ' : '') + 'to throw' + (e === undefined ? '' : ' ' + text(e?.name ?? String(e)))); },
  };
  api.toThrowError = api.toThrow;
  const later = (settle: () => Promise<any>) => new Proxy({}, { get: (_t, key: any) => async (...args: any[]) => { const value = await settle(); return (negated ? expectation(value, true) : expect(value))[key](...args); } });
  Object.defineProperty(api, 'not', { get: () => expectation(actual, !negated) });
  Object.defineProperty(api, 'resolves', { get: () => later(async () => actual) });
  Object.defineProperty(api, 'rejects', { get: () => later(async () => { try { const value = typeof actual === 'function' ? await actual() : await actual; if (aha.isPlaceholder(value)) { aha.spoil(); throw new Unknown(); } } catch (error) { if (error instanceof Unknown) throw error; return () => { throw error; }; } throw new AssertionFailure('expected a rejection'); }) });
  return api;
}
function containsUndefined(value: any, depth = 0): boolean {
  if (value === undefined || value instanceof Asymmetric) return true;
  if (value === null || typeof value !== 'object' || depth > 20) return false;
  return Object.values(value).some((held) => containsUndefined(held, depth + 1));
}
function partial(value: any, expected: any): boolean {
  if (expected === null || typeof expected !== 'object' || expected instanceof Asymmetric) return same(value, expected, false);
  if (Array.isArray(expected)) return Array.isArray(value) && value.length === expected.length && expected.every((e, i) => partial(value[i], e));
  return value !== null && typeof value === 'object' && Object.keys(expected).every((key) => partial(value[key], expected[key]));
}
expect.any = (kind: any) => new Asymmetric((v) => kind === Number ? typeof v === 'number' : kind === String ? typeof v === 'string' : kind === Boolean ? typeof v === 'boolean' : v instanceof kind);
expect.anything = () => new Asymmetric((v) => v !== null && v !== undefined);
expect.closeTo = (e: number, digits = 2) => new Asymmetric((v) => Math.abs(v - e) < 10 ** -digits / 2);
expect.arrayContaining = (list: any[]) => new Asymmetric((v) => Array.isArray(v) && list.every((e) => v.some((item: any) => same(item, e, false))));
expect.objectContaining = (o: any) => new Asymmetric((v) => partial(v, o));
expect.stringContaining = (e: string) => new Asymmetric((v) => typeof v === 'string' && v.includes(e));
expect.fail = (what = '') => verify(false, what);

const assert: any = (value: any, what?: any) => { const e = expect(value); if (aha.isPlaceholder(value)) e.toBeTruthy(); else verify(Boolean(value), String(what ?? 'expected a truthy value, got ' + text(value))); };
assert.ok = assert;
assert.equal = assert.strictEqual = (a: any, e: any) => expect(a).toBe(e);
assert.notEqual = assert.notStrictEqual = (a: any, e: any) => expect(a).not.toBe(e);
assert.deepEqual = assert.deepStrictEqual = (a: any, e: any) => expect(a).toStrictEqual(e);
assert.notDeepEqual = assert.notDeepStrictEqual = (a: any, e: any) => expect(a).not.toStrictEqual(e);
assert.match = (a: any, e: any) => expect(a).toMatch(e);
assert.throws = (run: any, e?: any) => expect(run).toThrow(typeof e === 'object' && !(e instanceof RegExp) ? undefined : e);
assert.doesNotThrow = (run: any) => expect(run).not.toThrow();
assert.rejects = (run: any) => expect(run).rejects.toThrow();
assert.fail = expect.fail; assert.strict = assert;
`;
