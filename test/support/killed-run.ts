/** Training programs in processes of their own that are killed with SIGKILL and started again until they are done. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

interface Message {
  readonly type?: string;
  readonly checkpoint?: string;
}

export interface Kill {
  /** Events of the trainer to wait for; default 1. */
  readonly events?: number;
  /** Milliseconds after that. */
  readonly after: number;
}

/**
 * Runs a trainer: a program that sends its events, and at last the folder of its checkpoint, to its parent. The
 * checkpoint, if it got there before it was killed.
 */
export async function runTrainer(
  program: string,
  args: readonly string[],
  kill?: Kill,
): Promise<string | undefined> {
  const child = fork(program, args, { execArgv: [] });
  const exit = once(child, 'exit');
  let checkpoint: string | undefined;
  let reached: () => void;
  let left = kill?.events ?? 1;
  const moment = new Promise<void>((resolve) => (reached = resolve));
  child.on('message', (message: Message) => {
    checkpoint ??= message.checkpoint;
    if (--left === 0) reached();
  });
  if (kill !== undefined) {
    await Promise.race([moment, exit]);
    await Promise.race([delay(kill.after), exit]);
    child.kill('SIGKILL');
  }
  const [code] = (await exit) as [number | null];
  if (kill === undefined && code !== 0) throw new Error(`the trainer ended with ${code}`);
  return checkpoint;
}

/** The state of the policy as it was saved, by file. */
export async function policyFiles(checkpoint: string): Promise<Record<string, string>> {
  const folder = join(checkpoint, 'policy');
  const names = (await readdir(folder)).toSorted();
  const contents = await Promise.all(
    names.map(async (name) => (await readFile(join(folder, name))).toString('base64')),
  );
  return Object.fromEntries(names.map((name, index) => [name, contents[index]!]));
}
