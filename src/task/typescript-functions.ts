/**
 * Small TypeScript functions, generated with their types and tests: chains of steps over arrays, strings, records,
 * tuples and objects (levels 1 to 4, by their number), and recursion, generics, parsing and grouping (level 5). The
 * score is a part for compiling, the rest by the share of tests passed.
 *
 * The tests of each problem are chosen so that they tell it from its neighbours: a step left out, another constant,
 * another operation. In raw form, for models trained from nothing, the prompt is a head and the response its body:
 *
 *     (a:number[]):number=>//keep even; sum
 *     a.filter(x=>x%2===0).reduce((s,x)=>s+x,0)
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';
import { parseWithSchema } from '../util/schema.ts';
import { code } from '../verify/code/code.ts';
import { scoringSchema } from '../verify/code/scoring.ts';
import type { Tests } from '../verify/code/tests.ts';
import { codeDeadline } from './humaneval.ts';
import type { Problem } from './problem.ts';
import { defineTask, type Task } from './task.ts';
import { drawPipeline, type FunctionProblem } from './typescript-functions/pipeline.ts';
import { drawTemplate } from './typescript-functions/templates.ts';

export const typeScriptFunctionsSchema = scoringSchema.extend({
  scoring: scoringSchema.shape.scoring.unwrap().default('compile-then-fraction'),
  levels: z.array(z.int().min(1).max(5)).min(1).default([1, 2, 3, 4, 5]),
  /** Shares of worked examples of style `draft` that do not compile, and that compile and are wrong. */
  broken: z.number().min(0).max(1).default(0.6),
  wrong: z.number().min(0).max(1).default(0.15),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
});

export interface TypeScriptFunctionProblem extends Problem, FunctionProblem {
  readonly answer: string;
  readonly level: number;
}

/** Every character that heads and bodies may have: printable ASCII and the end of a line. */
export const typeScriptAlphabet = `${Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')}\n`;

const mostAttempts = 1000;

export function typeScriptFunctionsTask(
  options: z.input<typeof typeScriptFunctionsSchema> = {},
): Task<TypeScriptFunctionProblem> {
  const { levels, broken, wrong, heldOutShare, ...scoring } = parseWithSchema(
    typeScriptFunctionsSchema,
    options,
    {
      what: 'The options of task typescript-functions',
      boundary: 'task',
    },
  );
  const tests = ({ cases }: TypeScriptFunctionProblem): Tests => ({
    kind: 'calls',
    function: 'f',
    cases: cases as never,
  });
  // The body of an arrow function: what follows the head.
  const raw = code.typescript<TypeScriptFunctionProblem>({
    ...scoring,
    tests,
    extract: 'whole',
    complete: ({ signature }, body) => `export const f=${signature}=>\n${body}\n`,
  });
  const whole = code.typescript<TypeScriptFunctionProblem>({
    ...scoring,
    tests,
    types: ({ signature }) => `const required:${typeOf(signature)}=f;`,
  });
  return defineTask<TypeScriptFunctionProblem>({
    name: 'typescript-functions',
    description: 'Small TypeScript functions from a description, judged by the compiler and by tests.',
    levels,
    heldOutShare,
    deadline: codeDeadline,
    alphabet: typeScriptAlphabet,
    prompts(random, level) {
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        const drawn = level === 5 ? drawTemplate(random) : drawPipeline(level, random);
        if (drawn === undefined) continue;
        return { ...drawn, prompt: `${drawn.signature}=>//${drawn.words}\n`, answer: drawn.body, level };
      }
      throw new AhaError({
        code: 'no-function',
        boundary: 'task',
        what: `No function of level ${level} could be drawn`,
        found: `${mostAttempts} attempts`,
      });
    },
    canonical: ({ signature, words }) => `${signature} ${words}`,
    question: ({ signature, words, cases }) =>
      `Write a TypeScript function f with the type ${signature} that does this to its argument: ${words}. ` +
      `For example, f(${cases[0]!.args.map((one) => JSON.stringify(one)).join(', ')}) is ` +
      `${JSON.stringify(cases[0]!.expected)}. Answer with the whole program in one block of code.`,
    reference: ({ signature, body }, form) => (form === 'raw' ? body : program(signature, body)),
    corrupt: ({ signature, wrong }, form, random) => {
      if (wrong.length === 0) return undefined;
      const body = random.pick(wrong);
      return form === 'raw' ? body : program(signature, body);
    },
    verify: (problem, answer, context) => (context.form === 'raw' ? raw : whole)(problem, answer, context),
    workedExamples: {
      right: ({ body }) => body,
      draft: (problem, random) => draft(problem, broken, wrong, random),
    },
  });
}

function program(signature: string, body: string): string {
  return `\`\`\`typescript\nexport const f = ${signature} => ${body};\n\`\`\``;
}

/** A function type from the head of an arrow function. */
function typeOf(signature: string): string {
  const end = signature.lastIndexOf('):');
  return `${signature.slice(0, end + 1)}=>${signature.slice(end + 2)}`;
}

/**
 * As someone writes who comes from another language and does not check: often by its names of methods, which do not
 * compile here, sometimes a program that does something else.
 */
function draft(
  { body, wrong }: FunctionProblem,
  broken: number,
  mistaken: number,
  random: RandomStream,
): string {
  const kind = random.next();
  if (kind < broken) {
    const foreign = body.replaceAll(/\.(\w+)/g, (call, name: string) =>
      Object.hasOwn(foreignNames, name) ? `.${foreignNames[name]}` : call,
    );
    return foreign === body ? `${body}.to_value` : foreign;
  }
  return kind < broken + mistaken && wrong.length > 0 ? random.pick(wrong) : body;
}

/** What other languages call the methods that bodies use. None of the names exists here. */
const foreignNames: Readonly<Record<string, string>> = {
  at: 'nth',
  entries: 'pairs',
  every: 'all',
  filter: 'select',
  flat: 'flatten',
  floor: 'trunc_down',
  fromEntries: 'from_pairs',
  includes: 'contains',
  join: 'joined',
  length: 'size',
  map: 'collect',
  max: 'maximum',
  reduce: 'fold',
  repeat: 'times',
  reverse: 'reversed',
  slice: 'take',
  some: 'any',
  split: 'tokens',
  toReversed: 'reversed',
  toSorted: 'sorted',
  toUpperCase: 'upcase',
};
