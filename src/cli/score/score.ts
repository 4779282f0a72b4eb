/** Scores sequences of tokens with a model and prints them token by token. */
import type { Policy, TokenSequence } from '../../engine/policy.ts';
import { AhaError, describeError } from '../../errors.ts';
import { printable } from '../../text/printable.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import type { ScoreFlags } from '../commands/score.ts';
import { openModel } from '../model/open-model.ts';
import { readTextFile } from '../recipe/config-file.ts';
import { table } from '../terminal/layout.ts';
import { formatNumber } from '../terminal/quantities.ts';

/** No model reads as much at once. */
const maximumFileBytes = 64 << 20;

export interface ScoredSequence {
  /** What was scored, for people: `text 1`, a file's name, `sequence 3`. */
  readonly name: string;
  readonly tokens: readonly number[];
  /** In nats; null for the first token, which nothing predicts. */
  readonly logprobs: readonly (number | null)[];
  readonly total: number;
  /** exp(−mean log-probability). */
  readonly perplexity: number;
}

interface Sequence {
  readonly name: string;
  readonly tokens: Int32Array;
}

export async function scoreTexts(
  name: string,
  flags: ScoreFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter, interruption } = context;
  // What can be wrong with the files is said before minutes are spent on the model.
  const listed = flags.tokens === undefined ? [] : await readTokenFile(flags.tokens);
  const texts = [
    ...(flags.text ?? []).map((text, index) => ({ name: `text ${index + 1}`, text })),
    ...(await Promise.all(
      (flags.file ?? []).map(async (file) => ({
        name: file,
        text: await readTextFile(file, maximumFileBytes),
      })),
    )),
  ];
  await using model = await openModel(name, {
    reporter,
    engine: { threads: flags.threads },
    signal: interruption.signal,
  });
  const { policy } = model;
  const sequences: Sequence[] = [
    ...texts.map(({ name, text }) => ({
      name,
      tokens: model.tokenizer().encode(text, { addSpecialTokens: flags.special }),
    })),
    ...listed.map((tokens, index) => ({ name: `sequence ${index + 1}`, tokens: Int32Array.from(tokens) })),
  ];
  for (const sequence of sequences) checkSequence(sequence, policy);
  const scored = await scoreSequences(policy, sequences, flags.temperature);
  const tokenizer = model.hasTokenizer ? model.tokenizer() : undefined;
  for (const sequence of scored) printSequence(sequence, tokenizer, context);
  return {
    result: {
      model: model.source,
      temperature: flags.temperature,
      tokens: scored.map(({ tokens }) => tokens),
      logprobs: scored.map(({ logprobs }) => logprobs),
      sequences: scored.map(({ name, total, perplexity, tokens }) => ({
        name,
        total,
        perplexity,
        ...(tokenizer === undefined ? {} : { texts: tokens.map((token) => tokenizer.decode([token])) }),
      })),
    },
  };
}

/** Log-probabilities of every token but the first of each sequence, under softmax(logits / temperature). */
export async function scoreSequences(
  policy: Pick<Policy, 'forward'>,
  sequences: readonly Sequence[],
  temperature: number,
): Promise<ScoredSequence[]> {
  const batch = sequences.map(({ tokens }): TokenSequence => {
    const weights = new Float32Array(tokens.length).fill(1);
    weights[0] = 0;
    return { tokens, weights };
  });
  const { logprobs } = await policy.forward(batch, { temperature });
  return sequences.map(({ name, tokens }, index) => {
    const values = [...logprobs[index]!].slice(1);
    const total = values.reduce((sum, value) => sum + value, 0);
    return {
      name,
      tokens: [...tokens],
      logprobs: [null, ...values],
      total,
      perplexity: Math.exp(-total / values.length),
    };
  });
}

/** A list of token ids, or a list of such lists. */
export async function readTokenFile(path: string): Promise<number[][]> {
  const invalid = (found: string, cause?: unknown) =>
    new AhaError({
      code: 'token-file-invalid',
      boundary: 'data',
      what: `${path} is not a file of token ids`,
      found,
      expected: 'JSON: [[1, 2, 3], [4, 5]] or [1, 2, 3]',
      fields: { file: path },
      ...(cause === undefined ? {} : { cause }),
    });
  const text = await readTextFile(path, maximumFileBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(describeError(error), error);
  }
  if (!Array.isArray(value) || value.length === 0) throw invalid(text.slice(0, 80));
  const lists: unknown[] = value.every((entry) => typeof entry === 'number') ? [value] : value;
  return lists.map((list, index) => {
    if (!Array.isArray(list)) throw invalid(`${JSON.stringify(list)?.slice(0, 80)} as sequence ${index + 1}`);
    return list.map((id: unknown, place) => {
      if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < 2 ** 31) return id;
      throw invalid(`${JSON.stringify(id)?.slice(0, 80)} as token ${place + 1} of sequence ${index + 1}`);
    });
  });
}

function checkSequence({ name, tokens }: Sequence, { capabilities, description }: Policy): void {
  const refuse = (code: string, what: string, found: unknown, expected: string, fix?: string) =>
    new AhaError({ code, boundary: 'data', what, found, expected, ...(fix === undefined ? {} : { fix }) });
  if (tokens.length < 2) {
    throw refuse(
      'sequence-too-short',
      `There is nothing to predict in ${name}`,
      `${tokens.length} token${tokens.length === 1 ? '' : 's'}`,
      'at least 2',
    );
  }
  if (tokens.length > capabilities.contextLength) {
    throw refuse(
      'sequence-too-long',
      `The model cannot read ${name} at once`,
      `${tokens.length} tokens`,
      `at most ${capabilities.contextLength}, its context`,
      'Split it into parts.',
    );
  }
  const unknown = tokens.find((token) => token >= description.vocabularySize);
  if (unknown !== undefined) {
    throw refuse(
      'token-unknown',
      `There is a token in ${name} that the model does not have`,
      unknown,
      `ids from 0 to ${description.vocabularySize - 1}`,
    );
  }
}

function printSequence(
  sequence: ScoredSequence,
  tokenizer: Tokenizer | undefined,
  { reporter }: CommandContext,
): void {
  const { colors, columns, unicode } = reporter.terminal;
  const rows = sequence.tokens.map((token, index) => {
    const value = sequence.logprobs[index];
    return [
      `${token}`,
      ...(tokenizer === undefined ? [] : [JSON.stringify(printable(tokenizer.decode([token])))]),
      value === null || value === undefined ? '' : value.toFixed(4),
      value === null || value === undefined ? '' : formatNumber(Math.exp(value)),
    ];
  });
  reporter.line(colors.bold(printable(sequence.name)));
  reporter.lines(
    table(
      [
        { title: 'id', align: 'right' },
        ...(tokenizer === undefined ? [] : [{ title: 'token' }]),
        { title: 'log p', align: 'right' },
        { title: 'p', align: 'right' },
      ],
      rows,
      columns,
      unicode,
    ),
  );
  reporter.line(
    `sum ${sequence.total.toFixed(4)}, perplexity ${formatNumber(sequence.perplexity)}, ${sequence.tokens.length} tokens`,
  );
  reporter.line();
}
