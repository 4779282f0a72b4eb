/** What a sandbox leaves behind when its process is killed: nothing, though its programs never end by themselves. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { compiledModule } from '../support/compiled.ts';

const endless = { typescript: 'for (;;) {}', javascript: 'for (;;) {}', python: 'while True: pass' } as const;
type Endless = keyof typeof endless;

/** Runs an endless program of each language, and says when each has started. */
function host(languages: readonly Endless[], [source, open]: readonly [string, string]): string {
  const programs = languages.map((language) => ({
    language,
    files: { main: endless[language] },
    entry: 'main',
  }));
  return `
    import { ${open} } from ${JSON.stringify(compiledModule(source))};
    const sandbox = await ${open}({ concurrency: ${languages.length} });
    for (const program of ${JSON.stringify(programs)}) {
      const limits = { wallMs: 60_000, cpuMs: 60_000 };
      await new Promise((onStart) => sandbox.run(program, {}, { limits, onStart }));
      console.log('started');
    }
  `;
}

/** Processes that work in `folder`, or were started with its name. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return command.includes(folder) || readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  });
}

async function until(holds: () => boolean, deadlineMs = 20_000): Promise<void> {
  for (let waited = 0; !holds() && waited < deadlineMs; waited += 50) await pause(50);
}

describe.skipIf(!existsSync('/proc/self/cwd'))('a killed process (looked at through /proc)', () => {
  it.each([
    ['Deno', ['python', 'typescript', 'javascript'], ['deno/deno-sandbox.ts', 'openDenoSandbox']],
    ['no sandbox', ['javascript'], ['unprotected/unprotected-sandbox.ts', 'openUnprotectedSandbox']],
  ] as const)('leaves no program and no folder of %s', async (_, languages, [source, open]) => {
    const temporary = mkdtempSync(join(tmpdir(), 'aha-killed-host-'));
    try {
      const child = spawn(
        process.execPath,
        ['--input-type=module', '-e', host(languages, [`src/sandbox/${source}`, open])],
        {
          env: { TMPDIR: temporary, PATH: process.env['PATH'] },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let started = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        expect(line).toBe('started');
        started++;
        if (started === languages.length) break;
      }
      expect(started).toBe(languages.length);
      const folders = readdirSync(temporary);
      expect(folders).toHaveLength(1);
      expect(processesIn(temporary).length).toBeGreaterThan(languages.length);

      child.kill('SIGKILL');
      await until(() => processesIn(temporary).length === 0 && readdirSync(temporary).length === 0);
      expect(processesIn(temporary)).toEqual([]);
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });
});
