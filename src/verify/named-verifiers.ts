/**
 * Verifiers by name, for rows of a file: what a row must hold, and the verifier that judges its response. A verifier
 * joins with one entry here.
 */
import { z } from 'zod';
import { describeError } from '../errors.ts';
import { code, type CodeOptions } from './code/code.ts';
import { scoringSchema } from './code/scoring.ts';
import { testsSchema, type Tests } from './code/tests.ts';
import { exactVerifier } from './exact.ts';
import { numberVerifier } from './final-number.ts';
import { formatVerifier } from './format.ts';
import { jsonVerifier } from './format/json-schema.ts';
import { lengthVerifier, type LengthUnit } from './format/length.ts';
import { repetitionVerifier } from './format/repetition.ts';
import { languageVerifier } from './language/language.ts';
import { languages, type Language } from './language/languages.ts';
import { math, mathOptionsSchema } from './math/math.ts';
import { failed, type Verifier } from './verdict.ts';

/** One row: a response and what it is judged by. */
export type VerifierRow = Readonly<Record<string, unknown>> & {
  readonly response: string;
  readonly answer?: string;
};

export interface NamedVerifier {
  readonly name: string;
  /** What the function is called in a task; the verifier goes by this, too. */
  readonly call?: string;
  /** One sentence. */
  readonly description: string;
  /** Of a row, beside `response`; options may stand in for a column. */
  readonly row: (options: Readonly<Record<string, unknown>>) => z.ZodObject;
  /** Of the options. */
  readonly options: z.ZodObject;
  readonly create: (options: Readonly<Record<string, unknown>>) => Verifier<VerifierRow>;
}

/** A reference in a row: text, or a number as JSON writes it. */
const reference = z.union([z.string(), z.number().transform(String)]);
const withReference = z.object({ reference });
const withTests = z.object({ tests: testsSchema });
const schemaOfJson = z.record(z.string(), z.unknown());
/** Rows may each bring a schema of their own; more than this are not kept. */
const mostSchemas = 256;
const none = z.strictObject({});
const referenceOf = (row: VerifierRow) => String(row['reference']);

function programs(language: 'typescript' | 'javascript' | 'python', description: string): NamedVerifier {
  return {
    name: language,
    call: `code.${language}`,
    description,
    row: () => withTests,
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
    row: () => withReference,
    options: none,
    create: () => exactVerifier(referenceOf),
  },
  {
    name: 'number',
    description: 'The final number of the response is that of the reference.',
    row: () => withReference,
    options: none,
    create: () => numberVerifier(referenceOf),
  },
  {
    name: 'math',
    call: 'math.equals',
    description: 'The final answer of the response is mathematically equal to the reference.',
    row: () => withReference,
    options: mathOptionsSchema.partial(),
    create: (options) => math.equals<VerifierRow>(referenceOf, options),
  },
  {
    name: 'format',
    description: 'The response keeps the format of reasoning and answer tags.',
    row: () => z.object({}),
    options: z.strictObject({ mode: z.enum(['strict', 'lenient']).default('strict') }),
    create: ({ mode }) => formatVerifier(mode as 'strict' | 'lenient'),
  },
  {
    name: 'json',
    description: 'The response is JSON that fits a schema: of the row, or --set schema={…}.',
    row: ({ schema }) => z.object({ schema: schema === undefined ? schemaOfJson : schemaOfJson.optional() }),
    options: z.strictObject({ schema: schemaOfJson.optional() }),
    create: ({ schema }) => {
      // Of all rows: what is wrong with it is said before the first.
      const common = schema === undefined ? undefined : jsonVerifier(schema);
      const ofRows = new Map<string, Verifier>();
      return (row, answer, context) => {
        const own = row['schema'];
        if (own === undefined) return common!(row, answer, context);
        const key = JSON.stringify(own);
        let verify = ofRows.get(key);
        if (verify === undefined) {
          try {
            verify = jsonVerifier(own);
          } catch (error) {
            return failed('reference', describeError(error));
          }
          if (ofRows.size >= mostSchemas) ofRows.clear();
          ofRows.set(key, verify);
        }
        return verify(row, answer, context);
      };
    },
  },
  {
    name: 'language',
    description: 'The share of words that are of one language: --set language=zh.',
    row: () => z.object({}),
    options: z.strictObject({
      language: z.enum(languages as [Language, ...Language[]]).default('en'),
      of: z.enum(['reasoning', 'answer', 'response']).optional(),
    }),
    create: ({ language, ...options }) => languageVerifier(language as Language, options),
  },
  {
    name: 'length',
    description: 'The response is neither too short nor too long: --set maximum=200.',
    row: () => z.object({}),
    options: z.strictObject({
      // The rows hold no tokens.
      unit: z.enum(['words', 'characters']).default('words'),
      minimum: z.number().optional(),
      maximum: z.number().optional(),
      slope: z.number().optional(),
    }),
    create: ({ unit, ...target }) => lengthVerifier(unit as LengthUnit, target),
  },
  {
    name: 'repetition',
    description: 'The share of runs of words that do not repeat an earlier one.',
    row: () => z.object({}),
    options: z.strictObject({
      size: z.int().min(1).max(1000).optional(),
      units: z.enum(['words', 'characters']).optional(),
    }),
    create: (options) => repetitionVerifier(options),
  },
  programs('typescript', 'The TypeScript program type-checks and passes its tests.'),
  programs('javascript', 'The JavaScript program passes its tests.'),
  programs('python', 'The Python program passes its tests.'),
];

/** The verifier that goes by this name, or undefined. */
export function findVerifier(name: string): NamedVerifier | undefined {
  return namedVerifiers.find((one) => one.name === name || one.call === name);
}
