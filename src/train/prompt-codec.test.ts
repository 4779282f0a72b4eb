import { describe, expect, it } from 'vitest';
import { createCharacterTokenizer } from '../text/character-tokenizer.ts';
import { chatTemplateOf } from '../text/chat-template.ts';
import { createPromptCodec } from './prompt-codec.ts';

const alphabet = ' abcdefghijklmnopqrstuvwxyzSH<>/+=0123456789|_\n';
const chatTemplate =
  "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}" +
  '{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}';

describe('createPromptCodec', () => {
  it('encodes text with the special tokens of the tokenizer, and ends responses with its end token', () => {
    const tokenizer = createCharacterTokenizer({ alphabet });
    const codec = createPromptCodec(tokenizer, { stopStrings: ['</answer>'] });
    const { tokens, text } = codec.encodePrompt({ kind: 'text', text: '1+2=' });
    expect(text).toBe('1+2=');
    expect(tokenizer.decode(tokens)).toBe('1+2=');
    const response = codec.encodeResponse('3');
    expect([...response]).toEqual([tokenizer.tokenToId('3'), tokenizer.tokenToId('<eos>')]);
    expect(codec.decodeResponse(response)).toBe('3');
    expect(codec).toMatchObject({ stopTokens: tokenizer.eosIds, stopStrings: ['</answer>'] });
    expect(codec.turnEnd).toBeUndefined();
    expect(() => codec.encodePrompt({ kind: 'chat', messages: [{ role: 'user', content: 'a' }] })).toThrow(
      'The prompt is a conversation, and this model has no chat template.',
    );
  });

  it('renders messages with the template and stops at the end of a turn', () => {
    const addedTokens = ['<|im_start|>', '<|im_end|>'];
    const tokenizer = createCharacterTokenizer({ alphabet, addedTokens, chatTemplate });
    const codec = createPromptCodec(tokenizer, { template: chatTemplateOf(tokenizer) });
    const { tokens, text } = codec.encodePrompt({
      kind: 'chat',
      messages: [{ role: 'user', content: '1+2' }],
    });
    expect(text).toBe('<|im_start|>user\n1+2<|im_end|>\n<|im_start|>assistant\n<think>\n');
    expect(tokenizer.decode(tokens)).toBe(text);
    expect(tokens.filter((token) => token === tokenizer.tokenToId('<|im_start|>'))).toHaveLength(2);
    const turnEnd = tokenizer.tokenToId('<|im_end|>')!;
    expect(codec.turnEnd).toEqual({ token: turnEnd, text: '<|im_end|>' });
    // The tokenizer's own end token is another one: both stop a response.
    expect(codec.stopTokens).toEqual([tokenizer.tokenToId('<eos>'), turnEnd]);
    expect(codec.encodeResponse('3').at(-1)).toBe(turnEnd);
  });

  it('says nothing about the end of a turn when the template ends it by no token', () => {
    const tokenizer = createCharacterTokenizer({
      alphabet,
      chatTemplate: "{% for m in messages %}{{ m['content'] }}\n{% endfor %}",
    });
    expect(createPromptCodec(tokenizer, { template: chatTemplateOf(tokenizer) }).turnEnd).toBeUndefined();
  });
});
