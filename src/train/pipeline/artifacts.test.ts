import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtifactStore } from './artifacts.ts';

let folder: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-artifacts-'));
  store = new ArtifactStore(folder);
});
afterEach(() => rm(folder, { recursive: true }));

const key = 'a'.repeat(64);
const save = (content: string, own = key) =>
  store.save({
    key: own,
    kind: 'sft',
    inputs: { model: 'b'.repeat(64) },
    settings: { steps: 3 },
    write: async (to) => {
      await mkdir(join(to, 'model'));
      await writeFile(join(to, 'model', 'weights'), content);
      return { steps: 3 };
    },
  });

describe('ArtifactStore', () => {
  it('finds what it saved, with how it was made', async () => {
    expect(await store.find(key)).toBeUndefined();
    const saved = await save('weights');
    const found = await store.find(key);
    expect(found).toEqual(saved);
    expect(found!.record).toMatchObject({
      kind: 'sft',
      key,
      facts: { steps: 3 },
      inputs: { model: 'b'.repeat(64) },
    });
    expect(await readFile(join(found!.folder, 'model', 'weights'), 'utf8')).toBe('weights');
  });

  it('has a digest of the content alone', async () => {
    const { digest } = await save('weights');
    await rm(folder, { recursive: true });
    expect((await save('weights')).digest).toBe(digest);
    await rm(folder, { recursive: true });
    expect((await save('Weights')).digest).not.toBe(digest);
  });

  it('does not find what was changed since, says why, and can be saved again', async () => {
    const { folder: place } = await save('weights');
    await save('other', 'c'.repeat(64));
    await writeFile(join(place, 'model', 'weights'), 'wEights');
    const reasons: string[] = [];
    expect(await store.find(key, (reason) => reasons.push(reason))).toBeUndefined();
    expect(reasons).toEqual([expect.stringMatching(/weights is not as it was saved/)]);
    expect(await store.find('c'.repeat(64))).toBeDefined();
    await save('weights');
    expect(await store.find(key)).toBeDefined();
  });

  it('leaves nothing behind of a stage that fails while it writes, but its work', async () => {
    await mkdir(store.workFolder(key), { recursive: true });
    await writeFile(join(store.workFolder(key), 'progress'), '1');
    const failing = store.save({
      key,
      kind: 'sft',
      inputs: {},
      settings: {},
      write: async () => {
        throw new Error('out of ideas');
      },
    });
    await expect(failing).rejects.toThrow('out of ideas');
    expect(await store.find(key)).toBeUndefined();
    expect(await readFile(join(store.workFolder(key), 'progress'), 'utf8')).toBe('1');
    await save('weights');
    await expect(readFile(join(store.workFolder(key), 'progress'))).rejects.toThrow('ENOENT');
  });
});
