import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockRun } from './run-lock.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

const lockFile = () => join(folder, 'lock.json');
const write = (holder: object) => writeFile(lockFile(), JSON.stringify(holder));

/** A process that lives until it is killed. */
function sleeper() {
  return spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
}

describe('lockRun', () => {
  it('refuses a second run of the same folder, says who holds it, and lets it in afterwards', async () => {
    const lock = await lockRun(folder);
    await expect(lockRun(folder)).rejects.toMatchObject({
      code: 'run-locked',
      message: expect.stringContaining(
        `held by process ${process.pid} (this process, in another run)`,
      ) as string,
    });
    await lock.release();
    await lock.release();
    const next = await lockRun(folder);
    await next.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses while another process is alive, and takes over when it was killed', async () => {
    const child = sleeper();
    await once(child, 'spawn');
    await write({ pid: child.pid, host: hostname(), started: null, token: 'x' });
    await expect(lockRun(folder)).rejects.toThrow(`held by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await using lock = await lockRun(folder);
    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  });

  it.runIf(process.platform === 'linux')(
    'takes over when the pid belongs to another process by now',
    async () => {
      await write({ pid: process.pid, host: hostname(), started: 'another boot/1', token: 'x' });
      await using lock = await lockRun(folder);
      expect(lock).toBeDefined();
    },
  );

  it('does not judge processes of another machine', async () => {
    await write({ pid: 1, host: 'elsewhere.example', started: null, token: 'x' });
    await expect(lockRun(folder)).rejects.toThrow('on the machine elsewhere.example, which cannot be asked');
  });

  it.each(['', '{"pid":', 'null', '[]', '{"pid":"1"}'])(
    'refuses the malformed lock file %j',
    async (text) => {
      await writeFile(lockFile(), text);
      await expect(lockRun(folder)).rejects.toThrow('an unreadable lock file');
    },
  );

  it('gives a stale lock to exactly one of many that come at once', async () => {
    const child = sleeper();
    await once(child, 'spawn');
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (let round = 0; round < 10; round++) {
      await write({ pid: child.pid, host: hostname(), started: null, token: `stale ${round}` });
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockRun(folder)));
      const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(winners).toHaveLength(1);
      await winners[0]!.release();
      await rm(lockFile(), { force: true });
    }
  });

  it('leaves a lock alone that is not its own any more', async () => {
    const lock = await lockRun(folder);
    const other = JSON.stringify({ pid: 1, host: 'elsewhere.example', started: null, token: 'other' });
    await writeFile(lockFile(), other);
    await lock.release();
    expect(await readFile(lockFile(), 'utf8')).toBe(other);
  });

  it('says what to do when the folder cannot be used', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(lockRun(join(folder, 'file', 'run'))).rejects.toMatchObject({
      code: 'storage-enotdir',
      fix: 'A part of the path is a file, not a folder: choose another path.',
    });
  });
});
