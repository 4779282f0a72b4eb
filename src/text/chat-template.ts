/**
 * Chat templates: from a conversation to the text that a model was trained on, as `apply_chat_template` of
 * transformers renders it (Jinja through `@huggingface/jinja`, made to agree with Python; see
 * template-interpreter.ts). A template comes with a model from anywhere and is run within bounds.
 */
import { AhaError } from '../errors.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import type { Node } from './jinja-library.ts';
import { strftime } from './strftime.ts';
import { boundedRange, parseTemplate, runTemplate, TemplateRefusal } from './template-interpreter.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A message; further fields (`tool_calls`, `reasoning_content`) are handed to the template as they are. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

export interface ChatTemplateOptions {
  /** Texts of special tokens by the names that templates use: `bos_token`, `eos_token`. */
  readonly specialTokens?: Readonly<Record<string, string>>;
  /** For `strftime_now`. Default the system's. */
  readonly clock?: Clock;
}

export interface RenderOptions {
  /** Whether to end with the beginning of the assistant's turn. Default false, as in transformers. */
  readonly addGenerationPrompt?: boolean;
  /** Tools as JSON schemas. */
  readonly tools?: readonly unknown[];
  /** Further variables of the template: `{ enable_thinking: false }`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export class ChatTemplate {
  readonly source: string;
  readonly #program: Node;
  readonly #specialTokens: Readonly<Record<string, string>>;
  readonly #clock: Clock;

  /** Throws an `AhaError` (`template-malformed`) for a template that cannot be parsed. */
  constructor(source: string, options: ChatTemplateOptions = {}) {
    this.source = source;
    this.#specialTokens = options.specialTokens ?? {};
    this.#clock = options.clock ?? systemClock;
    try {
      this.#program = parseTemplate(source);
    } catch (cause) {
      throw new AhaError({
        code: 'template-malformed',
        boundary: 'text',
        what: 'The chat template cannot be used',
        found: reasonOf(cause),
        expected: 'a Jinja template as transformers accepts it',
        fix: 'Check the chat_template of tokenizer_config.json, or the file chat_template.jinja.',
        cause,
      });
    }
  }

  /**
   * The text of a conversation. Throws an `AhaError` (text): `template-refused` when the template itself rejects the
   * messages (two turns of one role in a row), `template-failed` when it fails or exceeds its bounds.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    if (messages.length === 0) {
      throw new AhaError({
        code: 'messages-empty',
        boundary: 'text',
        what: 'There is no message to render',
        expected: 'at least one',
      });
    }
    try {
      return runTemplate(this.#program, {
        ...GLOBALS,
        strftime_now: (format: unknown) => strftime(new Date(this.#clock.wall()), String(format)),
        ...this.#specialTokens,
        tools: options.tools ?? null,
        documents: null,
        add_generation_prompt: options.addGenerationPrompt ?? false,
        ...options.variables,
        messages,
      });
    } catch (cause) {
      const refused = cause instanceof TemplateRefusal;
      throw new AhaError({
        code: refused ? 'template-refused' : 'template-failed',
        boundary: 'text',
        what: refused
          ? 'The chat template refuses these messages'
          : 'The chat template failed on these messages',
        found: reasonOf(cause),
        fix: refused
          ? 'Change the messages as it says: their roles, their order, or their content.'
          : 'Check the messages (roles, contents that are strings); if they are right, the template is broken.',
        cause,
      });
    }
  }
}

/** The chat template of a tokenizer with its special tokens; `undefined` when it has none. */
export function chatTemplateOf(
  tokenizer: Tokenizer,
  options: Pick<ChatTemplateOptions, 'clock'> = {},
): ChatTemplate | undefined {
  if (tokenizer.chatTemplate === undefined) return undefined;
  const { bosId, eosIds, padId, unknownId } = tokenizer;
  const named = { bos_token: bosId, eos_token: eosIds[0], pad_token: padId, unk_token: unknownId };
  const specialTokens: Record<string, string> = {};
  for (const [name, id] of Object.entries(named)) {
    const token = id === undefined ? undefined : tokenizer.idToToken(id);
    if (token !== undefined) specialTokens[name] = token;
  }
  return new ChatTemplate(tokenizer.chatTemplate, { ...options, specialTokens });
}

/**
 * The tokens that end the assistant's turn in this template: the first added token after what the assistant said
 * (`<|im_end|>`, `<|eot_id|>`, `</s>`). Empty when the template ends turns by no token, so that a model trained on
 * it never stops. Throws as `ChatTemplate.render`.
 */
export function turnEndTokens(tokenizer: Tokenizer, template: ChatTemplate): number[] {
  const said = 'Sentinel';
  const text = template.render([
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: said },
  ]);
  const at = text.lastIndexOf(said);
  if (at < 0) return [];
  const after = tokenizer.encode(text.slice(at + said.length), { addSpecialTokens: false });
  for (const id of after) {
    if (tokenizer.addedIds.has(id)) return [id];
    if (tokenizer.decode([id]).trim() !== '') return [];
  }
  return [];
}

const GLOBALS = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range: boundedRange,
  raise_exception: (message: unknown): never => {
    throw new TemplateRefusal(String(message));
  },
};

function reasonOf(cause: unknown): string {
  // V8's words for a recursion without end.
  if (cause instanceof RangeError) return 'it nests or grows without end';
  return cause instanceof Error ? cause.message : String(cause);
}
