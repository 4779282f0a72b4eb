/** Hostile programs against the tier that needs nothing but npm: the host is unharmed, and so is the next program. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDenoSandbox } from '../../src/sandbox/deno/deno-sandbox.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { plantedSecret } from './programs/abuse.ts';
import { leftovers, scriptAbuse } from './programs/script-abuse.ts';

/** The deadline is enforced from outside; a loaded machine needs a moment to notice. */
const graceMs = 1000;
const timeout = 300_000;

describe('hostile programs in Deno', () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    process.env[plantedSecret.name] = plantedSecret.value;
    // One at a time: programs after one another share what could be shared.
    sandbox = await openDenoSandbox({ concurrency: 1 });
    await sandbox.run({ language: 'python', files: { 'main.py': '' } });
  }, timeout);
  afterAll(async () => {
    await sandbox[Symbol.asyncDispose]();
    Reflect.deleteProperty(process.env, plantedSecret.name);
  }, timeout);

  it('are at least sixty', () => {
    expect(scriptAbuse.length).toBeGreaterThanOrEqual(60);
  });

  for (const program of scriptAbuse) {
    it(
      `ends as it should: ${program.name}`,
      async () => {
        const { language, files, entry, limits, stdin } = program;
        const result = await sandbox.run(
          { language, files, ...(entry === undefined ? {} : { entry }) },
          stdin === undefined ? {} : { stdin },
          limits === undefined ? {} : { limits },
        );
        expect(program.holds(result)).toBeUndefined();
        expect(result.stdout + result.stderr).not.toContain(plantedSecret.value);
        expect(result.wallMs).toBeLessThan((limits?.wallMs ?? 10_000) + graceMs);
        expect(existsSync('/tmp/aha-escaped')).toBe(false);
      },
      timeout,
    );
  }

  for (const { name, poison, probe, expected } of leftovers) {
    it(
      `python forgets what a program did to ${name}`,
      async () => {
        const limits = { wallMs: 20_000, memoryBytes: 256 * 1024 * 1024 };
        await sandbox.run({ language: 'python', files: { 'main.py': poison } }, {}, { limits });
        const result = await sandbox.run({ language: 'python', files: { 'main.py': probe } }, {}, { limits });
        expect(result.stdout.trimEnd(), result.stderr).toBe(expected);
      },
      timeout,
    );
  }

  it.skipIf(process.platform !== 'linux')(
    'leave no process and no file behind',
    async () => {
      const mine = await openDenoSandbox({ concurrency: 2 });
      await Promise.all(
        Array.from({ length: 20 }, async () =>
          mine.run({ language: 'typescript', files: { 'main.ts': 'console.log(1)' } }),
        ),
      );
      expect(denoChildren()).toBeGreaterThan(0);
      await mine[Symbol.asyncDispose]();
      await sandbox[Symbol.asyncDispose]();
      expect(denoChildren()).toBe(0);
    },
    timeout,
  );
});

/** Processes that this one started and that still run Deno. */
function denoChildren(): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return Number(parent) === process.pid && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('deno');
    } catch {
      return false;
    }
  }).length;
}
