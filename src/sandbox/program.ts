/**
 * Programs and limits as every tier takes them: checked once, with defaults filled in. What is wrong with a program's
 * description is the caller's mistake and throws; what is wrong with the program itself is for its run to show.
 */
import { AhaError } from '../errors.ts';
import { defaultLimits, type Language, type Limits, type Program } from './sandbox.ts';

/** A source program whose entry is known. */
export interface PreparedProgram {
  readonly language: Language;
  readonly files: Readonly<Record<string, string>>;
  readonly entry: string;
  readonly arguments: readonly string[];
}

export interface PreparedCommand {
  readonly language: 'command';
  readonly command: readonly [string, ...string[]];
  readonly files: Readonly<Record<string, string>>;
}

const maximumPathLength = 200;

/** Throws `AhaError`: language-unavailable, invalid-program. */
export function prepareProgram(
  program: Program,
  languages: ReadonlySet<Language | 'command'>,
  tier: string,
): PreparedProgram | PreparedCommand {
  if (!languages.has(program.language)) {
    throw new AhaError({
      code: 'language-unavailable',
      boundary: 'sandbox',
      what: `The sandbox '${tier}' cannot run this language`,
      found: program.language,
      expected: [...languages].join(', ') || 'nothing: it has no languages here',
      fix: "Run 'aha doctor' to see what each sandbox of this machine runs, and choose another with --sandbox.",
    });
  }
  const paths = Object.keys(program.files);
  for (const path of paths) checkPath(path);
  for (const path of paths) {
    const parent = paths.find((other) => path.startsWith(`${other}/`));
    if (parent !== undefined)
      throw invalid('One path is both a file and a folder', parent, 'one or the other');
  }
  if (program.language === 'command') {
    if (program.command.length === 0 || program.command.some((word) => word.includes('\0'))) {
      throw invalid('A command needs a program to start, and no NUL', program.command, 'a list of strings');
    }
    return { language: 'command', command: program.command, files: program.files };
  }
  const entry = program.entry ?? (paths.length === 1 ? paths[0] : undefined);
  if (entry === undefined) {
    throw invalid('A program of several files needs an entry', paths, 'entry: the path of the one to run');
  }
  if (!Object.hasOwn(program.files, entry)) {
    throw invalid(
      'The entry is not among the files of the program',
      entry,
      paths.join(', ') || 'at least one file',
    );
  }
  const words = program.arguments ?? [];
  if (words.some((word) => word.includes('\0'))) {
    throw invalid('An argument of a program has a NUL in it', words, 'strings without one');
  }
  return { language: program.language, files: program.files, entry, arguments: words };
}

/** Throws `AhaError` invalid-limits where a limit is no positive number. */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  const wallMs = limits.wallMs ?? defaultLimits.wallMs;
  const resolved = { ...defaultLimits, ...limits, wallMs, cpuMs: limits.cpuMs ?? wallMs };
  for (const [name, value] of Object.entries(resolved)) {
    if (typeof value === 'number' && value > 0 && (Number.isFinite(value) || value === Infinity)) continue;
    throw new AhaError({
      code: 'invalid-limits',
      boundary: 'sandbox',
      what: `The limit ${name} of a program makes no sense`,
      found: value,
      expected: 'a positive number',
    });
  }
  return resolved;
}

function checkPath(path: string): void {
  const parts = path.split('/');
  const bad =
    path === '' ||
    path.length > maximumPathLength ||
    // oxlint-disable-next-line no-control-regex -- they have no place in a path
    /[\\:\u0000-\u001f]/.test(path) ||
    parts.some((part) => part === '' || part === '.' || part === '..');
  if (bad) {
    throw invalid(
      'A path of a program is not allowed',
      path,
      "a relative path such as 'lib/a.py', without '..'",
    );
  }
}

function invalid(what: string, found: unknown, expected: string): AhaError {
  return new AhaError({ code: 'invalid-program', boundary: 'sandbox', what, found, expected });
}
