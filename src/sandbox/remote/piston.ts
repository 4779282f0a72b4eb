/**
 * Piston (https://github.com/engineer-man/piston), API version 2: `GET /api/v2/runtimes`, `POST /api/v2/execute`.
 * Limits that the caller names are sent, and the service refuses larger ones than it is configured for; for the
 * others its own hold. Versions
 * since 3.1.1 report times, memory and which limit was hit; older ones only exit code and signal.
 */
import { z } from 'zod';
import { isAhaError } from '../../errors.ts';
import { systemClock } from '../../util/clock.ts';
import { prepareProgram, resolveLimits, type PreparedProgram } from '../program.ts';
import { Queue } from '../../util/queue.ts';
import type {
  Language,
  LimitName,
  Limits,
  Program,
  ProgramInput,
  RunOptions,
  RunResult,
  Sandbox,
} from '../sandbox.ts';
import { streams } from './remote-result.ts';
import { Service, type ServiceOptions } from './request.ts';

export interface PistonOptions extends ServiceOptions {
  /** Requests at once. Default 4. */
  readonly concurrency?: number;
}

/** What the service sends; what we do not read may be anything. */
const runtimesSchema = z.array(
  z.object({
    language: z.string(),
    version: z.string(),
    aliases: z.array(z.string()).default([]),
    runtime: z.string().optional(),
  }),
);
const stageSchema = z.object({
  stdout: z.string(),
  stderr: z.string(),
  code: z.number().nullable().default(null),
  signal: z.union([z.string(), z.number()]).nullable().default(null),
  message: z.string().nullable().default(null),
  status: z.string().nullable().default(null),
  cpu_time: z.number().nullable().default(null),
  wall_time: z.number().nullable().default(null),
  memory: z.number().nullable().default(null),
});
const executionSchema = z.object({ run: stageSchema.optional(), compile: stageSchema.optional() });

type Runtime = z.output<typeof runtimesSchema>[number];
type StageReport = z.output<typeof stageSchema>;

/** Names of Piston, best first; a runtime's name in parentheses where several run the same language. */
const names: Readonly<Record<Language, readonly (readonly [language: string, runtime?: string])[]>> = {
  typescript: [['typescript', 'deno'], ['typescript', 'bun'], ['typescript']],
  javascript: [['javascript', 'node'], ['javascript', 'deno'], ['javascript']],
  node: [['javascript', 'node']],
  python: [['python']],
  c: [['c']],
  cpp: [['c++'], ['cpp']],
  go: [['go']],
  rust: [['rust']],
  java: [['java']],
};

/** For what a request takes besides running: the way there, waiting for its turn, compiling. */
const allowanceMs = 90_000;

/** Asks the service what it runs. Throws `AhaError` as `Service` does. */
export async function openPistonSandbox(options: PistonOptions): Promise<Sandbox> {
  const service = new Service('piston', options);
  const answer = runtimesSchema.safeParse(
    await service.request({ path: '/api/v2/runtimes', timeoutMs: 30_000 }),
  );
  if (!answer.success)
    throw service.failed('Its list of runtimes is not what Piston sends', answer.error.message);
  const runtimes = new Map<Language, Runtime>();
  for (const [language, wanted] of Object.entries(names)) {
    const runtime = wanted
      .map(([name, kind]) => newest(answer.data.filter((one) => matches(one, name, kind))))
      .find((one) => one !== undefined);
    if (runtime !== undefined) runtimes.set(language as Language, runtime);
  }
  return new PistonSandbox(service, runtimes, options.concurrency ?? 4);
}

class PistonSandbox implements Sandbox {
  readonly name = 'piston';
  readonly languages: ReadonlySet<Language>;
  readonly #service: Service;
  readonly #runtimes: ReadonlyMap<Language, Runtime>;
  readonly #queue: Queue;
  /** The most that the service allows of a limit, where it has said so. */
  readonly #allowed = new Map<string, number>();

  constructor(service: Service, runtimes: ReadonlyMap<Language, Runtime>, concurrency: number) {
    this.#service = service;
    this.#runtimes = runtimes;
    this.#queue = new Queue(concurrency);
    this.languages = new Set(runtimes.keys());
  }

  async run(program: Program, input: ProgramInput = {}, options: RunOptions = {}): Promise<RunResult> {
    // Commands are not among its languages, so that only source programs come back.
    const prepared = prepareProgram(program, this.languages, this.name) as PreparedProgram;
    const limits = resolveLimits(options.limits);
    return this.#queue.run(async () => {
      options.onStart?.();
      return this.#execute(prepared, input, { limits, asked: options.limits ?? {} }, options.signal);
    }, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is kept.
  }

  /** A limit as a field of the request: what is asked for, and no more than the service is known to allow. */
  #sent(name: string, limit: number | undefined): Readonly<Record<string, number>> {
    if (limit === undefined || !Number.isFinite(limit)) return {};
    return { [name]: Math.min(Math.ceil(limit), this.#allowed.get(name) ?? Infinity) };
  }

  /** Whether the service refused a request because of a limit, which is then known. */
  #learnLimit(error: unknown): boolean {
    if (!isAhaError(error) || typeof error.found !== 'string') return false;
    const refusal = /\b(run_\w+) cannot exceed the configured limit of (\d+)/.exec(error.found);
    if (refusal === null) return false;
    const [, name, limit] = refusal as unknown as [string, string, string];
    if (Number(limit) >= (this.#allowed.get(name) ?? Infinity)) return false;
    this.#allowed.set(name, Number(limit));
    return true;
  }

  async #execute(
    program: PreparedProgram,
    input: ProgramInput,
    { limits, asked }: { readonly limits: Limits; readonly asked: Partial<Limits> },
    signal: AbortSignal | undefined,
  ): Promise<RunResult> {
    const runtime = this.#runtimes.get(program.language)!;
    const { [program.entry]: main, ...others } = program.files;
    const body = {
      language: requestName(runtime),
      version: runtime.version,
      // The first is the one that is run.
      files: [[program.entry, main], ...Object.entries(others)].map(([name, content]) => ({ name, content })),
      stdin: input.stdin ?? '',
      args: program.arguments,
    };
    const timeoutMs = Math.min(limits.wallMs, 3_600_000) + allowanceMs;
    const request = () => {
      // Our defaults may be more than the service allows, so that it would refuse; its own then hold.
      const allowed = {
        ...this.#sent('run_timeout', asked.wallMs),
        ...this.#sent('run_cpu_time', asked.cpuMs ?? asked.wallMs),
        ...this.#sent('run_memory_limit', asked.memoryBytes),
      };
      return this.#service.request({
        path: '/api/v2/execute',
        body: { ...body, ...allowed },
        timeoutMs,
        signal,
      });
    };
    let start = systemClock.monotonic();
    let value: unknown;
    // Each of the three limits may be refused once.
    for (let attempt = 1; value === undefined; attempt++) {
      start = systemClock.monotonic();
      try {
        value = await request();
      } catch (error) {
        if (attempt > 3 || !this.#learnLimit(error)) throw error;
      }
    }
    const answer = executionSchema.safeParse(value);
    if (!answer.success)
      throw this.#service.failed('Its result is not what Piston sends', answer.error.message);
    const { compile, run } = answer.data;
    const stage = compile !== undefined && !succeeded(compile) ? 'compile' : 'run';
    const report = stage === 'compile' ? compile : run;
    if (report === undefined) throw this.#service.failed('It neither ran the program nor says why');
    if (report.status === 'XX')
      throw this.#service.failed('It reports an error of its own', report.message ?? 'XX');
    const elapsed = systemClock.monotonic() - start;
    const output = streams(report.stdout, report.stderr, limits.outputBytes);
    const limit = limitOf(report, limits, elapsed, output.stdoutTruncated || output.stderrTruncated);
    return {
      stage,
      exitCode: limit === null && report.signal === null ? (report.code ?? null) : null,
      signal: report.signal === null ? null : String(report.signal),
      ...output,
      wallMs: report.wall_time ?? elapsed,
      cpuMs: report.cpu_time ?? null,
      peakMemoryBytes: report.memory ?? null,
      limit,
    };
  }
}

function succeeded(stage: StageReport): boolean {
  return stage.code === 0 && stage.signal === null && stage.status === null;
}

function limitOf(
  report: StageReport,
  limits: Limits,
  elapsedMs: number,
  truncated: boolean,
): LimitName | null {
  if (report.status === 'TO') {
    return report.cpu_time !== null && report.cpu_time >= limits.cpuMs && limits.cpuMs < limits.wallMs
      ? 'cpu'
      : 'wall';
  }
  if (report.status === 'OL' || report.status === 'EL' || truncated) return 'output';
  if (report.signal !== 'SIGKILL') return null;
  if (report.memory !== null && report.memory >= limits.memoryBytes * 0.95) return 'memory';
  // Older versions say no more than that it was killed.
  return report.status === null && elapsedMs >= limits.wallMs ? 'wall' : null;
}

function matches(runtime: Runtime, language: string, kind: string | undefined): boolean {
  return runtime.language === language && (kind === undefined || runtime.runtime === kind);
}

/** The name that means this runtime and no other of its language: `node-javascript`. */
function requestName({ language, runtime, aliases }: Runtime): string {
  return (
    (runtime === undefined ? undefined : aliases.find((alias) => alias === `${runtime}-${language}`)) ??
    language
  );
}

function newest(runtimes: readonly Runtime[]): Runtime | undefined {
  return runtimes.toSorted((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }))[0];
}
