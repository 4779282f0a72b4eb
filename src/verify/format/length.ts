/**
 * How long a response is, and what length is worth: a target with a tolerance, a least and a most, and the soft
 * overlong punishment of DAPO. Lengths are of the whole response in tokens, words or characters.
 *
 * Tokens are those that the model drew, which only the trainer knows: without them a verdict about tokens fails at
 * the verifier; it is never guessed from the text.
 */
import { AhaError } from '../../errors.ts';
import { failed, scored, type Verifier } from '../verdict.ts';

export type LengthUnit = 'tokens' | 'words' | 'characters';

/** The soft overlong punishment of DAPO (arXiv 2503.14476, equation 13), times `penalty`. */
export interface OverlongOptions {
  /** The penalty grows over the last `window` tokens before the limit. */
  readonly window: number;
  readonly penalty: number;
}

/** 0 up to limit − window tokens, then falling linearly to −penalty at the limit. */
export function overlongPenalty(tokens: number, limit: number, { window, penalty }: OverlongOptions): number {
  const over = tokens - (limit - window);
  return over <= 0 ? 0 : -penalty * Math.min(1, over / window);
}

export type LengthTarget =
  /**
   * 1 within `tolerance` of the target, then falling linearly to 0 over `slope` (1/α of L1-Exact, arXiv 2503.04697,
   * equation 1, where it has no floor; ours ends at 0, as scores do).
   */
  | { readonly target: number; readonly tolerance?: number; readonly slope: number }
  /**
   * 1 from `minimum` to `maximum`. Outside, falling linearly to 0 over `slope`; without one, 0 at once. (L1-Max,
   * equation 2, is `{ maximum, slope: 1/α }` up to its offset.)
   */
  | { readonly minimum?: number; readonly maximum?: number; readonly slope?: number };

/** What a length is worth, in [0, 1]. */
export function lengthScore(length: number, target: LengthTarget): number {
  const [low, high] = rangeOf(target);
  const away = Math.max(0, low - length, length - high);
  if (away === 0) return 1;
  const slope = target.slope ?? 0;
  return slope === 0 ? 0 : Math.max(0, 1 - away / slope);
}

/** Scores the length of the whole response. Throws `AhaError` for a target that cannot be met. */
export function lengthVerifier(unit: LengthUnit, target: LengthTarget): Verifier {
  checkTarget(target);
  return (_problem, _answer, context) => {
    const length = lengthOf(context.response, unit, context.tokens);
    if (length === undefined) {
      return failed(
        'verifier',
        'the number of tokens is not known here, and the length is asked for in tokens',
      );
    }
    return scored(lengthScore(length, target), { evidence: { length, unit } });
  };
}

/**
 * The soft overlong punishment as a score: 1 + overlongPenalty with a penalty of 1, so that it is 1 up to
 * limit − window and 0 from the limit on. As one part of a weighted sum it does what the penalty does as an
 * addend, up to a constant that advantages do not see.
 */
export function overlongVerifier(
  unit: LengthUnit,
  { limit, window }: { readonly limit: number; readonly window: number },
): Verifier {
  if (!(Number.isFinite(limit) && window > 0 && window <= limit)) {
    throw invalidTarget(`limit ${limit}, window ${window}`, '0 < window ≤ limit');
  }
  return (_problem, _answer, context) => {
    const length = lengthOf(context.response, unit, context.tokens);
    if (length === undefined) {
      return failed(
        'verifier',
        'the number of tokens is not known here, and the length is asked for in tokens',
      );
    }
    const score = 1 + overlongPenalty(length, limit, { window, penalty: 1 });
    return scored(score, { evidence: { length, unit } });
  };
}

/**
 * Words are runs of letters, marks and digits (with apostrophes and hyphens inside); each Chinese or Japanese
 * character is a word of its own, since such text has no blanks. Characters are code points. Undefined: tokens that
 * are not known.
 */
export function lengthOf(text: string, unit: LengthUnit, tokens?: number): number | undefined {
  switch (unit) {
    case 'tokens':
      return tokens;
    case 'words':
      return text.match(wordPattern)?.length ?? 0;
    case 'characters': {
      let count = 0;
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        // The second half of a pair is not counted.
        if (code < 0xdc00 || code > 0xdfff || !isHighSurrogate(text.charCodeAt(i - 1))) count++;
      }
      return count;
    }
  }
}

const wordPattern =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{M}\p{N}])+(?:['’-](?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{M}\p{N}])+)*/gu;

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function rangeOf(target: LengthTarget): readonly [low: number, high: number] {
  if ('target' in target) {
    const tolerance = target.tolerance ?? 0;
    return [target.target - tolerance, target.target + tolerance];
  }
  return [target.minimum ?? 0, target.maximum ?? Number.POSITIVE_INFINITY];
}

function checkTarget(target: LengthTarget): void {
  const [low, high] = rangeOf(target);
  const numbers = Object.values<number>(target);
  if (numbers.length === 0 || numbers.some((value) => !Number.isFinite(value) || value < 0) || low > high) {
    throw invalidTarget(JSON.stringify(target), 'numbers of at least 0 with minimum ≤ maximum');
  }
}

function invalidTarget(found: string, expected: string): AhaError {
  return new AhaError({
    code: 'invalid-length-target',
    boundary: 'configuration',
    what: 'A length target cannot be used',
    found,
    expected,
  });
}
