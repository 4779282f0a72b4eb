/**
 * How a problem is put to a model, and what of its response is rewarded. A task presents itself in one form:
 *
 * - `raw`: the prompt as it is. For models trained from scratch; the whole response is the answer.
 * - `r1-zero`: the template of DeepSeek-R1-Zero (arXiv 2501.12948, Table 1). For base models.
 * - `chat`: messages for the model's own chat template; the instructions of Table 1 are the system message as long
 *   as the format is rewarded.
 *
 * With real checkpoints the reward is accuracy plus format, equally weighted, as in the paper (divided by 2, so
 * that it stays in [0, 1]).
 */
import { z } from 'zod';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export type Prompt =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] };

export const presentationSchema = z.strictObject({
  form: z.enum(['raw', 'r1-zero', 'chat']).default('raw'),
  /** How the R1-Zero format is checked (`verify/format.ts`). Default `strict`; `none` in raw form. */
  format: z.enum(['strict', 'lenient', 'none']).optional(),
  /** Weights of the two parts of the reward, relative to each other. */
  accuracyWeight: z.number().min(0).default(1),
  formatWeight: z.number().min(0).default(1),
  /** The system message in chat form; empty for none. */
  system: z.string().optional(),
});

export type PresentationOptions = z.input<typeof presentationSchema>;

export type PromptForm = z.output<typeof presentationSchema>['form'];

export interface Presentation {
  readonly form: PromptForm;
  readonly format: 'strict' | 'lenient' | 'none';
  readonly accuracyWeight: number;
  readonly formatWeight: number;
  readonly system: string;
}

/** The text of Table 1 up to the question. */
export const r1ZeroInstructions =
  'A conversation between User and Assistant. The user asks a question, and the Assistant solves it. ' +
  'The assistant first thinks about the reasoning process in the mind and then provides the user with the answer. ' +
  'The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, ' +
  'i.e., <think> reasoning process here </think> <answer> answer here </answer>.';

/** The whole template of Table 1, with its literal full stop after the question. */
export function r1ZeroPrompt(question: string): string {
  return `${r1ZeroInstructions} User: ${question}. Assistant:`;
}

/** Fills in what follows from the form. */
export function resolvePresentation(options: z.output<typeof presentationSchema>): Presentation {
  const format = options.format ?? (options.form === 'raw' ? 'none' : 'strict');
  const instructed = options.form === 'chat' && format !== 'none';
  return { ...options, format, system: options.system ?? (instructed ? r1ZeroInstructions : '') };
}

/** `raw` is the problem's own prompt, `question` the same in words. */
export function presentPrompt(presentation: Presentation, raw: string, question: string): Prompt {
  switch (presentation.form) {
    case 'raw':
      return { kind: 'text', text: raw };
    case 'r1-zero':
      return { kind: 'text', text: r1ZeroPrompt(question) };
    case 'chat': {
      const user: ChatMessage = { role: 'user', content: question };
      const { system } = presentation;
      return { kind: 'chat', messages: system === '' ? [user] : [{ role: 'system', content: system }, user] };
    }
  }
}

/** A response with this answer that keeps the format. */
export function presentReference(presentation: Presentation, reasoning: string, answer: string): string {
  if (presentation.format === 'none') return answer;
  return `<think>${reasoning}</think> <answer>${answer}</answer>`;
}
