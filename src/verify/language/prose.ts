/**
 * The prose of a text: what is left when code, mathematics, addresses and tags are taken out, each replaced by a
 * blank. For counting words of a language: code and formulas look the same in all of them. Every
 * pattern looks a bounded way ahead, so that time grows with the length of the text alone.
 */

const removed: readonly RegExp[] = [
  // Fenced code that is closed; a fence that stays open hides nothing.
  /^[ \t]*(`{3,10}|~{3,10})[^\n]*\n[^]*?\n[ \t]*\1[ \t]*$/gm,
  /`[^`\n]{1,1000}`/g,
  // LaTeX: displays, then inline. A dollar sign that is a price closes nothing (Pandoc's rule).
  /\$\$[^$]{1,4000}\$\$/g,
  /\\\[[^]{1,4000}?\\\]/g,
  /\\\([^\n]{1,2000}?\\\)/g,
  /\\begin\{([a-z]{1,20}\*?)\}[^]{0,4000}?\\end\{\1\}/g,
  /\$(?=[^\s$])[^$\n]{1,1000}?(?<=[^\s])\$(?!\d)/g,
  /\\[a-zA-Z]{1,40}(?:\{[^{}\n]{0,400}\}){0,3}/g,
  /<\/?[a-zA-Z][^<>\n]{0,200}>/g,
  /\b(?:https?:\/\/|www\.)[^\s<>()]{1,2000}/g,
  /[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}/g,
];

/** Identifiers, file names and terms with digits: `x_1`, `getName`, `main.ts`, `a2`, `f(x)`, `--flag`. */
const identifiers =
  /(?<![\p{L}\p{N}_])(?:--?[a-zA-Z][\w-]*|[a-zA-Z_$][\w$]{0,80}\([^()\n]{0,100}\)|[\p{Script=Latin}\d]{0,80}_[\p{Script=Latin}\d_]{0,80}|[a-z]+[A-Z]\w*|[a-zA-Z]+\d\w*|\d+[a-zA-Z]\w*|[a-zA-Z]\w*(?:\.[a-zA-Z]\w+)+|[A-Za-z]:?[\\/][\w./\\-]{1,200})(?![\p{L}\p{N}_])/gu;

export function proseOf(text: string): string {
  let prose = text;
  for (const pattern of removed) prose = prose.replaceAll(pattern, ' ');
  return prose.replaceAll(identifiers, ' ');
}
