import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fixture } from '../../test/model-files.ts';
import { float16Values, narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from './half.ts';

// Made with torch: test/fixtures/checkpoints/generate.py.
const golden = (
  JSON.parse(readFileSync(fixture('checkpoints', 'values.json'), 'utf8')) as {
    half: Record<'float32' | 'float16' | 'bfloat16' | 'finiteFloat16WidenedSha256', string>;
  }
).half;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64')).buffer;
const values = new Float32Array(bytes(golden.float32));

test('all finite f16 widen as in NumPy, and the others to infinities and NaN', () => {
  const table = float16Values();
  expect(table).toHaveLength(65536);
  const finite = table.filter((value) => Number.isFinite(value));
  expect(createHash('sha256').update(new Uint8Array(finite.buffer)).digest('hex')).toBe(
    golden.finiteFloat16WidenedSha256,
  );
  expect([table[0x7c00], table[0xfc00]]).toEqual([Infinity, -Infinity]);
  expect([table[0x7c01], table[0xffff]]).toEqual([NaN, NaN]);
  const out = new Float32Array(3);
  widenFloat16(Uint16Array.of(0x3c00, 0x8000, 0x0001), out);
  expect([...out]).toEqual([1, -0, 2 ** -24]);
});

test('float32 narrows to f16 as in torch: ties to even, subnormals, overflow', () => {
  expect(firstDifference(narrowToFloat16(values), new Uint16Array(bytes(golden.float16)))).toBeUndefined();
});

test('float32 narrows to bf16 as in torch', () => {
  expect(firstDifference(narrowToBfloat16(values), new Uint16Array(bytes(golden.bfloat16)))).toBeUndefined();
});

test('NaN stays NaN', () => {
  const nans = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff, 0x7fffffff).buffer);
  for (const bits of narrowToFloat16(nans)) expect(float16Values()[bits]).toBeNaN();
  const out = new Float32Array(3);
  widenBfloat16(narrowToBfloat16(nans), out);
  for (const value of out) expect(value).toBeNaN();
});

test('bf16 is the upper half of float32', () => {
  const out = new Float32Array(2);
  widenBfloat16(Uint16Array.of(0x3f80, 0xc049), out);
  expect([...new Uint32Array(out.buffer)]).toEqual([0x3f800000, 0xc0490000]);
});

function firstDifference(found: Uint16Array, expected: Uint16Array): string | undefined {
  expect(found.length).toBe(expected.length);
  const at = found.findIndex((bits, i) => bits !== expected[i]);
  return at < 0 ? undefined : `${values[at]}: found ${found[at]}, expected ${expected[at]}`;
}
