/**
 * Added tokens (`<|im_end|>`, `<think>`): strings that are one token wherever they stand in a text, found before
 * anything else is done to it. As in Rust's `tokenizers`: the longest match from the left; tokens with `normalized`
 * are searched for in the normalized text, the others in the text as it is; `lstrip` and `rstrip` swallow white
 * space beside them; a `single_word` token has no word character beside it.
 */
import { z } from 'zod';

export const addedTokenSchema = z.object({
  id: z.int().min(0),
  content: z.string().min(1).max(4096),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});
export type AddedToken = z.output<typeof addedTokenSchema>;

/** Receives, in order, the text between added tokens (`token` undefined) and the added tokens. */
export type SectionSink = (text: string, token: AddedToken | undefined, atStart: boolean) => void;

export class AddedTokenFinder {
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #regex: RegExp | undefined;

  /** `contentOf` gives the string to search for: the content, or its normalized form. */
  constructor(tokens: readonly AddedToken[], contentOf: (token: AddedToken) => string) {
    const byContent = new Map<string, AddedToken>();
    for (const token of tokens) {
      const content = contentOf(token);
      if (content !== '') byContent.set(content, token);
    }
    this.#byContent = byContent;
    this.#regex = byContent.size === 0 ? undefined : alternation([...byContent.keys()]);
  }

  split(text: string, atStart: boolean, sink: SectionSink): void {
    if (text === '') return;
    const regex = this.#regex;
    if (regex === undefined) {
      sink(text, undefined, atStart);
      return;
    }
    let position = 0;
    regex.lastIndex = 0;
    for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
      const token = this.#byContent.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      if (token.single_word && (wordEndsAt(text, start) || wordStartsAt(text, end))) continue;
      if (token.lstrip) while (start > position && isSpace(text, start - 1)) start--;
      if (token.rstrip) while (end < text.length && isSpace(text, end)) end++;
      if (start > position) sink(text.slice(position, start), undefined, atStart && position === 0);
      sink(match[0], token, atStart && position === 0 && start === 0);
      position = end;
      regex.lastIndex = Math.max(end, regex.lastIndex);
    }
    if (position < text.length) sink(text.slice(position), undefined, atStart && position === 0);
  }
}

/** Alternatives in order of length, so that the first that matches is the longest. */
function alternation(contents: string[]): RegExp {
  const escaped = contents
    .sort((a, b) => b.length - a.length)
    .map((content) => content.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(escaped.join('|'), 'g');
}

const SPACE = /^\p{White_Space}$/u;
const WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

function isSpace(text: string, index: number): boolean {
  return SPACE.test(text[index]!);
}

function wordStartsAt(text: string, index: number): boolean {
  return index < text.length && WORD.test(String.fromCodePoint(text.codePointAt(index)!));
}

function wordEndsAt(text: string, index: number): boolean {
  if (index === 0) return false;
  const unit = text.charCodeAt(index - 1);
  const isLowSurrogate = unit >= 0xdc00 && unit <= 0xdfff && index > 1;
  return WORD.test(text.slice(index - (isLowSurrogate ? 2 : 1), index));
}
