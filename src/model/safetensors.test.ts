import { readFileSync, statSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  expectRefusal,
  fixture,
  plainSafetensors,
  safetensorsBytes,
  temporaryFolder,
  writeTemporary,
} from '../../test/model-files.ts';
import { openSafetensors, writeSafetensors } from './safetensors.ts';
import { elementCount, type StoredTensor } from './stored-tensor.ts';

// Written by Python's safetensors: test/fixtures/checkpoints/generate.py.
const golden = (
  JSON.parse(readFileSync(fixture('checkpoints', 'values.json'), 'utf8')) as {
    safetensors: Record<'float32' | 'float16' | 'bfloat16', string>;
  }
).safetensors;
const floats = (text: string) => new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);

async function valuesOf(tensor: StoredTensor | undefined): Promise<Float32Array> {
  const values = new Float32Array(elementCount(tensor!.shape));
  await tensor!.readInto(values);
  return values;
}

describe('reading what Python wrote', () => {
  test('float types become float32 exactly', async () => {
    const file = await openSafetensors(fixture('checkpoints', 'python-mixed.safetensors'));
    expect(file.tensors.get('f32')?.shape).toEqual([5, 7]);
    expect(await valuesOf(file.tensors.get('f32'))).toEqual(floats(golden.float32));
    expect(await valuesOf(file.tensors.get('f64'))).toEqual(floats(golden.float32));
    expect(await valuesOf(file.tensors.get('f16'))).toEqual(floats(golden.float16));
    expect(await valuesOf(file.tensors.get('bf16'))).toEqual(floats(golden.bfloat16));
    expect(file.tensors.get('bf16')?.dtype).toBe('BF16');
    expect([...(await valuesOf(file.tensors.get('scalar')))]).toEqual([2.5]);
    expect(file.tensors.get('scalar')?.shape).toEqual([]);
    expect(await valuesOf(file.tensors.get('empty'))).toHaveLength(0);
    await expectRefusal(file.tensors.get('i64')!.readInto(new Float32Array(3)), 'tensor-type-unsupported');
    await expectRefusal(file.tensors.get('f32')!.readInto(new Float32Array(34)), 'tensor-target');
    await file.close();
  });

  test('metadata and names that are not ASCII', async () => {
    const file = await openSafetensors(fixture('checkpoints', 'python-f32.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt' });
    expect([...file.tensors.keys()]).toEqual(['a.weight', 'b.größe', 'c.scalar']);
    await file.close();
  });

  test('every tensor of a model', async () => {
    const path = fixture('models', 'llama', 'model.safetensors');
    const file = await openSafetensors(path);
    for (const [name, { shape, values }] of plainSafetensors(path)) {
      expect(file.tensors.get(name)?.shape).toEqual(shape);
      expect(await valuesOf(file.tensors.get(name))).toEqual(values);
    }
    await file.close();
  });
});

describe('writing', () => {
  test.each([
    ['f32', 'python-f32.safetensors'],
    ['f16', 'python-f16.safetensors'],
    ['bf16', 'python-bf16.safetensors'],
  ] as const)('gives the same bytes as Python: %s', async (dtype, name) => {
    const source = fixture('checkpoints', name);
    const file = await openSafetensors(source);
    const path = join(temporaryFolder(), 'out.safetensors');
    const tensors = [...file.tensors.values()].map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      read: async () => valuesOf(tensor),
    }));
    await writeSafetensors(path, tensors, { dtype, metadata: { format: 'pt' } });
    await file.close();
    expect(readFileSync(path).equals(readFileSync(source))).toBe(true);
  });

  test('reads back tensors larger than a piece', async () => {
    const values = Float32Array.from({ length: 3_000_001 }, (_, i) => Math.sin(i));
    const path = join(temporaryFolder(), 'large.safetensors');
    await writeSafetensors(path, [{ name: 'x', shape: [3_000_001], read: () => values }]);
    const file = await openSafetensors(path);
    const back = await valuesOf(file.tensors.get('x'));
    await file.close();
    expect(back.findIndex((value, i) => value !== values[i])).toBe(-1);
  });

  test('a value that is not finite or does not fit leaves no file', async () => {
    const folder = temporaryFolder();
    const write = async (value: number, dtype: 'f32' | 'f16' | 'bf16') =>
      writeSafetensors(
        join(folder, 'out.safetensors'),
        [{ name: 'bad', shape: [3], read: () => Float32Array.of(1, 2, value) }],
        { dtype },
      );
    const nan = await expectRefusal(write(NaN, 'f32'), 'tensor-not-finite');
    expect(nan.message).toContain('tensor bad');
    expect(nan.message).toContain('index 2');
    await expectRefusal(write(Infinity, 'bf16'), 'tensor-not-finite');
    await expectRefusal(write(-70_000, 'f16'), 'tensor-overflow');
    expect(readdirSync(folder)).toEqual([]);
    await write(-65_504, 'f16');
    expect(readdirSync(folder)).toEqual(['out.safetensors']);
  });

  test('a name twice, or a wrong length, is refused', async () => {
    const path = join(temporaryFolder(), 'out.safetensors');
    const one = { name: 'x', shape: [2], read: () => Float32Array.of(1, 2) };
    await expectRefusal(writeSafetensors(path, [one, one]), 'tensor-name-taken');
    await expectRefusal(writeSafetensors(path, [{ ...one, shape: [3] }]), 'tensor-length');
  });
});

describe('hostile files', () => {
  const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const open = async (contents: Uint8Array) => openSafetensors(writeTemporary('x.safetensors', contents));

  test('cut short anywhere', async () => {
    const whole = readFileSync(fixture('checkpoints', 'python-mixed.safetensors'));
    for (let length = 0; length < whole.length; length += length < 40 ? 1 : 17) {
      await expectRefusal(open(whole.subarray(0, length)), 'checkpoint-truncated');
    }
    await expectRefusal(open(whole.subarray(0, whole.length - 1)), 'checkpoint-truncated');
  });

  test('cut short after it was opened', async () => {
    const path = writeTemporary('x.safetensors', safetensorsBytes({ a: tensor }, new Uint8Array(8)));
    const file = await openSafetensors(path);
    const { truncateSync } = await import('node:fs');
    truncateSync(path, statSync(path).size - 1);
    await expectRefusal(valuesOf(file.tensors.get('a')), 'checkpoint-truncated');
    await file.close();
  });

  test.each([
    ['2^63', 2n ** 63n],
    ['2^64 − 1', 2n ** 64n - 1n],
    ['2^53', 2n ** 53n],
    ['100 MB and one', 100_000_001n],
  ])('a header length of %s', async (_, length) => {
    const bytes = safetensorsBytes({ a: tensor }, new Uint8Array(8));
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    await expectRefusal(open(bytes), 'safetensors-invalid');
  });

  test.each<[string, unknown, number]>([
    ['not JSON', '{"a":', 0],
    ['empty header', '', 0],
    ['an array', '[]', 0],
    ['null', 'null', 0],
    ['nested deeply', '['.repeat(200_000), 0],
    ['nested deeply, closed', `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 0],
    ['entry without fields', { a: {} }, 0],
    ['entry is a number', { a: 1 }, 0],
    ['dtype is a number', { a: { ...tensor, dtype: 1 } }, 8],
    ['unknown dtype', { a: { ...tensor, dtype: 'F33' } }, 8],
    ['dtype from the prototype', { a: { ...tensor, dtype: 'constructor' } }, 8],
    ['negative size', { a: { ...tensor, shape: [-2] } }, 8],
    ['size with a fraction', { a: { ...tensor, shape: [0.5] } }, 8],
    ['enormous shape', { a: { ...tensor, shape: [2 ** 40, 2 ** 40] } }, 8],
    ['sizes beyond exact numbers', '{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}}', 8],
    ['offsets reversed', { a: { ...tensor, data_offsets: [8, 0] } }, 8],
    ['offsets not from zero', { a: { ...tensor, data_offsets: [4, 12] } }, 12],
    ['three offsets', { a: { ...tensor, data_offsets: [0, 8, 8] } }, 8],
    ['wrong length for the shape', { a: { ...tensor, data_offsets: [0, 4] } }, 4],
    ['overlap', { a: tensor, b: { ...tensor, data_offsets: [4, 12] } }, 12],
    ['the same bytes twice', { a: tensor, b: tensor }, 8],
    ['a gap', { a: tensor, b: { ...tensor, data_offsets: [12, 20] } }, 20],
    ['data after the last tensor', { a: tensor }, 9],
    [
      'a name twice',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0061":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
      16,
    ],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0],
    ['metadata that is a list', { __metadata__: [] }, 0],
  ])('%s', async (_, header, bytes) => {
    await expectRefusal(open(safetensorsBytes(header, new Uint8Array(bytes))), 'safetensors-invalid');
  });

  test('a header that is not UTF-8', async () => {
    const bytes = safetensorsBytes({ abc: tensor }, new Uint8Array(8));
    bytes[10] = 0xff;
    await expectRefusal(open(bytes), 'safetensors-invalid');
  });

  test('offsets beyond the file', async () => {
    const header = { a: { dtype: 'F32', shape: [2 ** 40], data_offsets: [0, 2 ** 42] } };
    await expectRefusal(open(safetensorsBytes(header)), 'checkpoint-truncated');
  });

  test('a name from the prototype is a name', async () => {
    const header = '{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const file = await open(safetensorsBytes(header, new Uint8Array(8)));
    expect([...file.tensors.keys()]).toEqual(['__proto__']);
    await file.close();
  });

  test('NaN and infinity are named with their place', async () => {
    for (const [value, text] of [
      [NaN, 'NaN'],
      [-Infinity, '-Infinity'],
    ] as const) {
      const data = new Float32Array(500_000);
      data[400_001] = value;
      data[400_002] = NaN;
      const header = { 'some.weight': { dtype: 'F32', shape: [500, 1000], data_offsets: [0, 2_000_000] } };
      const file = await open(safetensorsBytes(header, new Uint8Array(data.buffer)));
      const error = await expectRefusal(valuesOf(file.tensors.get('some.weight')), 'tensor-not-finite');
      expect(error.message).toContain('some.weight');
      expect(error.message).toContain('index 400001');
      expect(error.message).toContain(text);
      await file.close();
    }
  });

  test('a folder, a missing file', async () => {
    await expectRefusal(openSafetensors(temporaryFolder()), 'safetensors-invalid');
    await expectRefusal(openSafetensors(join(temporaryFolder(), 'none')), 'storage-enoent');
  });
});
