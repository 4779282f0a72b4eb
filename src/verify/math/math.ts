/**
 * The verifier for mathematics: `verify: math.equals(answer)`. Takes the final answer out of a response
 * (`extraction.ts`) and asks whether it says what the reference says (`equivalence.ts`).
 */
import { failed, scored, type Verifier } from '../verdict.ts';
import {
  compareAnswers,
  defaultEquivalence,
  type EquivalenceOptions,
  referenceFault,
} from './equivalence.ts';
import { extractAnswer, referenceAnswer } from './extraction.ts';

export type MathOptions = Partial<EquivalenceOptions>;

/**
 * Scores 1 when the final answer of the response equals the reference. `reference`: a text, or a function that takes
 * it from the problem; by default its `answer`.
 */
function equals<Problem extends { readonly answer?: string }>(
  reference: string | ((problem: Problem) => string) = (problem) => problem.answer ?? '',
  options: MathOptions = {},
): Verifier<Problem> {
  const resolved = { ...defaultEquivalence, ...options };
  return (problem, _answer, context) => {
    const expected = referenceAnswer(typeof reference === 'string' ? reference : reference(problem));
    const fault = referenceFault(expected);
    if (fault !== undefined) return failed('reference', `the reference cannot be compared with: ${fault}`);
    const extracted = extractAnswer(context.response);
    if (extracted === undefined) return scored(0, { evidence: { extracted: null } });
    const comparison = compareAnswers(expected, extracted.text, resolved);
    if (comparison.outcome === 'bad-reference') return failed('reference', comparison.reason);
    return scored(comparison.outcome === 'equal' ? 1 : 0, {
      evidence: {
        extracted: extracted.text.slice(0, 200),
        source: extracted.source,
        ...(comparison.outcome === 'undecided' ? { undecided: comparison.reason } : {}),
      },
    });
  };
}

export const math = { equals } as const;
