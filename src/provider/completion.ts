/** What is asked of a language model behind an endpoint, and what comes back. Plain data. */
import { z } from 'zod';

export interface EndpointMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface CompletionRequest {
  /** Messages go to `chat/completions`, a text to `completions`. */
  readonly prompt:
    | { readonly kind: 'chat'; readonly messages: readonly EndpointMessage[] }
    | { readonly kind: 'text'; readonly text: string };
  readonly maxTokens: number;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  /** Passed on; servers honour it as they can. */
  readonly seed?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  /** Further fields of the body, as the server wants them: `{ reasoning_effort: 'low' }`. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
  /** Tells apart requests that are the same and yet want an answer each. Part of the cache's key, never sent. */
  readonly variant?: string | number | undefined;
}

export interface CompletionReply {
  /** What the model said, its reasoning not included. */
  readonly text: string;
  /** What the server gave as reasoning apart from the text; empty for none. */
  readonly reasoning: string;
  /** `length`: cut off. `filtered`: the server kept something back. */
  readonly finish: 'stop' | 'length' | 'filtered';
  /** As the server counts; null where it does not say. */
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** The model that the server says has answered. */
  readonly model: string | null;
  /** Whether it came from the cache: nothing was sent, and nothing is to be paid. */
  readonly cached: boolean;
}

const tokens = z.number().int().min(0).nullish();

/** Only what is read; servers add fields of their own. */
export const replySchema = z.object({
  model: z.string().nullish(),
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        text: z.string().nullish(),
        message: z
          .object({
            content: z.string().nullish(),
            reasoning_content: z.string().nullish(),
            reasoning: z.string().nullish(),
          })
          .nullish(),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: tokens, completion_tokens: tokens }).nullish(),
});

export function toReply(body: z.output<typeof replySchema>): Omit<CompletionReply, 'cached'> | undefined {
  const choice = body.choices[0]!;
  const text = choice.message?.content ?? choice.text;
  const reasoning = choice.message?.reasoning_content ?? choice.message?.reasoning ?? '';
  if (typeof text !== 'string' && reasoning === '' && choice.message === undefined) return undefined;
  const { finish_reason: reason } = choice;
  return {
    text: text ?? '',
    reasoning,
    finish: reason === 'length' ? 'length' : reason === 'content_filter' ? 'filtered' : 'stop',
    promptTokens: body.usage?.prompt_tokens ?? null,
    completionTokens: body.usage?.completion_tokens ?? null,
    model: body.model ?? null,
  };
}

/** The body that is sent. Keys in a fixed order, since its text is what the cache is addressed by. */
export function toBody(model: string, request: CompletionRequest): Readonly<Record<string, unknown>> {
  const { prompt, maxTokens, temperature, topP, seed, stop, extra } = request;
  return {
    ...extra,
    model,
    ...(prompt.kind === 'chat'
      ? { messages: prompt.messages.map(({ role, content }) => ({ role, content })) }
      : { prompt: prompt.text }),
    max_tokens: maxTokens,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined || stop.length === 0 ? {} : { stop }),
  };
}
