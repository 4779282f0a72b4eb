/** Text files line by line, with bounded memory per line: what JSON lines are read with. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { storageError } from './files.ts';

/** The longest line that is read. */
export const longestLine = 2 ** 20;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  readonly fault?: string;
}

/**
 * Lines of a file or a stream that are not blank. Lines that are too long or no UTF-8 come with a fault instead of text.
 */
export async function* readLines(source: string | AsyncIterable<Buffer>): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  let pieces: Buffer[] = [];
  let length = 0;
  const take = (): Line | undefined => {
    const bytes = Buffer.concat(pieces);
    const tooLong = length > longestLine;
    const size = length;
    pieces = [];
    length = 0;
    number++;
    if (tooLong) return { number, text: '', fault: `${size} bytes long, more than ${longestLine}` };
    try {
      const text = decoder.decode(bytes);
      return text.trim() === '' ? undefined : { number, text };
    } catch {
      return { number, text: '', fault: 'not UTF-8' };
    }
  };
  const add = (piece: Buffer) => {
    length += piece.length;
    if (length <= longestLine) pieces.push(piece);
    else pieces = [];
  };
  try {
    for await (const chunk of typeof source === 'string' ? await openBytes(source) : source) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        add(chunk.subarray(start, end));
        const line = take();
        if (line !== undefined) yield line;
        start = end + 1;
      }
      add(chunk.subarray(start));
    }
  } catch (error) {
    throw storageError(`Could not read ${typeof source === 'string' ? source : 'standard input'}`, error);
  }
  if (length > 0) {
    const line = take();
    if (line !== undefined) yield line;
  }
}

/** The bytes of a file, unpacked if it is gzip data. Lines are bounded, so that nothing small unpacks into much memory. */
async function openBytes(file: string): Promise<AsyncIterable<Buffer>> {
  const handle = await open(file);
  const start = Buffer.alloc(2);
  try {
    await handle.read(start, 0, 2, 0);
  } finally {
    await handle.close();
  }
  const bytes = createReadStream(file, { highWaterMark: 2 ** 18 });
  if (start[0] !== 0x1f || start[1] !== 0x8b) return bytes as AsyncIterable<Buffer>;
  const unpacked = createGunzip();
  bytes.on('error', (error) => unpacked.destroy(error));
  return bytes.pipe(unpacked) as AsyncIterable<Buffer>;
}
