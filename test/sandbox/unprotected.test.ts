/** The tier that protects from nothing: what it still promises, and that nobody gets it without asking. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { openUnprotectedSandbox } from '../../src/sandbox/unprotected/unprotected-sandbox.ts';
import { samples } from './conformance.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openUnprotectedSandbox({ concurrency: 2 });
});
afterAll(async () => sandbox[Symbol.asyncDispose]());

const leftFolders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('aha-unprotected-'));
const script = (text: string) =>
  ({ language: 'javascript', files: { 'main.mjs': text }, entry: 'main.mjs' }) as const;

/** Whether a process runs. One that has ended counts as gone, even if nobody has collected its status yet. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
  return !/\) Z /.test(stat);
}

describe('the unprotected sandbox', () => {
  it('runs programs with input, arguments and several files, and reports how they end', async () => {
    const { upper, exit } = samples.javascript!;
    expect((await sandbox.run(script(upper), { stdin: 'abc' })).stdout.trim()).toBe('ABC');
    let starts = 0;
    const ended = await sandbox.run(script(exit), {}, { onStart: () => starts++ });
    expect(starts).toBe(1);
    expect([ended.exitCode, ended.stdout.trim(), ended.stderr.trim()]).toEqual([3, 'out', 'err']);
  });

  it('ends what runs for too long or prints too much, with all of its children', async () => {
    const { endless, flood } = samples.javascript!;
    const late = await sandbox.run(script(endless), {}, { limits: { wallMs: 500 } });
    expect(late.limit).toBe('wall');
    const loud = await sandbox.run(script(flood), {}, { limits: { outputBytes: 10_000 } });
    expect(loud.limit).toBe('output');
    const parent =
      'import { spawn } from "node:child_process"; const c = spawn("sleep", ["60"]); console.log(c.pid); for (;;);';
    const { stdout } = await sandbox.run(script(parent), {}, { limits: { wallMs: 1000 } });
    const child = Number(stdout.trim());
    expect(child).toBeGreaterThan(1);
    expect(isAlive(child)).toBe(false);
  });

  it('shows a program nothing of the environment but where programs are', async () => {
    process.env['AHA_PLANTED_SECRET'] = 'planted';
    try {
      const { stdout } = await sandbox.run(script('console.log(JSON.stringify(process.env))'));
      expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['PATH']);
    } finally {
      delete process.env['AHA_PLANTED_SECRET'];
    }
  });

  it('leaves no folder behind', async () => {
    const before = leftFolders().length;
    await sandbox.run(script('import { writeFileSync } from "node:fs"; writeFileSync("left", "x")'));
    expect(leftFolders().length).toBe(before);
  });
});
