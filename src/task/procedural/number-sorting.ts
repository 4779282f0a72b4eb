/** Sort integers, ascending or descending. One right answer; repeated numbers stay as often as they are given. */
import { z } from 'zod';
import { integerList } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

interface SortingPuzzle {
  readonly numbers: readonly number[];
  readonly descending: boolean;
}

function sorted({ numbers, descending }: SortingPuzzle): number[] {
  return numbers.toSorted((a, b) => (descending ? b - a : a - b));
}

export const numberSorting = proceduralTask<
  { readonly count: number; readonly minimum: number; readonly maximum: number },
  SortingPuzzle
>({
  name: 'number-sorting',
  description: 'Sort integers, ascending or descending.',
  knobs: {
    count: z.int().min(2).max(100),
    minimum: z.int().min(-1_000_000).max(1_000_000),
    maximum: z.int().min(-1_000_000).max(1_000_000),
  },
  levels: [
    { count: 4, minimum: 1, maximum: 99 },
    { count: 7, minimum: 1, maximum: 999 },
    { count: 12, minimum: -99, maximum: 999 },
    { count: 20, minimum: -999, maximum: 9999 },
    { count: 35, minimum: -9999, maximum: 9999 },
  ],
  draw(random, { count, minimum, maximum }) {
    if (minimum >= maximum) return undefined;
    const numbers = Array.from({ length: count }, () => minimum + random.integer(maximum - minimum + 1));
    const puzzle = { numbers, descending: random.next() < 0.5 };
    return sorted(puzzle).join() === numbers.join() ? undefined : puzzle;
  },
  question: ({ numbers, descending }) =>
    `Sort these numbers in ${descending ? 'descending' : 'ascending'} order: ${numbers.join(', ')}. ` +
    'Answer with all of them, separated by commas, such as 1, 2, 3',
  answer: (puzzle) => sorted(puzzle).join(', '),
  reasoning: ({ numbers, descending }) =>
    `I take the ${descending ? 'largest' : 'smallest'} number that is left, ${numbers.length} times over.`,
  check(puzzle, answer) {
    const given = integerList(answer);
    if (given === undefined) return 'no list of integers';
    if (given.length !== puzzle.numbers.length) {
      return `${given.length} numbers, not ${puzzle.numbers.length}`;
    }
    const right = sorted(puzzle);
    const wrong = right.findIndex((value, i) => value !== given[i]);
    return wrong < 0 ? undefined : `number ${wrong + 1} is not ${right[wrong]}`;
  },
  corrupt(puzzle, random) {
    const right = sorted(puzzle);
    const places = right.flatMap((value, i) => (i > 0 && value !== right[i - 1] ? [i] : []));
    if (places.length === 0) return undefined;
    const at = random.pick(places);
    [right[at - 1], right[at]] = [right[at]!, right[at - 1]!];
    return right.join(', ');
  },
});
