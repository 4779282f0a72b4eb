/**
 * GPT-2's alphabet for bytes: each of the 256 bytes as a printable character (Radford et al. 2019,
 * `bytes_to_unicode`). Printable Latin-1 stands for itself, the others for U+0100 and up.
 */

/** Byte → its character. */
export const BYTE_TO_CHARACTER: readonly string[] = buildAlphabet();

/** Character code → its byte, -1 for characters outside of the alphabet (codes up to U+0143). */
const CODE_TO_BYTE = new Int16Array(0x144).fill(-1);
BYTE_TO_CHARACTER.forEach((character, byte) => {
  CODE_TO_BYTE[character.charCodeAt(0)] = byte;
});

const encoder = new TextEncoder();

/** The UTF-8 bytes of `text`, each as its character. */
export function toByteCharacters(text: string): string {
  let result = '';
  for (const byte of encoder.encode(text)) result += BYTE_TO_CHARACTER[byte]!;
  return result;
}

/** The bytes that `token` stands for, or its own UTF-8 when a character of it is outside of the alphabet. */
export function fromByteCharacters(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = CODE_TO_BYTE[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return encoder.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}

function buildAlphabet(): string[] {
  let shifted = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    return String.fromCharCode(printable ? byte : shifted++);
  });
}
