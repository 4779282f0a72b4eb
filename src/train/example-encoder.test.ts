import { describe, expect, it } from 'vitest';
import { ChatTemplate } from '../text/chat-template.ts';
import { createCharacterTokenizer } from '../text/character-tokenizer.ts';
import { createExampleEncoder, type EncodedExample } from './example-encoder.ts';
import { exampleOf } from './example-schema.ts';
import { createPromptCodec } from './prompt-codec.ts';

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:<>/|\n ?.';
const tokenizer = createCharacterTokenizer({ alphabet: letters });
const eos = tokenizer.idToToken(tokenizer.eosIds[0]!)!;
/** Ends the assistant's turns with the end token and a line break. */
const plain =
  "{% for m in messages %}{{ m.role }}:{{ m.content }}{% if m.role == 'assistant' %}" +
  eos +
  "{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
/** As Qwen3's: reasoning of earlier turns is dropped. */
const forgetful =
  "{% for m in messages %}{{ m.role }}:{% if loop.last or m.role == 'user' %}{{ m.content }}{% else %}" +
  "{{ m.content.split('</t>')[-1] }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
/** As R1's distillations: the answer begins in the prompt. */
const begins =
  '{% for m in messages %}{{ m.role }}:{{ m.content }}.{% endfor %}' +
  '{% if add_generation_prompt %}assistant:<t>{% endif %}';

function encoder(source: string | undefined, learn: 'all' | 'last' = 'all') {
  const template = source === undefined ? undefined : new ChatTemplate(source);
  return createExampleEncoder({
    tokenizer,
    codec: createPromptCodec(tokenizer, { template }),
    template,
    learn,
  });
}

/** The texts that are learned, one per stretch. */
function learnedTexts({ tokens, learned }: EncodedExample): string[] {
  const texts: string[] = [];
  for (const [t, flag] of learned.entries()) {
    if (flag === 0) continue;
    const text = tokenizer.decode([tokens[t]!]);
    if (learned[t - 1] === 1) texts[texts.length - 1] += text;
    else texts.push(text);
  }
  return texts;
}

function encode(row: Record<string, unknown>, source: string | undefined = plain, learn?: 'all' | 'last') {
  const example = exampleOf(row);
  return typeof example === 'string' ? example : encoder(source, learn)(example);
}

function learned(row: Record<string, unknown>, source?: string, learn?: 'all' | 'last'): string[] {
  const encoded = encode(row, source, learn);
  if (typeof encoded === 'string') throw new Error(encoded);
  return learnedTexts(encoded);
}

const conversation = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'uno' },
    { role: 'user', content: 'two' },
    { role: 'assistant', content: 'due' },
  ],
};
const marked = (marks: (boolean | undefined)[]) => ({
  messages: conversation.messages.map((message, index) => ({
    ...message,
    ...(marks[index] === undefined ? {} : { train: marks[index] }),
  })),
});

describe('the encoder of examples', () => {
  it('learns what the assistant says and the end of its turns, and nothing else', () => {
    expect(learned(conversation)).toEqual([`uno${eos}`, `due${eos}`]);
    expect(learned(conversation, plain, 'last')).toEqual([`due${eos}`]);
  });

  it('keeps the whole conversation as the template writes it, without what follows the last turn', () => {
    const encoded = encode(conversation) as EncodedExample;
    expect(tokenizer.decode(encoded.tokens)).toBe(
      `system:Be brief.\nuser:one\nassistant:uno${eos}\nuser:two\nassistant:due${eos}`,
    );
    expect(encoded.learned[0]).toBe(0);
  });

  it('lets messages decide for themselves', () => {
    const no = undefined;
    expect(learned(marked([no, no, false, no, no]))).toEqual([`due${eos}`]);
    expect(learned(marked([no, no, true, no, no]), plain, 'last')).toEqual([`uno${eos}`, `due${eos}`]);
    // Nothing after the last learned turn is computed.
    const encoded = encode(marked([no, no, no, no, false])) as EncodedExample;
    expect(tokenizer.decode(encoded.tokens)).toBe(`system:Be brief.\nuser:one\nassistant:uno${eos}`);
    expect(encode(marked([no, no, false, no, false]))).toContain('no turn of the assistant');
  });

  it('gives a prompt with its completion the tokens that sampling has', () => {
    const codec = createPromptCodec(tokenizer);
    const encoded = encode({ prompt: 'what?', completion: 'that' }, undefined) as EncodedExample;
    const prompt = codec.encodePrompt({ kind: 'text', text: 'what?' }).tokens;
    expect([...encoded.tokens]).toEqual([...prompt, ...codec.encodeResponse('that')]);
    expect(encoded.promptLength).toBe(prompt.length);
    expect(learnedTexts(encoded)).toEqual([`that${eos}`]);
    const messages = [{ role: 'user', content: 'what?' }];
    expect(learned({ prompt: messages, completion: 'that' })).toEqual([`that${eos}`]);
    expect(learned({ prompt: messages, completion: [{ role: 'assistant', content: 'that' }] })).toEqual([
      `that${eos}`,
    ]);
  });

  it('learns all of a plain text but its first token', () => {
    const encoded = encode({ text: 'abc' }, undefined) as EncodedExample;
    expect(tokenizer.decode(encoded.tokens).endsWith(`abc${eos}`)).toBe(true);
    expect(encoded.learned.reduce((a, b) => a + b)).toBe(encoded.tokens.length - 1);
  });

  it('refuses a conversation that the template rewrites, and learns its last turn', () => {
    const reasoned = {
      messages: [
        { role: 'user', content: 'one' },
        { role: 'assistant', content: '<t>hm</t>uno' },
        { role: 'user', content: 'two' },
        { role: 'assistant', content: '<t>oh</t>due' },
      ],
    };
    expect(encode(reasoned, forgetful)).toContain('drops reasoning from earlier turns');
    expect(learned(reasoned, forgetful, 'last')).toEqual(['<t>oh</t>due\n']);
  });

  it('refuses a template that begins the answer itself, at once', () => {
    expect(() => encode(conversation, begins)).toThrow(
      expect.objectContaining({ code: 'template-rewrites-history' }) as Error,
    );
  });

  it.each<[Record<string, unknown>, string]>([
    [{ message: [] }, 'is "message" meant'],
    [{ messages: [] }, 'messages is empty'],
    [{ messages: [{ role: 'user', content: 'x' }] }, 'no message of the assistant'],
    [{ messages: [{ role: 'assistant' }] }, 'messages[0] has no content'],
    [{ messages: [{ role: 'assistant', content: 'x', train: 'yes' }] }, 'train is neither true nor false'],
    [{ messages: ['x'] }, 'messages[0] is no object'],
    [{ promt: 'a', completion: 'b' }, 'is "promt" meant'],
    [{ prompt: '', completion: 'b' }, 'prompt is empty'],
    [{ prompt: 'a', completion: '' }, 'completion is empty'],
    [{ text: '  ' }, 'text is empty'],
    [{ text: 'a§' }, '§'],
  ])('says what is wrong with %j', (row, fault) => {
    expect(encode(row)).toContain(fault);
  });

  it('says that conversations need a template', () => {
    const example = exampleOf(conversation);
    expect(encoder(undefined)(example as Exclude<typeof example, string>)).toContain('no chat template');
  });
});
