/** Whether two models speak in the same tokens, without which one's log-probabilities mean nothing to the other. */
import { AhaError } from '../errors.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** Texts on which tokenizers of one vocabulary may still differ: spaces, digits, line breaks, scripts, code. */
const probes = [
  'The quick brown fox, 12345 + 67.89 = ?',
  ' leading  and   inner spaces\n\n\tand lines\r\n',
  "def f(x):\n    return x**2  # it's",
  'Ünïcödé, 中文, العربية, 🙂',
];

/** What is compared of a tokenizer. */
type Comparable = Pick<Tokenizer, 'vocabularySize' | 'idToToken' | 'encode'>;

/**
 * @throws AhaError `tokenizers-differ` unless both know the same tokens by the same ids and cut text alike
 */
export function checkSameTokenizer(
  teacher: { readonly tokenizer: Comparable; readonly source: string },
  student: { readonly tokenizer: Comparable; readonly source: string },
): void {
  const difference = differenceOf(teacher.tokenizer, student.tokenizer);
  if (difference === undefined) return;
  throw new AhaError({
    code: 'tokenizers-differ',
    boundary: 'configuration',
    what:
      `The teacher ${teacher.source} and the student ${student.source} have different tokenizers, so that the ` +
      "teacher's probabilities are of other tokens than the student's",
    found: difference,
    expected: 'the same tokens under the same ids',
    fix: 'Use text distillation (--method text), which needs no common tokens, or models of one family.',
  });
}

function differenceOf(a: Comparable, b: Comparable): string | undefined {
  if (a.vocabularySize !== b.vocabularySize) return `${a.vocabularySize} and ${b.vocabularySize} tokens`;
  for (let id = 0; id < a.vocabularySize; id++) {
    const [one, other] = [a.idToToken(id), b.idToToken(id)];
    if (one !== other) return `token ${id} is ${JSON.stringify(one)} and ${JSON.stringify(other)}`;
  }
  for (const probe of probes) {
    const [one, other] = [encoded(a, probe), encoded(b, probe)];
    if (one !== other) return `${JSON.stringify(probe)} becomes ${one} and ${other}`;
  }
  return undefined;
}

/** Character tokenizers cannot encode everything: that they cannot is then what is compared. */
function encoded(tokenizer: Comparable, text: string): string {
  try {
    return tokenizer.encode(text, { addSpecialTokens: false }).join(' ');
  } catch {
    return 'an error';
  }
}
