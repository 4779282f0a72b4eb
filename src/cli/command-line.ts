/** Commands as the reader can type them, in the way in which this one was started. */
import { basename } from 'node:path';
import type { Environment } from './terminal/terminal.ts';

/** How this program was called: `aha`, `npx aha`, or `node dist/cli/main.js` in a checkout. */
export function programName(environment: Environment = process.env, script = process.argv[1]): string {
  // npm sets these for `npx` and `npm exec`, and for the scripts of a package.
  if (environment['npm_command'] === 'exec') return 'npx aha';
  if (environment['npm_lifecycle_event'] !== undefined) return 'npx aha';
  return basename(script ?? 'aha') === 'main.js' ? `node ${shellWord(script!)}` : 'aha';
}

/** `aha train zero --resume 'runs/my run'` */
export function commandLine(words: readonly string[], program = programName()): string {
  return [program, ...words.map((word) => shellWord(word))].join(' ');
}

/** Quoted for a POSIX shell where that is needed. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
