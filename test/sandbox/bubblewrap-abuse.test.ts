/**
 * Hostile programs against the bubblewrap tier: none may touch the host, see what is the host's, or outlive its
 * deadline. They run side by side, as they would in a training run.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBubblewrapSandbox } from '../../src/sandbox/bubblewrap/bubblewrap-sandbox.ts';
import { defaultLimits, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { bubblewrapHere } from './bubblewrap-here.ts';
import { plantedSecret, type AbuseProgram } from './programs/abuse.ts';
import { compilerAbuse, otherAbuse, pythonAbuse, type Host } from './programs/native-abuse.ts';

const here = await bubblewrapHere();
/** Programs at once; more than cores, since many only wait. */
const concurrency = 4;
const compileLimits = { wallMs: 6000, memoryBytes: 512 * 1024 * 1024 };

/** How long this process was not let run, in milliseconds: a machine that stands still keeps no deadline. */
const stalls = {
  total: 0,
  timer: undefined as NodeJS.Timeout | undefined,
  watch(every = 20): void {
    let last = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      this.total += Math.max(0, now - last - 2 * every);
      last = now;
    }, every);
  },
};

describe.skipIf(here.reason !== undefined)(`abuse in bubblewrap ${here.title}`, () => {
  const victims: { process: ChildProcess; server: Server; udp: Socket; unix: Server; touched: string[] } = {
    process: spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }),
    server: createServer(() => victims.touched.push('TCP')),
    udp: createSocket('udp4', () => victims.touched.push('UDP')),
    unix: createServer(() => victims.touched.push('Unix')),
    touched: [],
  };
  const folder = mkdtempSync('/var/tmp/aha-abuse-');
  const file = join(folder, 'secret.h');
  const socket = `aha-abuse-${process.pid}`;
  let host: Host;
  let sandbox: Sandbox;
  let bombs: Sandbox;

  beforeAll(async () => {
    process.env[plantedSecret.name] = plantedSecret.value;
    stalls.watch();
    writeFileSync(file, `// ${plantedSecret.value}\n`);
    await new Promise<void>((resolve) => victims.server.listen(0, '127.0.0.1', resolve));
    const { port } = victims.server.address() as AddressInfo;
    await new Promise<void>((resolve) => victims.udp.bind(port, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => victims.unix.listen(`\0${socket}`, resolve));
    host = { port, socket, process: victims.process.pid!, file };
    sandbox = await openBubblewrapSandbox({ concurrency });
    bombs = await openBubblewrapSandbox({ concurrency: 2, compileLimits });
  });

  afterAll(async () => {
    Reflect.deleteProperty(process.env, plantedSecret.name);
    clearInterval(stalls.timer);
    victims.process.kill('SIGKILL');
    victims.server.close();
    victims.udp.close();
    victims.unix.close();
    await sandbox[Symbol.asyncDispose]();
    await bombs[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function problems(
    programs: readonly AbuseProgram[],
    box: Sandbox,
    deadline?: number,
  ): Promise<string[]> {
    const all = await Promise.all(
      programs
        .filter(({ language }) => box.languages.has(language))
        .map(async ({ name, language, files, entry, stdin, limits = {}, holds }) => {
          const program = { language, files, ...(entry === undefined ? {} : { entry }) };
          const stalledBefore = stalls.total;
          const result = await box.run(program, stdin === undefined ? {} : { stdin }, { limits });
          const wrong: string[] = [];
          const problem = holds(result);
          if (problem !== undefined) wrong.push(problem);
          if (`${result.stdout}${result.stderr}`.includes(plantedSecret.value))
            wrong.push('it printed the secret');
          const allowed = (result.stage === 'compile' ? deadline : limits.wallMs) ?? defaultLimits.wallMs;
          if (result.wallMs > allowed + 1000 + stalls.total - stalledBefore)
            wrong.push(`it took ${result.wallMs} ms where it had ${allowed}`);
          return wrong.map((text) => `${name}: ${text}`);
        }),
    );
    return all.flat();
  }

  const options = { timeout: 300_000 };

  it('holds against Python', options, async () => {
    expect(await problems(pythonAbuse(host), sandbox)).toEqual([]);
  });

  it('holds against the other languages', options, async () => {
    expect(await problems(otherAbuse(host), sandbox, 60_000)).toEqual([]);
  });

  it('holds against programs that attack their compiler', options, async () => {
    expect(await problems(compilerAbuse(host), bombs, compileLimits.wallMs)).toEqual([]);
  });

  it('left the host as it was', async () => {
    expect(victims.process.exitCode).toBeNull();
    expect(victims.process.signalCode).toBeNull();
    expect(victims.touched).toEqual([]);
    for (const path of ['/usr/evil', '/etc/evil', '/evil', '/dev/evil'])
      expect(existsSync(path), path).toBe(false);
    await sandbox[Symbol.asyncDispose]();
    await bombs[Symbol.asyncDispose]();
    expect(leftovers()).toEqual([]);
  });

  it('shows nothing of one program to the next', async () => {
    await using one = await openBubblewrapSandbox({ concurrency: 1 });
    const sh = async (script: string) => {
      const result = await one.run({ language: 'command', command: ['/bin/sh', '-c', script], files: {} });
      return result.stdout;
    };
    const places = '/tmp/left /tmp/box/left /dev/shm/left /build/left';
    await sh(`for f in ${places}; do echo here > $f; done; (sleep 100 &)`);
    expect(await sh(`cat ${places} 2>/dev/null; ls /proc | grep -c '^[0-9]'`)).toMatch(/^[34]\n$/);
  });
});

/** Processes of ours, control groups and mounts that should be gone. */
function leftovers(): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const parent = Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]);
      if (/^Name:\s*bwrap$/m.test(status) && parent === process.pid) found.push(`bwrap ${pid}`);
      const user = Number(/^Uid:\s*(\d+)/m.exec(status)?.[1]);
      const first = 1_900_000_000 + (process.pid % 900_000) * 256;
      if (user >= first && user < first + 256) found.push(`program ${pid}`);
    } catch {
      // It ended while we looked.
    }
  }
  for (const root of [
    '/sys/fs/cgroup',
    '/sys/fs/cgroup/memory',
    '/sys/fs/cgroup/pids',
    '/sys/fs/cgroup/cpuacct',
  ]) {
    if (!existsSync(root)) continue;
    found.push(...readdirSync(root).filter((name) => name.startsWith(`aha-${process.pid}-`)));
  }
  return found;
}
