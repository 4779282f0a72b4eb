/**
 * Between the text that tasks speak and the tokens that policies speak. What a model's prompts look like, which
 * tokens end its turn, and how its tokens read are decided here once, for sampling, training and evaluation alike.
 */
import type { Prompt } from '../task/presentation.ts';

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
   * The token that ends the assistant's turn in the model's chat template; undefined for prompts that are plain
   * text. Preflight checks that it is among `stopTokens`.
   */
  readonly turnEnd?: { readonly token: number; readonly text: string } | undefined;
}
