/**
 * Tests that are programs of their own (assertions, check functions, test files), taken apart: which calls they make
 * of the answer and what they expect of each. Found once per test and kept, since many answers meet the same tests.
 */
import { createHash } from 'node:crypto';
import { runCalls, type Call, type CallLanguage, type CallResult } from './calls.ts';
import { samePlain, showPlain, type PlainValue } from './plain-value.ts';
import { pythonSameProcess, pythonTests } from './python-tests.ts';
import { BrokenTests, describeEnd, newMarker, runForRecords, type RunSettings } from './run-program.ts';
import { scriptTests, splitTestFile } from './script-tests.ts';
import type { TestOutcome, TestRun } from './tests.ts';

/** Tests as a program. */
export interface TestProgram {
  readonly language: CallLanguage;
  /** `file`: `setup` is a whole file of tests. */
  readonly mode: 'units' | 'file';
  readonly setup: string;
  readonly units: readonly string[];
  /** The answer's functions, as far as the tests name them. */
  readonly names: readonly string[];
  /** Whether tests that cannot be taken apart may run in the answer's process. */
  readonly sameProcess: boolean;
}

interface Check {
  readonly unit: number;
  readonly call: number;
  readonly kind: 'equal' | 'truthy' | 'falsy' | 'is';
  readonly expected?: PlainValue;
}

interface Report {
  readonly calls: readonly Call[];
  readonly checks: readonly Check[];
  readonly whole: boolean;
  readonly results: readonly {
    readonly passed: boolean | null;
    /** Whether it passed for want of results only. */
    readonly pending?: boolean;
    readonly message?: string;
    readonly name?: string;
  }[];
  readonly names: readonly string[];
  readonly unsupported: string | null;
  readonly broken: string | null;
}

/** Tests whose calls depend on results are run again with those; more often than this, they never end. */
const mostRounds = 12;

const plans = new Map<string, Promise<Report>>();
const mostPlans = 4096;

/** Throws `BrokenTests` when the tests themselves do not work. */
export async function runTestProgram(
  program: TestProgram,
  source: string,
  settings: RunSettings,
): Promise<TestRun> {
  // Another answer may have asked first, and be in line.
  const resume = settings.pause?.();
  const plan = await planOf(program, settings).finally(resume);
  if (plan.unsupported !== null) return runTogether(program, source, plan.unsupported, settings);
  const first = await runCalls(program.language, source, plan.calls, settings);
  if (plan.whole) return compareOnHost(plan, first.results, first.problem);
  // An answer that does not load, or that ends itself, has no results that the tests could be run with.
  let known = first;
  let report = plan;
  for (let round = 0; round < mostRounds; round++) {
    const outcomes = known.results.map(toOutcome);
    report = await askTests(program, outcomes, settings);
    if (report.broken !== null) throw new BrokenTests(report.broken);
    if (report.unsupported !== null) return runTogether(program, source, report.unsupported, settings);
    if (report.calls.length <= outcomes.length) break;
    if (known.problem !== undefined) break;
    known = await runCalls(program.language, source, report.calls, settings);
  }
  return {
    compared: 'separate-process',
    ...(known.problem === undefined ? {} : { problem: known.problem }),
    outcomes: report.results.map(({ passed, pending, message, name }): TestOutcome => ({
      passed: passed === true && pending !== true,
      ...(name === undefined ? {} : { name }),
      ...(message === undefined ? {} : { message }),
    })),
  };
}

/** Runs the tests without results, once for all answers. */
function planOf(program: TestProgram, settings: RunSettings): Promise<Report> {
  const key = createHash('sha256')
    .update(JSON.stringify([program.language, program.mode, program.setup, program.units, program.names]))
    .digest('base64');
  let plan = plans.get(key);
  if (plan === undefined) {
    // Not with the signal of the one that asked first: others wait for it, too.
    plan = askTests(program, [], { ...settings, signal: undefined, pause: undefined }).then((report) => {
      if (report.broken !== null) {
        // Fixtures made of the answer's own classes exist only where the answer does.
        if (!program.sameProcess) throw new BrokenTests(report.broken);
        return { ...report, unsupported: `has a setup that needs the answer (${report.broken})` };
      }
      // A call that no comparison looks at may have decided something unseen.
      const looked = new Set(report.checks.map(({ call }) => call));
      const whole =
        report.whole &&
        report.calls.length > 0 &&
        report.calls.every((_call, index) => looked.has(index)) &&
        report.results.every(({ passed }) => passed === true);
      return { ...report, whole };
    });
    plan.catch(() => plans.delete(key));
    if (plans.size >= mostPlans) plans.delete(plans.keys().next().value!);
    plans.set(key, plan);
  }
  return plan;
}

async function askTests(
  program: TestProgram,
  known: readonly unknown[],
  settings: RunSettings,
): Promise<Report> {
  const marker = newMarker();
  const { language, mode, setup, units, names } = program;
  const { records, result } =
    language === 'python'
      ? await runForRecords(
          { language: 'python', files: { 'main.py': pythonTests } },
          JSON.stringify({ marker, names, setup, units, mode: mode === 'file' ? 'pytest' : 'units', known }),
          marker,
          settings,
        )
      : await runForRecords(
          { language: 'typescript', files: { 'main.ts': scriptTests({ marker, source: setup, known }) } },
          '',
          marker,
          settings,
        );
  const report = records.at(-1) as Report | undefined;
  if (report === undefined) throw new BrokenTests(describeEnd(result));
  return report;
}

function compareOnHost(plan: Report, results: readonly CallResult[], problem: string | undefined): TestRun {
  const outcomes = plan.checks.map(({ call, kind, expected }): TestOutcome => {
    const { name, args } = plan.calls[call]!;
    const shown = `${name}(${args.map((arg) => showPlain(arg, 60)).join(', ')})`.slice(0, 160);
    return judgeCall(shown, results[call]!, kind, expected);
  });
  return { compared: 'host', outcomes, ...(problem === undefined ? {} : { problem }) };
}

/** What one call gave against what was expected of it. */
export function judgeCall(
  name: string,
  result: CallResult,
  kind: Check['kind'],
  expected: PlainValue | undefined,
): TestOutcome {
  const wanted = kind === 'equal' || kind === 'is' ? showPlain(expected) : kind;
  if (result.raised !== undefined) {
    const message = `${result.raised[0] ?? 'an error'}: ${result.message ?? ''}`;
    return { passed: false, name, expected: wanted, message };
  }
  if (result.returned === undefined) return { passed: false, name, expected: wanted, message: 'no result' };
  const { returned } = result;
  const passed =
    kind === 'equal'
      ? samePlain(returned, expected)
      : kind === 'is'
        ? returned === expected
        : isTruthy(returned) === (kind === 'truthy');
  return { passed, name, expected: wanted, got: showPlain(returned) };
}

/** As Python has it. An object of a class of one's own is neither. */
function isTruthy(value: PlainValue): boolean | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return Boolean(value);
  if (Array.isArray(value)) return value.length > 0;
  const [key, content] = Object.entries(value)[0] ?? [];
  switch (key) {
    case 'i':
      return !/^-?0+$/.test(String(content));
    case 'f':
      return Number(content) !== 0;
    case 't':
    case 'S':
    case 'd':
    case 'b':
      return (content as { readonly length: number }).length > 0;
    case 'c':
      return (content as unknown[]).some((part) => Number(part) !== 0);
    default:
      return undefined;
  }
}

/** A call without a result is an error for the tests: that answer went no further. */
function toOutcome(result: CallResult): unknown {
  if (result.returned !== undefined) return { returned: result.returned };
  return { raised: result.raised ?? ['RuntimeError'], message: result.message ?? 'no result' };
}

async function runTogether(
  program: TestProgram,
  source: string,
  reason: string,
  settings: RunSettings,
): Promise<TestRun> {
  if (!program.sameProcess || program.language !== 'python' || program.mode === 'file') {
    throw new BrokenTests(`tests that must share a process with the answer: the test ${reason}`);
  }
  const marker = newMarker();
  const { records, result } = await runForRecords(
    { language: 'python', files: { 'main.py': pythonSameProcess } },
    JSON.stringify({ source, marker, setup: program.setup, units: program.units }),
    marker,
    settings,
  );
  const report = records[0] as { results?: { passed?: unknown; message?: unknown }[] } | undefined;
  return {
    compared: 'same-process',
    ...(report === undefined ? { problem: describeEnd(result) } : {}),
    outcomes: program.units.map((_unit, index): TestOutcome => {
      const one = report?.results?.[index];
      const message = typeof one?.message === 'string' ? { message: one.message.slice(0, 300) } : {};
      return { passed: one?.passed === true, ...message };
    }),
  };
}

/** The names that a file of tests takes from the answer. */
export function namesInTestFile(language: CallLanguage, source: string): string[] {
  if (language !== 'python') return splitTestFile(source).names;
  const names: string[] = [];
  for (const [, list] of source.matchAll(
    /^[ \t]*from\s+(?:solution|answer|candidate|main)\s+import\s+\(?([\w\s,]+)\)?/gm,
  )) {
    for (const part of list!.split(',')) {
      const [name] = part.trim().split(/\s+as\s+/);
      if (name !== undefined && /^\w+$/.test(name)) names.push(name);
    }
  }
  return names;
}
