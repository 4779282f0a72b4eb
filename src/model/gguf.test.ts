import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  expectRefusal,
  fixture,
  GgufBytes,
  plainSafetensors,
  temporaryFolder,
  writeTemporary,
} from '../../test/model-files.ts';
import { openGguf } from './gguf.ts';
import { elementCount, storedTensor } from './stored-tensor.ts';

const open = async (bytes: Uint8Array) => openGguf(writeTemporary('x.gguf', bytes));

describe('a file written by the Python package gguf', () => {
  test('metadata of every type', async () => {
    const gguf = await openGguf(fixture('checkpoints', 'blocks.gguf'));
    expect(Object.fromEntries(gguf.metadata)).toEqual({
      'general.architecture': 'blocks',
      'test.uint8': 200,
      'test.int8': -100,
      'test.uint16': 60_000,
      'test.int16': -30_000,
      'test.uint32': 4_000_000_000,
      'test.int32': -2_000_000_000,
      'test.float32': Math.fround(0.1),
      'test.uint64': 2 ** 40 + 1,
      'test.int64': -(2n ** 60n) - 1n,
      'test.float64': 0.1,
      'test.bool': true,
      'test.string': 'zwölf 🙂',
      'test.strings': ['a', '', 'ü'],
      'test.integers': [1, -2, 3],
      'test.booleans': [true, false],
    });
    await gguf.close();
  });

  test.each(['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K'])(
    '%s decodes bit for bit',
    async (type) => {
      const gguf = await openGguf(fixture('checkpoints', 'blocks.gguf'));
      const { shape, encoding, offset, name } = gguf.tensors.get(type)!;
      const expected = plainSafetensors(fixture('checkpoints', 'blocks.safetensors')).get(type)!;
      expect(shape).toEqual(expected.shape);
      const tensor = storedTensor({
        name,
        shape,
        encoding: encoding!,
        file: gguf.file,
        path: gguf.path,
        offset,
      });
      const values = new Float32Array(elementCount(shape));
      await tensor.readInto(values);
      const bits = (array: Float32Array) => new Uint32Array(array.buffer, array.byteOffset, array.length);
      const different = values.findIndex((_, i) => bits(values)[i] !== bits(expected.values)[i]);
      expect(
        different < 0 ? 'none' : `${different}: ${values[different]} for ${expected.values[different]}`,
      ).toBe('none');
      await gguf.close();
    },
  );
});

describe('hostile files', () => {
  test('cut short anywhere', async () => {
    const whole = readFileSync(fixture('checkpoints', 'blocks.gguf'));
    // The last tensor has 1260 bytes, which the writer pads to 1280.
    const end = whole.length - 20;
    for (let length = 0; length < end; length += length < 1200 ? 3 : 97) {
      const error = await expectRefusal(
        open(whole.subarray(0, length)),
        /^(checkpoint-truncated|gguf-invalid)$/,
      );
      expect(error.boundary).toBe('model');
    }
    await expectRefusal(open(whole.subarray(0, end - 1)), 'checkpoint-truncated');
    await (await open(whole.subarray(0, end))).close();
  });

  test.each<[string, Uint8Array]>([
    ['another format', new TextEncoder().encode('PK\u0003\u0004 and then some more bytes than are needed')],
    ['version 1', new GgufBytes(1).bytes()],
    ['version 4', new GgufBytes(4).bytes()],
    ['big-endian', new GgufBytes(0x03000000).bytes()],
    ['2^60 tensors', new GgufBytes(3, 2n ** 60n).bytes()],
    ['2^60 metadata entries', new GgufBytes(3, 0, 2n ** 60n).bytes()],
    [
      'a key of 2^60 bytes',
      new GgufBytes(3, 0, 1)
        .uint64(2n ** 60n)
        .raw(new Uint8Array(64))
        .bytes(),
    ],
    [
      'a key of 2^64 − 1 bytes',
      new GgufBytes(3, 0, 1)
        .uint64(2n ** 64n - 1n)
        .raw(new Uint8Array(64))
        .bytes(),
    ],
    [
      'an array of 2^60',
      new GgufBytes(3, 0, 1)
        .string('a')
        .uint32(9)
        .uint32(4)
        .uint64(2n ** 60n)
        .raw(new Uint8Array(64))
        .bytes(),
    ],
    [
      'an array of more strings than fit',
      new GgufBytes(3, 0, 1).string('a').uint32(9).uint32(8).uint64(9).raw(new Uint8Array(64)).bytes(),
    ],
    [
      'an unknown type of value',
      new GgufBytes(3, 0, 1).string('a').uint32(13).raw(new Uint8Array(64)).bytes(),
    ],
    [
      'an unknown type of elements',
      new GgufBytes(3, 0, 1).string('a').uint32(9).uint32(99).uint64(1).raw(new Uint8Array(64)).bytes(),
    ],
    ['arrays in arrays in arrays …', nestedArrays(1000)],
    [
      'a boolean that is 7',
      new GgufBytes(3, 0, 1)
        .string('a')
        .uint32(7)
        .raw(Uint8Array.of(7, 0, 0))
        .bytes(),
    ],
    ['a key twice', new GgufBytes(3, 0, 2).text('a', 'x').text('a', 'y').bytes()],
    [
      'a key that is not UTF-8',
      new GgufBytes(3, 0, 1).uint64(1).raw(Uint8Array.of(0xff)).uint32(7).raw(new Uint8Array(8)).bytes(),
    ],
    [
      'a token that is not UTF-8',
      new GgufBytes(3, 0, 1)
        .string('a')
        .uint32(9)
        .uint32(8)
        .uint64(1)
        .uint64(1)
        .raw(Uint8Array.of(0xff))
        .bytes(),
    ],
    ['alignment 0', aligned(0)],
    ['alignment 33', aligned(33)],
    ['alignment 2^31', aligned(2 ** 31)],
    ['alignment as a text', new GgufBytes(3, 0, 1).text('general.alignment', '32').bytes()],
    ['five dimensions', tensorFile((file) => file.tensor('x', [1, 1, 1, 1, 1], 0, 0))],
    [
      '2^32 dimensions',
      new GgufBytes(3, 1)
        .string('x')
        .uint32(2 ** 32 - 1)
        .raw(new Uint8Array(99))
        .bytes(),
    ],
    ['sizes of 2^60', tensorFile((file) => file.tensor('x', [2n ** 60n], 0, 0))],
    ['an unknown type of tensor', tensorFile((file) => file.tensor('x', [8], 99, 0))],
    ['a type that was removed', tensorFile((file) => file.tensor('x', [32], 4, 0))],
    ['rows that are not whole blocks', tensorFile((file) => file.tensor('x', [16, 2], 8, 0))],
    ['an offset that is not aligned', tensorFile((file) => file.tensor('x', [2], 0, 4))],
    ['an offset of 2^62', tensorFile((file) => file.tensor('x', [2], 0, 2n ** 62n))],
    ['a name twice', tensorFile((file) => file.tensor('x', [2], 0, 0).tensor('x', [2], 0, 32), 2)],
    ['overlapping tensors', tensorFile((file) => file.tensor('x', [9], 0, 0).tensor('y', [2], 0, 32), 2)],
  ])('%s', async (_, bytes) => {
    const error = await expectRefusal(open(bytes), 'gguf-invalid');
    expect(error.boundary).toBe('model');
  });

  test.each<[string, (file: GgufBytes) => GgufBytes]>([
    ['sizes of 2^31', (file) => file.tensor('x', [2 ** 31, 2 ** 31], 0, 0)],
    [
      'sizes whose product is not a number',
      (file) => file.tensor('x', [2n ** 52n, 2n ** 52n, 2n ** 52n, 2n ** 52n], 0, 0),
    ],
    ['an offset beyond the end', (file) => file.tensor('x', [2], 0, 2 ** 40)],
  ])('%s', async (_, build) => {
    await expectRefusal(open(tensorFile(build)), 'checkpoint-truncated');
  });

  test('a description that is not UTF-8 does no harm', async () => {
    const file = new GgufBytes(3, 0, 1)
      .string('general.description')
      .uint32(8)
      .uint64(2)
      .raw(Uint8Array.of(0xff, 0x41));
    const gguf = await open(file.bytes());
    expect(gguf.metadata.get('general.description')).toBe('\ufffdA');
    await gguf.close();
  });

  test('a folder, a missing file, an empty file', async () => {
    await expectRefusal(openGguf(temporaryFolder()), 'gguf-invalid');
    await expectRefusal(openGguf(join(temporaryFolder(), 'none.gguf')), 'storage-enoent');
    await expectRefusal(open(new Uint8Array(0)), 'checkpoint-truncated');
  });
});

function aligned(alignment: number): Uint8Array {
  return new GgufBytes(3, 0, 1).string('general.alignment').uint32(4).uint32(alignment).bytes();
}

function tensorFile(build: (file: GgufBytes) => GgufBytes, count = 1): Uint8Array {
  return build(new GgufBytes(3, count)).pad().raw(new Uint8Array(128)).bytes();
}

function nestedArrays(depth: number): Uint8Array {
  const file = new GgufBytes(3, 0, 1).string('a').uint32(9);
  for (let i = 0; i < depth; i++) file.uint32(9).uint64(1);
  return file.uint32(4).uint64(1).uint32(1).raw(new Uint8Array(64)).bytes();
}
