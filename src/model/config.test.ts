import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AhaError } from '../errors.ts';
import { fixture } from '../../test/model-files.ts';
import { expectedTensors } from './checkpoint.ts';
import { configToHuggingFace, parseHuggingFaceConfig, type ModelConfig, type RopeConfig } from './config.ts';

interface Golden {
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly parameters: Record<string, number[]>;
  readonly windows: number[];
  readonly resolved: {
    rms_norm_eps: number;
    num_key_value_heads: number;
    max_position_embeddings: number;
    tie_word_embeddings: boolean;
    rope_parameters: Record<string, unknown>;
    initializer_range: number;
    bos_token_id: number | null;
    eos_token_id: number | number[] | null;
    pad_token_id: number | null;
  };
  readonly headDim: number;
}

// What transformers 5.18 makes of them: test/fixtures/checkpoints/generate.py.
const goldens = JSON.parse(readFileSync(fixture('checkpoints', 'configs.json'), 'utf8')) as Golden[];

const base = {
  model_type: 'llama',
  vocab_size: 50,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};
const parse = (changes: Record<string, unknown> = {}) =>
  parseHuggingFaceConfig({ ...base, ...changes }, 'config.json');

describe.each(goldens)('as transformers reads it: $name', ({ config: raw, resolved, ...golden }) => {
  const config = parseHuggingFaceConfig(raw, 'config.json');

  test('numbers and defaults', () => {
    const longest = resolved.max_position_embeddings;
    expect(config).toMatchObject({
      rmsNormEps: resolved.rms_norm_eps,
      keyValueHeads: resolved.num_key_value_heads,
      headDim: golden.headDim,
      tieWordEmbeddings: resolved.tie_word_embeddings,
      initializerRange: resolved.initializer_range,
      contextLength: Math.min(longest, ...golden.windows),
      bosTokenId: resolved.bos_token_id,
      padTokenId: resolved.pad_token_id,
    });
    // transformers ends texts with 2 where Llama and Mistral configurations say nothing; that is no knowledge.
    expect(config.eosTokenIds).toEqual('eos_token_id' in raw ? [resolved.eos_token_id].flat() : []);
    expect(withoutUndefined(ropeInWordsOfTransformers(config.rope))).toEqual(
      withoutUndefined({ ...resolved.rope_parameters, type: undefined }),
    );
  });

  test('parameters by name and shape', () => {
    const ours = Object.fromEntries(expectedTensors(config).map(({ name, shape }) => [name, shape]));
    expect(ours).toEqual(golden.parameters);
  });

  test('survives being written and read', () => {
    const written: unknown = JSON.parse(JSON.stringify(configToHuggingFace(config)));
    expect(parseHuggingFaceConfig(written, 'written')).toEqual({
      ...config,
      slidingWindow: null,
    } satisfies ModelConfig);
  });
});

function ropeInWordsOfTransformers(rope: RopeConfig): Record<string, unknown> {
  const all = { rope_type: rope.kind, rope_theta: rope.theta };
  switch (rope.kind) {
    case 'default':
      return all;
    case 'linear':
      return { ...all, factor: rope.factor };
    case 'llama3':
      return {
        ...all,
        factor: rope.factor,
        low_freq_factor: rope.lowFreqFactor,
        high_freq_factor: rope.highFreqFactor,
        original_max_position_embeddings: rope.originalMaxPositionEmbeddings,
      };
    case 'yarn':
      return {
        ...all,
        factor: rope.factor,
        attention_factor: rope.attentionFactor,
        beta_fast: rope.betaFast === 32 ? undefined : rope.betaFast,
        beta_slow: rope.betaSlow === 1 ? undefined : rope.betaSlow,
        mscale: rope.mscale,
        mscale_all_dim: rope.mscaleAllDim,
        original_max_position_embeddings: rope.originalMaxPositionEmbeddings,
        truncate: rope.truncate ? undefined : false,
      };
  }
}

function withoutUndefined(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

test('what a vendor writes and we do not use is ignored', () => {
  expect(parse({ vendor_secret: [1], use_cache: true, attention_dropout: 0.1 })).toEqual(parse());
});

test('the fixtures are what they are', () => {
  const read = (name: string) =>
    parseHuggingFaceConfig(JSON.parse(readFileSync(fixture('models', name, 'config.json'), 'utf8')), name);
  expect(read('llama')).toMatchObject({ architecture: 'llama', attentionBias: 'none', queryKeyNorm: false });
  expect(read('qwen2')).toMatchObject({ attentionBias: 'qkv', tieWordEmbeddings: true, headDim: 16 });
  expect(read('qwen3')).toMatchObject({ attentionBias: 'none', queryKeyNorm: true, headDim: 32 });
});

test('a window limits the context, within which it never closes', () => {
  const mistral = parse({ model_type: 'mistral', num_key_value_heads: 2, sliding_window: 1000 });
  expect(mistral).toMatchObject({ contextLength: 1000, slidingWindow: 1000 });
  const wide = parse({
    model_type: 'mistral',
    num_key_value_heads: 2,
    sliding_window: 5000,
    max_position_embeddings: 2000,
  });
  expect(wide.contextLength).toBe(2000);
  const layers = { num_key_value_heads: 4, use_sliding_window: true, sliding_window: 512 };
  const types = (...layer_types: string[]) =>
    parse({ model_type: 'qwen2', ...layers, layer_types }).contextLength;
  expect(types('full_attention', 'sliding_attention')).toBe(512);
  expect(types('full_attention', 'full_attention')).toBe(32_768);
});

test('Meta pads with −1: not at all', () => {
  expect(parse({ pad_token_id: -1 }).padTokenId).toBeNull();
});

describe('what is not supported is refused by name', () => {
  test.each<[string, Record<string, unknown>, string, string]>([
    ['another architecture', { model_type: 'gemma3_text' }, 'gemma3_text', 'llama, mistral, qwen2, qwen3'],
    ['a mixture of experts', { model_type: 'mixtral' }, 'mixtral', 'llama, mistral'],
    [
      'a classifier',
      { architectures: ['LlamaForSequenceClassification'] },
      'Classification',
      'LlamaForCausalLM',
    ],
    ['an activation', { hidden_act: 'gelu' }, 'gelu', 'silu'],
    ['bitsandbytes', { quantization_config: { quant_method: 'bitsandbytes' } }, 'bitsandbytes', 'GGUF'],
    ['a quantisation without a name', { quantization_config: 4 }, 'quantization_config', 'GGUF'],
    ['dynamic RoPE', { rope_scaling: { type: 'dynamic', factor: 2 } }, 'dynamic', 'yarn'],
    ['longrope', { rope_parameters: { rope_type: 'longrope' } }, 'longrope', 'default, linear, llama3, yarn'],
    ['mrope', { rope_scaling: { type: 'mrope', mrope_section: [1] } }, 'mrope', 'linear'],
    ['partial RoPE', { partial_rotary_factor: 0.5 }, '0.5', '1'],
    ['partial RoPE, new form', { rope_parameters: { partial_rotary_factor: 0.25 } }, '0.25', '1'],
    [
      'RoPE per layer',
      { rope_parameters: { full_attention: {}, sliding_attention: {} } },
      'full_attention',
      'same',
    ],
    [
      'linear attention',
      { model_type: 'qwen3', layer_types: ['linear_attention'] },
      'linear_attention',
      'full',
    ],
  ])('%s', (_, changes, found, expected) => {
    const error = refusal(() => parse(changes));
    expect(error.code).toBe('model-unsupported');
    expect(error.message).toContain(found);
    expect(error.message).toContain(expected);
    expect(error.message).toContain('config.json');
  });
});

describe('what makes no sense is refused', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['a list', []],
    ['a text', 'llama'],
    ['nothing in it', {}],
    ['no architecture', { ...base, model_type: undefined }],
    ['an architecture that is a number', { ...base, model_type: 7 }],
    ['no hidden size', { ...base, hidden_size: undefined }],
    ['a text for a number', { ...base, hidden_size: '64' }],
    ['a negative size', { ...base, hidden_size: -64 }],
    ['a fraction', { ...base, num_hidden_layers: 2.5 }],
    ['a number beyond all memory', { ...base, vocab_size: 1e15 }],
    ['layers beyond all patience', { ...base, num_hidden_layers: 2 ** 30 }],
    ['no layers', { ...base, num_hidden_layers: 0 }],
    ['heads that do not divide', { ...base, num_key_value_heads: 3 }],
    ['an odd head', { ...base, head_dim: 15 }],
    ['a head that is no integer', { ...base, num_attention_heads: 3, num_key_value_heads: 3 }],
    ['an epsilon of zero', { ...base, rms_norm_eps: 0 }],
    ['an epsilon that is text', { ...base, rms_norm_eps: '1e-5' }],
    ['eos outside the vocabulary', { ...base, eos_token_id: 50 }],
    ['eos as a text', { ...base, eos_token_id: '</s>' }],
    ['rope_scaling as a text', { ...base, rope_scaling: 'linear' }],
    ['rope_theta of zero', { ...base, rope_theta: 0 }],
    ['linear without a factor', { ...base, rope_scaling: { type: 'linear' } }],
    ['linear with a factor below 1', { ...base, rope_scaling: { type: 'linear', factor: 0.5 } }],
    ['llama3 without its numbers', { ...base, rope_scaling: { rope_type: 'llama3', factor: 8 } }],
    [
      'llama3 with its bounds reversed',
      { ...base, rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1 } },
    ],
    ['a window of one', { ...base, model_type: 'mistral', num_key_value_heads: 2, sliding_window: 1 }],
  ])('%s', (_, json) => {
    const error = refusal(() => parseHuggingFaceConfig(json, 'some/config.json'));
    expect(error.code, error.message).toBe('config-invalid');
    expect(error.boundary).toBe('model');
    expect(error.message).toContain('some/config.json');
  });
});

function refusal(run: () => unknown): AhaError {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AhaError);
  return thrown as AhaError;
}
