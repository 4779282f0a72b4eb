/**
 * Rewards for programs: does it compile, and what share of its tests does it pass.
 *
 *     verify: code.typescript({ tests: { kind: 'calls', function: 'add', cases: [{ args: [1, 2], expected: 3 }] } })
 *     verify: code.python({ tests: (problem) => problem.tests, scoring: 'all' })
 *
 * Programs run in a sandbox; TypeScript is checked by its compiler first. Expected values never enter the process of
 * the program (`docs/rewards.md` names the one exception), so that printing, exiting, patching and overriding
 * earn nothing.
 */
import { z } from 'zod';
import { parseWithSchema } from '../../util/schema.ts';
import type { Language, Limits, Sandbox } from '../../sandbox/sandbox.ts';
import {
  findSuppressions,
  suppressionKinds,
  type Suppression,
  type SuppressionKind,
} from '../typescript/suppressions.ts';
import { sharedTypeChecker, type TypeChecker } from '../typescript/type-checker.ts';
import type { Pause } from '../deadline.ts';
import type { Verifier } from '../verdict.ts';
import { extractProgram, fenceNames } from './extract-program.ts';
import { BrokenTests } from './run-program.ts';
import { checkForm, runTests } from './run-tests.ts';
import { scoreProgram, scoringSchema, type CompileStage, type Scoring } from './scoring.ts';
import { sharedSandbox } from './shared-sandbox.ts';
import { testsSchema, type ParsedTests, type Tests, type TestRun } from './tests.ts';
import { failed } from '../verdict.ts';

export interface CodeOptions<Problem> {
  readonly tests: Tests | ((problem: Problem) => Tests);
  /** Default `fraction`. */
  readonly scoring?: Scoring['scoring'];
  /** Score for compiling alone in `compile-then-fraction`. Default 0.2. */
  readonly compileShare?: number;
  /** `auto`: the last fitting fenced block, else the whole text. `whole`: the whole text as it is. Default `auto`. */
  readonly extract?: 'auto' | 'whole';
  /** The program that is tested, from the one that was extracted: to put a prompt's own lines before it. */
  readonly complete?: (problem: Problem, source: string) => string;
  /** Default: the best of this machine, shared by all verifiers. */
  readonly sandbox?: Sandbox | (() => Promise<Sandbox>);
  readonly limits?: Partial<Limits>;
  /**
   * Whether Python tests that cannot be taken apart from the answer (they build objects of its classes) may run in
   * its process, where it can fool them. Default false: the verdict is `failed`.
   */
  readonly sameProcess?: boolean;
}

export interface TypeScriptOptions<Problem> extends CodeOptions<Problem> {
  /**
   * What silences the checker: `forbid` counts as not compiling, `allow` does not count, a number from 0 to 1
   * multiplies the score. Default: everything is forbidden but `non-null`.
   */
  readonly suppressions?: Partial<Record<SuppressionKind, 'forbid' | 'allow' | number>>;
  /** Lines that must type-check behind the program: `const check: (xs: number[]) => number = sum;`. */
  readonly types?: (problem: Problem) => string;
  readonly checker?: TypeChecker;
}

const optionsSchema = scoringSchema.extend({
  extract: z.enum(['auto', 'whole']).default('auto'),
  sameProcess: z.boolean().default(false),
  suppressions: z
    .partialRecord(z.enum(suppressionKinds), z.union([z.enum(['forbid', 'allow']), z.number().min(0).max(1)]))
    .default({}),
});

type Parsed = z.output<typeof optionsSchema>;

/** Bounds of one run of tests; a task's author changes them by name. */
const defaultRunLimits: Partial<Limits> = { wallMs: 10_000, memoryBytes: 512 * 1024 * 1024 };

function build<Problem>(language: Language, options: TypeScriptOptions<Problem>): Verifier<Problem> {
  const { tests, complete, sandbox, limits, types, checker, ...rest } = options;
  const parsed = parseWithSchema(optionsSchema, rest, {
    what: `The options of code.${language}`,
    boundary: 'configuration',
  });
  const fixed = typeof tests === 'function' ? undefined : parseTests(language, tests);
  return async (problem, answer, { signal, pause }) => {
    const own = fixed ?? parseTests(language, (tests as (problem: Problem) => Tests)(problem));
    const { source: extracted } =
      parsed.extract === 'whole'
        ? { source: answer }
        : extractProgram(answer, fenceNames[language] ?? [language]);
    if (extracted.trim() === '') {
      return scoreProgram(
        parsed,
        { passed: false, evidence: { problem: 'there is no program' } },
        undefined,
        '',
      );
    }
    const source = complete?.(problem, extracted) ?? extracted;
    const compile: CompileStage =
      language === 'typescript'
        ? await checkTypes(source, parsed, types?.(problem) ?? '', checker ?? sharedTypeChecker(), pause)
        : { passed: true, evidence: {} };
    if (!compile.passed) return scoreProgram(parsed, compile, undefined, extracted);
    const place = typeof sandbox === 'function' ? await sandbox() : (sandbox ?? (await sharedSandbox()));
    try {
      const run = await runTests(language, source, own, {
        sandbox: place,
        limits: { ...defaultRunLimits, ...limits },
        signal,
        pause,
        sameProcess: parsed.sameProcess,
      });
      return scoreProgram(parsed, loaded(run) ? compile : { ...compile, passed: false }, run, extracted);
    } catch (error) {
      if (error instanceof BrokenTests) return failed('reference', error.message);
      throw error;
    }
  };
}

/** Programs without a compiler of their own compile when they load. */
function loaded({ problem }: TestRun): boolean {
  return problem === undefined || !/^(?:the program did not load|did not compile)/.test(problem);
}

async function checkTypes(
  source: string,
  { suppressions }: Parsed,
  types: string,
  checker: TypeChecker,
  pause: Pause | undefined,
): Promise<CompileStage> {
  const found = findSuppressions(source);
  const rule = (kind: SuppressionKind) => suppressions[kind] ?? (kind === 'non-null' ? 'allow' : 'forbid');
  const shown = (list: readonly Suppression[]) => list.slice(0, 10);
  const forbidden = found.filter(({ kind }) => rule(kind) === 'forbid');
  if (forbidden.length > 0) return { passed: false, evidence: { suppressions: shown(forbidden) } };
  const factor = [...new Set(found.map(({ kind }) => kind))].reduce((product, kind) => {
    const penalty = rule(kind);
    return typeof penalty === 'number' ? product * penalty : product;
  }, 1);
  // It has a deadline of its own, which begins when its turn comes.
  const resume = pause?.();
  const check = await checker.check(types === '' ? source : `${source}\n;${types}\n`).finally(resume);
  const evidence = {
    ...(found.length === 0 ? {} : { suppressions: shown(found) }),
    ...(check.outcome === 'passed'
      ? {}
      : { compiler: check.outcome, errors: check.errors, messages: check.messages }),
  };
  return { passed: check.outcome === 'passed', evidence, factor };
}

function parseTests(language: Language, tests: Tests): ParsedTests {
  const parsed = parseWithSchema(testsSchema, tests, { what: 'The tests of a program', boundary: 'data' });
  checkForm(language, parsed.kind);
  return parsed;
}

/** Verifiers of programs, by language. Throws `AhaError` for options or tests that make no sense. */
export const code = {
  typescript: <Problem>(options: TypeScriptOptions<Problem>) => build<Problem>('typescript', options),
  javascript: <Problem>(options: CodeOptions<Problem>) => build<Problem>('javascript', options),
  python: <Problem>(options: CodeOptions<Problem>) => build<Problem>('python', options),
  /** Languages of tiers with native toolchains: c, cpp, go, rust, java, node. Tested by input and output. */
  program: <Problem>(language: Language, options: CodeOptions<Problem>) => build<Problem>(language, options),
};
