/** The answer must be the reference, character by character, after Unicode normalisation (NFC) and white space. */
import { scored, type Verifier } from './verdict.ts';

export function exactVerifier<Problem>(referenceOf: (problem: Problem) => string): Verifier<Problem> {
  return (problem, answer) => {
    const extracted = normalizeText(answer);
    const right = extracted === normalizeText(referenceOf(problem));
    return scored(right ? 1 : 0, { evidence: { extracted: extracted.slice(0, 200) } });
  };
}

/** NFC, no white space at the ends, every run of it inside one space. */
export function normalizeText(text: string): string {
  return text.normalize('NFC').trim().replaceAll(/\s+/g, ' ');
}
