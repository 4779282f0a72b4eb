/** Damaged at random: every file either opens and reads, or is refused by one of our errors, and for its contents. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fixture, temporaryFolder } from '../../test/model-files.ts';
import { AhaError } from '../errors.ts';
import { randomStream, type RandomStream } from '../util/random.ts';
import { openCheckpoint } from './checkpoint.ts';
import { elementCount } from './stored-tensor.ts';

test.each([
  ['qwen2/converted.gguf', 3000],
  ['llama3/converted.gguf', 3500],
  ['linear/model.safetensors', 2500],
  ['linear/config.json', 728],
  ['sharded/model.safetensors.index.json', 2237],
])('%s', async (file, headerBytes) => {
  const [model, name] = file.split('/') as [string, string];
  const folder = temporaryFolder();
  cpSync(fixture('checkpoints', 'models', model), folder, { recursive: true });
  const path = join(folder, name);
  const original = readFileSync(path);
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 150; round++) {
    const random = randomStream(1, 'fuzz', file, round);
    writeFileSync(path, damage(original, headerBytes, random));
    const outcome = await openAndRead(name.endsWith('.gguf') ? path : folder);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const codes = [...outcomes.keys()];
  expect(codes.filter((code) => code.startsWith('storage-') || code.startsWith('not ours'))).toEqual([]);
  // The damage must be of many kinds for this to mean anything.
  expect(codes.length).toBeGreaterThan(2);
});

/** Some bytes of the header changed, or a piece of it removed, repeated or set to the same value. */
function damage(original: Buffer, headerBytes: number, random: RandomStream): Buffer {
  const bytes = Buffer.from(original);
  const at = random.integer(headerBytes - 16);
  const length = 1 + random.integer(16);
  switch (random.integer(4)) {
    case 0:
      for (let i = 0; i < 3; i++) bytes[random.integer(headerBytes)] = random.integer(256);
      return bytes;
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    default:
      return bytes.fill(random.pick([0, 0xff, 0x7f, 0x39]), at, at + length);
  }
}

async function openAndRead(path: string): Promise<string> {
  try {
    const checkpoint = await openCheckpoint(path);
    try {
      for (const name of checkpoint.tensorNames) {
        const tensor = checkpoint.tensor(name);
        await tensor.readInto(new Float32Array(elementCount(tensor.shape)));
      }
    } finally {
      await checkpoint.close();
    }
    return 'read';
  } catch (error) {
    return error instanceof AhaError ? error.code : `not ours: ${String(error)}`;
  }
}
