/**
 * The safetensors format: 8 bytes of header length, a JSON header that names each tensor with its type, shape and
 * byte range, then the bytes. Reading checks the whole header before any value is touched: a file is either
 * understood exactly or refused with the reason. Writing streams, so that a file larger than memory can be written.
 * Source: https://github.com/huggingface/safetensors (format description in its README).
 */
import { open, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { duplicateKey, isRecord, kindOf, problemIn } from './json.ts';
import { maxFloat16, narrowToBfloat16, narrowToFloat16 } from './half.ts';
import {
  elementCount,
  encodingBF16,
  encodingF16,
  encodingF32,
  encodingF64,
  storedTensor,
  type Encoding,
  type StoredTensor,
} from './stored-tensor.ts';

export interface SafetensorsFile {
  readonly path: string;
  /** The `__metadata__` of the header. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/** The reference implementation's limit. */
const maxHeaderBytes = 100_000_000;

const encodings: Readonly<Record<string, Encoding>> = {
  F64: encodingF64,
  F32: encodingF32,
  F16: encodingF16,
  BF16: encodingBF16,
};

/** Bytes of an element, for the types that exist but are not weights that we can read. */
const otherTypes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  I32: 4,
  U32: 4,
  I64: 8,
  U64: 8,
  C64: 8,
};

const size = z.int().nonnegative();
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.record(z.string(), z.string());

/** Opens a safetensors file and checks its header. The caller closes it. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw storageError(`Could not open ${path}`, error);
  }
  try {
    return await readHeader(path, file);
  } catch (error) {
    await file.close();
    throw storageError(`Could not read ${path}`, error);
  }
}

async function readHeader(path: string, file: FileHandle): Promise<SafetensorsFile> {
  const stat = await file.stat();
  if (!stat.isFile()) {
    throw damaged(path, 'It is not a regular file', stat.isDirectory() ? 'a folder' : 'a device', 'a file');
  }
  if (stat.size < 8) throw truncated(path, stat.size, 8);
  const lengthBytes = new DataView(new ArrayBuffer(8));
  await readFully(path, file, new Uint8Array(lengthBytes.buffer), 0);
  const headerLength = lengthBytes.getBigUint64(0, true);
  if (headerLength > BigInt(maxHeaderBytes)) {
    const expected = `at most ${maxHeaderBytes} bytes`;
    throw damaged(path, 'Its header is too long', `${headerLength} bytes`, expected);
  }
  const dataStart = 8 + Number(headerLength);
  if (stat.size < dataStart) throw truncated(path, stat.size, dataStart);
  const header = new Uint8Array(Number(headerLength));
  await readFully(path, file, header, 8);

  const text = decodeUtf8(path, header);
  const json = parseHeader(path, text);
  const parsed: { name: string; dtype: string; shape: number[]; begin: number; end: number }[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') {
      const result = metadataSchema.safeParse(value);
      if (!result.success)
        throw damaged(path, 'Its metadata is not a map of strings', problemIn(result.error), 'strings');
      metadata = result.data;
      continue;
    }
    const result = entrySchema.safeParse(value);
    if (!result.success) {
      const expected = '{"dtype": string, "shape": [sizes], "data_offsets": [begin, end]}';
      throw damaged(
        path,
        `The header entry of tensor ${quoted(name)} is malformed`,
        problemIn(result.error),
        expected,
      );
    }
    const [begin, end] = result.data.data_offsets;
    parsed.push({ name, dtype: result.data.dtype, shape: result.data.shape, begin, end });
  }
  parsed.sort((a, b) => a.begin - b.begin || a.end - b.end);

  // The format demands that the tensors cover the data exactly: no gap, no overlap, nothing after the last.
  const tensors = new Map<string, StoredTensor>();
  let position = 0;
  for (const { name, dtype, shape, begin, end } of parsed) {
    if (begin !== position || end < begin) {
      const what = `The bytes of tensor ${quoted(name)} do not begin where those of the one before end`;
      throw damaged(path, what, `${begin} to ${end}`, `a range that begins at ${position}`);
    }
    const bytes = bytesPerElement(path, name, dtype) * elementCount(shape);
    if (bytes !== end - begin) {
      const what = `Tensor ${quoted(name)} of type ${dtype} and shape [${shape.join(', ')}] has the wrong size`;
      throw damaged(path, what, `${end - begin} bytes`, `${bytes} bytes`);
    }
    position = end;
    if (dataStart + end > stat.size) throw truncated(path, stat.size, dataStart + end, name);
    const encoding = encodings[dtype];
    const offset = dataStart + begin;
    tensors.set(
      name,
      encoding === undefined
        ? unreadableTensor(path, name, dtype, shape)
        : storedTensor({ name, shape, encoding, file, path, offset }),
    );
  }
  if (dataStart + position !== stat.size) {
    throw damaged(path, 'It goes on after its last tensor', `${stat.size} bytes`, dataStart + position);
  }
  return { path, metadata, tensors, close: async () => file.close() };
}

function parseHeader(path: string, text: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged(path, 'Its header is not JSON', error instanceof Error ? error.message : text, 'JSON');
  }
  if (!isRecord(json)) throw damaged(path, 'Its header is not a JSON object', kindOf(json), 'an object');
  // JSON.parse keeps the last of two equal keys, in silence.
  const twice = duplicateKey(text);
  if (twice !== undefined) throw damaged(path, 'Its header names a tensor twice', twice, 'each name once');
  return json;
}

function bytesPerElement(path: string, name: string, dtype: string): number {
  const bytes = encodings[dtype]?.bytes ?? otherTypes[dtype];
  if (bytes !== undefined) return bytes;
  throw damaged(path, `Tensor ${quoted(name)} has an unknown type`, dtype, Object.keys(encodings).join(', '));
}

function unreadableTensor(path: string, name: string, dtype: string, shape: readonly number[]): StoredTensor {
  return {
    name,
    shape,
    dtype,
    async readInto() {
      throw new AhaError({
        code: 'tensor-type-unsupported',
        boundary: 'model',
        what: `Tensor ${name} in ${path} cannot be read as weights`,
        found: `type ${dtype}`,
        expected: Object.keys(encodings).join(', '),
        fix: 'Quantised checkpoints are read from GGUF files only: use one of those, or an unquantised checkpoint.',
        fields: { file: path, tensor: name },
      });
    },
  };
}

/** What a safetensors file may be written as. */
export type SafetensorsDtype = 'f32' | 'f16' | 'bf16';

/** A tensor to be written: `read` is called once, when its turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  read(): Float32Array | Promise<Float32Array>;
}

export const bytesPerValue: Readonly<Record<SafetensorsDtype, number>> = { f32: 4, f16: 2, bf16: 2 };

/**
 * Writes a safetensors file whole or not at all, one tensor in memory at a time. Throws `AhaError` (model) for a
 * value that is not finite or does not fit the type: such a file could not be loaded again.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  options: { readonly dtype?: SafetensorsDtype; readonly metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const dtype = options.dtype ?? 'f32';
  const header: Record<string, unknown> = {};
  if (options.metadata !== undefined) header['__metadata__'] = options.metadata;
  let position = 0;
  for (const { name, shape } of tensors) {
    if (Object.hasOwn(header, name) || name === '__metadata__') {
      throw new AhaError({
        code: 'tensor-name-taken',
        boundary: 'model',
        what: `Could not write ${path}: two tensors have the same name`,
        found: name,
      });
    }
    const end = position + elementCount(shape) * bytesPerValue[dtype];
    header[name] = { dtype: dtype.toUpperCase(), shape, data_offsets: [position, end] };
    position = end;
  }
  await writeFileAtomic(path, fileChunks(path, header, tensors, dtype));
}

async function* fileChunks(
  path: string,
  header: Record<string, unknown>,
  tensors: readonly TensorToWrite[],
  dtype: SafetensorsDtype,
): AsyncGenerator<Uint8Array> {
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces so that the data is aligned.
  const length = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  yield head;
  for (const tensor of tensors) {
    const values = await tensor.read();
    const elements = elementCount(tensor.shape);
    if (values.length !== elements) {
      throw new AhaError({
        code: 'tensor-length',
        boundary: 'model',
        what: `Could not write ${path}: tensor ${tensor.name} of shape [${tensor.shape.join(', ')}] has the wrong length`,
        found: values.length,
        expected: elements,
      });
    }
    yield* encodedPieces(path, tensor.name, values, dtype);
  }
}

/** Values per piece: 4 MB of float32. */
const pieceValues = 1 << 20;

function* encodedPieces(
  path: string,
  name: string,
  values: Float32Array,
  dtype: SafetensorsDtype,
): Generator<Uint8Array> {
  for (let start = 0; start < values.length; start += pieceValues) {
    const piece = values.subarray(start, start + pieceValues);
    const limit = dtype === 'f16' ? maxFloat16 : Infinity;
    for (let i = 0; i < piece.length; i++) {
      const value = piece[i]!;
      if (Number.isFinite(value) && Math.abs(value) <= limit) continue;
      const finite = Number.isFinite(value);
      throw new AhaError({
        code: finite ? 'tensor-overflow' : 'tensor-not-finite',
        boundary: 'model',
        what: `Could not write ${path}: tensor ${name} holds a value that ${finite ? 'f16 cannot represent' : 'is not finite'}, at index ${start + i}`,
        found: String(value),
        expected: finite ? `at most ${maxFloat16}` : 'finite numbers',
        fix: finite ? 'Write it as bf16 or f32.' : 'Training diverged: go back to an earlier checkpoint.',
        fields: { tensor: name, index: start + i },
      });
    }
    const encoded =
      dtype === 'f32' ? piece : dtype === 'f16' ? narrowToFloat16(piece) : narrowToBfloat16(piece);
    yield new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  }
}

async function readFully(path: string, file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) throw truncated(path, offset + done, offset + bytes.length);
    done += bytesRead;
  }
}

function decodeUtf8(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw damaged(path, 'Its header is not UTF-8', 'other bytes', 'JSON in UTF-8');
  }
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}

function truncated(path: string, found: number, expected: number, tensor?: string): AhaError {
  return new AhaError({
    code: 'checkpoint-truncated',
    boundary: 'model',
    what: `${path} is cut short${tensor === undefined ? '' : ` in tensor ${quoted(tensor)}`}`,
    found: `${found} bytes`,
    expected: `at least ${expected}`,
    fix: 'Download or copy the file again.',
    fields: { file: path, ...(tensor === undefined ? {} : { tensor }) },
  });
}

function damaged(path: string, what: string, found: unknown, expected: unknown): AhaError {
  return new AhaError({
    code: 'safetensors-invalid',
    boundary: 'model',
    what: `${path} is not a valid safetensors file. ${what}`,
    found,
    expected,
    fix: 'Download or copy the file again, or convert the checkpoint again.',
    fields: { file: path },
  });
}
