/**
 * Propositional logic: truth values that make all statements true, or the finding that there are none. Any
 * satisfying assignment is right; `unsatisfiable` is right exactly when the truth table, worked out when the
 * puzzle is drawn, has no row for it. About half of the puzzles are satisfiable.
 */
import { z } from 'zod';
import { assignments } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';
import type { RandomStream } from '../../util/random.ts';

export type Formula =
  | { readonly kind: 'variable'; readonly index: number }
  | { readonly kind: 'not'; readonly inner: Formula }
  | {
      readonly kind: 'and' | 'or' | 'implies' | 'iff';
      readonly left: Formula;
      readonly right: Formula;
    };

interface LogicPuzzle {
  readonly variables: number;
  readonly statements: readonly Formula[];
  /** Bit i is the value of variable i; undefined when unsatisfiable. */
  readonly solution?: number;
}

const letters = 'ABCDEFGHIJ';

export function evaluateFormula(formula: Formula, values: number): boolean {
  switch (formula.kind) {
    case 'variable':
      return ((values >> formula.index) & 1) === 1;
    case 'not':
      return !evaluateFormula(formula.inner, values);
    case 'and':
      return evaluateFormula(formula.left, values) && evaluateFormula(formula.right, values);
    case 'or':
      return evaluateFormula(formula.left, values) || evaluateFormula(formula.right, values);
    case 'implies':
      return !evaluateFormula(formula.left, values) || evaluateFormula(formula.right, values);
    case 'iff':
      return evaluateFormula(formula.left, values) === evaluateFormula(formula.right, values);
  }
}

function writeFormula(formula: Formula, inner = false): string {
  switch (formula.kind) {
    case 'variable':
      return letters[formula.index]!;
    case 'not':
      return `not ${writeFormula(formula.inner, true)}`;
    case 'and':
    case 'or':
    case 'implies':
    case 'iff': {
      const text = `${writeFormula(formula.left, true)} ${formula.kind} ${writeFormula(formula.right, true)}`;
      return inner ? `(${text})` : text;
    }
  }
}

function drawFormula(random: RandomStream, variables: number, depth: number): Formula {
  if (depth === 0 || random.next() < 0.15) {
    const variable: Formula = { kind: 'variable', index: random.integer(variables) };
    return random.next() < 0.35 ? { kind: 'not', inner: variable } : variable;
  }
  const kind = random.pick(['and', 'or', 'or', 'implies', 'iff'] as const);
  const left = drawFormula(random, variables, depth - 1);
  return { kind, left, right: drawFormula(random, variables, depth - 1) };
}

function satisfies(statements: readonly Formula[], values: number): boolean {
  return statements.every((statement) => evaluateFormula(statement, values));
}

function writeValues(variables: number, values: number): string {
  return Array.from(
    { length: variables },
    (_, i) => `${letters[i]} = ${((values >> i) & 1) === 1 ? 'true' : 'false'}`,
  ).join(', ');
}

export const propositionalLogic = proceduralTask<
  { readonly variables: number; readonly statements: number; readonly depth: number },
  LogicPuzzle
>({
  name: 'propositional-logic',
  description: 'Find truth values that make all statements true, or that there are none.',
  knobs: {
    variables: z.int().min(2).max(10),
    statements: z.int().min(1).max(40),
    /** How deeply connectives nest. */
    depth: z.int().min(1).max(4),
  },
  levels: [
    { variables: 3, statements: 3, depth: 1 },
    { variables: 4, statements: 5, depth: 1 },
    { variables: 5, statements: 6, depth: 2 },
    { variables: 6, statements: 8, depth: 2 },
    { variables: 8, statements: 10, depth: 3 },
  ],
  draw(random, { variables, statements: count, depth }) {
    // Drawn first, so that satisfiable and unsatisfiable puzzles are about as frequent at every level.
    const wanted = random.next() < 0.5;
    for (let attempt = 0; attempt < 200; attempt++) {
      const statements: Formula[] = [];
      while (statements.length < count) {
        const statement = drawFormula(random, variables, depth);
        if (statement.kind === 'variable' || statement.kind === 'not') continue;
        statements.push(statement);
      }
      const rows = Array.from({ length: 2 ** variables }, (_, values) => values);
      const solution = random.shuffle(rows).find((values) => satisfies(statements, values));
      if ((solution !== undefined) !== wanted) continue;
      return { variables, statements, ...(solution === undefined ? {} : { solution }) };
    }
    return undefined;
  },
  question: ({ variables, statements }) =>
    `Each of ${letters.slice(0, variables).split('').join(', ')} is true or false. The statements:\n` +
    `${statements.map((statement, i) => `${i + 1}. ${writeFormula(statement)}`).join('\n')}\n` +
    'Find values that make all statements true ("or" is not exclusive; "iff" means that both sides are equal). ' +
    `Answer with the value of each letter, such as ${writeValues(variables, 1)}, ` +
    'or with the word unsatisfiable if there are none',
  answer: ({ variables, solution }) =>
    solution === undefined ? 'unsatisfiable' : writeValues(variables, solution),
  reasoning: ({ variables, statements, solution }) =>
    solution === undefined
      ? `Each of the ${2 ** variables} rows of the truth table makes one of the ${statements.length} statements false.`
      : `With ${writeValues(variables, solution)} each of the ${statements.length} statements is true.`,
  check({ variables, statements, solution }, answer) {
    if (/^unsatisfiable$/i.test(answer)) {
      return solution === undefined ? undefined : 'the statements can all be true';
    }
    const given = assignments(answer);
    if (given === undefined) return 'not of the form A = true, B = false';
    if (given.size !== variables) return `${given.size} values for ${variables} letters`;
    let values = 0;
    for (let i = 0; i < variables; i++) {
      const word = (given.get(letters[i]!) ?? '').toLowerCase();
      if (word !== 'true' && word !== 'false') return `neither true nor false for ${letters[i]}`;
      if (word === 'true') values |= 1 << i;
    }
    const wrong = statements.findIndex((statement) => !evaluateFormula(statement, values));
    return wrong < 0 ? undefined : `statement ${wrong + 1} is false`;
  },
  corrupt({ variables, statements, solution }, random) {
    if (solution === undefined) return writeValues(variables, random.integer(2 ** variables));
    const rows = Array.from({ length: 2 ** variables }, (_, values) => values);
    const wrong = random.shuffle(rows).find((values) => !satisfies(statements, values));
    return wrong === undefined ? 'unsatisfiable' : writeValues(variables, wrong);
  },
});
