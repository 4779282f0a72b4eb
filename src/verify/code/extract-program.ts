/**
 * The program in a response: the last fenced block whose language fits, else the last fenced block, else the whole
 * text. A fence that never closes ends with the text, since a response may have been cut off.
 */

export interface ExtractedProgram {
  readonly source: string;
  readonly from: 'fence' | 'text';
  /** What stands after the fence: `python`. Empty when nothing does. */
  readonly language: string;
}

interface Fence {
  readonly language: string;
  readonly source: string;
}

/** `languages` in lower case, as they stand after a fence. */
export function extractProgram(response: string, languages: readonly string[]): ExtractedProgram {
  const fences = fencesOf(response);
  const fitting = fences.filter(({ language }) => languages.includes(language));
  const chosen = fitting.at(-1) ?? fences.at(-1);
  return chosen === undefined
    ? { source: response, from: 'text', language: '' }
    : { ...chosen, from: 'fence' };
}

function fencesOf(text: string): Fence[] {
  const fences: Fence[] = [];
  let open: { readonly mark: string; readonly language: string; readonly lines: string[] } | undefined;
  for (const line of text.split('\n')) {
    const fence = /^[ \t]{0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*$/.exec(line.replace(/\r$/, ''));
    if (open === undefined) {
      if (fence !== null) open = { mark: fence[1]!, language: fence[2]!.toLowerCase(), lines: [] };
    } else if (fence !== null && fence[2] === '' && fence[1]!.startsWith(open.mark)) {
      fences.push({ language: open.language, source: open.lines.join('\n') });
      open = undefined;
    } else open.lines.push(line);
  }
  if (open !== undefined) fences.push({ language: open.language, source: open.lines.join('\n') });
  return fences;
}

/** The words after a fence that mean a language. */
export const fenceNames: Readonly<Record<string, readonly string[]>> = {
  typescript: ['typescript', 'ts', 'tsx', 'mts'],
  javascript: ['javascript', 'js', 'mjs', 'jsx', 'node'],
  node: ['javascript', 'js', 'mjs', 'node'],
  python: ['python', 'py', 'python3'],
  c: ['c'],
  cpp: ['cpp', 'c++', 'cc', 'cxx'],
  go: ['go', 'golang'],
  rust: ['rust', 'rs'],
  java: ['java'],
};
