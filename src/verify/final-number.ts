/**
 * The final number of a response, and whether it is the reference. Where it is taken from, first match wins:
 *
 * 1. after the last `####` (the rest of that line), as in GSM8K's own solutions;
 * 2. inside the last `\boxed{}`;
 * 3. inside the answer tags, as the only number there;
 * 4. the last number of the text.
 *
 * All of it inside the answer tags when there are any, after the last `</think>` otherwise (`locateAnswer`). A
 * marked place (1–3) that does not hold exactly one clear number ends the search: a response that hedges has no
 * final number. Reading is exact (`number.ts`); nothing is rounded.
 */
import { locateAnswer } from './format.ts';
import { lastQuantity, longestNumberText, readQuantity, type Quantity } from './number.ts';
import { formatRational, sameRational } from './rational.ts';
import { failed, scored, type Verifier } from './verdict.ts';

export interface FinalNumber {
  readonly quantity: Quantity;
  readonly source: '####' | 'boxed' | 'answer' | 'last';
}

export function finalNumber(response: string): FinalNumber | undefined {
  const answer = locateAnswer(response);
  if (answer === undefined) return undefined;
  const { text } = answer;
  const marker = text.lastIndexOf('####');
  if (marker >= 0) return found('####', readQuantity(restOfLine(text, marker + 4)));
  const boxed = lastBoxed(text);
  if (boxed !== undefined) return found('boxed', boxed === '' ? undefined : readQuantity(boxed));
  if (answer.tagged) return found('answer', readQuantity(text));
  return found('last', lastQuantity(text));
}

/**
 * Whether the quantity of a response is the reference's: the same value exactly, and no other unit than the
 * reference's where the reference has one. A unit that only the response states is not held against it (a
 * reference of 50 accepts `50%` and `$50`); a unit never changes the value (50 % is not 0.5).
 */
export function equalsQuantity(reference: Quantity, response: Quantity): boolean {
  if (!sameRational(reference.value, response.value)) return false;
  return reference.unit === undefined || response.unit === undefined || reference.unit === response.unit;
}

/** The quantity that a reference states, or undefined when it does not state exactly one clear number. */
export function referenceQuantity(reference: string): Quantity | undefined {
  const marker = reference.lastIndexOf('####');
  return readQuantity(marker < 0 ? reference : restOfLine(reference, marker + 4));
}

/** Scores 1 when the final number of the response is the problem's answer. */
export function numberVerifier<Problem>(referenceOf: (problem: Problem) => string): Verifier<Problem> {
  return (problem, _answer, context) => {
    const reference = referenceQuantity(referenceOf(problem));
    if (reference === undefined) return failed('reference', 'the reference does not state one clear number');
    const final = finalNumber(context.response);
    if (final === undefined) return scored(0, { evidence: { extracted: null } });
    const extracted = formatRational(final.quantity.value);
    return scored(equalsQuantity(reference, final.quantity) ? 1 : 0, {
      evidence: {
        extracted,
        source: final.source,
        ...(final.quantity.unit === undefined ? {} : { unit: final.quantity.unit }),
      },
    });
  };
}

function found(source: FinalNumber['source'], quantity: Quantity | undefined): FinalNumber | undefined {
  return quantity === undefined ? undefined : { quantity, source };
}

function restOfLine(text: string, start: number): string {
  const end = text.indexOf('\n', start);
  return text.slice(start, end < 0 ? undefined : end);
}

/** The content of the last `\boxed{…}` with balanced braces; '' when it never closes; undefined without one. */
function lastBoxed(text: string): string | undefined {
  const start = text.lastIndexOf('\\boxed{');
  if (start < 0) return undefined;
  const from = start + '\\boxed{'.length;
  const until = Math.min(text.length, from + longestNumberText);
  let depth = 1;
  for (let i = from; i < until; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return text.slice(from, i);
  }
  return '';
}
