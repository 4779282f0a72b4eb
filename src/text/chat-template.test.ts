import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isAhaError } from '../errors.ts';
import { ChatTemplate, chatTemplateOf, turnEndTokens, type ChatMessage } from './chat-template.ts';
import { Tokenizer } from './tokenizer.ts';

interface Golden {
  readonly specialTokens: Record<string, string>;
  readonly now: string;
  readonly templates: Record<string, string>;
  readonly conversations: Record<string, ChatMessage[]>;
  readonly options: readonly Record<string, unknown>[];
  readonly results: readonly {
    template: string;
    conversation: string;
    options: number;
    text?: string;
    refused?: string;
    failed?: string;
  }[];
}

// Goldens by test/fixtures/text/make-chat-templates.py: apply_chat_template of transformers 5.18.
const path = new URL('../../test/fixtures/text/chat-templates.json', import.meta.url);
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden;
const clock = { monotonic: () => 0, wall: () => new Date(golden.now).getTime() };
const { specialTokens } = golden;

function outcome(template: ChatTemplate, messages: readonly ChatMessage[], options: Record<string, unknown>) {
  const { add_generation_prompt: addGenerationPrompt, tools, ...variables } = options;
  try {
    const text = template.render(messages, {
      addGenerationPrompt: addGenerationPrompt === true,
      ...(tools === undefined ? {} : { tools: tools as unknown[] }),
      variables,
    });
    return { text };
  } catch (error) {
    if (!isAhaError(error)) throw error;
    return error.code === 'template-refused' ? { refused: error.found } : { failed: error.code };
  }
}

describe.each(Object.keys(golden.templates))('the template of %s', (name) => {
  const template = new ChatTemplate(golden.templates[name]!, { specialTokens, clock });
  const results = golden.results.filter((result) => result.template === name);

  test('renders as transformers', () => {
    expect(results.length).toBeGreaterThan(30);
    for (const { conversation, options, text, refused } of results) {
      const actual = outcome(template, golden.conversations[conversation]!, golden.options[options]!);
      const expected =
        text === undefined ? (refused === undefined ? { failed: 'template-failed' } : { refused }) : { text };
      expect({ conversation, options, ...actual }).toEqual({ conversation, options, ...expected });
    }
  });
});

describe('turnEndTokens', () => {
  const tokenizerFolder = new URL('../../test/fixtures/text/tokenizers/', import.meta.url);
  const tokenizerOf = (name: string, config: unknown = {}): Tokenizer => {
    const { tokenizer } = JSON.parse(readFileSync(new URL(`${name}.json`, tokenizerFolder), 'utf8')) as {
      tokenizer: unknown;
    };
    return new Tokenizer({ tokenizer, config, source: name });
  };

  test.each([
    ['smollm2', 'smollm', '<|im_end|>'],
    ['qwen2.5', 'qwen2', '<|im_end|>'],
    ['qwen3', 'qwen2', '<|im_end|>'],
    ['llama3', 'llama3', '<|eot_id|>'],
    ['llama3.1', 'llama3', '<|eot_id|>'],
    ['mistral', 'mistral', '</s>'],
  ])('the template of %s ends a turn', (template, name, end) => {
    const config = { chat_template: golden.templates[template], bos_token: undefined };
    const names =
      name === 'mistral'
        ? { bos_token: '<s>', eos_token: '</s>' }
        : name === 'llama3'
          ? { bos_token: '<|begin_of_text|>' }
          : {};
    const tokenizer = tokenizerOf(name, { ...config, ...names });
    const chatTemplate = chatTemplateOf(tokenizer, { clock })!;
    expect(turnEndTokens(tokenizer, chatTemplate).map((id) => tokenizer.idToToken(id))).toEqual([end]);
  });

  test.each([
    ['nothing after what was said', '{% for m in messages %}{{ m.content }}{% endfor %}'],
    ['text and then a token', '{% for m in messages %}{{ m.content }} END <|im_end|>{% endfor %}'],
    ['the next turn without an end', '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}'],
    [
      'an assistant that is left out',
      "{% for m in messages if m.role == 'user' %}{{ m.content }}<|im_end|>{% endfor %}",
    ],
  ])('no end: %s', (_, source) => {
    const tokenizer = tokenizerOf('smollm');
    expect(turnEndTokens(tokenizer, new ChatTemplate(source))).toEqual([]);
  });

  test('without a template there is none to ask', () => {
    expect(chatTemplateOf(tokenizerOf('smollm'))).toBeUndefined();
  });
});

describe('templates that cannot be used', () => {
  test.each([
    ['an unclosed tag', '{% if x %}', /./],
    ['an unknown tag', '{% frobnicate %}', /./],
    ['an unclosed string', "{{ 'a }}", /./],
    ['too large', 'x'.repeat(600_000), /600000 characters/],
    [
      'a long run of white space',
      `a${' '.repeat(50_000)}b`,
      /2000 white-space characters in a row at position 1/,
    ],
    ['deep nesting', `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`, /nests or grows without end/],
  ])('%s', (_, source, message) => {
    expect(() => new ChatTemplate(source)).toThrow(
      expect.objectContaining({
        name: 'AhaError',
        boundary: 'text',
        code: 'template-malformed',
        message: expect.stringMatching(message),
      }),
    );
  });
});

describe('templates that do not end, or grow', () => {
  const long = 'a'.repeat(50_000);
  test.each([
    ['a long range', '{% for i in range(20000000) %}{% endfor %}'],
    ['nested loops', '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'],
    ['recursion', '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}'],
    [
      'exponential recursion',
      '{% macro f(n) %}{% if n > 0 %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(200) }}',
    ],
    [
      'a string that doubles',
      "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    ],
    [
      'a list that doubles',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    ],
    [
      'a list of itself twice, written out',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}',
    ],
    ['a knot', '{% set ns = namespace(x=1) %}{% set ns.x = [ns] %}{{ ns.x|tojson }}'],
    [
      'two namespaces',
      '{% set a = namespace(x=1) %}{% set b = namespace(y=a) %}{% set a.x = b %}{{ a|tojson }}',
    ],
    ['a wide indentation', "{{ 'a'|indent(1000000000) }}"],
    ['a wide indentation of JSON', '{{ [1, [2]]|tojson(indent=100000000) }}'],
    ['a replacement', "{{ messages[0].content|replace('a', messages[0].content) }}"],
    ['a separator', '{{ messages[0].content|join(messages[0].content) }}'],
    ['a slow search', "{{ ('b' ~ messages[0].content) in (messages[0].content ~ messages[0].content) }}"],
    ['a slow split', "{{ messages[0].content.split('b' ~ messages[0].content)|length }}"],
    ['many slices', '{% for i in range(99999) %}{{ messages[0].content[0:1] }}{% endfor %}'],
    ['a huge power', '{{ 9**9**9**9 }}'],
  ])('%s', (_, source) => {
    const template = new ChatTemplate(source);
    expect(() => template.render([{ role: 'user', content: long }])).toThrow(
      expect.objectContaining({ name: 'AhaError', boundary: 'text', code: 'template-failed' }),
    );
  });

  test('a long conversation is no such thing', () => {
    const template = new ChatTemplate(golden.templates['qwen3']!, { specialTokens });
    const messages = Array.from({ length: 400 }, (_, i) => ({
      role: i % 2 === 0 ? 'user' : 'assistant',
      content: `<think>\n${'because '.repeat(200)}</think>\n\nso`,
    }));
    expect(template.render(messages).match(/<\|im_end\|>/g)).toHaveLength(400);
  });
});

describe('render', () => {
  test('of no messages is an error', () => {
    expect(() => new ChatTemplate('x').render([])).toThrow(
      expect.objectContaining({ code: 'messages-empty' }),
    );
  });

  test('says why a template refuses', () => {
    const template = new ChatTemplate(golden.templates['gemma']!, { specialTokens });
    expect(() => template.render([{ role: 'system', content: 'x' }])).toThrow(/System role not supported/);
  });

  test('messages that hold themselves are an error', () => {
    const message: Record<string, unknown> = { role: 'user', content: 'x' };
    message['self'] = message;
    expect(() => new ChatTemplate('x').render([message as unknown as ChatMessage])).toThrow(
      expect.objectContaining({ code: 'template-failed' }),
    );
  });
});
