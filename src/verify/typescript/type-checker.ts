/**
 * Type checks of many small programs with a warm compiler. Requests that arrive together are checked together, as
 * modules of one program that cannot see each other; a program that could reach beyond itself (`mayReachOut`) is
 * checked alone.
 *
 * The deadline is kept from outside: a compiler that is late or grows too large is killed and started again. What was
 * checked beside the culprit is then checked one by one, so that only the culprit is late.
 */
import { AhaError } from '../../errors.ts';
import { CompilerProcess, slots, type Diagnostic } from './compiler-process.ts';
import { mayReachOut } from './suppressions.ts';

export interface CompilerMessage {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** As in TS2322. */
  readonly code: number;
  readonly text: string;
}

export interface TypeCheck {
  /** `late`: no result within the deadline or the memory; `too-long`: not even tried. */
  readonly outcome: 'passed' | 'errors' | 'late' | 'too-long';
  readonly errors: number;
  /** The first of them. */
  readonly messages: readonly CompilerMessage[];
}

export interface TypeCheckerOptions {
  /** Milliseconds for one program. Default 5000. */
  readonly deadlineMs?: number;
  /** Characters of one program. Default 131 072. */
  readonly maxLength?: number;
  /** Resident bytes of the compiler. Default 1.5 GiB. Enforced where the system says how much it uses (Linux). */
  readonly memoryBytes?: number;
}

const shownMessages = 10;
const shownCharacters = 300;
/** A compiler that keeps failing without being late is broken, not busy. */
const mostStarts = 3;

interface Job {
  readonly source: string;
  readonly resolve: (check: TypeCheck) => void;
  readonly reject: (error: unknown) => void;
}

export class TypeChecker {
  readonly #deadlineMs: number;
  readonly #maxLength: number;
  readonly #memoryBytes: number;
  #together: Job[] = [];
  #alone: Job[] = [];
  #compiler: CompilerProcess | undefined;
  #working = false;
  #closed = false;

  constructor(options: TypeCheckerOptions = {}) {
    this.#deadlineMs = options.deadlineMs ?? 5000;
    this.#maxLength = options.maxLength ?? 131_072;
    this.#memoryBytes = options.memoryBytes ?? 1.5 * 2 ** 30;
  }

  /** Never rejects because of the program. Throws `AhaError`: compiler-missing, compiler-failed. */
  check(source: string): Promise<TypeCheck> {
    if (source.length > this.#maxLength) {
      return Promise.resolve({ outcome: 'too-long', errors: 0, messages: [] });
    }
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      (mayReachOut(source) ? this.#alone : this.#together).push({ source, resolve, reject });
      // After all that arrive in this turn.
      if (!this.#working) {
        this.#working = true;
        setImmediate(() => void this.#work());
      }
    });
  }

  close(): void {
    this.#closed = true;
    this.#compiler?.kill();
    this.#compiler = undefined;
    for (const { reject } of [...this.#together.splice(0), ...this.#alone.splice(0)]) reject(closedError());
  }

  async #work(): Promise<void> {
    while (this.#together.length + this.#alone.length > 0) {
      const batch = this.#together.length > 0 ? this.#together.splice(0, slots) : this.#alone.splice(0, 1);
      try {
        await this.#checkBatch(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#working = false;
  }

  async #checkBatch(batch: readonly Job[]): Promise<void> {
    const found = await this.#try(batch.map(({ source }) => source));
    if (found !== undefined) {
      for (const [index, { source, resolve }] of batch.entries()) resolve(toCheck(source, found[index]!));
      return;
    }
    if (batch.length === 1) {
      batch[0]!.resolve({ outcome: 'late', errors: 0, messages: [] });
      return;
    }
    for (const job of batch) await this.#checkBatch([job]);
  }

  /** Undefined when the compiler was late, too large, or died of what it was given. */
  async #try(sources: readonly string[]): Promise<Diagnostic[][] | undefined> {
    for (let start = 0; this.#compiler === undefined; start++) {
      if (this.#closed) throw closedError();
      try {
        this.#compiler = await CompilerProcess.start();
      } catch (error) {
        if (start + 1 >= mostStarts) throw error;
      }
    }
    const compiler = this.#compiler;
    let timer: NodeJS.Timeout | undefined;
    let watch: NodeJS.Timeout | undefined;
    const stopped = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#deadlineMs);
      watch = setInterval(() => {
        void tooLarge(compiler, this.#memoryBytes).then((large) => (large ? resolve(undefined) : undefined));
      }, 100);
    });
    try {
      const found = await Promise.race([
        compiler.check(sources).catch(() => {
          if (this.#closed) throw closedError();
          // The process died, of this batch as far as anyone can tell.
          return undefined;
        }),
        stopped,
      ]);
      if (found === undefined) {
        compiler.kill();
        this.#compiler = undefined;
      }
      return found;
    } finally {
      clearTimeout(timer);
      clearInterval(watch);
    }
  }
}

async function tooLarge(compiler: CompilerProcess, most: number): Promise<boolean> {
  const bytes = await compiler.residentBytes();
  return bytes !== undefined && bytes > most;
}

let shared: TypeChecker | undefined;

/** The one that verifiers use unless they bring their own: a compiler costs 100 MB. */
export function sharedTypeChecker(): TypeChecker {
  return (shared ??= new TypeChecker());
}

export function closeSharedTypeChecker(): void {
  shared?.close();
  shared = undefined;
}

function toCheck(source: string, diagnostics: readonly Diagnostic[]): TypeCheck {
  if (diagnostics.length === 0) return { outcome: 'passed', errors: 0, messages: [] };
  const messages = diagnostics
    .toSorted((a, b) => a.pos - b.pos)
    .slice(0, shownMessages)
    .map(({ pos, code, text }) => {
      const before = source.slice(0, pos).split('\n');
      return {
        line: before.length,
        column: before.at(-1)!.length + 1,
        code,
        text: text.slice(0, shownCharacters),
      };
    });
  return { outcome: 'errors', errors: diagnostics.length, messages };
}

function closedError(): AhaError {
  return new AhaError({
    code: 'compiler-closed',
    boundary: 'verifier',
    what: 'The type checker has been closed',
  });
}
