import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compiledModule } from '../../test/support/compiled.ts';
import { CheckpointStore } from './checkpoint.ts';

let root: string;
let store: CheckpointStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-checkpoint-'));
  store = new CheckpointStore(join(root, 'checkpoints'));
});
afterEach(() => rm(root, { recursive: true }));

const nameOf = (position: number) => `step-${String(position).padStart(6, '0')}`;
const save = (position: number, best = false, content = `weights ${position}`) =>
  store.save({
    name: nameOf(position),
    position,
    best,
    async write(folder) {
      await mkdir(join(folder, 'policy'));
      await writeFile(join(folder, 'policy', 'weights'), content);
      await writeFile(join(folder, 'state.json'), JSON.stringify({ position }));
    },
  });
const weights = (position: number) => join(store.folder, nameOf(position), 'policy', 'weights');

describe('CheckpointStore', () => {
  it('has none at first, then the latest', async () => {
    expect(await store.latest()).toBeUndefined();
    await save(2);
    await save(10);
    await save(9);
    expect(await store.latest()).toMatchObject({ name: 'step-000010', position: 10 });
    expect(await readFile(weights(10), 'utf8')).toBe('weights 10');
  });

  it('keeps the last ones and the best', async () => {
    for (const [position, best] of [
      [1, true],
      [2, true],
      [3, false],
      [4, false],
      [5, false],
    ] as const) {
      await save(position, best);
      await store.prune({ keepLast: 2, keepBest: true });
    }
    expect((await readdir(store.folder)).toSorted()).toEqual([nameOf(2), nameOf(4), nameOf(5)]);
    await store.prune({ keepLast: 1, keepBest: false });
    expect(await readdir(store.folder)).toEqual([nameOf(5)]);
  });

  it.each([
    ['changed', () => writeFile(weights(2), 'weights X'), 'SHA-256'],
    ['cut', () => truncate(weights(2), 3), 'found 3 bytes, expected 9 bytes'],
    ['removed', () => rm(weights(2)), 'ENOENT'],
    ['replaced by a folder', () => rm(weights(2)).then(() => mkdir(weights(2))), 'EISDIR'],
  ])('uses the previous checkpoint when a file was %s, and says why', async (_, harm, reason) => {
    await save(1);
    await save(2);
    await harm();
    const bad: string[] = [];
    expect(await store.latest((name, why) => bad.push(`${name}: ${why}`))).toMatchObject({ position: 1 });
    expect(bad).toHaveLength(1);
    expect(bad[0]).toContain(reason);
    expect(bad[0]).toContain(join('step-000002', 'policy', 'weights'));
    // The same place in the run comes again: the corrupt one is replaced.
    await save(2);
    expect(await store.latest()).toMatchObject({ position: 2 });
    expect((await readdir(store.folder)).toSorted()).toEqual([nameOf(1), nameOf(2)]);
  });

  it.each([
    ['missing', (path: string) => rm(path)],
    ['cut', (path: string) => truncate(path, 20)],
    ['something else', (path: string) => writeFile(path, '{"format":"zip"}')],
    ['null', (path: string) => writeFile(path, 'null')],
  ])('passes over a checkpoint whose manifest is %s', async (_, harm) => {
    await save(1);
    await save(2);
    await harm(join(store.folder, nameOf(2), 'manifest.json'));
    const bad: string[] = [];
    expect(await store.latest((name) => bad.push(name))).toMatchObject({ position: 1 });
    expect(bad).toEqual([nameOf(2)]);
  });

  it('does not keep a checkpoint that was set aside instead of a good one', async () => {
    await save(1);
    await save(5);
    await writeFile(weights(5), 'weights X');
    await store.setAside(nameOf(5));
    await save(2);
    await store.prune({ keepLast: 1, keepBest: false });
    expect(await readdir(store.folder)).toEqual([nameOf(2)]);
    expect(await store.latest()).toMatchObject({ position: 2 });
  });

  it('cleans up after a crash', async () => {
    await save(1);
    await mkdir(join(store.folder, '.draft-step-000002-abc', 'policy'), { recursive: true });
    await mkdir(join(store.folder, '.old-step-000001-abc'));
    await store.clean();
    expect(await readdir(store.folder)).toEqual([nameOf(1)]);
  });

  it('leaves everything as it was when writing fails, and says what to do', async () => {
    await save(1);
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const failing = store.save({
      name: nameOf(2),
      position: 2,
      async write(folder) {
        await writeFile(join(folder, 'half'), 'half');
        throw full;
      },
    });
    await expect(failing).rejects.toMatchObject({
      code: 'storage-enospc',
      message: expect.stringContaining('free some space') as string,
    });
    expect(await readdir(store.folder)).toEqual([nameOf(1)]);
    expect(await store.latest()).toMatchObject({ position: 1 });
  });

  it('says what to do when the folder cannot be written', async () => {
    await writeFile(join(root, 'file'), '');
    store = new CheckpointStore(join(root, 'file', 'checkpoints'));
    await expect(save(1)).rejects.toMatchObject({ code: 'storage-enotdir' });
  });

  it('always has a whole checkpoint while a process that saves is killed at any moment', async () => {
    const program = join(root, 'saver.mjs');
    await writeFile(
      program,
      `import { writeFile } from 'node:fs/promises';
       import { join } from 'node:path';
       import { CheckpointStore } from ${JSON.stringify(compiledModule('src/train/checkpoint.ts'))};
       const store = new CheckpointStore(process.argv[2]);
       for (let position = Number(process.argv[3]); ; position++) {
         await store.save({ name: 'step-' + position, position, best: position % 3 === 0, write: async (folder) => {
           for (const name of ['a', 'b']) await writeFile(join(folder, name), Buffer.alloc(2 ** 18, position));
         } });
         await store.prune({ keepLast: 2, keepBest: true });
         process.send(position);
       }`,
    );
    let last = 0;
    for (const pause of [0, 1, 3, 7, 12, 20]) {
      const child = fork(program, [store.folder, String(last + 1)], { execArgv: [] });
      child.on('message', (position) => (last = Number(position)));
      await once(child, 'message');
      await delay(pause);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const bad: string[] = [];
      const latest = await store.latest((name) => bad.push(name));
      expect(bad).toEqual([]);
      expect(latest!.position).toBeGreaterThanOrEqual(last);
      last = latest!.position;
    }
    await store.prune({ keepLast: 2, keepBest: false });
    expect(await readdir(store.folder)).toHaveLength(2);
  });
});
