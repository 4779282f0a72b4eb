/**
 * Splits a response into its reasoning and its answer: `<think>reasoning</think>answer`, with or without the
 * `<answer>` tags of R1-Zero (arXiv 2501.12948, Table 1). For showing responses and for data to learn from; rewards
 * are computed by verify/format.ts, which finds the answer in the same place.
 *
 * Many chat templates open `<think>` in the prompt: pass `opened` then (`promptOpensReasoning`).
 */

export interface ReasoningOptions {
  /** Whether the prompt ended inside of `<think>`. Default false. */
  readonly opened?: boolean;
}

export type ReasoningProblem =
  | 'no reasoning'
  | 'text before <think>'
  | '<think> missing'
  | '</think> missing'
  | '<think> repeated'
  | '</think> repeated'
  | 'reasoning empty'
  | 'answer empty'
  | '<answer> repeated'
  | '<answer> unpaired'
  | '<answer> inside of reasoning'
  | 'text around <answer>';

export interface ReasonedResponse {
  /** What stands between the first `<think>` and the last `</think>`; all of the rest when it is not closed. */
  readonly reasoning: string;
  /** What follows the last `</think>`, or what the last answer tags there enclose; empty when there is none. */
  readonly answer: string;
  /** Whether the reasoning was begun: in the response, or in the prompt. */
  readonly opened: boolean;
  readonly closed: boolean;
  /** Whether answer tags enclosed the answer. */
  readonly tagged: boolean;
  /** Everything that departs from the form; empty for a response that keeps it. */
  readonly problems: readonly ReasoningProblem[];
}

const THINK = '<think>';
const THINK_END = '</think>';
const ANSWER = '<answer>';
const ANSWER_END = '</answer>';

/** Whether a prompt ends by opening the reasoning (`…<think>\n`). */
export function promptOpensReasoning(prompt: string): boolean {
  return prompt.trimEnd().endsWith(THINK);
}

/** Linear in the length of the response. */
export function splitReasoning(response: string, options: ReasoningOptions = {}): ReasonedResponse {
  const openedBefore = options.opened ?? false;
  const problems: ReasoningProblem[] = [];
  const firstOpen = response.indexOf(THINK);
  const lastOpen = response.lastIndexOf(THINK);
  const lastClose = response.lastIndexOf(THINK_END);
  const opened = openedBefore || firstOpen >= 0;
  const closed = lastClose >= 0 && lastClose > lastOpen;

  if (firstOpen >= 0 && (openedBefore || firstOpen !== lastOpen)) problems.push('<think> repeated');
  if (lastClose >= 0 && response.indexOf(THINK_END) !== lastClose) problems.push('</think> repeated');
  if (closed && !opened) problems.push('<think> missing');
  if (opened && !closed) problems.push('</think> missing');
  if (!opened && !closed) problems.push('no reasoning');
  if (!openedBefore && firstOpen > 0 && response.slice(0, firstOpen).trim() !== '')
    problems.push('text before <think>');

  const start =
    openedBefore || firstOpen < 0 || (closed && firstOpen > lastClose) ? 0 : firstOpen + THINK.length;
  const reasoning = closed ? response.slice(start, lastClose) : opened ? response.slice(start) : '';
  if ((opened || closed) && reasoning.trim() === '') problems.push('reasoning empty');
  if (reasoning.includes(ANSWER) || reasoning.includes(ANSWER_END)) {
    problems.push('<answer> inside of reasoning');
  }

  // Unfinished reasoning has no answer.
  const rest = closed ? response.slice(lastClose + THINK_END.length) : opened ? undefined : response;
  const { answer, tagged } = rest === undefined ? NOTHING : takeAnswer(rest, problems);
  if (rest !== undefined && answer.trim() === '') problems.push('answer empty');
  return { reasoning, answer, opened, closed, tagged, problems };
}

const NOTHING = { answer: '', tagged: false };

function takeAnswer(rest: string, problems: ReasoningProblem[]): { answer: string; tagged: boolean } {
  const open = rest.lastIndexOf(ANSWER);
  if (open < 0) {
    if (rest.includes(ANSWER_END)) problems.push('<answer> unpaired');
    return { answer: rest, tagged: false };
  }
  if (rest.indexOf(ANSWER) !== open) problems.push('<answer> repeated');
  const close = rest.indexOf(ANSWER_END, open);
  if (close < 0) {
    problems.push('<answer> unpaired');
    return NOTHING;
  }
  const around = rest.slice(0, open) + rest.slice(close + ANSWER_END.length);
  if (around.trim() !== '') problems.push('text around <answer>');
  return { answer: rest.slice(open + ANSWER.length, close), tagged: true };
}

/** A stretch of a response as it is drawn. */
export interface ReasoningPart {
  readonly kind: 'reasoning' | 'answer';
  readonly text: string;
}

const TAGS = [THINK, THINK_END, ANSWER, ANSWER_END];

/**
 * Splits a response while it is drawn, for showing it: each `<think>` begins reasoning, each `</think>` ends it, and
 * tags themselves are left out. Holds back no more than could still become a tag.
 */
export class ReasoningStream {
  #pending = '';
  #kind: ReasoningPart['kind'];

  constructor(options: ReasoningOptions = {}) {
    this.#kind = options.opened === true ? 'reasoning' : 'answer';
  }

  push(text: string): ReasoningPart[] {
    this.#pending += text;
    const parts: ReasoningPart[] = [];
    let position = 0;
    for (;;) {
      const at = this.#pending.indexOf('<', position);
      if (at < 0) {
        this.#emit(parts, position, this.#pending.length);
        this.#pending = '';
        return parts;
      }
      const tag = TAGS.find((candidate) => this.#pending.startsWith(candidate, at));
      if (tag === undefined) {
        const left = this.#pending.length - at;
        const end = this.#pending.slice(at);
        if (left < THINK_END.length + 1 && TAGS.some((candidate) => candidate.startsWith(end))) {
          this.#emit(parts, position, at);
          this.#pending = end;
          return parts;
        }
        this.#emit(parts, position, at + 1);
        position = at + 1;
        continue;
      }
      this.#emit(parts, position, at);
      if (tag === THINK) this.#kind = 'reasoning';
      if (tag === THINK_END) this.#kind = 'answer';
      position = at + tag.length;
    }
  }

  /** What was held back. */
  finish(): ReasoningPart[] {
    const parts: ReasoningPart[] = [];
    this.#emit(parts, 0, this.#pending.length);
    this.#pending = '';
    return parts;
  }

  #emit(parts: ReasoningPart[], start: number, end: number): void {
    if (end <= start) return;
    const text = this.#pending.slice(start, end);
    const last = parts.at(-1);
    if (last?.kind === this.#kind) parts[parts.length - 1] = { kind: this.#kind, text: last.text + text };
    else parts.push({ kind: this.#kind, text });
  }
}
