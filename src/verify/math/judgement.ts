/** From a reference and a whole response to what a verdict says: extraction and comparison in one, pure step. */
import { compareAnswers, type EquivalenceOptions, referenceFault } from './equivalence.ts';
import { extractAnswer, referenceAnswer } from './extraction.ts';

export interface Judgement {
  /**
   * `undecided`: the answer was not read, or could not be told from the reference. `late`: not within the deadline.
   * Both count as wrong. `bad-reference` says nothing about the response.
   */
  readonly outcome: 'equal' | 'different' | 'undecided' | 'late' | 'no-answer' | 'bad-reference';
  readonly extracted?: string;
  /** Where the answer was taken from (`extraction.ts`). */
  readonly source?: string;
  readonly reason?: string;
}

export function judgeResponse(reference: string, response: string, options: EquivalenceOptions): Judgement {
  const extracted = extractAnswer(response);
  if (extracted === undefined) return { outcome: 'no-answer' };
  const comparison = compareAnswers(referenceAnswer(reference), extracted.text, options);
  return {
    outcome: comparison.outcome,
    extracted: extracted.text.slice(0, 200),
    source: extracted.source,
    ...('reason' in comparison ? { reason: comparison.reason } : {}),
  };
}

/** What is wrong with a reference as a judgement of itself: `equal` when nothing is. */
export function judgeReference(reference: string): Judgement {
  const reason = referenceFault(referenceAnswer(reference));
  return reason === undefined ? { outcome: 'equal' } : { outcome: 'bad-reference', reason };
}
