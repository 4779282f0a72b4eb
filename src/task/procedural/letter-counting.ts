/** Count letters in made-up words: how often each of some letters occurs. One right answer. */
import { z } from 'zod';
import { assignments } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

interface CountingPuzzle {
  readonly text: string;
  readonly letters: readonly string[];
}

const syllables =
  'ba be bo da del dri en er fla gra hin ja ki la lo ma mi mor na ne no or pa pel que ra ri ro sa sen so str ta ter ti to un va ver vi wa zen'.split(
    ' ',
  );

function countOf(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

function writeCounts(letters: readonly string[], counts: readonly number[]): string {
  return letters.map((letter, i) => `${letter}: ${counts[i]}`).join(', ');
}

export const letterCounting = proceduralTask<
  { readonly words: number; readonly letters: number },
  CountingPuzzle
>({
  name: 'letter-counting',
  description: 'Count how often letters occur in made-up words.',
  knobs: { words: z.int().min(1).max(40), letters: z.int().min(1).max(8) },
  levels: [
    { words: 1, letters: 2 },
    { words: 3, letters: 2 },
    { words: 6, letters: 3 },
    { words: 12, letters: 4 },
  ],
  draw(random, { words, letters: count }) {
    const text = Array.from({ length: words }, () =>
      Array.from({ length: 3 + random.integer(3) }, () => random.pick(syllables)).join(''),
    ).join(' ');
    const present = [...new Set(text.replaceAll(' ', ''))];
    const letters = random.shuffle(present).slice(0, count).sort();
    return letters.length < count ? undefined : { text, letters };
  },
  question: ({ text, letters }) =>
    `How often does each of the letters ${letters.join(', ')} occur in "${text}"? ` +
    `Answer with the count of each, such as ${writeCounts(
      letters,
      letters.map((_, i) => i + 2),
    )}`,
  answer: ({ text, letters }) =>
    writeCounts(
      letters,
      letters.map((letter) => countOf(text, letter)),
    ),
  reasoning: ({ text, letters }) =>
    letters
      .map((letter) => {
        const words = text.split(' ').map((word) => `${word} ${countOf(word, letter)}`);
        return `${letter}: ${words.join(', ')}, together ${countOf(text, letter)}`;
      })
      .join('; '),
  check({ text, letters }, answer) {
    const given = assignments(answer);
    if (given === undefined) return 'not of the form a: 2, b: 3';
    if (given.size !== letters.length) return `${given.size} counts for ${letters.length} letters`;
    const wrong = letters.find((letter) => given.get(letter) !== `${countOf(text, letter)}`);
    return wrong === undefined ? undefined : `the count of ${wrong} is wrong`;
  },
  corrupt({ text, letters }, random) {
    const counts = letters.map((letter) => countOf(text, letter));
    counts[random.integer(counts.length)]! += random.pick([-1, 1]);
    return writeCounts(letters, counts);
  },
});
