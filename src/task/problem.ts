/** A problem of a task, its address, and its identity: what decides the split that it belongs to. */
import { createHash } from 'node:crypto';
import { AhaError } from '../errors.ts';
import { nearestWord } from '../util/schema.ts';
import { normalizeText } from '../verify/exact.ts';

/** What every problem has; a task adds what its verifier needs. JSON values only, so that runs can be stored. */
export interface Problem {
  readonly prompt: string;
  /** The reference answer, which must score 1. */
  readonly answer?: string;
  /** Difficulty, from 1. */
  readonly level?: number;
}

export type Split = 'train' | 'heldOut';

/** Names a problem: the same address gives the same problem for the same seed, on every machine. */
export interface ProblemAddress {
  readonly split: Split;
  /** From 0. Training indices go on for ever (a data set starts its next epoch); held-out ones end with the size. */
  readonly index: number;
  /** Only problems of this level. Absent: all levels, as the task mixes them. */
  readonly level?: number;
}

export interface Fingerprint {
  /** 16 hexadecimal digits. */
  readonly identity: string;
  /** In [0, 1), uniform over different texts: below the held-out share, the problem is held out. */
  readonly position: number;
}

/**
 * The fingerprint of a problem by the text that makes it the problem it is. It depends on nothing else, neither on
 * a seed nor on the task, so that a problem held out once is held out in every run.
 */
export function fingerprintOf(canonical: string): Fingerprint {
  const digest = createHash('sha256').update('aha problem\n').update(canonical).digest();
  return { identity: digest.toString('hex', 8, 16), position: digest.readUInt32LE(0) / 2 ** 32 };
}

/** The text that identifies a problem unless its task says otherwise: the prompt, white space and NFC aside. */
export function canonicalPrompt(problem: Problem): string {
  return normalizeText(problem.prompt);
}

/** What is wrong with a value that should be a problem, or undefined. `where` as in `prompts[3]`. */
export function problemFault(
  value: unknown,
):
  | { readonly what: string; readonly found?: unknown; readonly expected: string; readonly fix?: string }
  | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { what: 'no object', found: value, expected: '{ prompt, answer }' };
  }
  const { prompt, answer, level } = value as Record<string, unknown>;
  if (prompt === undefined) {
    const nearest = nearestWord('prompt', Object.keys(value).slice(0, 100));
    return {
      what: 'no prompt',
      found: `keys ${Object.keys(value).slice(0, 10).join(', ') || '(none)'}`,
      expected: 'a key prompt',
      ...(nearest === undefined ? {} : { fix: `Is ${JSON.stringify(nearest)} misspelt?` }),
    };
  }
  if (typeof prompt !== 'string') return { what: 'prompt is no text', found: prompt, expected: 'a string' };
  if (prompt.trim() === '') return { what: 'prompt is empty', expected: 'some text' };
  if (answer !== undefined && typeof answer !== 'string') {
    return { what: 'answer is no text', found: answer, expected: 'a string' };
  }
  if (level !== undefined && !(Number.isInteger(level) && (level as number) >= 1)) {
    return { what: 'level cannot be used', found: level, expected: 'an integer from 1' };
  }
  return undefined;
}

/** Throws `AhaError` (invalid-problem) unless `value` is a problem. */
export function checkProblem(value: unknown, where: string): asserts value is Problem {
  const fault = problemFault(value);
  if (fault === undefined) return;
  throw new AhaError({
    code: 'invalid-problem',
    boundary: 'task',
    what: `${where} is no problem: ${fault.what}`,
    ...('found' in fault ? { found: fault.found } : {}),
    expected: fault.expected,
    ...(fault.fix === undefined ? {} : { fix: fault.fix }),
  });
}
