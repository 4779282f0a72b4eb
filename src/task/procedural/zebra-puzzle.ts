/**
 * Zebra puzzles (Einstein's riddle): who lives where with what. Exactly one arrangement fits the clues, and no clue
 * can be left out. The whole arrangement is asked for, so that it cannot be guessed.
 */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';
import { drawZebra, type Arrangement, type Clue, type Item } from './zebra-houses.ts';

interface ZebraPuzzle {
  readonly houses: number;
  /** The values of each attribute in this puzzle. */
  readonly words: readonly (readonly string[])[];
  readonly clues: readonly Clue[];
  readonly arrangement: Arrangement;
}

const kinds = [
  {
    name: 'name',
    words: ['Alice', 'Bob', 'Carol', 'David', 'Erin', 'Frank'],
    phrase: (word: string) => word,
  },
  {
    name: 'pet',
    words: ['cat', 'dog', 'fish', 'horse', 'parrot', 'zebra'],
    phrase: (word: string) => `the owner of the ${word}`,
  },
  {
    name: 'drink',
    words: ['coffee', 'juice', 'milk', 'tea', 'water', 'cocoa'],
    phrase: (word: string) => `the person who drinks ${word}`,
  },
  {
    name: 'colour',
    words: ['blue', 'green', 'red', 'white', 'yellow', 'black'],
    phrase: (word: string) => `the person in the ${word} house`,
  },
] as const;

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function writeClue(clue: Clue, words: ZebraPuzzle['words']): string {
  const phrase = ({ attribute, value }: Item) => kinds[attribute]!.phrase(words[attribute]![value]!);
  const a = capitalized(phrase(clue.a));
  switch (clue.kind) {
    case 'at':
      return `${a} lives in house ${clue.house + 1}.`;
    case 'not-at':
      return `${a} does not live in house ${clue.house + 1}.`;
    case 'same':
      return `${a} is ${phrase(clue.b)}.`;
    case 'next':
      return `${a} lives next to ${phrase(clue.b)}.`;
    case 'left':
      return `${a} lives directly to the left of ${phrase(clue.b)}.`;
    case 'left-of':
      return `${a} lives somewhere to the left of ${phrase(clue.b)}.`;
  }
}

function writeArrangement({ houses, words }: ZebraPuzzle, arrangement: Arrangement): string {
  return Array.from({ length: houses }, (_, house) => {
    const values = words.map((row, attribute) => row[arrangement[attribute]!.indexOf(house)]!);
    return `${house + 1}: ${values.join(', ')}`;
  }).join('\n');
}

export const zebraPuzzle = proceduralTask<
  { readonly houses: number; readonly attributes: number },
  ZebraPuzzle
>({
  name: 'zebra-puzzle',
  description: 'Find out who lives where with what from clues that leave one arrangement.',
  knobs: { houses: z.int().min(2).max(5), attributes: z.int().min(2).max(4) },
  levels: [
    { houses: 3, attributes: 2 },
    { houses: 3, attributes: 3 },
    { houses: 4, attributes: 3 },
    { houses: 4, attributes: 4 },
    { houses: 5, attributes: 3 },
  ],
  draw(random, { houses, attributes }) {
    const words = kinds.slice(0, attributes).map((kind) => random.shuffle(kind.words).slice(0, houses));
    const { arrangement, clues } = drawZebra(random, houses, attributes);
    return { houses, words, clues: random.shuffle(clues), arrangement };
  },
  question({ houses, words, clues }) {
    const lists = words.map((row, attribute) => `${kinds[attribute]!.name} (${row.toSorted().join(', ')})`);
    const example = words.map((row) => row.toSorted()[0]);
    return (
      `${houses} houses stand in a row, numbered 1 to ${houses} from left to right. One person lives in each. ` +
      `They differ in ${lists.join(', ')}.\n` +
      `${clues.map((clue, i) => `${i + 1}. ${writeClue(clue, words)}`).join('\n')}\n` +
      `Who lives where? Answer with one line for each house: its number, a colon, then ` +
      `${words.map((_, attribute) => kinds[attribute]!.name).join(', ')}, such as 1: ${example.join(', ')}`
    );
  },
  answer: (puzzle) => writeArrangement(puzzle, puzzle.arrangement),
  reasoning: (puzzle) =>
    `The arrangement ${writeArrangement(puzzle, puzzle.arrangement).replaceAll('\n', '; ')} satisfies all ` +
    `${puzzle.clues.length} clues, and no other does.`,
  check(puzzle, answer) {
    const lines = answer
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    if (lines.length !== puzzle.houses) return `${lines.length} lines for ${puzzle.houses} houses`;
    const right = writeArrangement(puzzle, puzzle.arrangement).split('\n');
    const read = new Map<string, string>();
    for (const line of lines) {
      const match = /^(?:house )?(\d):(.*)$/i.exec(line);
      if (match === null || read.has(match[1]!)) return 'not of the form 1: Alice, cat';
      const words = match[2]!.split(',').map((word) => word.trim().toLowerCase());
      read.set(match[1]!, words.join(', '));
    }
    const wrong = right.findIndex((line, house) => {
      return read.get(`${house + 1}`) !== line.slice(line.indexOf(':') + 2).toLowerCase();
    });
    return wrong < 0 ? undefined : `house ${wrong + 1} does not fit`;
  },
  corrupt(puzzle, random) {
    const attribute = random.integer(puzzle.words.length);
    const [a, b] = random.shuffle(Array.from({ length: puzzle.houses }, (_, i) => i)) as [number, number];
    const row = [...puzzle.arrangement[attribute]!];
    [row[a], row[b]] = [row[b]!, row[a]!];
    return writeArrangement(
      puzzle,
      puzzle.arrangement.map((old, i) => (i === attribute ? row : old)),
    );
  },
});
