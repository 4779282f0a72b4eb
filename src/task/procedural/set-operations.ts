/** Work out an expression of sets. The elements may stand in any order; repeated elements are refused. */
import { z } from 'zod';
import type { RandomStream } from '../../util/random.ts';
import { integerList } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

export type SetExpression =
  | { readonly kind: 'set'; readonly index: number }
  | {
      readonly kind: 'union' | 'intersection' | 'difference' | 'symmetric difference';
      readonly left: SetExpression;
      readonly right: SetExpression;
    };

interface SetsPuzzle {
  readonly sets: readonly (readonly number[])[];
  readonly expression: SetExpression;
}

const signs = {
  union: '∪',
  intersection: '∩',
  difference: '\\',
  'symmetric difference': '△',
} as const;

function evaluate(expression: SetExpression, sets: SetsPuzzle['sets']): Set<number> {
  if (expression.kind === 'set') return new Set(sets[expression.index]);
  const left = evaluate(expression.left, sets);
  const right = evaluate(expression.right, sets);
  switch (expression.kind) {
    case 'union':
      return new Set([...left, ...right]);
    case 'intersection':
      return new Set([...left].filter((value) => right.has(value)));
    case 'difference':
      return new Set([...left].filter((value) => !right.has(value)));
    case 'symmetric difference':
      return new Set([...left, ...right].filter((value) => left.has(value) !== right.has(value)));
  }
}

function write(expression: SetExpression, inner = false): string {
  if (expression.kind === 'set') return 'ABCDEFGH'[expression.index]!;
  const text = `${write(expression.left, true)} ${signs[expression.kind]} ${write(expression.right, true)}`;
  return inner ? `(${text})` : text;
}

/** A tree with the sets as leaves, each once, in the given order. */
function drawTree(random: RandomStream, leaves: readonly number[]): SetExpression {
  if (leaves.length === 1) return { kind: 'set', index: leaves[0]! };
  const split = 1 + random.integer(leaves.length - 1);
  const kind = random.pick(['union', 'intersection', 'difference', 'symmetric difference'] as const);
  const left = drawTree(random, leaves.slice(0, split));
  return { kind, left, right: drawTree(random, leaves.slice(split)) };
}

function writeSet(values: Iterable<number>): string {
  return `{${[...values].toSorted((a, b) => a - b).join(', ')}}`;
}

export const setOperations = proceduralTask<
  { readonly sets: number; readonly size: number; readonly maximum: number },
  SetsPuzzle
>({
  name: 'set-operations',
  description: 'Work out an expression of sets: union, intersection, difference, symmetric difference.',
  knobs: {
    sets: z.int().min(2).max(8),
    size: z.int().min(1).max(40),
    maximum: z.int().min(2).max(999),
  },
  levels: [
    { sets: 2, size: 5, maximum: 12 },
    { sets: 3, size: 6, maximum: 15 },
    { sets: 4, size: 8, maximum: 20 },
    { sets: 6, size: 12, maximum: 40 },
  ],
  draw(random, { sets: count, size, maximum }) {
    if (size > maximum) return undefined;
    const all = Array.from({ length: maximum }, (_, i) => i + 1);
    const sets = Array.from({ length: count }, () => random.shuffle(all).slice(0, size));
    const expression = drawTree(random, random.shuffle(Array.from({ length: count }, (_, i) => i)));
    return evaluate(expression, sets).size === 0 ? undefined : { sets, expression };
  },
  question: ({ sets, expression }) =>
    `${sets.map((set, i) => `${'ABCDEFGH'[i]} = {${set.join(', ')}}`).join(', ')}. What is ${write(expression)}? ` +
    '(∪ union, ∩ intersection, \\ difference, △ symmetric difference.) Answer with the elements, such as {1, 2, 3}',
  answer: ({ sets, expression }) => writeSet(evaluate(expression, sets)),
  reasoning({ sets, expression }) {
    const steps: string[] = [];
    const walk = (part: SetExpression): void => {
      if (part.kind === 'set') return;
      walk(part.left);
      walk(part.right);
      steps.push(`${write(part)} = ${writeSet(evaluate(part, sets))}`);
    };
    walk(expression);
    return steps.join('; ');
  },
  check({ sets, expression }, answer) {
    const given = integerList(answer);
    if (given === undefined) return 'no set of numbers';
    const right = evaluate(expression, sets);
    const stray = given.find((value) => !right.has(value));
    if (stray !== undefined) return `${stray} is not in it`;
    if (new Set(given).size < given.length) return 'an element stands twice';
    return given.length === right.size ? undefined : `${given.length} elements, not ${right.size}`;
  },
  corrupt({ sets, expression }, random) {
    const right = evaluate(expression, sets);
    const values = [...right];
    if (values.length > 1 && random.next() < 0.5) values.splice(random.integer(values.length), 1);
    else values.push(random.pick([...new Set([...sets.flat(), 1000])].filter((value) => !right.has(value))));
    return writeSet(values);
  },
});
