import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  expectRefusal,
  fixture,
  GgufBytes,
  temporaryFolder,
  writeTemporary,
} from '../../test/model-files.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { huggingFaceName } from './gguf-model.ts';
import { openGguf } from './gguf.ts';
import { elementCount } from './stored-tensor.ts';

async function allValues(checkpoint: Checkpoint): Promise<Map<string, number[]>> {
  const values = new Map<string, number[]>();
  for (const name of checkpoint.tensorNames.toSorted()) {
    const tensor = checkpoint.tensor(name);
    const target = new Float32Array(elementCount(tensor.shape));
    await tensor.readInto(target);
    values.set(name, [...target]);
  }
  return values;
}

// Converted by llama.cpp's own script from the safetensors beside them: test/fixtures/checkpoints/generate.py.
describe.each(['llama3', 'linear', 'mistral', 'qwen2', 'qwen3'])('converted by llama.cpp: %s', (name) => {
  const folder = fixture('checkpoints', 'models', name);

  test('is the model that was converted', async () => {
    const original = await openCheckpoint(folder);
    const converted = await openCheckpoint(join(folder, 'converted.gguf'));
    expect(converted.format).toBe('gguf');
    expect(converted.warnings).toEqual([]);
    expect(converted.config).toEqual({
      ...original.config,
      // llama.cpp has one name for both.
      architecture: name === 'mistral' ? 'llama' : original.config.architecture,
    });
    expect(await allValues(converted)).toEqual(await allValues(original));
    await original.close();
    await converted.close();
  });
});

test('the tokenizer is in the metadata', async () => {
  const checkpoint = await openCheckpoint(fixture('checkpoints', 'models', 'qwen2', 'converted.gguf'));
  const metadata = checkpoint.ggufMetadata!;
  expect(metadata.get('tokenizer.ggml.model')).toBe('gpt2');
  expect(metadata.get('tokenizer.ggml.tokens')).toHaveLength(64);
  expect(metadata.get('tokenizer.ggml.merges')).toContain('t h');
  expect(metadata.get('tokenizer.chat_template')).toContain('{% for m in messages %}');
  await checkpoint.close();
});

test('names', () => {
  expect(huggingFaceName('token_embd.weight')).toBe('model.embed_tokens.weight');
  expect(huggingFaceName('blk.12.ffn_down.weight')).toBe('model.layers.12.mlp.down_proj.weight');
  expect(huggingFaceName('blk.3.attn_q.bias')).toBe('model.layers.3.self_attn.q_proj.bias');
  expect(huggingFaceName('blk.3.ffn_gate_exps.weight')).toBeUndefined();
  expect(huggingFaceName('blk.03.attn_q.weight')).toBeUndefined();
  expect(huggingFaceName('blk.3.constructor.weight')).toBeUndefined();
  expect(huggingFaceName('constructor')).toBeUndefined();
});

describe('what is wrong with the model is said', () => {
  type Entries = Record<string, number | string | readonly number[]>;
  const good: Entries = {
    'general.architecture': 'llama',
    'llama.block_count': 1,
    'llama.context_length': 64,
    'llama.embedding_length': 8,
    'llama.feed_forward_length': 8,
    'llama.attention.head_count': 2,
    'llama.attention.layer_norm_rms_epsilon': 1e-5,
  };
  const tensors: Record<string, number[]> = {
    'token_embd.weight': [8, 10],
    'output_norm.weight': [8],
    ...Object.fromEntries(
      ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].map((name) => [
        `blk.0.${name}.weight`,
        [8, 8],
      ]),
    ),
    'blk.0.attn_norm.weight': [8],
    'blk.0.ffn_norm.weight': [8],
  };
  const file = (entries: Entries, shapes: Record<string, number[]> = {}, type = 0) => {
    const all = Object.entries({ ...good, ...entries }).filter(([, value]) => value !== '');
    const list = Object.entries({ ...tensors, ...shapes }).filter(([, shape]) => shape.length > 0);
    const gguf = new GgufBytes(3, list.length, all.length);
    for (const [key, value] of all) {
      if (typeof value === 'string') gguf.text(key, value);
      else if (typeof value === 'number') {
        gguf
          .string(key)
          .uint32(6)
          .raw(new Uint8Array(Float32Array.of(value).buffer));
      } else {
        gguf.string(key).uint32(9).uint32(6).uint64(value.length);
        gguf.raw(new Uint8Array(Float32Array.from(value).buffer));
      }
    }
    let offset = 0;
    for (const [name, shape] of list) {
      gguf.tensor(name, shape, type, offset);
      offset += Math.ceil((elementCount(shape) * 4) / 32) * 32;
    }
    gguf.pad().raw(new Uint8Array(offset));
    return writeTemporary('model.gguf', gguf.bytes());
  };

  test('the file that the others are derived from is fine', async () => {
    const checkpoint = await openCheckpoint(file({}));
    expect(checkpoint.config).toMatchObject({ layers: 1, heads: 2, keyValueHeads: 2, rmsNormEps: 1e-5 });
    expect(checkpoint.config.tieWordEmbeddings).toBe(true);
    await checkpoint.close();
  });

  test('one value for all layers may be given per layer', async () => {
    const checkpoint = await openCheckpoint(
      file(
        { 'llama.attention.head_count_kv': [1, 1] },
        {
          'blk.0.attn_k.weight': [8, 4],
          'blk.0.attn_v.weight': [8, 4],
        },
      ),
    );
    expect(checkpoint.config.keyValueHeads).toBe(1);
    await checkpoint.close();
  });

  test('a window limits the context', async () => {
    const checkpoint = await openCheckpoint(file({ 'llama.attention.sliding_window': 16 }));
    expect(checkpoint.config).toMatchObject({ contextLength: 16, slidingWindow: 16 });
    await checkpoint.close();
  });

  test.each<[string, Entries, string]>([
    ['another architecture', { 'general.architecture': 'gemma3' }, 'gemma3'],
    ['an architecture from the prototype', { 'general.architecture': 'constructor' }, 'constructor'],
    ['experts', { 'llama.expert_count': 8 }, 'expert_count'],
    ['a scale of logits (Granite)', { 'llama.logit_scale': 8 }, 'logit_scale'],
    ['part of RoPE', { 'llama.rope.dimension_count': 2 }, 'RoPE'],
    ['values of another size', { 'llama.attention.value_length': 2 }, 'Values'],
    ['longrope', { 'llama.rope.scaling.type': 'longrope', 'llama.rope.scaling.factor': 2 }, 'longrope'],
    ['no extrapolation', { 'llama.rope.scaling.yarn_ext_factor': 0 }, 'yarn_ext_factor'],
  ])('not supported: %s', async (_, entries, found) => {
    const error = await expectRefusal(openCheckpoint(file(entries)), 'model-unsupported');
    expect(error.message).toContain(found);
  });

  test.each<[string, Entries]>([
    ['no architecture', { 'general.architecture': '' }],
    ['an architecture that is a number', { 'general.architecture': 3 }],
    ['no layers', { 'llama.block_count': '' }],
    ['zero layers', { 'llama.block_count': 0 }],
    ['a billion layers', { 'llama.block_count': 1e9 }],
    ['half a layer', { 'llama.block_count': 0.5 }],
    ['layers as a text', { 'llama.block_count': 'many' }],
    ['NaN heads', { 'llama.attention.head_count': NaN }],
    ['heads that differ', { 'llama.attention.head_count_kv': [1, 2] }],
    ['heads that do not divide', { 'llama.attention.head_count_kv': 3 }],
    ['an empty list', { 'llama.attention.head_count_kv': [] }],
    ['an odd head', { 'llama.attention.head_count': 8, 'llama.embedding_length': 8 }],
    ['theta below zero', { 'llama.rope.freq_base': -1 }],
    ['a RoPE factor below 1', { 'llama.rope.scaling.factor': 0.25 }],
    ['one part of several', { 'split.count': 3 }],
  ])('not valid: %s', async (_, entries) => {
    await expectRefusal(openCheckpoint(file(entries)), 'config-invalid');
  });

  test('a missing tensor, a wrong shape, an unknown tensor, a type that is not read', async () => {
    const missing = await expectRefusal(
      openCheckpoint(file({}, { 'blk.0.ffn_up.weight': [] })),
      'tensor-missing',
    );
    expect(missing.message).toContain('model.layers.0.mlp.up_proj.weight');
    await expectRefusal(openCheckpoint(file({}, { 'token_embd.weight': [] })), 'tensor-missing');
    const shape = await expectRefusal(
      openCheckpoint(file({}, { 'blk.0.attn_q.weight': [8, 9] })),
      'tensor-shape',
    );
    expect(shape.message).toContain('found [9, 8], expected [8, 8]');
    const extra = await openCheckpoint(file({}, { 'blk.0.something.weight': [4] }));
    expect(extra.warnings[0]).toContain('blk.0.something.weight');
    await extra.close();
    const typed = await openCheckpoint(file({}, {}, 26));
    const read = typed.tensor('model.norm.weight').readInto(new Float32Array(8));
    await expectRefusal(read, 'tensor-type-unsupported');
    await typed.close();
  });

  test('factors of RoPE that are not those of Llama 3', async () => {
    const error = await expectRefusal(
      openCheckpoint(file({}, { 'rope_freqs.weight': [2] })),
      'model-unsupported',
    );
    expect(error.message).toContain('rope_freqs.weight');
  });
});

test('NaN is named by its place in the order of Hugging Face', async () => {
  const path = join(temporaryFolder(), 'model.gguf');
  copyFileSync(fixture('checkpoints', 'models', 'llama3', 'converted.gguf'), path);
  const gguf = await openGguf(path);
  const { offset } = gguf.tensors.get('blk.1.attn_q.weight')!;
  await gguf.close();
  const bytes = readFileSync(path);
  // Row 3 as stored of a head of 16 is row 9; element 5 of 32.
  bytes.writeFloatLE(NaN, offset + (3 * 32 + 5) * 4);
  writeFileSync(path, bytes);
  const checkpoint = await openCheckpoint(path);
  const tensor = checkpoint.tensor('model.layers.1.self_attn.q_proj.weight');
  const error = await expectRefusal(
    tensor.readInto(new Float32Array(elementCount(tensor.shape))),
    'tensor-not-finite',
  );
  expect(error.message).toContain(`index ${9 * 32 + 5}`);
  await checkpoint.close();
});
