/**
 * The GGUF file format, versions 2 and 3, little-endian: metadata (typed key-value pairs), a table of tensors, and
 * their data. The table is checked completely before any value is read. Lengths in the file are never trusted:
 * nothing is allocated for more than the file can hold.
 *
 * `@huggingface/gguf` is not used: it pads a truncated file with zeros and then reads those, and it leaves tensor
 * offsets, overlaps and sizes to the caller.
 * Source: docs/gguf.md of ggml.
 */
import { readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { ggmlEncodings, otherGgmlTypes } from './gguf-dequantize.ts';
import { elementCount, type Encoding } from './stored-tensor.ts';

/** Integers of 64 bits are numbers where those are exact, and bigints beyond. */
export type GgufValue = string | number | bigint | boolean | readonly GgufValue[];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export interface GgufTensorInfo {
  /** llama.cpp's name: `blk.0.attn_q.weight`. */
  readonly name: string;
  /** In row-major order as in PyTorch (GGUF lists dimensions the other way round). */
  readonly shape: readonly number[];
  /** Absent for a type that exists but cannot be read. */
  readonly encoding: Encoding | undefined;
  readonly dtype: string;
  /** In bytes from the beginning of the file. */
  readonly offset: number;
}

export interface GgufFile {
  readonly path: string;
  readonly file: FileHandle;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
  close(): Promise<void>;
}

// Bounds that no file reaches: vocabularies have up to some 300 thousand tokens and 600 thousand merges.
const maxArrayLength = 8_000_000;
const maxEntries = 65_536;
const maxTensors = 1_000_000;
const maxStringBytes = 16 << 20;
const maxNameBytes = 65_535;
const maxHeaderBytes = 100 << 20;
const maxDimensions = 4;
const maxArrayDepth = 2;

export const ggufMagic = 0x46554747;

/** Opens a GGUF file and checks its header. The caller closes it. */
export async function openGguf(path: string): Promise<GgufFile> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw storageError(`Could not open ${path}`, error);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile())
      throw damaged(path, 'It is not a regular file', stat.isDirectory() ? 'a folder' : 'a device');
    const reader = new HeaderReader(path, file.fd, stat.size);
    const { metadata, tensors } = readHeader(reader, stat.size);
    return { path, file, metadata, tensors, close: async () => file.close() };
  } catch (error) {
    await file.close();
    throw storageError(`Could not read ${path}`, error);
  }
}

function readHeader(reader: HeaderReader, fileSize: number) {
  const { path } = reader;
  const magic = reader.uint32('the magic number');
  if (magic !== ggufMagic) {
    throw damaged(
      path,
      'It does not begin with GGUF',
      `0x${magic.toString(16)}`,
      `0x${ggufMagic.toString(16)}`,
    );
  }
  const version = reader.uint32('the version');
  if (version !== 2 && version !== 3) {
    const bigEndian = version !== 0 && (version & 0xffff) === 0;
    const found = bigEndian ? 'a big-endian file' : `version ${version}`;
    throw damaged(path, 'Its version is not supported', found, 'version 2 or 3, little-endian');
  }
  const tensorCount = reader.length('the number of tensors', maxTensors, 24);
  const entryCount = reader.length('the number of metadata entries', maxEntries, 13);

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.string(`the name of metadata entry ${i}`, maxNameBytes);
    if (metadata.has(key)) throw damaged(path, 'A metadata key occurs twice', key);
    const what = `metadata entry ${quoted(key)}`;
    metadata.set(key, readValue(reader, reader.uint32(`the type of ${what}`), what, 0));
  }

  const table: { name: string; shape: number[]; type: number; offset: number }[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = reader.string(`the name of tensor ${i}`, maxNameBytes);
    const what = `tensor ${quoted(name)}`;
    const dimensions = reader.uint32(`the dimensions of ${what}`);
    if (dimensions > maxDimensions) {
      throw damaged(path, `Too many dimensions: ${what}`, dimensions, `at most ${maxDimensions}`);
    }
    const shape: number[] = [];
    for (let d = 0; d < dimensions; d++) shape.unshift(exactSize(reader, `a size of ${what}`));
    const type = reader.uint32(`the type of ${what}`);
    const offset = exactSize(reader, `the offset of ${what}`);
    table.push({ name, shape, type, offset });
  }

  const alignment = alignmentOf(path, metadata);
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  return { metadata, tensors: placeTensors(path, table, { dataStart, alignment, fileSize }) };
}

function placeTensors(
  path: string,
  table: readonly { name: string; shape: number[]; type: number; offset: number }[],
  { dataStart, alignment, fileSize }: { dataStart: number; alignment: number; fileSize: number },
): Map<string, GgufTensorInfo> {
  const tensors = new Map<string, GgufTensorInfo>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const { name, shape, type, offset } of table) {
    if (tensors.has(name)) throw damaged(path, 'A tensor name occurs twice', name);
    const encoding = ggmlEncodings.get(type);
    const other = otherGgmlTypes.get(type);
    if (encoding === undefined && other === undefined) {
      throw damaged(path, `Tensor ${quoted(name)} has an unknown type`, type, 'a type of GGML');
    }
    const [dtype, blockElements, blockBytes] =
      encoding === undefined ? other! : [encoding.name, encoding.elements, encoding.bytes];
    const row = shape.at(-1) ?? 1;
    if (row % blockElements !== 0) {
      const expected = `a multiple of ${blockElements}`;
      throw damaged(path, `The rows of tensor ${quoted(name)} are not whole ${dtype} blocks`, row, expected);
    }
    if (offset % alignment !== 0) {
      throw damaged(path, `Tensor ${quoted(name)} is not aligned`, offset, `a multiple of ${alignment}`);
    }
    const begin = dataStart + offset;
    const end = begin + (elementCount(shape) / blockElements) * blockBytes;
    if (!(end <= fileSize)) {
      throw new AhaError({
        code: 'checkpoint-truncated',
        boundary: 'model',
        what: `${path} is cut short in tensor ${quoted(name)}`,
        found: `${fileSize} bytes`,
        expected: `at least ${end}`,
        fix: 'Download or copy the file again.',
        fields: { file: path, tensor: name },
      });
    }
    ranges.push({ name, begin, end });
    tensors.set(name, { name, shape, encoding, dtype, offset: begin });
  }
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const [i, range] of ranges.entries()) {
    const before = ranges[i - 1];
    if (before !== undefined && range.begin < before.end) {
      throw damaged(
        path,
        `Tensors ${quoted(before.name)} and ${quoted(range.name)} overlap`,
        range.begin,
        before.end,
      );
    }
  }
  return tensors;
}

function alignmentOf(path: string, metadata: GgufMetadata): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  const valid =
    typeof alignment === 'number' &&
    alignment >= 1 &&
    alignment <= 2 ** 20 &&
    Number.isInteger(Math.log2(alignment));
  if (!valid) throw damaged(path, 'general.alignment is not a power of two', String(alignment));
  return alignment;
}

/** Sizes in bytes of the value types, for bounds; a string or array has at least its length. */
const typeBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8] as const;

function readValue(reader: HeaderReader, type: number, key: string, depth: number): GgufValue {
  switch (type) {
    case 0:
      return reader.uint8(key);
    case 1:
      return (reader.uint8(key) << 24) >> 24;
    case 2:
      return reader.uint16(key);
    case 3:
      return (reader.uint16(key) << 16) >> 16;
    case 4:
      return reader.uint32(key);
    case 5:
      return reader.uint32(key) | 0;
    case 6:
      return reader.float32(key);
    case 7:
      return readBoolean(reader, key);
    case 8:
      // Token texts must be exact; a description need not be.
      return reader.string(key, maxStringBytes, depth === 0);
    case 9:
      return readArray(reader, key, depth);
    case 10:
      return numberIfExact(reader.uint64(key));
    case 11:
      return numberIfExact(BigInt.asIntN(64, reader.uint64(key)));
    case 12:
      return reader.float64(key);
    default:
      throw damaged(reader.path, `Unknown type: ${key}`, type, '0 to 12');
  }
}

function readBoolean(reader: HeaderReader, key: string): boolean {
  const byte = reader.uint8(key);
  if (byte > 1) throw damaged(reader.path, `Not a boolean: ${key}`, byte, '0 or 1');
  return byte === 1;
}

function readArray(reader: HeaderReader, key: string, depth: number): GgufValue[] {
  if (depth >= maxArrayDepth) throw damaged(reader.path, `Nested too deeply: ${key}`, depth);
  const type = reader.uint32(key);
  const bytes = typeBytes[type];
  if (bytes === undefined) {
    throw damaged(reader.path, `Unknown type of elements: ${key}`, type, '0 to 12');
  }
  const length = reader.length(`the length of ${key}`, maxArrayLength, bytes);
  const values: GgufValue[] = [];
  for (let i = 0; i < length; i++) values.push(readValue(reader, type, key, depth + 1));
  return values;
}

function numberIfExact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function exactSize(reader: HeaderReader, what: string): number {
  const value = reader.uint64(what);
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw damaged(reader.path, `Impossible: ${what}`, `${value}`, 'less than 2^53');
}

/** Reads a header in order through a window on the file, without ever going past the file's end. */
class HeaderReader {
  readonly path: string;
  readonly #fd: number;
  readonly #size: number;
  /** Bytes of the file that the window holds begin here. */
  #windowStart = 0;
  #window: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));
  #position = 0;

  constructor(path: string, fd: number, size: number) {
    this.path = path;
    this.#fd = fd;
    this.#size = size;
  }

  get position(): number {
    return this.#position;
  }

  uint8(what: string): number {
    const at = this.#take(1, what);
    return this.#window.getUint8(at);
  }
  uint16(what: string): number {
    const at = this.#take(2, what);
    return this.#window.getUint16(at, true);
  }
  uint32(what: string): number {
    const at = this.#take(4, what);
    return this.#window.getUint32(at, true);
  }
  uint64(what: string): bigint {
    const at = this.#take(8, what);
    return this.#window.getBigUint64(at, true);
  }
  float32(what: string): number {
    const at = this.#take(4, what);
    return this.#window.getFloat32(at, true);
  }
  float64(what: string): number {
    const at = this.#take(8, what);
    return this.#window.getFloat64(at, true);
  }

  /** Text in UTF-8, which `lenient` replaces where it is none. */
  string(what: string, limit: number, lenient = false): string {
    const length = this.length(`the length of ${what}`, limit, 1);
    const at = this.#take(length, what);
    try {
      return (lenient ? lenientUtf8 : utf8).decode(new Uint8Array(this.#window.buffer, at, length));
    } catch {
      throw damaged(this.path, `A text is not UTF-8: ${what}`, `at byte ${this.#position - length}`);
    }
  }

  /** A count of things of at least `bytes` bytes each, which the rest of the file must be able to hold. */
  length(what: string, limit: number, bytes: number): number {
    const value = this.uint64(what);
    const room = Math.floor((this.#size - this.#position) / bytes);
    if (value <= BigInt(Math.min(limit, room))) return Number(value);
    throw damaged(this.path, `Impossible: ${what}`, `${value}`, `at most ${Math.min(limit, room)}`);
  }

  /** Moves on by `bytes`, which may replace the window, and says where in the window they begin. */
  #take(bytes: number, what: string): number {
    const start = this.#position;
    if (start + bytes > this.#size) {
      throw new AhaError({
        code: 'checkpoint-truncated',
        boundary: 'model',
        what: `${this.path} is cut short in ${what}`,
        found: `${this.#size} bytes`,
        expected: `at least ${start + bytes}`,
        fix: 'Download or copy the file again.',
        fields: { file: this.path },
      });
    }
    if (start + bytes > maxHeaderBytes) {
      throw damaged(
        this.path,
        'Its header is too long',
        `more than ${start} bytes`,
        `at most ${maxHeaderBytes}`,
      );
    }
    this.#position += bytes;
    if (start + bytes > this.#windowStart + this.#window.byteLength) this.#load(start, bytes);
    return start - this.#windowStart;
  }

  #load(start: number, bytes: number): void {
    const window = new Uint8Array(Math.min(Math.max(bytes, 1 << 20), this.#size - start));
    let done = 0;
    while (done < window.length) {
      const got = readSync(this.#fd, window, done, window.length - done, start + done);
      if (got === 0) break;
      done += got;
    }
    // A file that shrinks while it is read: what is missing must not be read as zeros.
    if (done < bytes)
      throw damaged(this.path, 'It became shorter while it was read', `${start + done} bytes`);
    this.#window = new DataView(window.buffer, 0, done);
    this.#windowStart = start;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}

function damaged(path: string, what: string, found: unknown, expected?: unknown): AhaError {
  return new AhaError({
    code: 'gguf-invalid',
    boundary: 'model',
    what: `${path} is not a GGUF file that can be read. ${what}`,
    found,
    ...(expected === undefined ? {} : { expected }),
    fix: 'Download or copy the file again, or convert the checkpoint again.',
    fields: { file: path },
  });
}
