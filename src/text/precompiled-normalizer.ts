/**
 * SentencePiece's precompiled normalization table, exactly (as Rust's `spm_precompiled`): a double-array trie
 * (darts-clone) from UTF-8 prefixes to replacements. `@huggingface/tokenizers` only approximates it by NFKC.
 *
 * Layout: the size of the trie in bytes (u32, little-endian), its units (u32 each), then the replacements, each
 * ending in a zero byte.
 */
import { AhaError } from '../errors.ts';

/** `base64` is the value of `precompiled_charsmap`; empty means that nothing changes. */
export function precompiledNormalizer(base64: string): (text: string) => string {
  if (base64 === '') return (text) => text;
  const blob = Buffer.from(base64, 'base64');
  const trieBytes = blob.length < 4 ? -1 : blob.readUInt32LE(0);
  if (trieBytes < 4 || trieBytes % 4 !== 0 || 4 + trieBytes > blob.length) {
    throw new AhaError({
      code: 'tokenizer-malformed',
      boundary: 'text',
      what: 'The precompiled normalization table of the tokenizer is damaged',
      found: `${blob.length} bytes`,
      expected: 'a trie and its replacements in base64',
      fix: 'Download tokenizer.json again.',
    });
  }
  const units = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < units.length; i++) units[i] = blob.readUInt32LE(4 + 4 * i);
  const replacements = blob.subarray(4 + trieBytes);
  const encoder = new TextEncoder();

  /** The replacement of the shortest prefix of `chunk` that has one. */
  const replacementOf = (chunk: string): string | undefined => {
    let position = 0;
    let unit = units[0]!;
    position ^= offsetOf(unit);
    for (const byte of encoder.encode(chunk)) {
      if (byte === 0) return undefined;
      position ^= byte;
      unit = units[position] ?? 0;
      // The label of a unit: its low byte, with the highest bit marking a leaf's value.
      if (unit % 256 !== byte || unit >= 0x8000_0000) return undefined;
      position ^= offsetOf(unit);
      if ((unit & 0x100) !== 0) {
        const value = (units[position] ?? 0) & 0x7fff_ffff;
        const end = replacements.indexOf(0, value);
        return end < 0 ? undefined : replacements.toString('utf8', value, end);
      }
    }
    return undefined;
  };

  const cache = new Map<string, string>();
  const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
  const normalizeGrapheme = (grapheme: string): string => {
    if (Buffer.byteLength(grapheme) < 6) {
      const whole = replacementOf(grapheme);
      if (whole !== undefined) return whole;
    }
    let result = '';
    for (const character of grapheme) result += replacementOf(character) ?? character;
    return result;
  };
  return (text) => {
    let result = '';
    for (const { segment } of graphemes.segment(text)) {
      let normalized = cache.get(segment);
      if (normalized === undefined) {
        normalized = normalizeGrapheme(segment);
        if (cache.size < 4096) cache.set(segment, normalized);
      }
      result += normalized;
    }
    return result;
  };
}

function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
