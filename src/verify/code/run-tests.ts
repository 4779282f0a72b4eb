/** Runs the tests of one answer, whatever their form. */
import { AhaError } from '../../errors.ts';
import type { Language } from '../../sandbox/sandbox.ts';
import { runCalls, type CallLanguage } from './calls.ts';
import { plainFromJson, samePlain, showPlain, type PlainValue } from './plain-value.ts';
import { describeEnd, runInTurn, type RunSettings } from './run-program.ts';
import { judgeCall, namesInTestFile, runTestProgram } from './test-plan.ts';
import type { ParsedTests, TestOutcome, TestRun } from './tests.ts';

const callLanguages: readonly string[] = [
  'python',
  'typescript',
  'javascript',
  'node',
] satisfies CallLanguage[];

/** File names of programs, where a compiler cares. */
const entries: Readonly<Record<Language, string>> = {
  typescript: 'main.ts',
  javascript: 'main.mjs',
  node: 'main.mjs',
  python: 'main.py',
  c: 'main.c',
  cpp: 'main.cpp',
  go: 'main.go',
  rust: 'main.rs',
  java: 'Main.java',
};

export interface TestRunSettings extends RunSettings {
  readonly sameProcess: boolean;
}

export async function runTests(
  language: Language,
  source: string,
  tests: ParsedTests,
  settings: TestRunSettings,
): Promise<TestRun> {
  if (tests.kind === 'io') return runCases(language, source, tests, settings);
  checkForm(language, tests.kind);
  const callLanguage = language as CallLanguage;
  const { sameProcess } = settings;
  switch (tests.kind) {
    case 'calls':
      return runFunction(callLanguage, source, tests, settings);
    case 'assertions':
      return runTestProgram(
        {
          language: 'python',
          mode: 'units',
          setup: tests.setup.replaceAll('\r', ''),
          units: tests.assertions,
          names: tests.functions ?? calledNames(tests.assertions),
          sameProcess,
        },
        source,
        settings,
      );
    case 'check':
      return runTestProgram(
        {
          language: 'python',
          mode: 'units',
          setup: `${tests.setup}\n${tests.source}`,
          units: [`check(${tests.entryPoint})`],
          names: [tests.entryPoint],
          sameProcess,
        },
        source,
        settings,
      );
    case 'file':
      return runTestProgram(
        {
          language: callLanguage,
          mode: 'file',
          setup: tests.source,
          units: [],
          names: namesInTestFile(callLanguage, tests.source),
          sameProcess,
        },
        source,
        settings,
      );
  }
}

/** Throws `AhaError` for a form of tests that a language does not have. */
export function checkForm(language: Language, kind: ParsedTests['kind']): void {
  const fits =
    kind === 'io' ||
    (kind === 'assertions' || kind === 'check' ? language === 'python' : callLanguages.includes(language));
  if (fits) return;
  throw new AhaError({
    code: 'test-form-unavailable',
    boundary: 'configuration',
    what: `Programs in ${language} cannot be tested in this form`,
    found: kind,
    expected: callLanguages.includes(language) ? 'io, calls or file' : 'io: standard input and output',
  });
}

async function runCases(
  language: Language,
  source: string,
  tests: Extract<ParsedTests, { kind: 'io' }>,
  settings: RunSettings,
): Promise<TestRun> {
  const name = entries[language];
  let problem: string | undefined;
  const outcomes = await Promise.all(
    tests.cases.map(async ({ stdin, stdout }, index): Promise<TestOutcome> => {
      const program = { language, files: { [name]: source }, entry: name };
      const result = await runInTurn(program, stdin, settings.limits, settings);
      if (result.stage === 'compile') problem = `did not compile: ${result.stderr.slice(0, 2000)}`;
      const ended = result.stage === 'run' && result.limit === null && result.exitCode === 0;
      const passed = ended && !result.stdoutTruncated && sameOutput(result.stdout, stdout, tests.compare);
      return {
        passed,
        name: `input ${index + 1}`,
        expected: stdout.slice(0, 200),
        got: result.stdout.slice(0, 200),
        ...(ended ? {} : { message: describeEnd(result) }),
      };
    }),
  );
  return { compared: 'host', outcomes, ...(problem === undefined ? {} : { problem }) };
}

/** The whole output must be the expected one: a right beginning is wrong. */
export function sameOutput(got: string, expected: string, how: 'exact' | 'lines' | 'tokens'): boolean {
  switch (how) {
    case 'exact':
      return got === expected;
    case 'lines':
      return trimLines(got) === trimLines(expected);
    case 'tokens':
      return tokens(got) === tokens(expected);
  }
}

const trimLines = (text: string) =>
  text
    .replaceAll('\r\n', '\n')
    .replaceAll(/[ \t]+$/gm, '')
    .trimEnd();
const tokens = (text: string) => text.trim().split(/\s+/).join(' ');

async function runFunction(
  language: CallLanguage,
  source: string,
  tests: Extract<ParsedTests, { kind: 'calls' }>,
  settings: RunSettings,
): Promise<TestRun> {
  const calls = tests.cases.map(({ args }) => ({ name: tests.function, args: args.map(plainFromJson) }));
  const { results, problem } = await runCalls(language, source, calls, settings);
  const outcomes = tests.cases.map(({ expected, args }, index): TestOutcome => {
    const name = `${tests.function}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`.slice(0, 160);
    const outcome = judgeCall(name, results[index]!, 'equal', plainFromJson(expected));
    const { returned } = results[index]!;
    if (outcome.passed || returned === undefined) return outcome;
    return { ...outcome, passed: nearJson(returned, plainFromJson(expected), tests.tolerance) };
  });
  return { compared: 'host', outcomes, ...(problem === undefined ? {} : { problem }) };
}

/** Equality with a JSON value: a tuple is a list, and numbers may differ by the tolerance. */
function nearJson(value: PlainValue, expected: PlainValue, tolerance: number): boolean {
  if (tolerance === 0) return samePlain(value, expected, { tuplesAsLists: true });
  const items = listOf(value);
  if (Array.isArray(expected)) {
    return (
      items !== undefined &&
      items.length === expected.length &&
      expected.every((one: PlainValue, index) => nearJson(items[index]!, one, tolerance))
    );
  }
  const wanted = numberOf(expected);
  const found = numberOf(value);
  if (wanted !== undefined && found !== undefined) {
    return Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted));
  }
  if (isDictionary(expected) && isDictionary(value)) {
    const held = new Map(value.d.map(([key, one]) => [showPlain(key), one]));
    return (
      held.size === expected.d.length &&
      expected.d.every(([key, one]) => {
        const own = held.get(showPlain(key));
        return own !== undefined && nearJson(own, one, tolerance);
      })
    );
  }
  return samePlain(value, expected);
}

function listOf(value: PlainValue): readonly PlainValue[] | undefined {
  if (Array.isArray(value)) return value as readonly PlainValue[];
  if (typeof value === 'object' && value !== null && 't' in value) return value.t;
  return undefined;
}

function numberOf(value: PlainValue): number | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if ('i' in value) return Number(value.i);
  if ('f' in value) return Number(value.f);
  return undefined;
}

function isDictionary(
  value: PlainValue,
): value is { readonly d: readonly (readonly [PlainValue, PlainValue])[] } {
  return typeof value === 'object' && value !== null && 'd' in value;
}

/** What assertions call that Python does not have: the answer's functions. */
function calledNames(assertions: readonly string[]): string[] {
  const names = new Set<string>();
  for (const assertion of assertions) {
    for (const [, name] of assertion.matchAll(/(?<![\w.'"])([A-Za-z_]\w*)\s*\(/g)) {
      if (!pythonNames.has(name!)) names.add(name!);
    }
  }
  return [...names];
}

const pythonNames = new Set(
  (
    'abs all any bool bytes chr complex dict divmod enumerate filter float frozenset hash hex int isinstance issubclass iter len list ' +
    'map max min next oct ord pow print range repr reversed round set slice sorted str sum tuple type zip assert not and or in is if else lambda ' +
    'bytearray format vars dir id callable getattr hasattr'
  ).split(' '),
);
