/** The forms that tests of a program may have, as values and as a strict schema for those that come from a file. */
import { z } from 'zod';

export const testsSchema = z.discriminatedUnion('kind', [
  /** The program reads standard input; what it prints is compared. */
  z.strictObject({
    kind: z.literal('io'),
    cases: z.array(z.strictObject({ stdin: z.string(), stdout: z.string() })).min(1),
    /** `lines`: white space at the ends of lines and of the output does not count. */
    compare: z.enum(['exact', 'lines', 'tokens']).default('lines'),
  }),
  /** A function is called; what it returns is compared with a JSON value. */
  z.strictObject({
    kind: z.literal('calls'),
    function: z.string().regex(/^[\p{L}_$][\p{L}\p{N}_$]*$/u),
    cases: z.array(z.strictObject({ args: z.array(z.json()), expected: z.json() })).min(1),
    /** Largest difference of numbers, absolute and relative to the expected one. Default 0: none. */
    tolerance: z.number().min(0).default(0),
  }),
  /** Python assertions, as in MBPP; each is one test. */
  z.strictObject({
    kind: z.literal('assertions'),
    assertions: z.array(z.string()).min(1),
    setup: z.string().default(''),
    /** Names of the answer's functions. Default: whatever is called that Python does not have. */
    functions: z.array(z.string().regex(/^[\p{L}_][\p{L}\p{N}_]*$/u)).optional(),
  }),
  /** A Python function `check(candidate)`, as in HumanEval. */
  z.strictObject({
    kind: z.literal('check'),
    source: z.string(),
    /** What the check needs beside the answer: the helpers that the prompt gave. */
    setup: z.string().default(''),
    entryPoint: z.string().regex(/^[\p{L}_][\p{L}\p{N}_]*$/u),
  }),
  /** A file of tests for vitest or node:test (TypeScript, JavaScript) or pytest (Python). */
  z.strictObject({ kind: z.literal('file'), source: z.string() }),
]);

export type Tests = z.input<typeof testsSchema>;
export type ParsedTests = z.output<typeof testsSchema>;

/** What became of one test. */
export interface TestOutcome {
  readonly passed: boolean;
  readonly name?: string;
  /** Short, for people. */
  readonly expected?: string;
  readonly got?: string;
  readonly message?: string;
}

/** What became of a run of tests. */
export interface TestRun {
  readonly outcomes: readonly TestOutcome[];
  /** Why there was nothing to test: the program did not load. */
  readonly problem?: string;
  /** Where the expected values were compared; `same-process` can be fooled. */
  readonly compared: 'host' | 'separate-process' | 'same-process';
}
