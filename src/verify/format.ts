/**
 * The response format of DeepSeek-R1-Zero (arXiv 2501.12948, Table 1): `<think>reasoning</think>
 * <answer>answer</answer>`. Whether a response keeps it, and what its answer is.
 *
 * All functions take the *whole* response: where the prompt itself opened `<think>` (many chat templates do), the
 * caller puts that text back in front (`prefilledThinking`). Tags are matched literally, upper and lower case
 * distinguished. Linear in the length of the response.
 */
import { scored, type Verifier } from './verdict.ts';

/**
 * - `strict`: both pairs exactly once and in order, both with something inside, and nothing but white space
 *   before, between and after them.
 * - `lenient`: the paper's sentence ("enforces the model to put its thinking process between <think> and </think>
 *   tags"): one pair of think tags with something inside, then an answer, with or without one pair of answer
 *   tags; other text may stand around them.
 */
export type FormatMode = 'strict' | 'lenient';

export interface FormatCheck {
  readonly kept: boolean;
  /** What is wrong, when the format is not kept. */
  readonly problem?: string;
  readonly reasoning?: string;
  readonly answer?: string;
}

const tags = ['<think>', '</think>', '<answer>', '</answer>'] as const;

export function checkFormat(response: string, mode: FormatMode = 'strict'): FormatCheck {
  const places: number[] = [];
  for (const tag of tags) {
    const first = response.indexOf(tag);
    if (first !== response.lastIndexOf(tag)) return broken(`${tag} stands more than once`);
    places.push(first);
  }
  const [think, thinkEnd, answer, answerEnd] = places as [number, number, number, number];
  if (think < 0) return broken('<think> is missing');
  if (thinkEnd < 0) return broken('</think> is missing');
  if (thinkEnd < think) return broken('</think> stands before <think>');
  const untagged = mode === 'lenient' && answer < 0 && answerEnd < 0;
  if (!untagged) {
    if (answer < 0) return broken('<answer> is missing');
    if (answerEnd < 0) return broken('</answer> is missing');
    if (answerEnd < answer) return broken('</answer> stands before <answer>');
    if (answer < thinkEnd) return broken('<answer> stands before </think>');
  }
  const reasoning = response.slice(think + tags[0].length, thinkEnd);
  const between = response.slice(thinkEnd + tags[1].length, untagged ? undefined : answer);
  const inside = untagged ? between : response.slice(answer + tags[2].length, answerEnd);
  if (reasoning.trim() === '') return broken('nothing stands between <think> and </think>');
  if (inside.trim() === '') {
    return broken(untagged ? 'nothing follows </think>' : 'nothing stands between <answer> and </answer>');
  }
  if (mode === 'strict') {
    if (response.slice(0, think).trim() !== '') return broken('text stands before <think>');
    if (between.trim() !== '') return broken('text stands between </think> and <answer>');
    if (response.slice(answerEnd + tags[3].length).trim() !== '') return broken('text follows </answer>');
  }
  return { kept: true, reasoning, answer: inside };
}

/**
 * Where a response puts its answer, whatever its format:
 * 1. `<think>` opened and never closed: nowhere (unfinished reasoning is no answer).
 * 2. After the last `</think>` (or in the whole response without one): inside the last `<answer>` there;
 *    opened and never closed: nowhere.
 * 3. No answer tag: all of that text.
 *
 * `undefined` means nowhere. `tagged` says whether answer tags enclosed it.
 */
export function locateAnswer(
  response: string,
): { readonly text: string; readonly tagged: boolean } | undefined {
  const thinkEnd = response.lastIndexOf('</think>');
  if (response.lastIndexOf('<think>') > thinkEnd) return undefined;
  const rest = thinkEnd < 0 ? response : response.slice(thinkEnd + '</think>'.length);
  const open = rest.lastIndexOf('<answer>');
  if (open < 0) return { text: rest, tagged: false };
  const close = rest.indexOf('</answer>', open);
  return close < 0 ? undefined : { text: rest.slice(open + '<answer>'.length, close), tagged: true };
}

/** The `<think>` (with the white space after it) at the end of a prompt, which belongs to the response; or ''. */
export function prefilledThinking(prompt: string): string {
  const end = prompt.trimEnd().length;
  return prompt.slice(0, end).endsWith('<think>') ? prompt.slice(end - '<think>'.length) : '';
}

/** Scores 1 when the whole response keeps the format, else 0 with what is wrong as evidence. */
export function formatVerifier(mode: FormatMode = 'strict'): Verifier {
  return (_problem, _answer, context) => {
    const check = checkFormat(context.response, mode);
    return scored(check.kept ? 1 : 0, {
      evidence: check.problem === undefined ? {} : { problem: check.problem },
    });
  };
}

function broken(problem: string): FormatCheck {
  return { kept: false, problem };
}
