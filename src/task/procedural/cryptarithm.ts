/**
 * Additions of words, `SEND + MORE = MONEY`: each letter stands for a digit of its own, no word begins with 0.
 * Every puzzle has exactly one solution.
 */
import { z } from 'zod';
import { assignments } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

interface CryptarithmPuzzle {
  readonly addends: readonly string[];
  readonly sum: string;
  /** A digit for each letter, in order of the letters. */
  readonly solution: Readonly<Record<string, number>>;
}

/** Up to `limit` solutions, column by column from the right with the carry. */
export function solveCryptarithm(
  addends: readonly string[],
  sum: string,
  limit: number,
): Record<string, number>[] {
  const words = [...addends, sum];
  const letters = [...new Set(words.join(''))].sort();
  const columns = Math.max(...words.map((word) => word.length));
  /** The letter at a row of a column counted from the right, or -1. */
  const cells = Array.from({ length: columns }, (_, column) =>
    words.map((word) => letters.indexOf(word[word.length - 1 - column] ?? '')),
  );
  const leading = letters.map((letter) => words.some((word) => word.length > 1 && word.startsWith(letter)));
  const digits = new Int8Array(letters.length).fill(-1);
  let used = 0;
  const solutions: Record<string, number>[] = [];

  // The last row of a column is the letter of the sum, whose digit follows from those above it.
  const visit = (column: number, row: number, total: number): void => {
    if (column === columns) {
      if (total === 0) solutions.push(Object.fromEntries(letters.map((letter, i) => [letter, digits[i]!])));
      return;
    }
    const letter = cells[column]![row]!;
    const isSum = row === addends.length;
    const sumDigit = total % 10;
    const next = (digit: number) =>
      isSum ? visit(column + 1, 0, (total - sumDigit) / 10) : visit(column, row + 1, total + digit);
    if (letter < 0) {
      if (!isSum || sumDigit === 0) next(0);
      return;
    }
    const known = digits[letter]!;
    if (known >= 0) {
      if (!isSum || sumDigit === known) next(known);
      return;
    }
    for (let digit = isSum ? sumDigit : 0; digit <= (isSum ? sumDigit : 9); digit++) {
      if ((used >> digit) & 1 || (digit === 0 && leading[letter]!)) continue;
      digits[letter] = digit;
      used |= 1 << digit;
      next(digit);
      used &= ~(1 << digit);
      digits[letter] = -1;
      if (solutions.length >= limit) return;
    }
  };
  visit(0, 0, 0);
  return solutions;
}

function writeDigits(solution: Readonly<Record<string, number>>): string {
  return Object.entries(solution)
    .map(([letter, digit]) => `${letter} = ${digit}`)
    .join(', ');
}

function valueOf(word: string, digits: Readonly<Record<string, number>>): number {
  return Number(
    word
      .split('')
      .map((letter) => digits[letter])
      .join(''),
  );
}

export const cryptarithm = proceduralTask<
  { readonly addends: number; readonly digits: number; readonly letters: number },
  CryptarithmPuzzle
>({
  name: 'cryptarithm',
  description: 'Find the digits that the letters of an addition stand for.',
  knobs: {
    addends: z.int().min(2).max(4),
    /** Of the longest addend. */
    digits: z.int().min(1).max(7),
    /** The most different letters. */
    letters: z.int().min(3).max(10),
  },
  levels: [
    { addends: 2, digits: 4, letters: 5 },
    { addends: 2, digits: 4, letters: 6 },
    { addends: 2, digits: 4, letters: 7 },
    { addends: 2, digits: 5, letters: 8 },
    { addends: 2, digits: 6, letters: 9 },
  ],
  draw(random, { addends: count, digits, letters }) {
    const numbers = Array.from({ length: count }, (_, i) => {
      const length = i === 0 ? digits : Math.max(1, digits - random.integer(2));
      return 10 ** (length - 1) + random.integer(9 * 10 ** (length - 1));
    });
    const total = numbers.reduce((sum, value) => sum + value, 0);
    const texts = [...numbers, total].map(String);
    const present = new Set(texts.join(''));
    if (present.size > letters || present.size < 3) return undefined;
    const names = random.shuffle('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('')).slice(0, 10);
    const words = texts.map((text) =>
      text
        .split('')
        .map((digit) => names[Number(digit)]!)
        .join(''),
    );
    const [sum, ...reversed] = words.toReversed() as [string, ...string[]];
    const addends = reversed.toReversed();
    const solutions = solveCryptarithm(addends, sum, 2);
    return solutions.length === 1 ? { addends, sum, solution: solutions[0]! } : undefined;
  },
  question({ addends, sum, solution }) {
    const letters = Object.keys(solution);
    const example = letters
      .slice(0, 3)
      .map((letter, i) => `${letter} = ${i + 1}`)
      .join(', ');
    return (
      `In ${addends.join(' + ')} = ${sum} each letter stands for a digit, different letters for different digits, ` +
      `and no number begins with 0. Find the digits. Answer with the digit of each letter, such as ${example}`
    );
  },
  canonical({ addends, sum }) {
    // The names of the letters, and the order of the addends with it, do not make another puzzle.
    const names = new Map<string, string>();
    return [sum, ...addends].join('+').replaceAll(/[A-Z]/g, (letter) => {
      if (!names.has(letter)) names.set(letter, `${names.size}`);
      return names.get(letter)!;
    });
  },
  answer: ({ solution }) => writeDigits(solution),
  reasoning: ({ addends, sum, solution }) =>
    `${addends.map((word) => valueOf(word, solution)).join(' + ')} = ${valueOf(sum, solution)}, ` +
    'and trying the columns from the right leaves no other choice.',
  check({ solution }, answer) {
    const given = assignments(answer);
    if (given === undefined) return 'not of the form A = 1, B = 2';
    const letters = Object.keys(solution);
    if (given.size !== letters.length) return `${given.size} digits for ${letters.length} letters`;
    const wrong = letters.find((letter) => given.get(letter) !== `${solution[letter]}`);
    return wrong === undefined ? undefined : `${wrong} is not ${given.get(wrong) ?? 'given'}`;
  },
  corrupt({ solution }, random) {
    const [a, b] = random.shuffle(Object.keys(solution)) as [string, string];
    return writeDigits({ ...solution, [a]: solution[b]!, [b]: solution[a]! });
  },
});
