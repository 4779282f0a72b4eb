/** Files for tests of checkpoints: where the goldens lie, and builders of files that are wrong in one way. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { AhaError } from '../src/errors.ts';

/** A file of `test/fixtures`. */
export function fixture(...path: string[]): string {
  return fileURLToPath(new URL(join('fixtures', ...path), import.meta.url));
}

/** A new folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aha-model-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function writeTemporary(name: string, contents: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  return path;
}

/** Rejects with our error of this code, and says something a person can act on. */
export async function expectRefusal(promise: Promise<unknown>, code: string | RegExp): Promise<AhaError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, 'nothing was refused').toBeDefined();
  expect(error).toBeInstanceOf(AhaError);
  const ours = error as AhaError;
  expect(ours.code, ours.message).toMatch(typeof code === 'string' ? new RegExp(`^${code}$`) : code);
  expect(ours.message.length).toBeLessThan(2000);
  return ours;
}

/** Values of an all-float32 safetensors file, read without the code under test. */
export function plainSafetensors(path: string): Map<string, { shape: number[]; values: Float32Array }> {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === '__metadata__' || dtype !== 'F32') continue;
    const data = bytes.subarray(8 + length + offsets[0], 8 + length + offsets[1]);
    tensors.set(name, { shape, values: new Float32Array(new Uint8Array(data).buffer) });
  }
  return tensors;
}

/** A safetensors file with this header (an object, or any text) and these data. */
export function safetensorsBytes(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

/** Writes GGUF piece by piece, right or wrong. */
export class GgufBytes {
  readonly #pieces: Uint8Array[] = [];

  constructor(version = 3, tensors: number | bigint = 0, entries: number | bigint = 0) {
    this.raw(new TextEncoder().encode('GGUF')).uint32(version).uint64(tensors).uint64(entries);
  }

  raw(bytes: Uint8Array): this {
    this.#pieces.push(bytes);
    return this;
  }
  uint32(value: number): this {
    return this.raw(new Uint8Array(Uint32Array.of(value).buffer));
  }
  uint64(value: number | bigint): this {
    return this.raw(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }
  string(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.uint64(bytes.length).raw(bytes);
  }
  /** A metadata entry with a text. */
  text(key: string, value: string): this {
    return this.string(key).uint32(8).string(value);
  }
  tensor(
    name: string,
    dimensions: readonly (number | bigint)[],
    type: number,
    offset: number | bigint,
  ): this {
    this.string(name).uint32(dimensions.length);
    for (const size of dimensions) this.uint64(size);
    return this.uint32(type).uint64(offset);
  }
  pad(alignment = 32): this {
    const length = this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
    return this.raw(new Uint8Array((alignment - (length % alignment)) % alignment));
  }
  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }
}
