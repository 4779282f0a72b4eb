/** From what became of a program (did it compile, which tests passed) to a score. */
import { z } from 'zod';
import { scored, type Scored } from '../verdict.ts';
import type { TestOutcome, TestRun } from './tests.ts';

export const scoringSchema = z.strictObject({
  /**
   * `fraction`: the share of tests that passed, 0 for what does not compile. `all`: 1 when all passed, else 0.
   * `compile-then-fraction`: `compileShare` for compiling, the rest by the share of tests.
   */
  scoring: z.enum(['fraction', 'all', 'compile-then-fraction']).default('fraction'),
  compileShare: z.number().min(0).max(1).default(0.2),
});

export type Scoring = z.output<typeof scoringSchema>;

/** What is shown of tests; the score counts all. */
const shownTests = 10;

export interface CompileStage {
  readonly passed: boolean;
  /** Compiler messages, suppressions, or why the program did not load. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** From 0 to 1: what is left of the score where something was used that costs. Default 1. */
  readonly factor?: number;
}

/** `parts` are `compile` and `tests`. */
export function scoreProgram(
  scoring: Scoring,
  compile: CompileStage,
  run: TestRun | undefined,
  extracted: string,
): Scored {
  const outcomes = run?.outcomes ?? [];
  const passed = outcomes.filter((one) => one.passed).length;
  const fraction = compile.passed && outcomes.length > 0 ? passed / outcomes.length : 0;
  const raw = scoreOf(scoring, compile.passed, fraction);
  return scored(raw * (compile.factor ?? 1), {
    parts: { compile: compile.passed ? 1 : 0, tests: fraction },
    evidence: {
      program:
        extracted.length > 2000 ? `${extracted.slice(0, 2000)}… (${extracted.length} characters)` : extracted,
      ...compile.evidence,
      ...(run === undefined
        ? {}
        : {
            passed,
            of: outcomes.length,
            compared: run.compared,
            ...(run.problem === undefined ? {} : { problem: run.problem }),
            failing: failing(outcomes),
          }),
    },
  });
}

function scoreOf({ scoring, compileShare }: Scoring, compiled: boolean, fraction: number): number {
  if (!compiled) return 0;
  switch (scoring) {
    case 'all':
      return fraction === 1 ? 1 : 0;
    case 'fraction':
      return fraction;
    case 'compile-then-fraction':
      return fraction === 1 ? 1 : compileShare + (1 - compileShare) * fraction;
  }
}

function failing(outcomes: readonly TestOutcome[]): unknown[] {
  return outcomes
    .flatMap((outcome, index) => (outcome.passed ? [] : [{ test: index + 1, ...outcome }]))
    .slice(0, shownTests);
}
