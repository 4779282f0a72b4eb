/**
 * SandboxFusion (https://github.com/bytedance/SandboxFusion): `GET /v1/ping`, `POST /run_code`. It takes one program
 * text and files beside it, no arguments, and has no C. It reports neither memory nor processor time.
 */
import { z } from 'zod';
import { AhaError } from '../../errors.ts';
import { systemClock } from '../../util/clock.ts';
import { prepareProgram, resolveLimits, type PreparedProgram } from '../program.ts';
import { Queue } from '../../util/queue.ts';
import type { Language, Limits, Program, ProgramInput, RunOptions, RunResult, Sandbox } from '../sandbox.ts';
import { signalName } from '../signals.ts';
import { streams } from './remote-result.ts';
import { Service, type ServiceOptions } from './request.ts';

export interface SandboxFusionOptions extends ServiceOptions {
  /** Requests at once. Default 4. */
  readonly concurrency?: number;
}

const commandSchema = z.object({
  status: z.enum(['Finished', 'Error', 'TimeLimitExceeded']),
  execution_time: z.number().nullable().default(null),
  return_code: z.number().nullable().default(null),
  stdout: z.string().nullable().default(null),
  stderr: z.string().nullable().default(null),
});
const answerSchema = z.object({
  status: z.enum(['Success', 'Failed', 'SandboxError']),
  message: z.string().nullable().default(null),
  compile_result: commandSchema.nullable().default(null),
  run_result: commandSchema.nullable().default(null),
});

const names: ReadonlyMap<Language, string> = new Map([
  ['typescript', 'typescript'],
  ['javascript', 'nodejs'],
  ['node', 'nodejs'],
  ['python', 'python'],
  ['cpp', 'cpp'],
  ['go', 'go'],
  ['rust', 'rust'],
  ['java', 'java'],
]);

const compileSeconds = 60;
/** For the way there and waiting for its turn. */
const allowanceMs = 60_000;

/** Asks the service whether it is there. Throws `AhaError` as `Service` does. */
export async function openSandboxFusion(options: SandboxFusionOptions): Promise<Sandbox> {
  const service = new Service('sandbox-fusion', options);
  const answer = await service.request({ path: '/v1/ping', timeoutMs: 30_000 });
  if (answer !== 'pong')
    throw service.failed('It does not answer as SandboxFusion does', JSON.stringify(answer));
  return new SandboxFusion(service, options.concurrency ?? 4);
}

class SandboxFusion implements Sandbox {
  readonly name = 'sandbox-fusion';
  readonly languages: ReadonlySet<Language> = new Set(names.keys());
  readonly #service: Service;
  readonly #queue: Queue;

  constructor(service: Service, concurrency: number) {
    this.#service = service;
    this.#queue = new Queue(concurrency);
  }

  async run(program: Program, input: ProgramInput = {}, options: RunOptions = {}): Promise<RunResult> {
    const prepared = prepareProgram(program, this.languages, this.name) as PreparedProgram;
    if (prepared.arguments.length > 0) {
      throw unsupported(
        'It cannot pass arguments',
        prepared.arguments,
        'a program that reads its standard input',
      );
    }
    if (prepared.entry.includes('/')) {
      throw unsupported(
        'It runs programs in its top folder only',
        prepared.entry,
        'an entry without a folder',
      );
    }
    const limits = resolveLimits(options.limits);
    return this.#queue.run(async () => {
      options.onStart?.();
      return this.#execute(prepared, input, limits, options.signal);
    }, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is kept.
  }

  async #execute(
    program: PreparedProgram,
    input: ProgramInput,
    limits: Limits,
    signal: AbortSignal | undefined,
  ): Promise<RunResult> {
    const { [program.entry]: code, ...others } = program.files;
    const wallMs = Math.min(limits.wallMs, 3_600_000);
    const body = {
      language: names.get(program.language),
      code,
      stdin: input.stdin ?? '',
      files: Object.fromEntries(
        Object.entries(others).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
      ),
      compile_timeout: compileSeconds,
      run_timeout: wallMs / 1000,
      ...(Number.isFinite(limits.memoryBytes)
        ? { memory_limit_MB: Math.ceil(limits.memoryBytes / 2 ** 20) }
        : {}),
    };
    const start = systemClock.monotonic();
    const timeoutMs = wallMs + compileSeconds * 1000 + allowanceMs;
    const value = await this.#service.request({ path: '/run_code', body, timeoutMs, signal });
    const answer = answerSchema.safeParse(value);
    if (!answer.success)
      throw this.#service.failed('Its result is not what SandboxFusion sends', answer.error.message);
    const { status, message, compile_result: compile, run_result: run } = answer.data;
    if (status === 'SandboxError')
      throw this.#service.failed('It reports an error of its own', message ?? status);
    const compiled = compile === null || (compile.status === 'Finished' && compile.return_code === 0);
    const report = compiled ? run : compile;
    if (report === null) throw this.#service.failed('It neither ran the program nor says why');
    if (report.status === 'Error')
      throw this.#service.failed('It could not run the program', report.stderr ?? '');
    const output = streams(report.stdout ?? '', report.stderr ?? '', limits.outputBytes);
    const truncated = output.stdoutTruncated || output.stderrTruncated;
    const limit = report.status === 'TimeLimitExceeded' ? 'wall' : truncated ? 'output' : null;
    // As Python reports it: minus the number of the signal.
    const returned = report.return_code ?? null;
    return {
      stage: compiled ? 'run' : 'compile',
      exitCode: limit === null && returned !== null && returned >= 0 ? returned : null,
      signal: limit === 'wall' ? 'SIGKILL' : returned !== null && returned < 0 ? signalName(-returned) : null,
      ...output,
      wallMs: report.execution_time === null ? systemClock.monotonic() - start : report.execution_time * 1000,
      cpuMs: null,
      peakMemoryBytes: null,
      limit,
    };
  }
}

function unsupported(what: string, found: unknown, expected: string): AhaError {
  return new AhaError({
    code: 'invalid-program',
    boundary: 'sandbox',
    what: `The sandbox 'sandbox-fusion' cannot run this program. ${what}`,
    found,
    expected,
  });
}
