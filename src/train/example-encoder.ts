/**
 * From an example to tokens and to which of them are learned: those of the assistant, exactly as the chat template
 * writes them, up to and including the token that ends a turn.
 *
 * Where a turn lies is found by rendering prefixes of the conversation: the text of the messages before it with the
 * generation prompt is what the model will see when it has to answer, and the text up to and with it says where it
 * ends. That needs a template whose text of a longer conversation begins with the text of a shorter one. Templates
 * that rewrite earlier turns (those that drop reasoning from the history), or that begin the answer themselves, do
 * not have that property; an example for which it fails is refused, because a mask would be a guess.
 */
import { AhaError, describeError, isAhaError } from '../errors.ts';
import type { ChatMessage as PromptMessage } from '../task/presentation.ts';
import { type ChatMessage, type ChatTemplate, turnEndTokens } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Example } from './example-schema.ts';
import type { PromptCodec } from './prompt-codec.ts';

export interface EncodedExample {
  /** Token ids [T], T ≥ 2. */
  readonly tokens: Int32Array;
  /** 1 for each token that is learned [T]; 0 at the first, which nothing predicts. */
  readonly learned: Uint8Array;
  /** Tokens before the first that is learned. */
  readonly promptLength: number;
}

export type ExampleEncoder = (example: Example) => EncodedExample | string;

export interface ExampleEncoderOptions {
  readonly tokenizer: Tokenizer;
  /** For prompts with a completion: the same tokens as in sampling. */
  readonly codec: PromptCodec;
  /** Needed for conversations. */
  readonly template: ChatTemplate | undefined;
  /** Further variables of the template. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  /** Which turns of the assistant are learned where a row does not say so itself. */
  readonly learn: 'all' | 'last';
}

/**
 * The encoder of a model. It gives what is wrong with an example that cannot be learned from.
 * @throws AhaError `template-rewrites-history` at once for a template that no conversation could be learned with
 */
export function createExampleEncoder(options: ExampleEncoderOptions): ExampleEncoder {
  const { tokenizer, codec } = options;
  const encodeConversation = conversationEncoder(options);
  return (example) => {
    try {
      switch (example.form) {
        case 'messages':
          return encodeConversation(example);
        case 'completion': {
          const { prompt } = example;
          const before = codec.encodePrompt(
            typeof prompt === 'string'
              ? { kind: 'text', text: prompt }
              : { kind: 'chat', messages: prompt as readonly PromptMessage[] },
          ).tokens;
          return joined([before], [codec.encodeResponse(example.completion)]);
        }
        case 'text': {
          const tokens = [...tokenizer.encode(example.text)];
          const end = tokenizer.eosIds[0];
          if (end !== undefined && tokens.at(-1) !== end) tokens.push(end);
          if (tokens.length < 2) return 'fewer than two tokens';
          return {
            tokens: Int32Array.from(tokens),
            learned: new Uint8Array(tokens.length).fill(1, 1),
            promptLength: 1,
          };
        }
      }
    } catch (error) {
      const ofTemplate = isAhaError(error, 'template-rewrites-history');
      if (isAhaError(error) && error.boundary === 'text' && !ofTemplate) return describeError(error);
      throw error;
    }
  };
}

/** Tokens that are learned. */
export function countLearned(examples: readonly Pick<EncodedExample, 'learned'>[]): number {
  return examples.reduce((sum, { learned }) => sum + learned.reduce((a, b) => a + b, 0), 0);
}

/** Alternating pieces: what is given, what is learned. */
function joined(given: readonly Int32Array[], learned: readonly Int32Array[]): EncodedExample | string {
  const tokens: number[] = [];
  const mask: number[] = [];
  for (const [index, piece] of given.entries()) {
    tokens.push(...piece);
    for (let i = 0; i < piece.length; i++) mask.push(0);
    const own = learned[index] ?? new Int32Array(0);
    tokens.push(...own);
    for (let i = 0; i < own.length; i++) mask.push(1);
  }
  mask[0] = 0;
  const promptLength = mask.indexOf(1);
  if (promptLength < 0) return 'no token that is to be learned';
  return { tokens: Int32Array.from(tokens), learned: Uint8Array.from(mask), promptLength };
}

type Conversation = Extract<Example, { form: 'messages' }>;

function conversationEncoder(options: ExampleEncoderOptions) {
  const { tokenizer, template, templateVariables, learn } = options;
  if (template === undefined) {
    return (): string => 'a conversation, and the model has no chat template (use prompt and completion)';
  }
  const render = (
    messages: readonly ChatMessage[],
    tools: Conversation['tools'],
    addGenerationPrompt: boolean,
  ) =>
    template.render(messages, {
      addGenerationPrompt,
      ...(tools === undefined ? {} : { tools }),
      ...(templateVariables === undefined ? {} : { variables: templateVariables }),
    });
  const [turnEnd] = turnEndTokens(tokenizer, template);
  let probed = false;

  return ({ messages: given, tools }: Conversation): EncodedExample | string => {
    if (!probed) probe(render);
    probed = true;
    const messages = given.map(({ message }) => message);
    const turns = learnedTurns(given, learn);
    if (turns.length === 0) return 'no turn of the assistant that is to be learned';
    const end = turns.at(-1)! + 1;
    const whole = render(messages.slice(0, end), tools, false);
    const cuts: number[] = [];
    for (const turn of turns) {
      const prefix = render(messages.slice(0, turn), tools, true);
      const through = turn + 1 === end ? whole : render(messages.slice(0, turn + 1), tools, false);
      if (!whole.startsWith(prefix) || !whole.startsWith(through) || prefix.length < (cuts.at(-1) ?? 0)) {
        return (
          `the chat template writes the conversation up to messages[${turn}] in another way than within the whole ` +
          '(it drops reasoning from earlier turns, or begins the answer itself), so that what is learned could not ' +
          'be told from what is given; learn only the last turn (learn: last), split the conversation, or give ' +
          'prompt and completion'
        );
      }
      cuts.push(prefix.length, through.length);
    }
    const pieces = cutTokens(whole, cuts, tokenizer);
    const before = pieces.filter((_, index) => index % 2 === 0);
    const spoken = pieces.filter((_, index) => index % 2 === 1);
    return joined(...withoutTails(before, spoken, tokenizer, turnEnd));
  };
}

/**
 * The tokens of `text` in pieces that end at `cuts`. Where no token crosses a cut they are those of the whole text;
 * otherwise each piece is encoded for itself, as it is when a model goes on from a prompt.
 */
function cutTokens(text: string, cuts: readonly number[], tokenizer: Tokenizer): Int32Array[] {
  const encode = (part: string) => tokenizer.encode(part, { addSpecialTokens: false });
  const whole = encode(text);
  const ends = cuts.map((cut) => {
    const part = encode(text.slice(0, cut));
    return part.every((token, index) => token === whole[index]) ? part.length : undefined;
  });
  const starts = [0, ...ends];
  if (ends.every((end) => end !== undefined)) {
    return ends.map((end, index) => whole.slice(starts[index], end));
  }
  return cuts.map((cut, index) => encode(text.slice(cuts[index - 1] ?? 0, cut)));
}

/** Positions of the messages that are learned. */
function learnedTurns(messages: Conversation['messages'], learn: 'all' | 'last'): number[] {
  const own = messages.flatMap(({ message }, index) => (message.role === 'assistant' ? [index] : []));
  const last = own.at(-1);
  return own.filter((index) => messages[index]!.train ?? (learn === 'all' || index === last));
}

/**
 * What a template writes after the token that ends a turn (a line break) is never drawn by the model: it belongs to
 * what is given next. At the very end it is left out.
 */
function withoutTails(
  before: readonly Int32Array[],
  spoken: readonly Int32Array[],
  tokenizer: Tokenizer,
  turnEnd: number | undefined,
): [Int32Array[], Int32Array[]] {
  let tail: Int32Array = new Int32Array(0);
  const given: Int32Array[] = [];
  const learned: Int32Array[] = [];
  for (const [index, piece] of spoken.entries()) {
    given.push(Int32Array.of(...tail, ...before[index]!));
    const end = turnEnd === undefined ? -1 : piece.lastIndexOf(turnEnd);
    const after = piece.subarray(end + 1);
    const cut = end >= 0 && tokenizer.decode(after).trim() === '' ? end + 1 : piece.length;
    learned.push(piece.subarray(0, cut));
    tail = piece.slice(cut);
  }
  return [given, learned];
}

/** A template that fails on a plain question and answer would fail on every row: one error instead of thousands. */
function probe(
  render: (messages: readonly ChatMessage[], tools: undefined, addGenerationPrompt: boolean) => string,
): void {
  const question = { role: 'user', content: 'Question' };
  const prefix = render([question], undefined, true);
  const whole = render([question, { role: 'assistant', content: 'Answer' }], undefined, false);
  if (whole.startsWith(prefix)) return;
  let same = 0;
  while (same < prefix.length && prefix[same] === whole[same]) same++;
  throw new AhaError({
    code: 'template-rewrites-history',
    boundary: 'text',
    what:
      'The chat template of this model writes an answer differently from what it asks the model to go on from, so ' +
      "that the assistant's tokens cannot be told from the others",
    found: `${JSON.stringify(whole.slice(same, same + 40))} after an answer`,
    expected: `${JSON.stringify(prefix.slice(same, same + 40))}, as in the prompt`,
    fix:
      'Give rows of prompt and completion, where completion is what follows the prompt, or a template that keeps ' +
      'what it has written.',
  });
}
