import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectRefusal, fixture, plainSafetensors, temporaryFolder } from '../../test/model-files.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { exportHuggingFace, type ExportContents, type ExportOptions } from './export.ts';
import { narrowToBfloat16, widenBfloat16 } from './half.ts';
import { elementCount } from './stored-tensor.ts';

function contentsOf(checkpoint: Checkpoint): ExportContents {
  return {
    config: checkpoint.config,
    originalConfig: checkpoint.originalConfig,
    generationConfig: checkpoint.generationConfig,
    files: checkpoint.files,
    tensors: checkpoint.tensorNames.map((name) => {
      const { shape } = checkpoint.tensor(name);
      return {
        name,
        shape,
        async read() {
          const values = new Float32Array(elementCount(shape));
          await checkpoint.tensor(name).readInto(values);
          return values;
        },
      };
    }),
  };
}

/** Exports what lies at `source` to a new folder. */
async function reexport(
  source: string,
  changes: Partial<ExportContents> = {},
  options: ExportOptions = {},
): Promise<string> {
  const checkpoint = await openCheckpoint(source);
  const folder = join(temporaryFolder(), 'exported');
  try {
    await exportHuggingFace(folder, { ...contentsOf(checkpoint), ...changes }, options);
  } finally {
    await checkpoint.close();
  }
  return folder;
}

const readJson = (...path: string[]) =>
  JSON.parse(readFileSync(join(...path), 'utf8')) as Record<string, unknown>;

describe('a checkpoint that was loaded', () => {
  test.each(['llama', 'qwen2', 'qwen3'])('is written back as it was: %s', async (name) => {
    const source = fixture('models', name);
    const folder = await reexport(source);
    expect(readJson(folder, 'config.json')).toEqual(readJson(source, 'config.json'));
    expect(readJson(folder, 'generation_config.json')).toEqual(readJson(source, 'generation_config.json'));
    expect(plainSafetensors(join(folder, 'model.safetensors'))).toEqual(
      plainSafetensors(join(source, 'model.safetensors')),
    );
    expect(readdirSync(folder).toSorted()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
  });

  test('brings its tokenizer', async () => {
    const source = fixture('checkpoints', 'models', 'qwen2');
    const folder = await reexport(source);
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(source, name)))).toBe(true);
    }
  });

  test('in bf16, with the type in its configuration', async () => {
    const source = fixture('models', 'llama');
    const folder = await reexport(source, { dtype: 'bf16' });
    expect(readJson(folder, 'config.json')).toEqual({
      ...readJson(source, 'config.json'),
      dtype: 'bfloat16',
    });
    const back = await openCheckpoint(folder);
    for (const [name, { values }] of plainSafetensors(join(source, 'model.safetensors'))) {
      const found = new Float32Array(values.length);
      await back.tensor(name).readInto(found);
      const rounded = new Float32Array(values.length);
      widenBfloat16(narrowToBfloat16(values), rounded);
      expect(found).toEqual(rounded);
    }
    await back.close();
  });

  test('in shards when large', async () => {
    const source = fixture('models', 'llama');
    const folder = await reexport(source, {}, { maxShardBytes: 150_000 });
    const index = readJson(folder, 'model.safetensors.index.json') as {
      metadata: { total_size: number };
      weight_map: Record<string, string>;
    };
    const shards = [...new Set(Object.values(index.weight_map))];
    expect(shards.length).toBeGreaterThan(2);
    expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`);
    const all = plainSafetensors(join(source, 'model.safetensors'));
    let bytes = 0;
    for (const shard of shards) {
      for (const [name, tensor] of plainSafetensors(join(folder, shard))) {
        expect(index.weight_map[name]).toBe(shard);
        expect(tensor).toEqual(all.get(name));
        bytes += tensor.values.byteLength;
        all.delete(name);
      }
    }
    expect(all.size).toBe(0);
    expect(index.metadata.total_size).toBe(bytes);
    const back = await openCheckpoint(folder);
    expect(back.warnings).toEqual([]);
    await back.close();
  });
});

test.each(['llama3', 'linear', 'mistral', 'qwen2', 'qwen3'])(
  'a GGUF file becomes a folder that is the same model: %s',
  async (name) => {
    const source = fixture('checkpoints', 'models', name, 'converted.gguf');
    const folder = await reexport(source);
    const original = await openCheckpoint(source);
    const back = await openCheckpoint(folder);
    expect(back.config).toEqual(original.config);
    expect(readJson(folder, 'config.json')['torch_dtype']).toBe('float32');
    expect(plainSafetensors(join(folder, 'model.safetensors'))).toEqual(
      plainSafetensors(fixture('checkpoints', 'models', name, 'model.safetensors')),
    );
    await original.close();
    await back.close();
  },
);

describe('whole or not at all', () => {
  test('a failure in the middle leaves nothing', async () => {
    const checkpoint = await openCheckpoint(fixture('models', 'llama'));
    const contents = contentsOf(checkpoint);
    const parent = temporaryFolder();
    const broken = contents.tensors.map((tensor, i) =>
      i < 10 ? tensor : { ...tensor, read: () => new Float32Array(elementCount(tensor.shape)).fill(NaN) },
    );
    const run = exportHuggingFace(join(parent, 'model'), { ...contents, tensors: broken });
    await expectRefusal(run, 'tensor-not-finite');
    expect(readdirSync(parent)).toEqual([]);
    await checkpoint.close();
  });

  test('replaces a model only if asked, and nothing that is no model', async () => {
    const checkpoint = await openCheckpoint(fixture('models', 'llama'));
    const contents = contentsOf(checkpoint);
    const parent = temporaryFolder();
    const folder = join(parent, 'model');
    mkdirSync(folder);
    await exportHuggingFace(folder, contents);
    writeFileSync(join(folder, 'note.txt'), 'old');
    await expectRefusal(exportHuggingFace(folder, contents), 'export-exists');
    expect(existsSync(join(folder, 'note.txt'))).toBe(true);
    await exportHuggingFace(folder, contents, { overwrite: true });
    expect(existsSync(join(folder, 'note.txt'))).toBe(false);
    expect(readdirSync(parent)).toEqual(['model']);

    const diary = join(parent, 'diary');
    mkdirSync(diary);
    writeFileSync(join(diary, 'note.txt'), 'mine');
    await expectRefusal(exportHuggingFace(diary, contents, { overwrite: true }), 'export-exists');
    writeFileSync(join(parent, 'file'), '');
    await expectRefusal(exportHuggingFace(join(parent, 'file'), contents), 'storage-enotdir');
    await expectRefusal(exportHuggingFace(join(parent, 'file', 'model'), contents), 'storage-enotdir');
    await checkpoint.close();
  });

  test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'a folder that may not be written (not as root, who may)',
    async () => {
      const parent = temporaryFolder();
      chmodSync(parent, 0o500);
      const checkpoint = await openCheckpoint(fixture('models', 'llama'));
      await expectRefusal(exportHuggingFace(join(parent, 'model'), contentsOf(checkpoint)), 'storage-eacces');
      await checkpoint.close();
      chmodSync(parent, 0o700);
    },
  );
});

test('contents that are not the model are refused before anything is written', async () => {
  const checkpoint = await openCheckpoint(fixture('models', 'llama'));
  const contents = contentsOf(checkpoint);
  const parent = temporaryFolder();
  const run = async (changes: Partial<ExportContents>) =>
    exportHuggingFace(join(parent, 'model'), { ...contents, ...changes });
  await expectRefusal(run({ tensors: contents.tensors.slice(1) }), 'tensor-missing');
  const extra = { name: 'x', shape: [1], read: () => new Float32Array(1) };
  await expectRefusal(run({ tensors: [...contents.tensors, extra] }), 'tensor-unknown');
  const [first, ...rest] = contents.tensors;
  await expectRefusal(run({ tensors: [{ ...first!, shape: [1, 2] }, ...rest] }), 'tensor-shape');
  for (const name of ['../evil', 'config.json', '', '.hidden', 'a/b', 'model.safetensors']) {
    await expectRefusal(run({ files: [{ name, read: async () => new Uint8Array(1) }] }), 'export-file-name');
  }
  expect(readdirSync(parent)).toEqual([]);
  await checkpoint.close();
});
