/**
 * Rows of files, JSON lines or Parquet, each with the place it came from. A row that cannot be read comes with its
 * fault instead of a value: how many of those can be borne is its caller's decision.
 */
import { open } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { AhaError, describeError } from '../errors.ts';
import { storageError } from './files.ts';
import { readLines } from './lines.ts';

export interface FileRow {
  readonly file: string;
  /** The line of a JSON lines file, the row of a Parquet file; from 1. */
  readonly line: number;
  readonly value?: Readonly<Record<string, unknown>>;
  readonly fault?: string;
}

/** Rows of a Parquet file that are decoded at once. */
const parquetBatch = 4096;

/** Throws `AhaError` (data or storage) for a file that cannot be read at all. */
export async function* readRowFile(file: string): AsyncGenerator<FileRow> {
  yield* (await isParquet(file)) ? parquetRows(file) : jsonRows(file);
}

async function* jsonRows(file: string): AsyncGenerator<FileRow> {
  for await (const { number: line, text, fault } of readLines(file)) {
    if (fault !== undefined) yield { file, line, fault };
    else yield { file, line, ...parsed(text) };
  }
}

function parsed(text: string): Pick<FileRow, 'value' | 'fault'> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { fault: `not JSON (${describeError(error).slice(0, 80)})` };
  }
  return rowOf(value);
}

function rowOf(value: unknown): Pick<FileRow, 'value' | 'fault'> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { fault: 'no JSON object' };
  return { value: value as Record<string, unknown> };
}

/** `PAR1` at the beginning, whatever the file is called. */
async function isParquet(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && buffer.toString('latin1') === 'PAR1';
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageError(`Could not read ${file}`, error);
  }
}

async function* parquetRows(file: string): AsyncGenerator<FileRow> {
  const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw storageError(`Could not read ${file}`, error);
  });
  try {
    const { size } = await handle.stat();
    const source = {
      byteLength: size,
      async slice(start: number, end = size): Promise<ArrayBuffer> {
        const bytes = new Uint8Array(Math.max(0, end - start));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
        if (bytesRead < bytes.length) throw new Error(`the file ends at byte ${start + bytesRead}`);
        return bytes.buffer;
      },
    };
    const metadata = await parquetMetadataAsync(source);
    const count = Number(metadata.num_rows);
    // Integers of 64 bits come as bigint, which nothing that reads JSON expects.
    const wide = metadata.schema.some(({ type }) => type === 'INT64');
    for (let start = 0; start < count; start += parquetBatch) {
      const rows = await parquetReadObjects({
        file: source,
        metadata,
        rowStart: start,
        rowEnd: Math.min(count, start + parquetBatch),
        compressors: { GZIP: (bytes) => gunzipSync(bytes), BROTLI: (bytes) => brotliDecompressSync(bytes) },
      });
      for (const [index, row] of rows.entries()) {
        yield { file, line: start + index + 1, ...rowOf(wide ? plainNumbers(row) : row) };
      }
    }
  } catch (error) {
    if (error instanceof AhaError) throw error;
    throw new AhaError({
      code: 'parquet-unreadable',
      boundary: 'data',
      what: `${file} cannot be read as Parquet`,
      found: describeError(error),
      expected: 'an intact Parquet file, uncompressed or compressed by Snappy, gzip or Brotli',
      fix: 'Download it again, or convert it to JSON lines.',
      cause: error,
    });
  } finally {
    await handle.close();
  }
}

/** As JSON has numbers; one that is too large for that as its digits. */
function plainNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (Array.isArray(value)) return value.map(plainNumbers);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainNumbers(inner)]));
}
