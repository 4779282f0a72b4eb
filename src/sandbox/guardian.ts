/**
 * Cleans up after us when we cannot: a small process that waits for ours to end, however it ends, then kills what our
 * sandbox had running and removes its folder. A program in an endless loop does not notice that its parent has been
 * killed, and a folder never does.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { AhaError } from '../errors.ts';

/**
 * What it runs, given the folder: each line names a process group that has started (`+`) or ended (`-`), and the end of
 * the input is the end of our process, or of the sandbox.
 */
const source = `
const { rmSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const groups = new Set();
let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  const lines = (rest + text).split('\\n');
  rest = lines.pop();
  for (const line of lines) line[0] === '+' ? groups.add(line.slice(1)) : groups.delete(line.slice(1));
});
process.stdin.on('error', () => {});
process.stdin.on('close', () => {
  for (const pid of groups) {
    if (process.platform === 'win32') spawnSync('taskkill', ['/pid', pid, '/t', '/f']);
    else try { process.kill(-pid, 'SIGKILL'); } catch {}
  }
  rmSync(process.argv[1], { recursive: true, force: true, maxRetries: 5 });
});
`;

export class Guardian {
  /** A folder of the sandbox's own, removed at the end. */
  readonly folder: string;
  readonly #process: ChildProcessByStdio<Writable, null, null>;
  readonly #ended: Promise<void>;

  private constructor(folder: string, process: ChildProcessByStdio<Writable, null, null>) {
    this.folder = folder;
    this.#process = process;
    this.#ended = new Promise((resolve) => process.once('close', () => resolve()));
    process.on('error', () => undefined);
    // Should it be killed itself, only what it is for is lost.
    process.stdin.on('error', () => undefined);
    // It ends with us; we need not wait for it.
    process.unref();
    if ('unref' in process.stdin && typeof process.stdin.unref === 'function') process.stdin.unref();
  }

  /** Makes a folder whose name starts with `prefix`. Throws `AhaError` sandbox-failed. */
  static async open(prefix: string): Promise<Guardian> {
    const folder = await mkdtemp(join(tmpdir(), prefix));
    const child = spawn(process.execPath, ['-e', source, folder], {
      // Not in a terminal's group, whose keys would end it before its work.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: process.platform === 'win32' ? { SystemRoot: process.env['SystemRoot'] } : {},
      windowsHide: true,
    });
    try {
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
    } catch (cause) {
      await rm(folder, { recursive: true, force: true });
      throw new AhaError({
        code: 'sandbox-failed',
        boundary: 'sandbox',
        what: 'The process that cleans up after a sandbox did not start',
        found: process.execPath,
        fix: 'See that the system allows further processes (ulimit -u).',
        cause,
      });
    }
    return new Guardian(folder, child);
  }

  /** `pid` leads a group of processes that must not outlive us. */
  watch(pid: number): void {
    this.#process.stdin.write(`+${pid}\n`);
  }

  /** The group of `pid` has ended: its number may be another's from now on. */
  forget(pid: number): void {
    if (this.#process.stdin.writable) this.#process.stdin.write(`-${pid}\n`);
  }

  /** Kills what is left and removes the folder. */
  async close(): Promise<void> {
    this.#process.ref();
    if (this.#process.stdin.writable) this.#process.stdin.end();
    await this.#ended;
    // In case it has been killed.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
