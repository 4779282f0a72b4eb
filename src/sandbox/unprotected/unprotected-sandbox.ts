/**
 * No protection at all: programs run as plain child processes with everything the user may do. The limits on time,
 * memory and output hold, the environment is empty, and each has a folder of its own; nothing keeps it there. For
 * machines without a sandbox whose owner knows what will run. Opened only by `dangerouslyRunUnprotected`.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { accessSync, constants } from 'node:fs';
import { setMaxListeners } from 'node:events';
import { AhaError } from '../../errors.ts';
import { closed, killTree, startChild } from '../child.ts';
import { Guardian } from '../guardian.ts';
import { prepareProgram, resolveLimits, type PreparedCommand, type PreparedProgram } from '../program.ts';
import { Queue } from '../../util/queue.ts';
import { eitherSignal } from '../../util/signals.ts';
import type { Language, Program, ProgramInput, RunOptions, RunResult, Sandbox } from '../sandbox.ts';
import { supervise } from '../supervise.ts';

export async function openUnprotectedSandbox(
  options: { readonly concurrency?: number } = {},
): Promise<Sandbox> {
  const python = findOnPath(process.platform === 'win32' ? ['python.exe'] : ['python3', 'python']);
  const guardian = await Guardian.open('aha-unprotected-');
  return new UnprotectedSandbox(options.concurrency ?? availableParallelism(), python, guardian);
}

class UnprotectedSandbox implements Sandbox {
  readonly name = 'unprotected';
  readonly languages: ReadonlySet<Language | 'command'>;
  readonly #python: string | undefined;
  readonly #guardian: Guardian;
  readonly #queue: Queue;
  readonly #closing = new AbortController();
  readonly #runs = new Set<Promise<unknown>>();

  constructor(concurrency: number, python: string | undefined, guardian: Guardian) {
    this.#python = python;
    this.#guardian = guardian;
    this.#queue = new Queue(concurrency);
    this.languages = new Set([
      'javascript',
      'node',
      'command',
      ...(python === undefined ? [] : (['python'] as const)),
    ]);
    setMaxListeners(0, this.#closing.signal);
  }

  async run(program: Program, input: ProgramInput = {}, options: RunOptions = {}): Promise<RunResult> {
    const prepared = prepareProgram(program, this.languages, this.name);
    const limits = resolveLimits(options.limits);
    const signal = eitherSignal(this.#closing.signal, options.signal);
    const run = this.#queue.run(async () => {
      const folder = await mkdtemp(join(this.#guardian.folder, 'run-'));
      try {
        for (const [path, text] of Object.entries(prepared.files)) {
          await mkdir(dirname(join(folder, path)), { recursive: true });
          await writeFile(join(folder, path), text);
        }
        const path = process.env['PATH'];
        const child = await startChild(this.#command(prepared), {
          folder,
          environment: path === undefined ? {} : { PATH: path },
          guardian: this.#guardian,
        });
        options.onStart?.();
        try {
          return await supervise(child, { limits, input: input.stdin ?? '', signal });
        } finally {
          killTree(child);
          await closed(child);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }, signal);
    this.#runs.add(run);
    try {
      return await run;
    } finally {
      this.#runs.delete(run);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(
      new AhaError({ code: 'sandbox-closed', boundary: 'sandbox', what: 'The sandbox has been closed' }),
    );
    await Promise.allSettled(this.#runs);
    await this.#guardian.close();
  }

  #command(program: PreparedProgram | PreparedCommand): readonly [string, ...string[]] {
    if (program.language === 'command') return program.command;
    const interpreter = program.language === 'python' ? this.#python : process.execPath;
    return [interpreter ?? 'python3', program.entry, ...program.arguments];
  }
}

function findOnPath(names: readonly string[]): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}
