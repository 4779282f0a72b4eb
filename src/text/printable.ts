/**
 * Makes text that a model or a file brought safe to write to a terminal. Such text may move the cursor, change the
 * title, hide what was written, or turn the direction of reading (CVE-2021-42574): every character that does
 * something instead of showing something is written as its escape.
 */

export interface PrintableOptions {
  /** Whether to write line breaks and tabs as `\n` and `\t`, for a text that must stay on its line. Default false. */
  readonly singleLine?: boolean;
}

/**
 * Control characters (C0, DEL, C1), half surrogates, line and paragraph separators, marks and overrides of
 * direction, deprecated formatting, interlinear annotation, byte order marks, tag characters. Not the joiners and
 * variation selectors that emoji are made of.
 */
const UNSAFE = new RegExp(
  String.raw`[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]`,
  'gu',
);

/** `text` with what is unsafe written as `\x1b`, `\u202e` or `\u{e0041}`; line breaks and tabs stay unless asked. */
export function printable(text: string, options: PrintableOptions = {}): string {
  const singleLine = options.singleLine ?? false;
  return text.replaceAll('\r\n', '\n').replaceAll(UNSAFE, (character) => {
    if (character === '\n') return singleLine ? String.raw`\n` : character;
    if (character === '\t') return singleLine ? String.raw`\t` : character;
    if (character === '\r') return String.raw`\r`;
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    if (code < 0x100) return String.raw`\x` + hex.padStart(2, '0');
    return code < 0x1_0000 ? String.raw`\u` + hex.padStart(4, '0') : String.raw`\u{${hex}}`;
  });
}
