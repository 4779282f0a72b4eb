import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  expectRefusal,
  fixture,
  plainSafetensors,
  safetensorsBytes,
  temporaryFolder,
} from '../../test/model-files.ts';
import { checkTensors, expectedTensors, openCheckpoint } from './checkpoint.ts';
import { elementCount } from './stored-tensor.ts';

/** A copy of a fixture that a test may break. */
function copyOf(...path: string[]): string {
  const folder = temporaryFolder();
  cpSync(fixture(...path), folder, { recursive: true });
  return folder;
}

function editJson(path: string, edit: (json: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

describe.each(['llama', 'qwen2', 'qwen3'])('a folder: %s', (name) => {
  test('has exactly the tensors of its architecture, with the values of the file', async () => {
    const folder = fixture('models', name);
    const checkpoint = await openCheckpoint(folder);
    const file = plainSafetensors(join(folder, 'model.safetensors'));
    expect(checkpoint.warnings).toEqual([]);
    expect(checkpoint.tensorNames.toSorted()).toEqual([...file.keys()].toSorted());
    expect(new Set(expectedTensors(checkpoint.config).map((tensor) => tensor.name))).toEqual(
      new Set(file.keys()),
    );
    for (const [tensorName, { shape, values }] of file) {
      const tensor = checkpoint.tensor(tensorName);
      expect(tensor.shape).toEqual(shape);
      const target = new Float32Array(elementCount(shape));
      await tensor.readInto(target);
      expect(target).toEqual(values);
    }
    expect(checkpoint.originalConfig?.['model_type']).toBe(name);
    expect(checkpoint.eosTokenIds).toEqual([2]);
    await checkpoint.close();
  });
});

test('shards written by transformers, in bf16', async () => {
  const folder = fixture('checkpoints', 'models', 'sharded');
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint.tensorNames).toHaveLength(expectedTensors(checkpoint.config).length);
  for (const name of checkpoint.tensorNames) {
    const tensor = checkpoint.tensor(name);
    expect(tensor.dtype).toBe('BF16');
    const target = new Float32Array(elementCount(tensor.shape));
    await tensor.readInto(target);
    // Random weights: none may be left as they were in memory.
    expect(target.every((value) => value !== 0)).toBe(true);
  }
  await checkpoint.close();
});

test('companion files are handed on, even if they disappear meanwhile', async () => {
  const source = fixture('checkpoints', 'models', 'qwen2');
  const folder = copyOf('checkpoints', 'models', 'qwen2');
  const checkpoint = await openCheckpoint(folder);
  rmSync(join(folder, 'tokenizer.json'));
  expect(checkpoint.files.map((file) => file.name)).toEqual([
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
  ]);
  const tokenizer = await checkpoint.files[0]!.read();
  expect(Buffer.from(tokenizer).equals(readFileSync(join(source, 'tokenizer.json')))).toBe(true);
  await checkpoint.close();
});

test('eos ids of the generation configuration count too', async () => {
  const folder = copyOf('models', 'llama');
  writeFileSync(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [7, 2, 9999, 'x'] }));
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint.eosTokenIds).toEqual([2, 7]);
  await checkpoint.close();
});

test('a folder with one GGUF file is that file', async () => {
  const folder = temporaryFolder();
  cpSync(fixture('checkpoints', 'models', 'linear', 'converted.gguf'), join(folder, 'a.gguf'));
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint.format).toBe('gguf');
  await checkpoint.close();
  cpSync(join(folder, 'a.gguf'), join(folder, 'b.gguf'));
  const error = await expectRefusal(openCheckpoint(folder), 'checkpoint-not-found');
  expect(error.message).toContain('b.gguf');
});

describe('tensors', () => {
  test('harmless extras are silent, others are named', async () => {
    const checkpoint = await openCheckpoint(fixture('models', 'qwen2'));
    const tensors = new Map<string, { shape: readonly number[] }>(
      checkpoint.tensorNames.map((name) => [name, checkpoint.tensor(name)]),
    );
    await checkpoint.close();
    tensors.set('lm_head.weight', { shape: [1] });
    tensors.set('model.layers.0.self_attn.rotary_emb.inv_freq', { shape: [8] });
    expect(checkTensors(checkpoint.config, tensors, 'here')).toEqual([]);
    for (let i = 0; i < 7; i++) tensors.set(`model.layers.0.adapter.${i}`, { shape: [1] });
    const [warning] = checkTensors(checkpoint.config, tensors, 'here');
    expect(warning).toContain('model.layers.0.adapter.0');
    expect(warning).toContain('2 more');
  });

  test('missing, misshapen or unknown ones are named', async () => {
    const checkpoint = await openCheckpoint(fixture('models', 'llama'));
    await checkpoint.close();
    const all = new Map(expectedTensors(checkpoint.config).map((tensor) => [tensor.name, tensor]));
    const check = async (change: (tensors: Map<string, { shape: readonly number[] }>) => void) => {
      const tensors = new Map<string, { shape: readonly number[] }>(all);
      change(tensors);
      return Promise.resolve().then(() => checkTensors(checkpoint.config, tensors, 'here'));
    };
    const one = await expectRefusal(
      check((t) => t.delete('model.norm.weight')),
      'tensor-missing',
    );
    expect(one.message).toContain('model.norm.weight');
    const head = await expectRefusal(
      check((t) => t.delete('lm_head.weight')),
      'tensor-missing',
    );
    expect(head.message).toContain('tie_word_embeddings');
    const many = await expectRefusal(
      check((t) => t.clear()),
      'tensor-missing',
    );
    expect(many.message).toContain(`${all.size} tensors`);
    const bad = await expectRefusal(
      check((t) => t.set('model.norm.weight', { shape: [65] })),
      'tensor-shape',
    );
    expect(bad.message).toContain('found [65], expected [64]');
    await expectRefusal(
      check((t) => t.set('model.norm.weight', { shape: [64, 1] })),
      'tensor-shape',
    );
    expect(() => checkpoint.tensor('model.layers.9.x')).toThrow(/lacks tensor model.layers.9.x/);
  });
});

describe('hostile folders', () => {
  test.each<[string, (folder: string) => void, string]>([
    ['an empty config.json', (f) => writeFileSync(join(f, 'config.json'), ''), 'json-invalid'],
    ['a config.json cut short', (f) => truncateSync(join(f, 'config.json'), 100), 'json-invalid'],
    ['a config.json that is a list', (f) => writeFileSync(join(f, 'config.json'), '[]'), 'json-invalid'],
    [
      'a config.json that is not UTF-8',
      (f) => writeFileSync(join(f, 'config.json'), Buffer.of(0x7b, 0xff)),
      'json-invalid',
    ],
    ['a key twice', (f) => writeFileSync(join(f, 'config.json'), '{"a":1,"a":2}'), 'json-invalid'],
    [
      'nesting without end',
      (f) => writeFileSync(join(f, 'config.json'), `{"a":${'['.repeat(1e6)}`),
      'json-invalid',
    ],
    ['10 MB of one line', (f) => writeFileSync(join(f, 'config.json'), 'x'.repeat(10 << 20)), 'json-invalid'],
    ['config.json is a folder', (f) => replaceByFolder(join(f, 'config.json')), 'json-invalid'],
    [
      'config.json links to itself',
      (f) => replaceByLoop(join(f, 'config.json')),
      'storage-eloop|storage-unknown',
    ],
    [
      'generation_config.json is text',
      (f) => writeFileSync(join(f, 'generation_config.json'), 'no'),
      'json-invalid',
    ],
    ['no weights', (f) => rmSync(join(f, 'model.safetensors')), 'weights-not-found'],
    ['weights of zero bytes', (f) => writeFileSync(join(f, 'model.safetensors'), ''), 'checkpoint-truncated'],
    ['weights cut short', (f) => truncateSync(join(f, 'model.safetensors'), 300_000), 'checkpoint-truncated'],
    ['the weights are a folder', (f) => replaceByFolder(join(f, 'model.safetensors')), 'safetensors-invalid'],
    [
      'weights of another model',
      (f) => cpSync(fixture('models', 'qwen3', 'model.safetensors'), join(f, 'model.safetensors')),
      'tensor-shape',
    ],
    [
      'weights without tensors',
      (f) => writeFileSync(join(f, 'model.safetensors'), safetensorsBytes({})),
      'tensor-missing',
    ],
    [
      'a wrong number of layers',
      (f) => editJson(join(f, 'config.json'), (c) => (c['num_hidden_layers'] = 3)),
      'tensor-missing',
    ],
    [
      'a wrong width',
      (f) => editJson(join(f, 'config.json'), (c) => (c['intermediate_size'] = 161)),
      'tensor-shape',
    ],
  ])('%s', async (_, damage, code) => {
    const folder = copyOf('models', 'llama');
    damage(folder);
    const error = await expectRefusal(openCheckpoint(folder), new RegExp(`^(${code})$`));
    expect(error.message).toContain(folder);
  });

  test('deep nesting in a key that nobody reads does no harm', async () => {
    const folder = copyOf('models', 'llama');
    const nested = `{"x":${'['.repeat(1e5)}${']'.repeat(1e5)},`;
    editText(join(folder, 'config.json'), (text) => nested + text.slice(1));
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.config.layers).toBe(2);
    await checkpoint.close();
  });

  const indexFile = 'model.safetensors.index.json';
  const shard = 'model-00003-of-00005.safetensors';
  test.each<[string, (folder: string) => void, string]>([
    ['an absent shard', (f) => rmSync(join(f, shard)), 'shard-missing'],
    ['a shard cut short', (f) => truncateSync(join(f, shard), 5000), 'checkpoint-truncated'],
    ['a shard of zero bytes', (f) => writeFileSync(join(f, shard), ''), 'checkpoint-truncated'],
    ['a shard that is a folder', (f) => replaceByFolder(join(f, shard)), 'safetensors-invalid'],
    ['a shard that is the index', (f) => setShard(f, indexFile), 'safetensors-index-invalid'],
    ['a shard outside the folder', (f) => setShard(f, '../model.safetensors'), 'safetensors-index-invalid'],
    ['a shard by absolute path', (f) => setShard(f, '/etc/passwd.safetensors'), 'safetensors-index-invalid'],
    ['a shard on Windows', (f) => setShard(f, '..\\x.safetensors'), 'safetensors-index-invalid'],
    ['a shard that is a number', (f) => setShard(f, 4), 'safetensors-index-invalid'],
    [
      'a tensor in another shard',
      (f) => setShard(f, 'model-00001-of-00005.safetensors'),
      'safetensors-index-invalid',
    ],
    ['shards swapped', swapShards, 'safetensors-index-invalid'],
    ['shards that link in a circle', (f) => replaceByLoop(join(f, shard)), 'storage-eloop|storage-unknown'],
    ['an index without a map', (f) => writeFileSync(join(f, indexFile), '{}'), 'safetensors-index-invalid'],
    [
      'an index with an empty map',
      (f) => writeFileSync(join(f, indexFile), '{"weight_map":{}}'),
      'safetensors-index-invalid',
    ],
    ['an index cut short', (f) => truncateSync(join(f, indexFile), 500), 'json-invalid'],
    ['a tensor left out of the index', leaveOut, 'tensor-missing'],
  ])('%s', async (_, damage, code) => {
    const folder = copyOf('checkpoints', 'models', 'sharded');
    damage(folder);
    await expectRefusal(openCheckpoint(folder), new RegExp(`^(${code})$`));
  });

  function setShard(folder: string, value: unknown): void {
    editJson(join(folder, indexFile), (index) => {
      (index['weight_map'] as Record<string, unknown>)['model.norm.weight'] = value;
    });
  }
  function leaveOut(folder: string): void {
    editJson(join(folder, indexFile), (index) => {
      delete (index['weight_map'] as Record<string, unknown>)['model.norm.weight'];
    });
  }
  function swapShards(folder: string): void {
    const other = join(folder, 'model-00002-of-00005.safetensors');
    cpSync(other, join(folder, shard));
  }

  test('files stay closed after a refusal', async () => {
    const folder = copyOf('checkpoints', 'models', 'sharded');
    rmSync(join(folder, 'model-00005-of-00005.safetensors'));
    const before = openFiles();
    for (let i = 0; i < 20; i++) await expectRefusal(openCheckpoint(folder), 'shard-missing');
    expect(openFiles()).toBeLessThan(before + 10);
  });

  test('what is no model says what it is', async () => {
    const folder = temporaryFolder();
    const empty = await expectRefusal(openCheckpoint(folder), 'checkpoint-not-found');
    expect(empty.message).toContain('an empty folder');
    writeFileSync(join(folder, 'adapter_config.json'), '{}');
    const adapter = await expectRefusal(openCheckpoint(folder), 'checkpoint-not-found');
    expect(adapter.message).toContain('LoRA adapter');
    cpSync(fixture('models', 'llama', 'config.json'), join(folder, 'config.json'));
    writeFileSync(join(folder, 'pytorch_model.bin'), 'x');
    const pickle = await expectRefusal(openCheckpoint(folder), 'weights-not-found');
    expect(pickle.message).toContain('Pickle');
    const file = await expectRefusal(
      openCheckpoint(fixture('models', 'llama', 'model.safetensors')),
      'checkpoint-not-found',
    );
    expect(file.message).toContain('path of the folder');
  });
});

function editText(path: string, edit: (text: string) => string): void {
  writeFileSync(path, edit(readFileSync(path, 'utf8')));
}

function replaceByFolder(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

function replaceByLoop(path: string): void {
  rmSync(path);
  symlinkSync(join(dirname(path), 'loop'), path);
  symlinkSync(path, join(dirname(path), 'loop'));
}

function openFiles(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}
