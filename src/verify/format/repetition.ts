/**
 * The repetition penalty of "Demystifying Long Chain-of-Thought" (Yeo et al., arXiv 2502.03373, appendix C.2) in the
 * form that Open-R1 made common (`get_repetition_penalty_reward`): of all runs of n words, the share that is not
 * the first of its kind,
 *
 *     repetition = 1 − (different n-grams) / (n-grams)
 *
 * and 0 for a text of fewer than n words. Their reward is `max_penalty · repetition` with a `max_penalty` ≤ 0; the
 * score here is 1 − repetition, so that a part of weight w adds the same up to a constant: w = −max_penalty.
 *
 * Words are split at white space and lower-cased, as there. Chinese and Japanese text has no blanks and would be
 * one word: there each character counts as a word (`units: 'characters'` does so for any text).
 */
import { AhaError } from '../../errors.ts';
import { scored, type Verifier } from '../verdict.ts';

export interface RepetitionOptions {
  /** Words in a run. Default 3, as in Open-R1; the paper uses 40 tokens. */
  readonly size?: number;
  readonly units?: 'words' | 'characters';
}

/** Longer texts are judged by this many units from their end, where loops are. */
const mostUnits = 200_000;

/** In [0, 1): 0 when no run of words occurs twice. */
export function repetition(text: string, options: RepetitionOptions = {}): number {
  const { size = 3, units = 'words' } = options;
  const all = unitsOf(text, units);
  const list = all.length > mostUnits ? all.slice(-mostUnits) : all;
  const total = list.length - size + 1;
  if (total < 1) return 0;
  // Runs as numbers, equal for equal runs: of 1 word, of 2, 4, …, and of `size` as two that overlap.
  let runs = numbered(list);
  let length = 1;
  while (length < size) {
    const next = Math.min(2 * length, size);
    const offset = next - length;
    const index = new Map<number, number>();
    const pairs: number[] = [];
    for (let i = 0; i + offset < runs.length; i++) {
      const key = runs[i]! * list.length + runs[i + offset]!;
      let id = index.get(key);
      if (id === undefined) index.set(key, (id = index.size));
      pairs.push(id);
    }
    runs = pairs;
    length = next;
  }
  return 1 - new Set(runs).size / total;
}

/** Scores 1 − repetition of the whole response. */
export function repetitionVerifier(options: RepetitionOptions = {}): Verifier {
  const size = options.size ?? 3;
  if (!Number.isInteger(size) || size < 1 || size > 1000) {
    throw new AhaError({
      code: 'invalid-repetition',
      boundary: 'configuration',
      what: 'A repetition penalty cannot be used',
      found: String(size),
      expected: 'runs of 1 to 1000 words',
    });
  }
  return (_problem, _answer, context) => {
    const share = repetition(context.response, options);
    return scored(1 - share, { evidence: { repetition: share } });
  };
}

function unitsOf(text: string, units: 'words' | 'characters'): string[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (units === 'characters') return words.join('').match(/./gsu) ?? [];
  return words.flatMap((word) =>
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word)
      ? (word.match(
          /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+/gu,
        ) ?? [])
      : [word],
  );
}

function numbered(words: readonly string[]): number[] {
  const index = new Map<string, number>();
  return words.map((word) => {
    let id = index.get(word);
    if (id === undefined) index.set(word, (id = index.size));
    return id;
  });
}
