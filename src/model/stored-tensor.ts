/**
 * A tensor that lies in a file. Its values are read piece by piece into memory that the caller owns, converted to
 * float32 on the way, so that a checkpoint is never held twice; and every value read is checked to be finite.
 * Knows nothing about file formats: those say where the bytes lie and how a block of them is decoded.
 */
import type { FileHandle } from 'node:fs/promises';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { widenBfloat16, widenFloat16 } from './half.ts';

export interface StoredTensor {
  /** The Hugging Face name: `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** As stored: `F32`, `BF16`, `Q4_K`. */
  readonly dtype: string;
  /**
   * Reads all values in row-major order into `target`, whose length must be the number of elements.
   * Throws `AhaError` (model) if the file ends early or a value is NaN or infinite.
   */
  readInto(target: Float32Array): Promise<void>;
}

/** How values are stored: blocks of `bytes` bytes hold `elements` values each. */
export interface Encoding {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
  /** Decodes whole blocks. `bytes` starts at a multiple of 8 in its buffer. */
  decode(bytes: Uint8Array, out: Float32Array): void;
}

export const encodingF32: Encoding = {
  name: 'F32',
  elements: 1,
  bytes: 4,
  decode: (bytes, out) => out.set(new Float32Array(bytes.buffer, bytes.byteOffset, out.length)),
};

export const encodingF64: Encoding = {
  name: 'F64',
  elements: 1,
  bytes: 8,
  decode: (bytes, out) => out.set(new Float64Array(bytes.buffer, bytes.byteOffset, out.length)),
};

export const encodingF16: Encoding = {
  name: 'F16',
  elements: 1,
  bytes: 2,
  decode: (bytes, out) => widenFloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out),
};

export const encodingBF16: Encoding = {
  name: 'BF16',
  elements: 1,
  bytes: 2,
  decode: (bytes, out) => widenBfloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out),
};

export interface StoredTensorSource {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
  readonly file: FileHandle;
  /** For messages. */
  readonly path: string;
  /** Where the tensor begins in the file, in bytes. */
  readonly offset: number;
  /**
   * For row r as stored (a row is everything but the first dimension), the row that it is. Default: the same.
   * A row must be a whole number of blocks.
   */
  readonly rowOf?: (row: number) => number;
}

/** Bytes of a piece. Large enough that a read costs nothing beside the copy, small enough to stay in cache. */
const pieceBytes = 1 << 20;

/** A `StoredTensor` whose blocks lie one after the other in a file. */
export function storedTensor(source: StoredTensorSource): StoredTensor {
  const { name, shape, encoding } = source;
  return {
    name,
    shape,
    dtype: encoding.name,
    readInto: async (target) => {
      const elements = elementCount(shape);
      if (target.length !== elements) {
        throw new AhaError({
          code: 'tensor-target',
          boundary: 'model',
          what: `Tensor ${name} of shape [${shape.join(', ')}] cannot be read into the memory given`,
          found: `${target.length} numbers`,
          expected: `${elements}`,
        });
      }
      if (source.rowOf === undefined) await readInOrder(source, target);
      else await readReordered(source, target, source.rowOf);
    },
  };
}

async function readInOrder(source: StoredTensorSource, target: Float32Array): Promise<void> {
  const { encoding } = source;
  const blocks = target.length / encoding.elements;
  const step = Math.floor(pieceBytes / encoding.bytes);
  const bytes = new Uint8Array(Math.min(step, blocks) * encoding.bytes);
  for (let first = 0; first < blocks; first += step) {
    const count = Math.min(step, blocks - first);
    const piece = bytes.subarray(0, count * encoding.bytes);
    await readExactly(source, piece, source.offset + first * encoding.bytes);
    const out = target.subarray(first * encoding.elements, (first + count) * encoding.elements);
    encoding.decode(piece, out);
    requireFinite(source, out, first * encoding.elements);
  }
}

async function readReordered(
  source: StoredTensorSource,
  target: Float32Array,
  rowOf: (row: number) => number,
): Promise<void> {
  const { shape, encoding } = source;
  const rows = shape[0]!;
  if (target.length === 0) return;
  const columns = target.length / rows;
  const rowBytes = (columns / encoding.elements) * encoding.bytes;
  const step = Math.max(1, Math.floor(pieceBytes / rowBytes));
  const bytes = new Uint8Array(Math.min(step, rows) * rowBytes);
  const values = new Float32Array(Math.min(step, rows) * columns);
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const piece = bytes.subarray(0, count * rowBytes);
    await readExactly(source, piece, source.offset + first * rowBytes);
    const decoded = values.subarray(0, count * columns);
    encoding.decode(piece, decoded);
    for (let i = 0; i < count; i++) {
      const row = decoded.subarray(i * columns, (i + 1) * columns);
      const start = rowOf(first + i) * columns;
      requireFinite(source, row, start);
      target.set(row, start);
    }
  }
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

async function readExactly(source: StoredTensorSource, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    let got: number;
    try {
      ({ bytesRead: got } = await source.file.read(bytes, done, bytes.length - done, offset + done));
    } catch (error) {
      throw storageError(`Could not read tensor ${source.name} from ${source.path}`, error);
    }
    if (got === 0) {
      throw new AhaError({
        code: 'checkpoint-truncated',
        boundary: 'model',
        what: `${source.path} ends in the middle of tensor ${source.name}`,
        found: `${offset + done} bytes`,
        expected: `at least ${offset + bytes.length}`,
        fix: 'The file was cut short or is being rewritten: download or copy it again.',
        fields: { file: source.path, tensor: source.name },
      });
    }
    done += got;
  }
}

function requireFinite(source: StoredTensorSource, values: Float32Array, start: number): void {
  // x − x is 0 for a finite x and NaN otherwise: one pass without a branch.
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    sum += value - value;
  }
  if (sum === 0) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new AhaError({
    code: 'tensor-not-finite',
    boundary: 'model',
    what: `Tensor ${source.name} in ${source.path} holds a value that is not finite, at index ${start + at}`,
    found: String(values[at]),
    expected: 'finite numbers',
    fix: 'The checkpoint is damaged or its training diverged: use another one.',
    fields: { file: source.path, tensor: source.name, index: start + at },
  });
}
