/**
 * Pre-tokenizers of a `tokenizer.json`: text in, pieces out, each of which the model encodes on its own.
 *
 * They follow Rust's `tokenizers`, not those of `@huggingface/tokenizers` 0.2, which differ from it: ASCII digits
 * only, JavaScript's white space (byte order mark, next line), no merging split behaviours, `Punctuation` always
 * contiguous, UTF-16 units in `FixedLength`. The pieces are compared with Python in pre-tokenizer.test.ts.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { compilePattern, forEachMatch, patternSchema, SPLITS, type Pattern } from './pattern.ts';

const behaviorSchema = z
  .string()
  .transform((name) => name.toLowerCase().replaceAll('_', ''))
  .pipe(z.enum(['isolated', 'removed', 'contiguous', 'mergedwithprevious', 'mergedwithnext']));
type Behavior = z.output<typeof behaviorSchema>;

const leafSchemas = [
  z.object({
    type: z.literal('ByteLevel'),
    add_prefix_space: z.boolean().default(true),
    use_regex: z.boolean().default(true),
  }),
  z.object({ type: z.literal('Whitespace') }),
  z.object({ type: z.literal('WhitespaceSplit') }),
  z.object({ type: z.literal('BertPreTokenizer') }),
  z.object({
    type: z.literal('Metaspace'),
    replacement: z.string().min(1).default('▁'),
    prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
    add_prefix_space: z.boolean().optional(),
    split: z.boolean().default(true),
  }),
  z.object({
    type: z.literal('Split'),
    pattern: patternSchema,
    behavior: behaviorSchema,
    invert: z.boolean().default(false),
  }),
  z.object({ type: z.literal('Punctuation'), behavior: behaviorSchema.default('isolated') }),
  z.object({ type: z.literal('Digits'), individual_digits: z.boolean().default(false) }),
  z.object({ type: z.literal('CharDelimiterSplit'), delimiter: z.string().min(1) }),
  z.object({ type: z.literal('FixedLength'), length: z.int().min(1) }),
] as const;

type LeafConfig = z.output<(typeof leafSchemas)[number]>;
export type PreTokenizerConfig =
  LeafConfig | { readonly type: 'Sequence'; readonly pretokenizers: readonly PreTokenizerConfig[] };

export const preTokenizerSchema: z.ZodType<PreTokenizerConfig> = z.lazy(() =>
  z.discriminatedUnion('type', [
    ...leafSchemas,
    z.object({ type: z.literal('Sequence'), pretokenizers: z.array(preTokenizerSchema).max(64) }),
  ]),
);

/** Receives a piece; `atStart` says whether it begins where the whole text begins. */
export type PieceSink = (piece: string, atStart: boolean) => void;

export interface PreTokenizer {
  /** Cuts `text` and calls `sink` for each piece, none of them empty. */
  run(text: string, atStart: boolean, sink: PieceSink): void;
  /** The pieces stand for their UTF-8 bytes: the last step is `ByteLevel`, whose alphabet the model applies. */
  readonly byteLevel: boolean;
  /** Whether every pattern in it is known to take linear time. */
  readonly trusted: boolean;
}

type Stage = (text: string, atStart: boolean, next: PieceSink) => void;

export function createPreTokenizer(config: PreTokenizerConfig | null): PreTokenizer {
  const leaves = config === null ? [] : flatten(config);
  const patterns: Pattern[] = [];
  const byteLevel = leaves.at(-1)?.type === 'ByteLevel';
  const stages = leaves.map((leaf, i) => {
    if (leaf.type === 'ByteLevel' && i < leaves.length - 1) {
      throw new AhaError({
        code: 'tokenizer-unsupported',
        boundary: 'text',
        what: 'The pre-tokenizer ByteLevel is followed by another one',
        expected: 'ByteLevel as the last step',
        fix: 'Use a tokenizer whose tokenizer.json has ByteLevel last, as those of GPT-2, Llama 3 and Qwen.',
      });
    }
    return createStage(leaf, patterns);
  });
  const run = (text: string, atStart: boolean, sink: PieceSink): void =>
    runStages(stages, 0, text, atStart, sink);
  return { run, byteLevel, trusted: patterns.every((pattern) => pattern.trusted) };
}

function flatten(config: PreTokenizerConfig): LeafConfig[] {
  return config.type === 'Sequence' ? config.pretokenizers.flatMap(flatten) : [config];
}

function runStages(
  stages: readonly Stage[],
  i: number,
  text: string,
  atStart: boolean,
  sink: PieceSink,
): void {
  const stage = stages[i];
  if (stage === undefined) sink(text, atStart);
  else stage(text, atStart, (piece, pieceAtStart) => runStages(stages, i + 1, piece, pieceAtStart, sink));
}

function createStage(config: LeafConfig, patterns: Pattern[]): Stage {
  switch (config.type) {
    case 'ByteLevel': {
      const gpt2 = compilePattern({ Regex: SPLITS.gpt2 });
      const split = splitStage(gpt2.regex, 'isolated', false);
      return (text, atStart, next) => {
        const prefixed = config.add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
        if (config.use_regex) split(prefixed, atStart, next);
        else next(prefixed, atStart);
      };
    }
    case 'Whitespace':
      // \w of Rust's regex crate (UTS #18) includes the joiners.
      return splitStage(
        /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu,
        'removed',
        true,
      );
    case 'WhitespaceSplit':
      return splitStage(/\p{White_Space}/gu, 'removed', false);
    case 'BertPreTokenizer': {
      const spaces = splitStage(/\p{White_Space}/gu, 'removed', false);
      const punctuation = splitStage(PUNCTUATION, 'isolated', false);
      return (text, atStart, next) =>
        spaces(text, atStart, (piece, start) => punctuation(piece, start, next));
    }
    case 'Metaspace':
      return metaspaceStage(config);
    case 'Split': {
      const pattern = compilePattern(config.pattern);
      patterns.push(pattern);
      return splitStage(pattern.regex, config.behavior, config.invert);
    }
    case 'Punctuation':
      return splitStage(PUNCTUATION, config.behavior, false);
    case 'Digits':
      return splitStage(/\p{N}/gu, config.individual_digits ? 'isolated' : 'contiguous', false);
    case 'CharDelimiterSplit':
      return splitStage(compilePattern({ String: config.delimiter }).regex, 'removed', false);
    case 'FixedLength':
      return splitStage(new RegExp(`[^]{1,${config.length}}`, 'gu'), 'isolated', false);
  }
}

const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;

function splitStage(regex: RegExp, behavior: Behavior, invert: boolean): Stage {
  // The regular expression carries a position, so each stage has its own.
  const own = new RegExp(regex.source, regex.flags);
  if (behavior === 'isolated') {
    return (text, atStart, next) =>
      forEachMatch(own, text, (start, end) => next(text.slice(start, end), atStart && start === 0));
  }
  if (behavior === 'removed') {
    return (text, atStart, next) =>
      forEachMatch(own, text, (start, end, isMatch) => {
        if (isMatch === invert) next(text.slice(start, end), atStart && start === 0);
      });
  }
  return (text, atStart, next) => {
    const spans: Span[] = [];
    forEachMatch(own, text, (start, end, isMatch) => {
      spans.push({ start, end, isMatch: isMatch !== invert });
    });
    for (const { start, end } of mergeSpans(spans, behavior)) {
      next(text.slice(start, end), atStart && start === 0);
    }
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

function mergeSpans(
  spans: readonly Span[],
  behavior: 'contiguous' | 'mergedwithprevious' | 'mergedwithnext',
): { start: number; end: number }[] {
  const merged: { start: number; end: number }[] = [];
  spans.forEach((span, i) => {
    const previous = spans[i - 1];
    const joins =
      previous !== undefined &&
      (behavior === 'contiguous'
        ? previous.isMatch === span.isMatch
        : behavior === 'mergedwithprevious'
          ? span.isMatch && !previous.isMatch
          : !span.isMatch && previous.isMatch);
    if (joins) merged.at(-1)!.end = span.end;
    else merged.push({ start: span.start, end: span.end });
  });
  return merged;
}

function metaspaceStage(config: Extract<LeafConfig, { type: 'Metaspace' }>): Stage {
  const { replacement } = config;
  const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? 'never' : 'always');
  const split = config.split
    ? splitStage(compilePattern({ String: replacement }).regex, 'mergedwithnext', false)
    : undefined;
  return (text, atStart, next) => {
    let replaced = text.replaceAll(' ', replacement);
    const prepends = scheme === 'always' || (scheme === 'first' && atStart);
    if (prepends && !replaced.startsWith(replacement)) replaced = replacement + replaced;
    if (split === undefined) next(replaced, atStart);
    else split(replaced, atStart, next);
  };
}
