/** The command line as a child process: what it prints, how it ends, and signals on the way. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compiledModule } from '../support/compiled.ts';

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last line of standard output. */
  readonly last: string;
}

export interface AhaOptions {
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Leaves standard input open. */
  readonly keepInputOpen?: boolean;
  /** Called with all that was written so far, on either stream. */
  readonly onOutput?: (text: string, child: ChildProcess) => void;
}

/** Runs `aha` with these arguments. Standard input is `input`, or closed. */
export function aha(args: readonly string[], options: AhaOptions = {}): Promise<Outcome> {
  const main = fileURLToPath(compiledModule('src/cli/main.ts'));
  const env = { ...process.env, NO_COLOR: '1', ...options.env };
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(stdout + stderr, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onOutput?.(stdout + stderr, child);
  });
  // A program that ends before it has read its input is not the test's failure.
  child.stdin.on('error', () => undefined);
  if (options.keepInputOpen !== true) child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ stdout, stderr, code, signal, last: stdout.trimEnd().split('\n').at(-1) ?? '' });
    });
  });
}

/** The result of a command that is to succeed, from its last line. */
export async function ahaJson<T>(args: readonly string[], options: AhaOptions = {}): Promise<T> {
  const outcome = await aha([...args, '--json'], options);
  if (outcome.code !== 0) {
    throw new Error(`aha ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}:\n${outcome.stderr}`);
  }
  return JSON.parse(outcome.last) as T;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
  readonly exit: number | null;
  readonly stderr: string;
}

/** The error of a command that is to fail: one line of JSON, and the same for people. */
export async function ahaFailure(args: readonly string[], options: AhaOptions = {}): Promise<Failure> {
  const outcome = await aha([...args, '--json'], options);
  const parsed = JSON.parse(outcome.last) as { error?: Omit<Failure, 'exit' | 'stderr'> };
  if (parsed.error === undefined) throw new Error(`aha ${args.join(' ')} succeeded: ${outcome.last}`);
  return { ...parsed.error, exit: outcome.code, stderr: outcome.stderr };
}

/** A run from scratch of a few seconds, as flags. */
export const tinyRecipe = `
model: scratch
task: arithmetic
taskOptions: { levels: [2], limit: 5 }
seed: 3
steps: 8
problemsPerStep: 4
groupSize: 6
maxCompletionTokens: 16
optimizer: { learningRate: 0.001 }
evaluation: { every: 4, problems: 6 }
checkpoints: { every: 1, keepLast: 2 }
engine: { threads: 1 }
scratch:
  hiddenSize: 32
  layers: 1
  heads: 2
  contextLength: 64
  pretrain: { steps: 150, examplesPerStep: 16, checkpoints: { every: 50 } }
`;
