/**
 * The block formats of GGML that GGUF files store weights in, decoded to float32, bit for bit as the Python package
 * `gguf` does. A block holds a scale (and a minimum) as f16 and small integers. Each result is computed in float64
 * and rounded once; that equals the reference's float32 arithmetic, because every product before the last operation
 * has fewer than 24 significant bits.
 * Source: ggml-quants.c and ggml-common.h of llama.cpp.
 */
import { float16Values } from './half.ts';
import { encodingBF16, encodingF16, encodingF32, type Encoding } from './stored-tensor.ts';

/** GGML's type numbers to the encodings that can be read. */
export const ggmlEncodings: ReadonlyMap<number, Encoding> = new Map([
  [0, encodingF32],
  [1, encodingF16],
  [2, encoding('Q4_0', 32, 18, decodeQ4_0)],
  [3, encoding('Q4_1', 32, 20, decodeQ4_1)],
  [6, encoding('Q5_0', 32, 22, decodeQ5_0)],
  [7, encoding('Q5_1', 32, 24, decodeQ5_1)],
  [8, encoding('Q8_0', 32, 34, decodeQ8_0)],
  [12, encoding('Q4_K', 256, 144, decodeQ4K)],
  [13, encoding('Q5_K', 256, 176, decodeQ5K)],
  [14, encoding('Q6_K', 256, 210, decodeQ6K)],
  [30, encodingBF16],
]);

/** [name, elements per block, bytes per block] of the types that exist but are not read. */
export const otherGgmlTypes: ReadonlyMap<number, readonly [string, number, number]> = new Map([
  [9, ['Q8_1', 32, 36]],
  [10, ['Q2_K', 256, 84]],
  [11, ['Q3_K', 256, 110]],
  [15, ['Q8_K', 256, 292]],
  [16, ['IQ2_XXS', 256, 66]],
  [17, ['IQ2_XS', 256, 74]],
  [18, ['IQ3_XXS', 256, 98]],
  [19, ['IQ1_S', 256, 50]],
  [20, ['IQ4_NL', 32, 18]],
  [21, ['IQ3_S', 256, 110]],
  [22, ['IQ2_S', 256, 82]],
  [23, ['IQ4_XS', 256, 136]],
  [24, ['I8', 1, 1]],
  [25, ['I16', 1, 2]],
  [26, ['I32', 1, 4]],
  [27, ['I64', 1, 8]],
  [28, ['F64', 1, 8]],
  [29, ['IQ1_M', 256, 56]],
  [34, ['TQ1_0', 256, 54]],
  [35, ['TQ2_0', 256, 66]],
  [39, ['MXFP4', 32, 17]],
]);

/** Decodes one block that begins at `at` of `bytes` into `out` from `to` on. `f16` is the table of f16 values. */
type DecodeBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array) => void;

function encoding(name: string, elements: number, blockBytes: number, decodeBlock: DecodeBlock): Encoding {
  return {
    name,
    elements,
    bytes: blockBytes,
    decode(bytes, out) {
      const f16 = float16Values();
      for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += elements) {
        decodeBlock(bytes, at, out, to, f16);
      }
    },
  };
}

function half(bytes: Uint8Array, at: number, f16: Float32Array): number {
  return f16[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/** A byte as a signed integer. */
function signed(byte: number): number {
  return (byte << 24) >> 24;
}

/** f16 scale; 32 × 4 bits: low halves of 16 bytes, then high halves. */
function decodeQ4_0(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!;
    out[to + i] = scale * ((pair & 15) - 8);
    out[to + 16 + i] = scale * ((pair >> 4) - 8);
  }
}

/** f16 scale, f16 minimum; 32 × 4 bits as Q4_0. */
function decodeQ4_1(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  const minimum = half(bytes, at + 2, f16);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!;
    out[to + i] = scale * (pair & 15) + minimum;
    out[to + 16 + i] = scale * (pair >> 4) + minimum;
  }
}

/** f16 scale; 32 fifth bits; 32 × 4 bits as Q4_0. */
function decodeQ5_0(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 6 + i]!;
    out[to + i] = scale * (((pair & 15) | fifthBit(bytes, at + 2, i)) - 16);
    out[to + 16 + i] = scale * (((pair >> 4) | fifthBit(bytes, at + 2, i + 16)) - 16);
  }
}

/** f16 scale, f16 minimum; 32 fifth bits; 32 × 4 bits as Q4_0. */
function decodeQ5_1(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  const minimum = half(bytes, at + 2, f16);
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 8 + i]!;
    out[to + i] = scale * ((pair & 15) | fifthBit(bytes, at + 4, i)) + minimum;
    out[to + 16 + i] = scale * ((pair >> 4) | fifthBit(bytes, at + 4, i + 16)) + minimum;
  }
}

/** Bit i of the 32 that begin at `at`, as 16 or 0. */
function fifthBit(bytes: Uint8Array, at: number, i: number): number {
  return ((bytes[at + (i >> 3)]! >> (i & 7)) & 1) << 4;
}

/** f16 scale; 32 signed bytes. */
function decodeQ8_0(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  for (let i = 0; i < 32; i++) out[to + i] = scale * signed(bytes[at + 2 + i]!);
}

/** The 6-bit scale of group j of 8, packed in 12 bytes at `at`. */
function scaleK(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j]! & 63;
  return (bytes[at + 4 + j]! & 15) | ((bytes[at + j - 4]! >> 6) << 4);
}

/** The 6-bit minimum of group j of 8, packed in the same 12 bytes. */
function minimumK(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + 4 + j]! & 63;
  return (bytes[at + 4 + j]! >> 4) | ((bytes[at + j]! >> 6) << 4);
}

/** f16 scale and minimum; 8 groups of 32 with 6-bit scales and minima; 4 bits each. */
function decodeQ4K(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  const minimum = half(bytes, at + 2, f16);
  for (let group = 0; group < 8; group++) {
    const groupScale = scale * scaleK(bytes, at + 4, group);
    const groupMinimum = minimum * minimumK(bytes, at + 4, group);
    const shift = (group & 1) * 4;
    const from = at + 16 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      out[to + group * 32 + i] = groupScale * ((bytes[from + i]! >> shift) & 15) - groupMinimum;
    }
  }
}

/** As Q4_K, with fifth bits: bit `group` of 32 bytes. */
function decodeQ5K(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at, f16);
  const minimum = half(bytes, at + 2, f16);
  for (let group = 0; group < 8; group++) {
    const groupScale = scale * scaleK(bytes, at + 4, group);
    const groupMinimum = minimum * minimumK(bytes, at + 4, group);
    const shift = (group & 1) * 4;
    const from = at + 48 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const value = ((bytes[from + i]! >> shift) & 15) | (((bytes[at + 16 + i]! >> group) & 1) << 4);
      out[to + group * 32 + i] = groupScale * value - groupMinimum;
    }
  }
}

/** 256 × 4 low bits, 256 × 2 high bits, 16 signed 8-bit scales of 16 values each, f16 scale. */
function decodeQ6K(bytes: Uint8Array, at: number, out: Float32Array, to: number, f16: Float32Array): void {
  const scale = half(bytes, at + 208, f16);
  for (let group = 0; group < 16; group++) {
    const groupScale = scale * signed(bytes[at + 192 + group]!);
    // Each half of the block (128 values) has 64 bytes of low bits and 32 of high bits.
    const side = group >> 3;
    const quarter = (group >> 1) & 3;
    const lowFrom = at + side * 64 + (quarter & 1) * 32 + (group & 1) * 16;
    const lowShift = (quarter >> 1) * 4;
    const highFrom = at + 128 + side * 32 + (group & 1) * 16;
    for (let i = 0; i < 16; i++) {
      const low = (bytes[lowFrom + i]! >> lowShift) & 15;
      const high = (bytes[highFrom + i]! >> (quarter * 2)) & 3;
      out[to + group * 16 + i] = groupScale * ((low | (high << 4)) - 32);
    }
  }
}
