/**
 * Verifiers by name, for rows of a file: what a row must hold, and the verifier that judges its response. A verifier
 * joins with one entry here.
 */
import { z } from 'zod';
import { code, type CodeOptions } from './code/code.ts';
import { scoringSchema } from './code/scoring.ts';
import { testsSchema, type Tests } from './code/tests.ts';
import { exactVerifier } from './exact.ts';
import { numberVerifier } from './final-number.ts';
import { formatVerifier } from './format.ts';
import { math, mathOptionsSchema } from './math/math.ts';
import type { Verifier } from './verdict.ts';

/** One row: a response and what it is judged by. */
export type VerifierRow = Readonly<Record<string, unknown>> & {
  readonly response: string;
  readonly answer?: string;
};

export interface NamedVerifier {
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** Of a row, beside `response`. */
  readonly row: z.ZodObject;
  /** Of the options. */
  readonly options: z.ZodObject;
  readonly create: (options: Readonly<Record<string, unknown>>) => Verifier<VerifierRow>;
}

/** A reference in a row: text, or a number as JSON writes it. */
const reference = z.union([z.string(), z.number().transform(String)]);
const withReference = z.object({ reference });
const withTests = z.object({ tests: testsSchema });
const none = z.strictObject({});
const referenceOf = (row: VerifierRow) => String(row['reference']);

function programs(language: 'typescript' | 'javascript' | 'python', description: string): NamedVerifier {
  return {
    name: language,
    description,
    row: withTests,
    options: scoringSchema.partial().extend({ extract: z.enum(['auto', 'whole']).optional() }),
    create: (options) =>
      code[language]<VerifierRow>({
        ...(options as Partial<CodeOptions<VerifierRow>>),
        tests: (row) => row['tests'] as Tests,
      }),
  };
}

export const namedVerifiers: readonly NamedVerifier[] = [
  {
    name: 'exact',
    description: 'The response is the reference, white space aside.',
    row: withReference,
    options: none,
    create: () => exactVerifier(referenceOf),
  },
  {
    name: 'number',
    description: 'The final number of the response is that of the reference.',
    row: withReference,
    options: none,
    create: () => numberVerifier(referenceOf),
  },
  {
    name: 'math',
    description: 'The final answer of the response is mathematically equal to the reference.',
    row: withReference,
    options: mathOptionsSchema.partial(),
    create: (options) => math.equals<VerifierRow>(referenceOf, options),
  },
  {
    name: 'format',
    description: 'The response keeps the format of reasoning and answer tags.',
    row: z.object({}),
    options: z.strictObject({ mode: z.enum(['strict', 'lenient']).default('strict') }),
    create: ({ mode }) => formatVerifier(mode as 'strict' | 'lenient'),
  },
  programs('typescript', 'The TypeScript program type-checks and passes its tests.'),
  programs('javascript', 'The JavaScript program passes its tests.'),
  programs('python', 'The Python program passes its tests.'),
];
