/**
 * What a row of training data may say: a conversation, a prompt with its completion, or plain text. Other columns
 * are ignored, so that data sets need not be rewritten; a row in none of the three forms has a fault.
 */
import type { ChatMessage } from '../text/chat-template.ts';
import { nearestWord } from '../util/schema.ts';

export type Example =
  | {
      readonly form: 'messages';
      readonly messages: readonly LearnedMessage[];
      /** JSON schemas of tools, for the chat template. */
      readonly tools?: readonly unknown[];
    }
  | {
      readonly form: 'completion';
      readonly prompt: string | readonly ChatMessage[];
      readonly completion: string;
    }
  | { readonly form: 'text'; readonly text: string };

export interface LearnedMessage {
  readonly message: ChatMessage;
  /** What the row says about learning this message; undefined when it says nothing. */
  readonly train: boolean | undefined;
}

/** The example in a row, or what is wrong with it. */
export function exampleOf(row: Readonly<Record<string, unknown>>): Example | string {
  if (Object.hasOwn(row, 'messages')) return conversationOf(row['messages'], row['tools']);
  if (Object.hasOwn(row, 'completion')) {
    if (!Object.hasOwn(row, 'prompt')) {
      const nearest = nearestWord('prompt', Object.keys(row).slice(0, 100));
      const hint = nearest === undefined ? '' : ` (is ${JSON.stringify(nearest)} meant?)`;
      return `a completion without a prompt${hint}`;
    }
    return completionOf(row['prompt'], row['completion']);
  }
  if (Object.hasOwn(row, 'text')) {
    const { text } = row;
    if (typeof text !== 'string') return 'text is no text';
    return text.trim() === '' ? 'text is empty' : { form: 'text', text };
  }
  const keys = Object.keys(row).slice(0, 100);
  const meant = ['messages', 'completion', 'text'].flatMap((key) => nearestWord(key, keys) ?? [])[0];
  const hint = meant === undefined ? '' : ` (is ${JSON.stringify(meant)} meant for one of them?)`;
  return `neither messages, nor prompt and completion, nor text${hint}`;
}

function conversationOf(value: unknown, tools: unknown): Example | string {
  const messages = messagesOf(value, 'messages');
  if (typeof messages === 'string') return messages;
  if (!messages.some(({ message }) => message.role === 'assistant')) return 'no message of the assistant';
  if (tools === undefined || tools === null) return { form: 'messages', messages };
  if (!Array.isArray(tools)) return 'tools is no list';
  return { form: 'messages', messages, tools };
}

function completionOf(prompt: unknown, completion: unknown): Example | string {
  if (typeof prompt === 'string') {
    if (prompt === '') return 'prompt is empty';
    if (typeof completion !== 'string') return 'completion is no text, though prompt is';
    if (completion === '') return 'completion is empty';
    return { form: 'completion', prompt, completion };
  }
  const before = messagesOf(prompt, 'prompt');
  if (typeof before === 'string') return before;
  if (typeof completion === 'string') {
    if (completion === '') return 'completion is empty';
    return { form: 'completion', prompt: before.map(({ message }) => message), completion };
  }
  const after = messagesOf(completion, 'completion');
  if (typeof after === 'string') return after;
  if (!after.some(({ message }) => message.role === 'assistant')) {
    return 'no message of the assistant in completion';
  }
  // What was given as the prompt is not learned.
  const messages = [...before.map(({ message }) => ({ message, train: false })), ...after];
  return { form: 'messages', messages };
}

function messagesOf(value: unknown, key: string): LearnedMessage[] | string {
  if (!Array.isArray(value)) return `${key} is no list of messages`;
  if (value.length === 0) return `${key} is empty`;
  const messages: LearnedMessage[] = [];
  for (const [index, item] of (value as unknown[]).entries()) {
    const at = `${key}[${index}]`;
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return `${at} is no object`;
    const { train, weight, ...message } = item as Record<string, unknown>;
    const { role, content } = message;
    if (typeof role !== 'string' || role === '') return `${at} has no role`;
    if (content === undefined || content === null) {
      // An assistant that only calls tools says nothing.
      if (role !== 'assistant' || message['tool_calls'] === undefined) return `${at} has no content`;
    } else if (typeof content !== 'string' && !Array.isArray(content)) return `${at}.content is no text`;
    if (train !== undefined && train !== null && typeof train !== 'boolean') {
      return `${at}.train is neither true nor false`;
    }
    if (weight !== undefined && weight !== null && weight !== 0 && weight !== 1) {
      return `${at}.weight is neither 0 nor 1`;
    }
    const said = typeof train === 'boolean' ? train : typeof weight === 'number' ? weight === 1 : undefined;
    messages.push({ message: message as ChatMessage, train: said });
  }
  return messages;
}
