/**
 * Between the text that tasks speak and the tokens that policies speak. What a model's prompts look like, which
 * tokens end its turn, and how its tokens read are decided here once, for sampling, training and evaluation alike.
 */
import { AhaError } from '../errors.ts';
import type { Prompt } from '../task/presentation.ts';
import { type ChatTemplate, turnEndTokens } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

export interface EncodedPrompt {
  /** [T], T ≥ 1, special tokens included. */
  readonly tokens: Int32Array;
  /** What the tokens say, for people and for what of it belongs to the response (`prefilledThinking`). */
  readonly text: string;
}

export interface PromptCodec {
  /** Throws `AhaError` (text) for a prompt that cannot be put to this model. */
  encodePrompt(prompt: Prompt): EncodedPrompt;
  /** Token ids of a response to learn from, the token that ends it included. */
  encodeResponse(text: string): Int32Array;
  /** The text of a completion without special tokens. */
  decodeResponse(tokens: ArrayLike<number>): string;
  /** Tokens that end a response. */
  readonly stopTokens: readonly number[];
  /** Texts that end a response. */
  readonly stopStrings: readonly string[];
  /**
   * The token that ends the assistant's turn in the model's chat template; undefined without a template, or when it
   * ends turns by no token. Preflight checks that it is among `stopTokens`.
   */
  readonly turnEnd?: { readonly token: number; readonly text: string } | undefined;
}

export interface PromptCodecOptions {
  /** Needed for prompts that are messages. */
  readonly template?: ChatTemplate | undefined;
  /** Further variables of the template: `{ enable_thinking: false }`. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  /** Default none. For base models in R1-Zero form: `</answer>`. */
  readonly stopStrings?: readonly string[];
}

/**
 * The codec of a model's own tokenizer. Plain text gets the special tokens that the tokenizer puts around a text;
 * messages are rendered by the template, which brings its own. A response ends with the end tokens of the tokenizer,
 * and with the token that ends a turn in the template.
 */
export function createPromptCodec(tokenizer: Tokenizer, options: PromptCodecOptions = {}): PromptCodec {
  const { template, templateVariables, stopStrings = [] } = options;
  const [turnEnd] = template === undefined ? [] : turnEndTokens(tokenizer, template);
  const stopTokens = [...new Set([...tokenizer.eosIds, ...(turnEnd === undefined ? [] : [turnEnd])])];
  return {
    encodePrompt(prompt) {
      if (prompt.kind === 'text') return { tokens: tokenizer.encode(prompt.text), text: prompt.text };
      if (template === undefined) {
        throw new AhaError({
          code: 'chat-template-missing',
          boundary: 'text',
          what: 'The prompt is a conversation, and this model has no chat template',
          fix: 'Present the task as plain text (form r1-zero or raw), or use a model with a template.',
        });
      }
      const variables = templateVariables === undefined ? {} : { variables: templateVariables };
      const text = template.render(
        prompt.messages.map((message) => ({ ...message })),
        { addGenerationPrompt: true, ...variables },
      );
      return { tokens: tokenizer.encode(text, { addSpecialTokens: false }), text };
    },
    encodeResponse(text) {
      const end = turnEnd ?? stopTokens[0];
      if (end === undefined) {
        throw new AhaError({
          code: 'end-token-missing',
          boundary: 'text',
          what: 'This tokenizer has no token that ends a response',
          fix: 'Name its eos_token in tokenizer_config.json.',
        });
      }
      return Int32Array.of(...tokenizer.encode(text, { addSpecialTokens: false }), end);
    },
    decodeResponse: (tokens) => tokenizer.decode(tokens, { skipSpecialTokens: true }),
    stopTokens,
    stopStrings,
    ...(turnEnd === undefined
      ? {}
      : { turnEnd: { token: turnEnd, text: tokenizer.idToToken(turnEnd) ?? '' } }),
  };
}
