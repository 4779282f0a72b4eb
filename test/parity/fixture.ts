/** The fixture checkpoints of test/fixtures/models: weights and goldens computed by transformers and torch. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHuggingFaceConfig } from '../../src/model/config.ts';

export const fixtureNames = ['llama', 'qwen2', 'qwen3'] as const;
export type FixtureName = (typeof fixtureNames)[number];

export const fixtureFolder = (name: FixtureName) => join(import.meta.dirname, '../fixtures/models', name);

export interface StoredArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export async function loadFixture(name: FixtureName) {
  const folder = fixtureFolder(name);
  const config = parseHuggingFaceConfig(
    JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')),
    name,
  );
  const weights = await readAll(join(folder, 'model.safetensors'));
  const golden = await readAll(join(folder, 'golden.safetensors'));
  return { config, weights, golden };
}

async function readAll(path: string): Promise<Map<string, StoredArray>> {
  const bytes = await readFile(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const arrays = new Map<string, StoredArray>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [start, end] = entry.data_offsets;
    const raw = new Uint8Array(bytes.subarray(8 + headerLength + start, 8 + headerLength + end)).buffer;
    const decode: Record<string, () => Float32Array> = {
      F32: () => new Float32Array(raw),
      I64: () => Float32Array.from(new BigInt64Array(raw), Number),
      I32: () => Float32Array.from(new Int32Array(raw)),
    };
    arrays.set(name, { shape: entry.shape, data: decode[entry.dtype]!() });
  }
  return arrays;
}

/** ‖a − b‖ / ‖b‖ */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}
