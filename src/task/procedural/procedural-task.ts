/**
 * Reasoning tasks that are generated and judged exactly: what they have in common. A definition draws a puzzle from
 * a random stream, puts it in words, knows one right answer, and checks any answer; this makes a task of it.
 *
 * What every one of them promises:
 * - The answer is right or wrong (1 or 0), and every right answer is accepted where there are several.
 * - The answer must stand alone: inside the answer tags, or in raw form after the last line that begins `Answer:`
 *   (the whole response without one). Nothing is searched for in prose (`answer-text.ts`).
 * - Checking takes time linear in the answer, which is bounded; a puzzle's own search is never repeated on it.
 * - Difficulty is a handful of named numbers, the knobs. A level is a choice of them; an option of the same name
 *   replaces it in every level.
 */
import { z } from 'zod';
import { AhaError } from '../../errors.ts';
import type { RandomStream } from '../../util/random.ts';
import { parseWithSchema } from '../../util/schema.ts';
import { scored } from '../../verify/verdict.ts';
import type { BuiltInTask } from '../built-in.ts';
import type { Problem } from '../problem.ts';
import { defineTask, type Task } from '../task.ts';
import { answerText, longestAnswer } from './answer-text.ts';

export type KnobValues = Readonly<Record<string, number | boolean | string>>;

export interface ProceduralDefinition<Knobs extends KnobValues, Puzzle extends object> {
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** What each knob may be. */
  readonly knobs: { readonly [K in keyof Knobs]: z.ZodType<Knobs[K]> };
  /** Level 1 is the first. */
  readonly levels: readonly Knobs[];
  /** A puzzle, or undefined when this draw gave none: another is then tried. JSON values only. */
  draw(random: RandomStream, knobs: Knobs): Puzzle | undefined;
  /** The puzzle in words, ending with the form of the answer. */
  question(puzzle: Puzzle): string;
  /** A right answer. */
  answer(puzzle: Puzzle): string;
  /** The way to it. */
  reasoning?(puzzle: Puzzle): string;
  /** What is wrong with an answer; undefined when it is right. `answer` is trimmed and at most `longestAnswer` long. */
  check(puzzle: Puzzle, answer: string): string | undefined;
  /** The text that makes a puzzle the puzzle it is. Default: its question. */
  canonical?(puzzle: Puzzle): string;
  /** A wrong answer near the right one; undefined where there is none. */
  corrupt(puzzle: Puzzle, random: RandomStream): string | undefined;
}

export interface ProceduralProblem<Puzzle> extends Problem {
  readonly answer: string;
  readonly level: number;
  readonly puzzle: Puzzle;
}

export interface ProceduralTask<Knobs extends KnobValues, Puzzle extends object> extends BuiltInTask {
  readonly definition: ProceduralDefinition<Knobs, Puzzle>;
  create(options?: unknown): Task<ProceduralProblem<Puzzle>>;
}

const mostAttempts = 10_000;

export function proceduralTask<Knobs extends KnobValues, Puzzle extends object>(
  definition: ProceduralDefinition<Knobs, Puzzle>,
): ProceduralTask<Knobs, Puzzle> {
  const { name, description, levels: allLevels } = definition;
  const everyLevel = allLevels.map((_, i) => i + 1);
  const optional: Record<string, z.ZodType> = {};
  for (const [knob, schema] of Object.entries<z.ZodType>(definition.knobs))
    optional[knob] = schema.optional();
  const schema = z.strictObject({
    /** Which levels there are. */
    levels: z.array(z.int().min(1).max(allLevels.length)).min(1).default(everyLevel),
    heldOutShare: z.number().gt(0).lt(1).default(0.1),
    ...optional,
  });

  const create = (options: unknown = {}): Task<ProceduralProblem<Puzzle>> => {
    const parsed = parseWithSchema(schema, options, {
      what: `The options of task ${name}`,
      boundary: 'task',
    });
    const { levels, heldOutShare, ...own } = parsed as {
      levels: number[];
      heldOutShare: number;
    } & Partial<Knobs>;
    const chosen = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
    const knobsOf = (level: number): Knobs => ({ ...allLevels[level - 1]!, ...chosen });
    return defineTask<ProceduralProblem<Puzzle>>({
      name,
      description,
      levels,
      heldOutShare,
      prompts: (random, level) => {
        const puzzle = drawPuzzle(definition, knobsOf(level), random);
        return {
          prompt: `${definition.question(puzzle)}\n`,
          answer: definition.answer(puzzle),
          level,
          puzzle,
        };
      },
      question: ({ puzzle }) => definition.question(puzzle),
      ...(definition.canonical === undefined
        ? {}
        : { canonical: ({ puzzle }) => `${name}\n${definition.canonical!(puzzle)}` }),
      ...(definition.reasoning === undefined
        ? {}
        : { reasoning: ({ puzzle }) => definition.reasoning!(puzzle) }),
      reference: (problem, form) => (form === 'raw' ? `Answer: ${problem.answer}` : problem.answer),
      verify: ({ puzzle }, response) => {
        const extracted = answerText(response);
        if (extracted.length > longestAnswer) {
          return scored(0, { evidence: { problem: `an answer of more than ${longestAnswer} characters` } });
        }
        const problem = extracted === '' ? 'no answer' : definition.check(puzzle, extracted);
        const evidence = { extracted: extracted.slice(0, 200) };
        return problem === undefined
          ? scored(1, { evidence })
          : scored(0, { evidence: { ...evidence, problem } });
      },
      corrupt: ({ puzzle }, form, random) => {
        const wrong = definition.corrupt(puzzle, random);
        return wrong === undefined ? undefined : form === 'raw' ? `Answer: ${wrong}` : wrong;
      },
      workedExamples: {
        ...(definition.reasoning === undefined
          ? {}
          : {
              steps: (problem) => `${definition.reasoning!(problem.puzzle)}\nAnswer: ${problem.answer}`,
            }),
        direct: (problem) => `Answer: ${problem.answer}`,
      },
    });
  };
  return { name, description, schema, definition, create };
}

function drawPuzzle<Knobs extends KnobValues, Puzzle extends object>(
  definition: ProceduralDefinition<Knobs, Puzzle>,
  knobs: Knobs,
  random: RandomStream,
): Puzzle {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const puzzle = definition.draw(random, knobs);
    if (puzzle !== undefined) return puzzle;
  }
  throw new AhaError({
    code: 'no-puzzle',
    boundary: 'task',
    what: `No puzzle of task ${definition.name} fits its options`,
    found: `${mostAttempts} tries with ${JSON.stringify(knobs)}`,
    expected: 'options that leave puzzles with an answer',
    fix: 'Choose options nearer to those of a level (docs/tasks.md lists them).',
  });
}
