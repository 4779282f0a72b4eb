import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TeacherCache } from './teacher-cache.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-teacher-'));
});
afterEach(() => rm(folder, { recursive: true }));

const distributions = {
  width: 2,
  ids: Int32Array.of(3, 7, 0, 2 ** 30),
  logprobs: Float32Array.of(-0.1, -3, -1e-7, -1e9),
};

async function onlyFile(): Promise<string> {
  const [inner] = await readdir(folder);
  const [name] = await readdir(join(folder, inner!));
  return join(folder, inner!, name!);
}

describe('TeacherCache', () => {
  it('gives back what was written, bit for bit, and only that example', async () => {
    await new TeacherCache(folder, 2, 'key').write(5, distributions);
    const again = new TeacherCache(folder, 2, 'key');
    expect(await again.read(5)).toEqual(distributions);
    expect(await again.read(4)).toBeUndefined();
  });

  it('knows nothing of another teacher, or of another number of tokens', async () => {
    await new TeacherCache(folder, 2, 'key').write(5, distributions);
    expect(await new TeacherCache(folder, 2, 'other').read(5)).toBeUndefined();
    expect(await new TeacherCache(folder, 4, 'key').read(5)).toBeUndefined();
  });

  it('writes views into larger memory as what they show', async () => {
    const cache = new TeacherCache(folder, 2, 'key');
    const larger = Float32Array.of(9, 9, ...distributions.logprobs, 9);
    await cache.write(0, { ...distributions, logprobs: larger.subarray(2, 6) });
    expect(await cache.read(0)).toEqual(distributions);
  });

  it('does not take a file for good that was cut off or changed', async () => {
    const cache = new TeacherCache(folder, 2, 'key');
    await cache.write(5, distributions);
    const path = await onlyFile();
    const whole = await readFile(path);
    for (const bad of [whole.subarray(0, whole.length - 16), whole.subarray(0, 10), Buffer.alloc(0)]) {
      await writeFile(path, bad);
      expect(await cache.read(5)).toBeUndefined();
    }
    const changed = Buffer.from(whole);
    changed[40]! ^= 1;
    await writeFile(path, changed);
    expect(await cache.read(5)).toBeUndefined();
    await writeFile(path, whole);
    expect(await cache.read(5)).toEqual(distributions);
  });
});
