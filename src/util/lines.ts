/** Text files line by line, with bounded memory per line: what JSON lines are read with. */
import { createReadStream } from 'node:fs';
import { AhaError } from '../errors.ts';
import { storageError } from './files.ts';

/** The longest line that is read. */
export const longestLine = 2 ** 20;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  readonly fault?: string;
}

/** Lines that are not blank. Lines that are too long or no UTF-8 come with a fault instead of text. */
export async function* readLines(file: string): AsyncGenerator<Line> {
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
    let first = true;
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>) {
      if (first && chunk[0] === 0x1f && chunk[1] === 0x8b) {
        throw new AhaError({
          code: 'compressed-file',
          boundary: 'data',
          what: `${file} is compressed`,
          found: 'gzip data',
          expected: 'JSON lines',
          fix: 'Unpack it first (gunzip).',
        });
      }
      first = false;
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
    throw storageError(`Could not read ${file}`, error);
  }
  if (length > 0) {
    const line = take();
    if (line !== undefined) yield line;
  }
}
