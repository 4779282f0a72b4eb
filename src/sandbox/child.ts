/**
 * Child processes as the sandboxes start and end them: in a process group of their own, at a lower priority than ours,
 * killed as a group, and never left behind when this process ends; however it ends, if a guardian watches.
 */
import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { AhaError } from '../errors.ts';
import type { Guardian } from './guardian.ts';

export type Child = ChildProcessByStdio<Writable, Readable, Readable>;

const alive = new Set<Child>();
let watching = false;

export interface ChildOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly guardian?: Guardian;
}

/** Throws `AhaError` sandbox-failed when the program cannot be started. */
export async function startChild(
  command: readonly [string, ...string[]],
  { folder, environment, guardian }: ChildOptions,
): Promise<Child> {
  const [file, ...words] = command;
  const child = spawn(file, words, {
    cwd: folder,
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  // A program that does not read its input, or has ended, breaks the pipe; that is its own business.
  child.stdin.on('error', () => undefined);
  child.stdout.on('error', () => undefined);
  child.stderr.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => {
      reject(
        new AhaError({
          code: 'sandbox-failed',
          boundary: 'sandbox',
          what: `The sandbox could not start ${file}`,
          fix: "Run 'aha doctor' to see which sandboxes work on this machine.",
          cause,
        }),
      );
    });
  });
  child.on('error', () => undefined);
  remember(child);
  const { pid } = child;
  if (pid !== undefined && guardian !== undefined) {
    guardian.watch(pid);
    child.once('close', () => guardian.forget(pid));
  }
  try {
    // The trainer and the sampler go first; checks take what they leave.
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already, or the system does not allow it: no reason not to run.
  }
  return child;
}

export function hasEnded(child: Child): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Ends the process and all of its group, at once. */
export function killTree(child: Child): void {
  const { pid } = child;
  if (pid === undefined) return;
  if (process.platform === 'win32') {
    if (!hasEnded(child)) spawnSync('taskkill', ['/pid', String(pid), '/t', '/f'], { windowsHide: true });
    return;
  }
  try {
    // Also when the leader has ended: its number stays taken while others are in its group.
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

/** Resolves when the process is gone and its pipes are closed. */
export async function closed(child: Child): Promise<void> {
  if (!alive.has(child)) return;
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
}

function remember(child: Child): void {
  alive.add(child);
  child.once('close', () => alive.delete(child));
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const one of alive) killTree(one);
  });
}
