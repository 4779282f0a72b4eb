/** Hashes of files that may be larger than memory. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

const chunkBytes = 4 * 2 ** 20;

/** Feeds the contents of the file at `path` to `hash`; `onChunk` is told the bytes of each part, and may throw. */
export async function updateWithFile(
  hash: Hash,
  path: string,
  onChunk: (bytes: number) => void = () => undefined,
): Promise<void> {
  const chunks = createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>;
  for await (const chunk of chunks) {
    hash.update(chunk);
    onChunk(chunk.length);
  }
}

/** The size and SHA-256 (hexadecimal) of the file at `path`. */
export async function digestFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  await updateWithFile(hash, path, (length) => (bytes += length));
  return { bytes, sha256: hash.digest('hex') };
}
