/**
 * Conversions between float32 and the two 16-bit formats of checkpoints: IEEE 754 binary16 (`f16`) and bfloat16
 * (`bf16`). Widening is exact. Narrowing rounds to nearest, ties to even, as PyTorch and NumPy do; a NaN stays a
 * (quiet) NaN, and what does not fit becomes an infinity, which callers refuse beforehand where it matters.
 *
 * Typed arrays are read in the machine's byte order, and all formats here are little-endian, as is every platform
 * that ONNX Runtime's package supports.
 */

/** The largest finite value of `f16`. */
export const maxFloat16 = 65504;

const float32Bits = new Uint32Array(1);
const float32Value = new Float32Array(float32Bits.buffer);

/** All 65536 values of `f16`, by their bits: 256 KB, built at first use. */
let float16Table: Float32Array | undefined;

/** The float32 value of `f16` bits. Exact. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A table from `f16` bits to float32 values, [65536]. */
export function float16Values(): Float32Array {
  float16Table ??= Float32Array.from({ length: 0x10000 }, (_, bits) => float16ToNumber(bits));
  return float16Table;
}

/** Widens `f16` bits into `out`, which must be as long. */
export function widenFloat16(bits: Uint16Array, out: Float32Array): void {
  const table = float16Values();
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
}

/** Widens `bf16` bits into `out`, which must be as long. */
export function widenBfloat16(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
}

/** The `f16` bits nearest to a float32 value. */
export function numberToFloat16(value: number): number {
  float32Value[0] = value;
  const word = float32Bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above round to infinity (half way between the largest value and the next power of two).
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal: drop 13 bits; a carry out of the fraction correctly goes into the exponent.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal: the value in units of 2^-24, rounded to even.
  const units = Math.abs(float32Value[0]) * 2 ** 24;
  const floor = Math.floor(units);
  const rest = units - floor;
  return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0));
}

/** Narrows float32 values to `f16` bits. */
export function narrowToFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = numberToFloat16(values[i]!);
  return bits;
}

/** Narrows float32 values to `bf16` bits. */
export function narrowToBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    bits[i] =
      (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}
