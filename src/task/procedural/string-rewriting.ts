/**
 * Apply rewriting rules to a string: in every round each letter is replaced at once by the right side of its rule
 * (a Lindenmayer system), or the first rule that matches is applied once, at its leftmost place (a Markov
 * algorithm), a given number of times.
 */
import { z } from 'zod';
import type { RandomStream } from '../../util/random.ts';
import { proceduralTask } from './procedural-task.ts';

interface RewritingPuzzle {
  readonly mode: 'parallel' | 'first';
  readonly rules: readonly (readonly [left: string, right: string])[];
  readonly start: string;
  readonly rounds: number;
}

const longest = 200;

/** The string after each round, the start first. */
function rewrite({ mode, rules, start, rounds }: RewritingPuzzle): string[] {
  const strings = [start];
  for (let round = 0; round < rounds; round++) {
    const current = strings.at(-1)!;
    if (mode === 'parallel') {
      const byLetter = new Map(rules);
      strings.push(current.replaceAll(/[A-Z]/g, (letter) => byLetter.get(letter) ?? letter));
    } else {
      const rule = rules.find(([left]) => current.includes(left));
      // A function, since `$` has a meaning in replacement strings.
      strings.push(rule === undefined ? current : current.replace(rule[0], () => rule[1]));
    }
  }
  return strings;
}

function drawWord(random: RandomStream, letters: string, minimum: number, maximum: number): string {
  const length = minimum + random.integer(maximum - minimum + 1);
  return Array.from({ length }, () => letters[random.integer(letters.length)]!).join('');
}

export const stringRewriting = proceduralTask<
  { readonly letters: number; readonly rules: number; readonly rounds: number },
  RewritingPuzzle
>({
  name: 'string-rewriting',
  description: 'Apply rewriting rules to a string a given number of times.',
  knobs: {
    letters: z.int().min(2).max(8),
    rules: z.int().min(1).max(8),
    rounds: z.int().min(1).max(20),
  },
  levels: [
    { letters: 3, rules: 2, rounds: 2 },
    { letters: 3, rules: 3, rounds: 3 },
    { letters: 4, rules: 4, rounds: 5 },
    { letters: 5, rules: 5, rounds: 8 },
    { letters: 6, rules: 6, rounds: 12 },
  ],
  draw(random, { letters: count, rules: ruleCount, rounds }) {
    const letters = 'ABCDEFGH'.slice(0, count);
    const mode = random.next() < 0.4 ? 'parallel' : 'first';
    const rules =
      mode === 'parallel'
        ? random
            .shuffle(letters.split(''))
            .slice(0, ruleCount)
            .map((left) => [left, drawWord(random, letters, 0, 2)] as const)
        : Array.from(
            { length: ruleCount },
            () => [drawWord(random, letters, 1, 2), drawWord(random, letters, 0, 3)] as const,
          );
    if (rules.some(([left, right]) => left === right)) return undefined;
    if (new Set(rules.map(([left]) => left)).size < rules.length) return undefined;
    const start = drawWord(random, letters, 4, 6);
    const puzzle: RewritingPuzzle = {
      mode,
      rules,
      start,
      rounds: mode === 'parallel' ? Math.min(rounds, 6) : rounds,
    };
    const strings = rewrite(puzzle);
    // Something happens in every round, and something is left at the end.
    if (strings.some((text, i) => text.length > longest || text === strings[i - 1])) return undefined;
    return strings.at(-1)!.length === 0 ? undefined : puzzle;
  },
  question({ mode, rules, start, rounds }) {
    const written = rules.map(([left, right]) => `${left} -> ${right === '' ? '(nothing)' : right}`);
    const list = written.map((rule, i) => `${i + 1}. ${rule}`).join('\n');
    const method =
      mode === 'parallel'
        ? `In each round every letter that has a rule is replaced at once; others stay. ${rounds} rounds are made.`
        : 'In each round the first rule of the list whose left side occurs is applied once, at the leftmost place ' +
          `where it occurs. ${rounds} rounds are made.`;
    return `Start with the string ${start} and these rules:\n${list}\n${method} What is the string then? Answer with the string alone`;
  },
  answer: (puzzle) => rewrite(puzzle).at(-1)!,
  reasoning: (puzzle) => rewrite(puzzle).join(' -> '),
  check(puzzle, answer) {
    const given = answer.replace(/^"(.*)"$/, '$1');
    if (!/^[A-Z]+$/.test(given)) return 'no string of capital letters';
    const right = rewrite(puzzle).at(-1)!;
    if (given === right) return undefined;
    return given.length === right.length ? 'other letters' : `${given.length} letters, not ${right.length}`;
  },
  corrupt(puzzle, random) {
    const right = rewrite(puzzle).at(-1)!;
    const at = random.integer(right.length);
    const other = right[at] === 'A' ? 'B' : 'A';
    return right.slice(0, at) + other + right.slice(at + 1);
  },
});
