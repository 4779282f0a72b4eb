/**
 * Running untrusted programs under limits: the one interface that verifiers see, whatever tier runs behind it (Deno
 * and Pyodide from npm, bubblewrap on Linux, a remote service). Knows nothing about what a right answer is.
 *
 * What every tier promises, and the conformance suite (`test/sandbox/conformance.ts`) checks:
 * - A program has no network, an empty environment, and no file but its own.
 * - Nothing of one program is visible to another.
 * - The wall clock is enforced from outside; the whole process tree dies.
 * - Output comes back over pipes and is cut at its limit; a path written by the program is never opened by the host.
 * - A program that misbehaves gives a result that says so. `run` rejects only when the sandbox itself failed.
 */

/** `javascript` and `typescript` run in whatever the tier has for them; `node` is Node.js itself. */
export type Language = 'typescript' | 'javascript' | 'node' | 'python' | 'c' | 'cpp' | 'go' | 'rust' | 'java';

export interface SourceProgram {
  readonly language: Language;
  /** Contents by relative path (`main.ts`, `lib/a.py`): no `..`, not absolute. */
  readonly files: Readonly<Record<string, string>>;
  /** Which of `files` is run. Default: the only one. */
  readonly entry?: string;
  readonly arguments?: readonly string[];
}

/** A command that the task's author names (`['prolog', 'main.pl']`), for tiers with native toolchains. */
export interface CommandProgram {
  readonly language: 'command';
  readonly command: readonly [string, ...string[]];
  readonly files: Readonly<Record<string, string>>;
}

export type Program = SourceProgram | CommandProgram;

export interface ProgramInput {
  /** Default: empty, at its end from the start. */
  readonly stdin?: string;
}

/** Of the program's run; compiling, where a language needs it, has limits of its own in the tier. */
export interface Limits {
  /** Milliseconds from start to end. Default 10 000. */
  readonly wallMs: number;
  /** Milliseconds of processor time. Default: that of `wallMs`. */
  readonly cpuMs: number;
  /** Bytes of memory, all processes together where the tier can count them so. Default 512 MiB. */
  readonly memoryBytes: number;
  /** Processes and threads. Default 64. */
  readonly processes: number;
  /** Bytes of one file, and of all files together. Default 16 MiB. */
  readonly fileBytes: number;
  /** Bytes of standard output and of standard error, each. Default 1 MiB. */
  readonly outputBytes: number;
}

export type LimitName = 'wall' | 'cpu' | 'memory' | 'processes' | 'file' | 'output';

export interface RunResult {
  /** `compile`: the program never ran, and the streams are the compiler's. */
  readonly stage: 'compile' | 'run';
  /** `null` when a signal ended it, or a limit. */
  readonly exitCode: number | null;
  /** `SIGSEGV`; `null` when it ended by itself. */
  readonly signal: string | null;
  /** UTF-8, malformed sequences replaced. */
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  /** Milliseconds. */
  readonly wallMs: number;
  /** Milliseconds; `null` where the tier cannot measure it. */
  readonly cpuMs: number | null;
  /** Bytes; `null` where the tier cannot measure it. */
  readonly peakMemoryBytes: number | null;
  /** The limit that ended it, if one did. */
  readonly limit: LimitName | null;
}

export interface RunOptions {
  readonly limits?: Partial<Limits>;
  /** Kills the program; `run` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called when the program's turn has come, before it starts. */
  readonly onStart?: () => void;
}

/** One way to run programs. Close it to end its processes: `await using`. */
export interface Sandbox extends AsyncDisposable {
  /** `deno`, `bubblewrap`, `piston`: as `aha doctor` prints it. */
  readonly name: string;
  /** What it can run here and now. */
  readonly languages: ReadonlySet<Language | 'command'>;
  /**
   * Runs a program to its end and never rejects because of what the program did. Waits its turn when as many
   * programs run as the tier allows. Throws `AhaError` (boundary `sandbox`): language-unavailable, invalid-program,
   * sandbox-failed.
   */
  run(program: Program, input?: ProgramInput, options?: RunOptions): Promise<RunResult>;
}

export const defaultLimits: Limits = {
  wallMs: 10_000,
  cpuMs: 10_000,
  memoryBytes: 512 * 1024 * 1024,
  processes: 64,
  fileBytes: 16 * 1024 * 1024,
  outputBytes: 1024 * 1024,
};
