/**
 * A task: prompts and a verifier. `defineTask` makes one from a small definition; the result gives problems by
 * address, puts them to a model in a chosen form, and turns responses into verdicts.
 *
 *     export default defineTask({
 *       name: 'reverse',
 *       prompts: (random, level) => { …; return { prompt: `Reverse ${word}.`, answer: reversed }; },
 *       verify: (problem, answer) => answer.trim() === problem.answer,
 *     });
 *
 * What it promises: the same address gives the same problem; the splits never overlap (`problem-source.ts`);
 * `verify` never throws and never mistakes a broken verifier for a wrong answer. Knows nothing about tokens.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';
import { parseWithSchema } from '../util/schema.ts';
import { exactVerifier } from '../verify/exact.ts';
import { numberVerifier } from '../verify/final-number.ts';
import { checkFormat, locateAnswer } from '../verify/format.ts';
import { judge, scored, weightedVerdict, type Verdict, type VerifyContext } from '../verify/verdict.ts';
import {
  presentationSchema,
  presentPrompt,
  presentReference,
  resolvePresentation,
  type Presentation,
  type PresentationOptions,
  type Prompt,
  type PromptForm,
} from './presentation.ts';
import {
  generatedSource,
  listedSource,
  type ProblemGenerator,
  type ProblemList,
  type ProblemSource,
} from './problem-source.ts';
import { canonicalPrompt, fingerprintOf, type Problem, type ProblemAddress, type Split } from './problem.ts';

/** What a task's own verifier gets: the form too, since a raw response may have a syntax of its own. */
export interface TaskVerifyContext extends VerifyContext {
  readonly form: PromptForm;
}

/** Judges one answer. A boolean or a number from 0 to 1 counts as a score. */
export type TaskVerifier<P extends Problem> = (
  problem: P,
  answer: string,
  context: TaskVerifyContext,
) => Verdict | boolean | number | Promise<Verdict | boolean | number>;

export interface TaskDefinition<P extends Problem> {
  /** Lower case letters, digits and dashes. */
  readonly name: string;
  /** One sentence. */
  readonly description?: string;
  /** A list, two lists, or a generator that draws a problem of a level. */
  readonly prompts: ProblemList<P> | ProblemGenerator<P>;
  /** Judges an answer: a function, or `exact` or `number` to compare with the problem's answer. */
  readonly verify: TaskVerifier<P> | 'exact' | 'number';
  /**
   * The reference response (in raw form) or answer (in the others), which must score 1. Default: the problem's
   * `answer`. `null`: none is known, and nothing can be checked before training.
   */
  readonly reference?: ((problem: P, form: PromptForm) => string) | null;
  /** What the reference writes between its think tags. */
  readonly reasoning?: (problem: P) => string;
  /** The problem in words, for models that read them. Default: its prompt. */
  readonly question?: (problem: P) => string;
  /** Levels of a generator, from 1. Default 1: no levels. */
  readonly levels?: number | readonly number[];
  /** The text that makes a problem the problem it is: two with the same are never in different splits. */
  readonly canonical?: (problem: P) => string;
  /** Default 0.1. Not used where the definition brings both splits. */
  readonly heldOutShare?: number;
  /** Milliseconds that one verdict may take, waiting for a sandbox not counted. Default 10 000. */
  readonly deadline?: number;
  /** Every character of raw prompts and worked examples: the vocabulary of a model trained from scratch. */
  readonly alphabet?: string;
  /** What was done to the data before it came here, for people. */
  readonly notes?: readonly string[];
  /**
   * A wrong response (in raw form) or answer (in the others) near the reference, with which checks try whether the
   * verifier turns it away; undefined where there is none. For tasks with several right answers, of which an edit
   * of the reference might give another one. Default: an edit.
   */
  readonly corrupt?: (problem: P, form: PromptForm, random: RandomStream) => string | undefined;
  /** Responses to learn from, by style (`direct`, `steps`), in raw form. */
  readonly workedExamples?: Readonly<Record<string, (problem: P, random: RandomStream) => string>>;
}

export interface TaskOptions extends PresentationOptions {
  /** Orders and draws training problems. Held-out problems do not depend on it. Default 0. */
  readonly seed?: number | string;
}

/** What is known about a response beside its text. */
export interface ResponseDetail {
  /** The end of the prompt that belongs to the response, such as `<think>\n` (`prefilledThinking`). */
  readonly prefilled?: string;
  readonly finish?: 'stop' | 'length';
  readonly tokens?: number;
  readonly signal?: AbortSignal;
}

export interface Task<P extends Problem = Problem> {
  readonly kind: 'aha-task';
  readonly name: string;
  readonly description: string;
  readonly seed: number | string;
  readonly presentation: Presentation;
  /** Ascending, never empty. */
  readonly levels: readonly number[];
  /** What was done to the data on the way in, for people. */
  readonly notes: readonly string[];
  readonly alphabet: string | undefined;
  /** Names of the styles of worked examples; empty when there are none. */
  readonly workedStyles: readonly string[];
  /** How many different problems a split has; Infinity for a generator. */
  size(split: Split, level?: number): number;
  problem(address: ProblemAddress): P;
  /** Up to `count` different held-out problems, always the same ones in the same order. */
  heldOut(count: number, level?: number): P[];
  /** 16 hexadecimal digits; equal for the same problem. */
  identity(problem: P): string;
  prompt(problem: P): Prompt;
  /** A response that must score 1, or undefined when the task knows none. */
  reference(problem: P): string | undefined;
  /**
   * A response like the reference that must not score 1, by the task's own rule; undefined when it has none, or
   * finds none for this problem.
   */
  corrupted(problem: P, random: RandomStream): string | undefined;
  /** Never throws, except when `detail.signal` aborts. */
  verify(problem: P, response: string, detail?: ResponseDetail): Promise<Verdict>;
  /** A response in raw form to learn from. Throws `AhaError` for a style that the task does not have. */
  workedExample(problem: P, style: string, random: RandomStream): string;
  /** The same task with another seed or presentation. What is not named stays as it is. */
  configure(options: TaskOptions): Task<P>;
}

const functionSchema = <T>() => z.custom<T>((value) => typeof value === 'function', 'a function');

const definitionSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'lower case letters, digits and dashes, 64 at most'),
  description: z.string().max(1000).default(''),
  prompts: z.custom<ProblemList<Problem> | ProblemGenerator<Problem>>(
    (value) =>
      typeof value === 'function' ||
      Array.isArray(value) ||
      (typeof value === 'object' &&
        value !== null &&
        Object.keys(value).length === 2 &&
        ['train', 'heldOut'].every((key) => Array.isArray((value as Record<string, unknown>)[key]))),
    'a list of { prompt, answer }, an object { train, heldOut } of two such lists, or a function (random, level) => problem',
  ),
  verify: z.union([z.enum(['exact', 'number']), functionSchema<TaskVerifier<Problem>>()]),
  reference: functionSchema<(problem: Problem, form: PromptForm) => string>().nullable().optional(),
  reasoning: functionSchema<(problem: Problem) => string>().optional(),
  question: functionSchema<(problem: Problem) => string>().optional(),
  levels: z.union([z.int().min(1).max(1000), z.array(z.int().min(1).max(1000)).min(1)]).default(1),
  canonical: functionSchema<(problem: Problem) => string>().optional(),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
  deadline: z.int().min(1).default(10_000),
  alphabet: z.string().min(1).optional(),
  corrupt:
    functionSchema<
      (problem: Problem, form: PromptForm, random: RandomStream) => string | undefined
    >().optional(),
  notes: z.array(z.string()).default([]),
  workedExamples: z
    .record(z.string(), functionSchema<(problem: Problem, random: RandomStream) => string>())
    .default({}),
});

const optionsSchema = presentationSchema.extend({
  seed: z.union([z.number(), z.string()]).default(0),
});

/** Makes a task. Throws `AhaError` for an unknown key, a value of the wrong kind, or problems that cannot be used. */
export function defineTask<P extends Problem>(definition: TaskDefinition<P>): Task<P> {
  const parsed = parseWithSchema(definitionSchema, definition, {
    what: 'The definition of a task',
    boundary: 'task',
    code: 'invalid-task',
  }) as unknown as Parsed<P>;
  const canonical = parsed.canonical ?? canonicalPrompt;
  const shared = { name: parsed.name, canonical, heldOutShare: parsed.heldOutShare };
  const { prompts, levels } = parsed;
  const source =
    typeof prompts === 'function'
      ? generatedSource({
          ...shared,
          generate: prompts,
          levels:
            typeof levels === 'number'
              ? Array.from({ length: levels }, (_, i) => i + 1)
              : [...new Set(levels)].sort((a, b) => a - b),
        })
      : listedSource({ ...shared, problems: prompts, levelOf: (problem) => problem.level ?? 1 });
  const verifier = verifierOf(parsed);

  const make = (options: z.output<typeof optionsSchema>): Task<P> => {
    const { seed, ...chosen } = options;
    const presentation = resolvePresentation(chosen);
    checkPresentation(parsed.name, presentation);
    const reasoning = (problem: P) => parsed.reasoning?.(problem) ?? 'The answer follows from the problem.';
    const answerOf = (problem: P) =>
      parsed.reference === null
        ? undefined
        : parsed.reference === undefined
          ? problem.answer
          : parsed.reference(problem, presentation.form);

    return {
      kind: 'aha-task',
      name: parsed.name,
      description: parsed.description,
      seed,
      presentation,
      levels: source.levels,
      notes: [...parsed.notes, ...source.notes],
      alphabet: parsed.alphabet,
      workedStyles: Object.keys(parsed.workedExamples),
      size: (split, level) => source.size(split, level),
      problem: (address) => source.problem(seed, address),
      heldOut: (count, level) => distinctHeldOut(source, canonical, count, level),
      identity: (problem) => fingerprintOf(canonical(problem)).identity,
      prompt: (problem) =>
        presentPrompt(presentation, problem.prompt, parsed.question?.(problem) ?? problem.prompt),
      reference(problem) {
        const answer = answerOf(problem);
        return answer === undefined ? undefined : presentReference(presentation, reasoning(problem), answer);
      },
      corrupted(problem, random) {
        const answer = parsed.corrupt?.(problem, presentation.form, random);
        return answer === undefined ? undefined : presentReference(presentation, reasoning(problem), answer);
      },
      async verify(problem, response, detail = {}) {
        const whole = (detail.prefilled ?? '') + response;
        const located = presentation.form === 'raw' ? { text: whole } : locateAnswer(whole);
        const accuracy =
          located === undefined
            ? scored(0, { evidence: { problem: 'the response gives no answer' } })
            : await judge(
                (signal, pause) =>
                  verifier(problem, located.text, {
                    response: whole,
                    form: presentation.form,
                    signal,
                    pause,
                    ...(detail.finish === undefined ? {} : { finish: detail.finish }),
                    ...(detail.tokens === undefined ? {} : { tokens: detail.tokens }),
                  }),
                {
                  deadline: parsed.deadline,
                  ...(detail.signal === undefined ? {} : { signal: detail.signal }),
                },
              );
        return withFormat(presentation, whole, accuracy);
      },
      workedExample(problem, style, random) {
        const example = Object.hasOwn(parsed.workedExamples, style)
          ? parsed.workedExamples[style]
          : undefined;
        if (example === undefined) {
          throw new AhaError({
            code: 'worked-style-unknown',
            boundary: 'task',
            what: `Task ${parsed.name} has no worked examples of this style`,
            found: style,
            expected: Object.keys(parsed.workedExamples).join(' | ') || 'none: it has no worked examples',
          });
        }
        return example(problem, random);
      },
      configure: (changes) =>
        make(
          parseWithSchema(optionsSchema, mergeOptions(options, changes), {
            what: `The options of task ${parsed.name}`,
            boundary: 'task',
          }),
        ),
    };
  };
  return make(optionsSchema.parse({}));
}

/** Whether `value` is what `defineTask` gives, from whichever copy of this package. */
export function isTask(value: unknown): value is Task {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'aha-task';
}

type Parsed<P extends Problem> = TaskDefinition<P> & {
  readonly description: string;
  readonly levels: number | readonly number[];
  readonly heldOutShare: number;
  readonly deadline: number;
  readonly notes: readonly string[];
  readonly workedExamples: NonNullable<TaskDefinition<P>['workedExamples']>;
};

function verifierOf<P extends Problem>(definition: Parsed<P>): TaskVerifier<P> {
  const { verify } = definition;
  const answerOf = (problem: P) => {
    if (problem.answer !== undefined) return problem.answer;
    throw new AhaError({
      code: 'answer-missing',
      boundary: 'data',
      what: `A problem of task ${definition.name} has no answer to compare with`,
      found: problem.prompt,
    });
  };
  switch (verify) {
    case 'exact':
      return exactVerifier(answerOf);
    case 'number':
      return numberVerifier(answerOf);
    default:
      return verify;
  }
}

/** A new form brings its own defaults for what follows from the form. */
function mergeOptions(
  current: z.output<typeof optionsSchema>,
  changes: TaskOptions,
): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...current };
  if (changes.form !== undefined && changes.form !== current.form) {
    delete kept['format'];
    delete kept['system'];
  }
  return { ...kept, ...changes };
}

function checkPresentation(name: string, presentation: Presentation): void {
  const { form, format, accuracyWeight, formatWeight, system } = presentation;
  const fail = (what: string, found: unknown, expected: string): never => {
    throw new AhaError({
      code: 'invalid-configuration',
      boundary: 'task',
      what: `The options of task ${name}: ${what}`,
      found,
      expected,
    });
  };
  if (form === 'raw' && format !== 'none') {
    fail('raw responses have no format to check', `format ${format}`, 'format none, or form r1-zero or chat');
  }
  if (form !== 'chat' && system !== '') {
    fail('a system message needs form chat', `form ${form}`, 'form chat, or no system message');
  }
  if (!(accuracyWeight + (format === 'none' ? 0 : formatWeight) > 0)) {
    fail('no part of the reward counts', 'weights of 0', 'an accuracyWeight or formatWeight above 0');
  }
}

function withFormat(presentation: Presentation, response: string, accuracy: Verdict): Verdict {
  const { format, accuracyWeight, formatWeight } = presentation;
  if (format === 'none') return weightedVerdict({ accuracy: { weight: 1, verdict: accuracy } });
  const check = checkFormat(response, format);
  const evidence = check.problem === undefined ? {} : { problem: check.problem };
  return weightedVerdict({
    accuracy: { weight: accuracyWeight, verdict: accuracy },
    format: { weight: formatWeight, verdict: scored(check.kept ? 1 : 0, { evidence }) },
  });
}

/** How many repetitions in a row say that a generator has no further problem to give. */
const mostRepetitions = 500;

function distinctHeldOut<P extends Problem>(
  source: ProblemSource<P>,
  canonical: (problem: P) => string,
  count: number,
  level: number | undefined,
): P[] {
  const found = new Map<string, P>();
  const size = source.size('heldOut', level);
  let repetitions = 0;
  for (let index = 0; index < size && found.size < count && repetitions < mostRepetitions; index++) {
    const problem = source.problem(0, { split: 'heldOut', index, ...(level === undefined ? {} : { level }) });
    const { identity } = fingerprintOf(canonical(problem));
    if (found.has(identity)) repetitions++;
    else {
      found.set(identity, problem);
      repetitions = 0;
    }
  }
  return [...found.values()];
}
