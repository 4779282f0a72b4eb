/** In which form problems are put to a model, and the codec for it. */
import { AhaError } from '../../errors.ts';
import { r1ZeroPrompt, type PromptForm } from '../../task/presentation.ts';
import { chatTemplateOf } from '../../text/chat-template.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { createPromptCodec, type PromptCodec } from '../../train/prompt-codec.ts';
import { readStoredRecipe } from '../runs/run-files.ts';

/**
 * What `auto` means for the model called `name`: the form that the run used which made it; else the chat template of
 * the model, if it has one; else the template of DeepSeek-R1-Zero, which is made for base models; else, for a small
 * model from scratch that does not know the letters of that template, the problem as it is.
 */
export async function chooseForm(
  asked: 'auto' | PromptForm,
  name: string,
  tokenizer: Tokenizer,
): Promise<PromptForm> {
  if (asked !== 'auto') return asked;
  const stored = (await readStoredRecipe(name))?.recipe;
  if (stored !== undefined && stored.prompt !== 'auto') return stored.prompt;
  if (tokenizer.chatTemplate !== undefined) return 'chat';
  return canRead(tokenizer, r1ZeroPrompt('')) ? 'r1-zero' : 'raw';
}

function canRead(tokenizer: Tokenizer, text: string): boolean {
  try {
    tokenizer.encode(text);
    return true;
  } catch (error) {
    if (error instanceof AhaError) return false;
    throw error;
  }
}

/** Throws `AhaError` (template-missing) when form chat is asked of a model without a chat template. */
export function codecFor(
  tokenizer: Tokenizer,
  form: PromptForm,
  source: string,
  stopStrings: readonly string[] = [],
  templateVariables: Readonly<Record<string, unknown>> = {},
): PromptCodec {
  if (form !== 'chat') {
    // A base model that has answered goes on with a question of its own.
    const ends = form === 'r1-zero' ? ['</answer>'] : [];
    return createPromptCodec(tokenizer, { stopStrings: [...ends, ...stopStrings] });
  }
  const template = chatTemplateOf(tokenizer);
  if (template === undefined) {
    throw new AhaError({
      code: 'template-missing',
      boundary: 'text',
      what: `${source} has no chat template`,
      fix: 'Put problems to it as plain text: --prompt r1-zero for a base model, --prompt raw for one that was trained on raw prompts.',
    });
  }
  return createPromptCodec(tokenizer, { template, templateVariables, stopStrings });
}
