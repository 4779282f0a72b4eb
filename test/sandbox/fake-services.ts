/**
 * Piston and SandboxFusion as far as our clients use them, on 127.0.0.1: the routes, checks, names and types of their
 * sources (api/src/api/v2.js and job.js; sandbox/server/sandbox_api.py and runners/base.py). They run JavaScript
 * that the tests wrote themselves; nothing here is a sandbox.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface FakeService extends AsyncDisposable {
  readonly url: string;
  readonly requests: { path: string; body: unknown; authorization: string | undefined }[];
  /** Called before the service's own answer; true when it answered (or broke the connection) itself. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
}

type Answer = readonly [status: number, body: unknown];
type Route = (body: Record<string, unknown>) => Promise<Answer>;

export async function fakePiston(): Promise<FakeService> {
  const runtimes = [
    { language: 'javascript', version: '1.32.3', aliases: ['deno-js'], runtime: 'deno' },
    {
      language: 'javascript',
      version: '9.9.0',
      aliases: ['node-javascript', 'node-js', 'js'],
      runtime: 'node',
    },
    {
      language: 'javascript',
      version: '18.15.0',
      aliases: ['node-javascript', 'node-js', 'js'],
      runtime: 'node',
    },
    { language: 'c++', version: '10.2.0', aliases: ['cpp', 'g++'], runtime: 'gcc' },
    { language: 'python', version: '3.10.0', aliases: ['py', 'py3', 'python3'] },
  ];
  const refuse = (message: string): Answer => [400, { message }];
  return serve({
    'GET /api/v2/runtimes': async () => [200, runtimes],
    'POST /api/v2/execute': async (body) => {
      const { language, version, files, stdin, args, run_timeout: timeout = 3000 } = body;
      if (typeof language !== 'string') return refuse('language is required as a string');
      if (typeof version !== 'string') return refuse('version is required as a string');
      if (!Array.isArray(files)) return refuse('files is required as an array');
      if (typeof timeout !== 'number') return refuse('if specified, run_timeout must be a number');
      if (timeout > 5000) return refuse('run_timeout cannot exceed the configured limit of 5000');
      const runtime = runtimes.find((one) => {
        return (one.language === language || one.aliases.includes(language)) && one.version === version;
      });
      if (runtime === undefined) return refuse(`${language}-${version} runtime is unknown`);
      const list = files as { name: string; content: string }[];
      const { status, ...run } = await execute(
        list,
        typeof stdin === 'string' ? stdin : '',
        (args ?? []) as string[],
        timeout,
      );
      const output = `${run.stdout}${run.stderr}`;
      const compile =
        runtime.language === 'c++'
          ? { stdout: '', stderr: 'error: no', code: 1, signal: null, output: '' }
          : undefined;
      return [
        200,
        { compile, run: { ...run, output, status, message: null }, language: runtime.language, version },
      ];
    },
  });
}

export async function fakeSandboxFusion(): Promise<FakeService> {
  return serve({
    'GET /v1/ping': async () => [200, 'pong'],
    'POST /run_code': async (body) => {
      const { code, language, stdin = null, files = {}, run_timeout: timeout = 10 } = body;
      if (typeof code !== 'string' || typeof language !== 'string') {
        return [422, { detail: [{ loc: ['body', 'code'], msg: 'Field required', type: 'missing' }] }];
      }
      const message = { executor_pod_name: null, files: {} };
      if (language === 'cpp') {
        const failed = {
          status: 'Finished',
          execution_time: 0.1,
          return_code: 1,
          stdout: '',
          stderr: 'error: no',
        };
        return [200, { status: 'Failed', message: '', compile_result: failed, run_result: null, ...message }];
      }
      if (language !== 'nodejs') {
        return [
          200,
          { status: 'SandboxError', message: 'no such runner', compile_result: null, run_result: null },
        ];
      }
      const others = Object.entries(files as Record<string, string>).map(([name, content]) => ({
        name,
        content: Buffer.from(content, 'base64').toString(),
      }));
      const all = [{ name: 'tmp1234.js', content: code }, ...others];
      const run = await execute(all, typeof stdin === 'string' ? stdin : '', [], Number(timeout) * 1000);
      const late = run.status === 'TO';
      const result = {
        status: late ? 'TimeLimitExceeded' : 'Finished',
        execution_time: 0.01,
        return_code: late ? null : (run.code ?? -9),
        stdout: run.stdout,
        stderr: run.stderr,
      };
      const status = late || result.return_code !== 0 ? 'Failed' : 'Success';
      return [200, { status, message: '', compile_result: null, run_result: result, ...message }];
    },
  });
}

async function serve(routes: Readonly<Record<string, Route>>): Promise<FakeService> {
  const server = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
      service.requests.push({ path: request.url ?? '', body, authorization: request.headers.authorization });
      if (service.intercept(request, response)) return;
      const route = routes[`${request.method} ${request.url}`];
      const [status, answer] = route === undefined ? [404, { message: 'Not Found' }] : await route(body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const service: FakeService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    intercept: () => false,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return service;
}

interface Run {
  stdout: string;
  stderr: string;
  code: number | null;
  signal: string | null;
  status: string | null;
}

async function execute(
  files: readonly { name: string; content: string }[],
  stdin: string,
  args: readonly string[],
  timeout: number,
): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'aha-fake-service-'));
  try {
    for (const { name, content } of files) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    return await new Promise<Run>((resolve) => {
      const child = spawn(process.execPath, [files[0]!.name, ...args], { cwd: folder });
      const run: Run = { stdout: '', stderr: '', code: null, signal: null, status: null };
      child.stdout.on('data', (chunk) => (run.stdout += String(chunk)));
      child.stderr.on('data', (chunk) => (run.stderr += String(chunk)));
      const timer = setTimeout(() => {
        run.status = 'TO';
        child.kill('SIGKILL');
      }, timeout);
      child.stdin.on('error', () => undefined);
      child.stdin.end(stdin);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        resolve({
          ...run,
          code,
          signal,
          status: run.status ?? (signal !== null ? 'SG' : code === 0 ? null : 'RE'),
        });
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
