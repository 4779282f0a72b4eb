import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectRefusal, fixture, temporaryFolder } from '../../test/model-files.ts';
import { parseHuggingFaceConfig } from './config.ts';
import { exportAdapter, openAdapter } from './peft.ts';
import { writeSafetensors } from './safetensors.ts';
import { elementCount, type StoredTensor } from './stored-tensor.ts';

// Written by PEFT 0.21: test/fixtures/checkpoints/generate.py.
const base = parseHuggingFaceConfig(
  JSON.parse(readFileSync(fixture('checkpoints', 'models', 'linear', 'config.json'), 'utf8')),
  'base',
);
const sums = JSON.parse(readFileSync(fixture('checkpoints', 'adapters.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>;

async function valuesOf(tensor: StoredTensor): Promise<Float32Array> {
  const values = new Float32Array(elementCount(tensor.shape));
  await tensor.readInto(values);
  return values;
}

function copyOf(name: string): string {
  const folder = temporaryFolder();
  cpSync(fixture('checkpoints', 'adapters', name), folder, { recursive: true });
  return folder;
}

function editConfig(folder: string, changes: Record<string, unknown>): void {
  const path = join(folder, 'adapter_config.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...json, ...changes }));
}

describe('what PEFT wrote', () => {
  test.each([
    [
      'plain',
      {
        rank: 4,
        alpha: 8,
        rankStabilised: false,
        targets: ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.down_proj'],
      },
    ],
    [
      'rslora',
      {
        rank: 2,
        alpha: 16,
        rankStabilised: true,
        targets: [
          'self_attn.q_proj',
          'self_attn.k_proj',
          'self_attn.v_proj',
          'self_attn.o_proj',
          'mlp.gate_proj',
          'mlp.up_proj',
          'mlp.down_proj',
        ],
      },
    ],
  ])('%s', async (name, lora) => {
    const adapter = await openAdapter(fixture('checkpoints', 'adapters', name), base);
    expect(adapter.lora).toMatchObject(lora);
    expect(adapter.baseModel).toBe('example/base');
    const found: Record<string, string> = {};
    for (const [tensorName, tensor] of adapter.tensors) {
      const bytes = new Uint8Array((await valuesOf(tensor)).buffer);
      found[`base_model.model.${tensorName}`] = createHash('sha256').update(bytes).digest('hex');
    }
    expect(found).toEqual(sums[name]);
    await adapter.close();
  });

  test.each(['plain', 'rslora'])('is written again as the same bytes: %s', async (name) => {
    const source = fixture('checkpoints', 'adapters', name);
    const adapter = await openAdapter(source, base);
    const folder = join(temporaryFolder(), 'adapter');
    const tensors = [...adapter.tensors.values()].map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      read: async () => valuesOf(tensor),
    }));
    await exportAdapter(folder, { lora: adapter.lora, baseModel: adapter.baseModel, tensors });
    const weights = 'adapter_model.safetensors';
    expect(readFileSync(join(folder, weights)).equals(readFileSync(join(source, weights)))).toBe(true);
    const back = await openAdapter(folder, base);
    expect(back.lora).toEqual(adapter.lora);
    expect(back.baseModel).toBe('example/base');
    await back.close();
    await expectRefusal(
      exportAdapter(folder, { lora: adapter.lora, baseModel: null, tensors }),
      'export-exists',
    );
    await exportAdapter(folder, { lora: adapter.lora, baseModel: null, tensors }, { overwrite: true });
    expect(readdirSync(folder).toSorted()).toEqual(['adapter_config.json', weights]);
    await adapter.close();
  });
});

describe('what is something else is refused', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['another method', { peft_type: 'IA3' }, 'adapter-unsupported'],
    ['no method', { peft_type: undefined }, 'adapter-unsupported'],
    ['DoRA', { use_dora: true }, 'adapter-unsupported'],
    ['trained biases', { bias: 'lora_only' }, 'adapter-invalid'],
    ['transposed layers', { fan_in_fan_out: true }, 'adapter-invalid'],
    ['whole modules', { modules_to_save: ['lm_head'] }, 'adapter-unsupported'],
    ['ranks by module', { rank_pattern: { q_proj: 8 } }, 'adapter-unsupported'],
    ['some layers', { layers_to_transform: [0] }, 'adapter-unsupported'],
    ['one layer', { layers_to_transform: 0 }, 'adapter-unsupported'],
    ['trained tokens', { trainable_token_indices: [1, 2] }, 'adapter-unsupported'],
    ['a rank of zero', { r: 0 }, 'adapter-invalid'],
    ['a rank as a text', { r: '4' }, 'adapter-invalid'],
    ['no alpha', { lora_alpha: undefined }, 'adapter-invalid'],
    ['another rank', { r: 5 }, 'adapter-mismatch'],
  ])('%s', async (_, changes, code) => {
    const folder = copyOf('plain');
    editConfig(folder, changes);
    await expectRefusal(openAdapter(folder, base), code);
  });

  test('a value that is nested deeper than the stack', async () => {
    const folder = copyOf('plain');
    const nested = `${'['.repeat(1e5)}${']'.repeat(1e5)}`;
    writeFileSync(
      join(folder, 'adapter_config.json'),
      `{"peft_type":"LORA","r":4,"lora_alpha":8,"modules_to_save":${nested}}`,
    );
    await expectRefusal(openAdapter(folder, base), 'adapter-unsupported');
  });

  test('an adapter of another model', async () => {
    const folder = fixture('checkpoints', 'adapters', 'plain');
    await expectRefusal(openAdapter(folder, { ...base, hiddenSize: 40 }), 'adapter-mismatch');
    const fewer = await expectRefusal(openAdapter(folder, { ...base, layers: 1 }), 'adapter-mismatch');
    expect(fewer.message).toContain('model.layers.1.');
    const more = await expectRefusal(openAdapter(folder, { ...base, layers: 3 }), 'adapter-mismatch');
    expect(more.message).toContain('model.layers.2.');
  });

  test('tensors that belong to no linear layer, or none at all', async () => {
    const folder = copyOf('plain');
    const path = join(folder, 'adapter_model.safetensors');
    const name = 'base_model.model.lm_head.lora_A.weight';
    await writeSafetensors(path, [{ name, shape: [4, 32], read: () => new Float32Array(128) }]);
    const error = await expectRefusal(openAdapter(folder, base), 'adapter-mismatch');
    expect(error.message).toContain('lm_head');
    await writeSafetensors(path, []);
    await expectRefusal(openAdapter(folder, base), 'adapter-mismatch');
  });

  test('damaged files', async () => {
    const folder = copyOf('plain');
    truncateSync(join(folder, 'adapter_model.safetensors'), 3000);
    await expectRefusal(openAdapter(folder, base), 'checkpoint-truncated');
    rmSync(join(folder, 'adapter_model.safetensors'));
    await expectRefusal(openAdapter(folder, base), 'adapter-invalid');
    const other = copyOf('plain');
    truncateSync(join(other, 'adapter_config.json'), 50);
    await expectRefusal(openAdapter(other, base), 'json-invalid');
    await expectRefusal(openAdapter(join(other, 'none'), base), 'storage-enoent');
  });

  test('NaN is found when it is read', async () => {
    const folder = copyOf('plain');
    const path = join(folder, 'adapter_model.safetensors');
    const bytes = readFileSync(path);
    bytes.writeFloatLE(NaN, bytes.length - 4);
    writeFileSync(path, bytes);
    const adapter = await openAdapter(folder, base);
    const last = [...adapter.tensors.values()].at(-1)!;
    await expectRefusal(valuesOf(last), 'tensor-not-finite');
    await adapter.close();
  });
});
