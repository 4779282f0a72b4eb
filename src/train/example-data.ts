/**
 * Files of training examples as token sequences in memory, split into those that are learned and those that are held
 * out. Rows that cannot be used are counted; too many of them refuse the data before anything is trained.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { AhaError } from '../errors.ts';
import { streamKey, uniformAt } from '../util/random.ts';
import type { EncodedExample, ExampleEncoder } from './example-encoder.ts';
import { readRowFile } from '../util/row-file.ts';
import { exampleOf } from './example-schema.ts';
import type { ExampleDataConfig } from './sft-config.ts';

export interface ExampleData {
  readonly train: readonly EncodedExample[];
  readonly heldOut: readonly EncodedExample[];
  /** Of all tokens and masks in order: what a resumed run compares. */
  readonly fingerprint: string;
  /** For people: what was left out, and why. */
  readonly notes: readonly string[];
  readonly counts: {
    readonly rows: number;
    /** Rows that could not be used. */
    readonly bad: number;
    /** Examples that did not fit, left out or cut. */
    readonly tooLong: number;
  };
}

export interface ExampleDataOptions {
  readonly files: readonly string[];
  readonly encode: ExampleEncoder;
  readonly config: ExampleDataConfig;
  /** Of the model: the longest example that it can learn. */
  readonly contextLength: number;
}

interface BadRow {
  readonly file: string;
  readonly line: number;
  readonly fault: string;
}

/** Bad rows that are shown. */
const shownRows = 5;

/** Reads, encodes and splits. Throws `AhaError` (data): `bad-rows`, `no-rows`, `no-examples`. */
export async function loadExampleData(options: ExampleDataOptions): Promise<ExampleData> {
  const { config, encode } = options;
  const limit = Math.min(options.contextLength, config.maxTokens ?? options.contextLength);
  const train: EncodedExample[] = [];
  const heldOut: EncodedExample[] = [];
  const bad: BadRow[] = [];
  let badCount = 0;
  let rows = 0;
  let tooLong = 0;
  const hash = createHash('sha256');
  for (const file of options.files) {
    for await (const { line, value, fault } of readRowFile(file)) {
      rows++;
      const example = value === undefined ? fault! : exampleOf(value);
      const encoded = typeof example === 'string' ? example : encode(example);
      if (typeof encoded === 'string') {
        badCount++;
        if (bad.length < 20) bad.push({ file, line, fault: encoded });
        continue;
      }
      let fitting = encoded;
      if (encoded.tokens.length > limit) {
        tooLong++;
        if (config.tooLong === 'drop') continue;
        fitting = {
          tokens: encoded.tokens.slice(0, limit),
          learned: encoded.learned.slice(0, limit),
          promptLength: encoded.promptLength,
        };
        if (encoded.promptLength >= limit) continue;
      }
      hash.update(fitting.tokens).update(fitting.learned);
      (isHeldOut(fitting, config) ? heldOut : train).push(fitting);
    }
  }
  const shown = bad
    .slice(0, shownRows)
    .map(({ file, line, fault }) => `${basename(file)} line ${line}: ${fault}`)
    .join('; ');
  if (rows === 0) throw noRows(options.files);
  if (badCount > config.maxBadShare * rows) throw tooManyBad(badCount, rows, shown, bad, config.maxBadShare);
  if (train.length === 0) throw noExamples(options.files, rows, tooLong, limit);
  const notes = [
    ...(badCount === 0 ? [] : [`${badCount} of ${rows} rows cannot be used and are left out (${shown})`]),
    ...(tooLong === 0
      ? []
      : [
          `${tooLong} of ${rows} examples are longer than ${limit} tokens and ` +
            (config.tooLong === 'drop' ? 'are left out' : 'lose their end'),
        ]),
  ];
  return { train, heldOut, fingerprint: hash.digest('hex'), notes, counts: { rows, bad: badCount, tooLong } };
}

/** By the prompt, so that two answers to one question are on the same side. */
function isHeldOut(
  { tokens, promptLength }: EncodedExample,
  { seed, heldOutShare }: ExampleDataConfig,
): boolean {
  if (heldOutShare === 0) return false;
  // Plain text has no prompt: it is its own.
  const prompt = promptLength > 1 ? tokens.subarray(0, promptLength) : tokens;
  const digest = createHash('sha256').update(prompt).digest('hex');
  return uniformAt(streamKey(seed, 'held-out examples', digest), 0) < heldOutShare;
}

function noRows(files: readonly string[]): AhaError {
  return new AhaError({
    code: 'no-rows',
    boundary: 'data',
    what: files.length === 0 ? 'No file of examples was named' : `${files.join(', ')} holds no rows`,
    expected: 'rows of messages, of prompt and completion, or of text',
    fix: 'Check the path.',
  });
}

function tooManyBad(
  count: number,
  rows: number,
  shown: string,
  bad: readonly BadRow[],
  share: number,
): AhaError {
  return new AhaError({
    code: 'bad-rows',
    boundary: 'data',
    what: `${count} of ${rows} rows cannot be used. ${shown}`,
    expected: `at most ${+(share * 100).toFixed(3)} % of the rows`,
    fix: 'Correct them, or allow more with maxBadShare.',
    fields: { bad },
  });
}

function noExamples(files: readonly string[], rows: number, tooLong: number, limit: number): AhaError {
  return new AhaError({
    code: 'no-examples',
    boundary: 'data',
    what: `No row of ${files.join(', ')} is left to learn from`,
    found: `${rows} rows, ${tooLong} of them longer than ${limit} tokens`,
    expected: 'at least one example that fits and is not held out',
    fix: 'Use a model with a longer context, tooLong: truncate, or a smaller heldOutShare.',
  });
}
