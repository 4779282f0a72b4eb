/** The remote tiers against services that speak their protocols (fake-services.ts). */
import { describe, expect, it } from 'vitest';
import { describeError } from '../../src/errors.ts';
import { openPistonSandbox } from '../../src/sandbox/remote/piston.ts';
import { openSandboxFusion } from '../../src/sandbox/remote/sandbox-fusion.ts';
import type { ServiceOptions } from '../../src/sandbox/remote/request.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { fakePiston, fakeSandboxFusion, type FakeService } from './fake-services.ts';

const javascript = (text: string) => ({ language: 'node' as const, files: { 'main.js': text } });
/** The tests of trying again need no real waiting. */
const quick = { waitMs: 1 };

const tiers: readonly [
  name: string,
  start: () => Promise<FakeService>,
  open: (options: ServiceOptions) => Promise<Sandbox>,
  execute: string,
][] = [
  ['piston', fakePiston, openPistonSandbox, '/api/v2/execute'],
  ['sandbox-fusion', fakeSandboxFusion, openSandboxFusion, '/run_code'],
];

describe.each(tiers)('%s', (name, start, open, execute) => {
  it('runs a program with its input and other files', async () => {
    await using service = await start();
    await using sandbox = await open({ url: `${service.url}/` });
    const result = await sandbox.run(
      {
        language: 'node',
        files: {
          'a.js': 'exports.up = (s) => s.toUpperCase()',
          'main.js':
            'console.error("é"); console.log(require("./a").up(require("fs").readFileSync(0, "utf8")))',
        },
        entry: 'main.js',
      },
      { stdin: 'abc' },
    );
    expect(result).toMatchObject({
      stage: 'run',
      exitCode: 0,
      signal: null,
      stdout: 'ABC\n',
      stderr: 'é\n',
      limit: null,
    });
    expect(sandbox.name).toBe(name);
  });

  it('reports exit codes, deadlines, long output and failed compilation', async () => {
    await using service = await start();
    await using sandbox = await open({ url: service.url });
    expect(await sandbox.run(javascript('process.exit(3)'))).toMatchObject({ exitCode: 3, limit: null });
    expect(await sandbox.run(javascript('for (;;);'), {}, { limits: { wallMs: 300 } })).toMatchObject({
      exitCode: null,
      signal: 'SIGKILL',
      limit: 'wall',
    });
    expect(
      await sandbox.run(javascript('console.log("xé")'), {}, { limits: { outputBytes: 1 } }),
    ).toMatchObject({
      stdout: 'x',
      stdoutTruncated: true,
      stderrTruncated: false,
      limit: 'output',
      exitCode: null,
    });
    expect(await sandbox.run({ language: 'cpp', files: { 'a.cpp': 'int' } })).toMatchObject({
      stage: 'compile',
      exitCode: 1,
      stderr: 'error: no',
    });
  });

  it('tries again when the service is overloaded or the connection breaks', async () => {
    await using service = await start();
    await using sandbox = await open({ url: service.url, ...quick });
    let broken = 0;
    service.intercept = (request, response) => {
      if (request.url !== execute || broken === 3) return false;
      broken++;
      if (broken === 1) request.socket.destroy();
      else response.writeHead(broken === 2 ? 429 : 503).end('wait');
      return true;
    };
    expect((await sandbox.run(javascript('console.log(1)'))).stdout).toBe('1\n');
    expect(broken).toBe(3);
  });

  it.each([
    ['no JSON', 200, '<html>hello</html>', /is not JSON/],
    ['another shape', 200, '{"run":{"stdout":5},"run_result":5,"status":"Success"}', /result is not what/],
    ['nothing', 200, '{"status":"Success","message":""}', /neither ran the program nor says why/],
    ['an error', 500, '{"message":"disk full"}', /status 500: found "?disk full/],
    ['overload for ever', 503, '{"message":"come back later"}', /status 503/],
    ['a place elsewhere', 302, '', /did not answer/],
  ])('fails, and never scores, when the answer is %s', async (_, status, text, message) => {
    await using service = await start();
    await using sandbox = await open({ url: service.url, ...quick });
    service.intercept = (__, response) => {
      response.writeHead(status, { location: 'http://127.0.0.1:9/' }).end(text);
      return true;
    };
    const run = sandbox.run(javascript('console.log(1)'));
    await expect(run).rejects.toMatchObject({ code: 'sandbox-failed', boundary: 'sandbox' });
    await expect(run).rejects.toThrow(message);
  });

  it('fails when nobody is there, without a word sent elsewhere', async () => {
    const service = await start();
    const { url } = service;
    await service[Symbol.asyncDispose]();
    await expect(open({ url, ...quick, attempts: 2 })).rejects.toMatchObject({ code: 'sandbox-failed' });
  });

  it('sends a token from the environment and never shows it', async () => {
    await using service = await start();
    process.env['AHA_TEST_TOKEN'] = 'secret-token-7b1';
    try {
      await using sandbox = await open({ url: service.url, tokenVariable: 'AHA_TEST_TOKEN', ...quick });
      expect(service.requests[0]?.authorization).toBe('Bearer secret-token-7b1');
      service.intercept = (request, response) => {
        response.writeHead(403).end(JSON.stringify({ message: `bad ${request.headers.authorization}` }));
        return true;
      };
      const error: unknown = await sandbox.run(javascript('1')).catch((one: unknown) => one);
      expect(describeError(error)).toContain('bad Bearer [token]');
      expect(JSON.stringify(error) + describeError(error)).not.toContain('secret-token');
    } finally {
      Reflect.deleteProperty(process.env, 'AHA_TEST_TOKEN');
    }
    await expect(open({ url: service.url, tokenVariable: 'AHA_TEST_TOKEN' })).rejects.toMatchObject({
      code: 'sandbox-token-missing',
    });
  });

  it.each(['', 'localhost:2000', 'file:///etc', 'http://me:password@localhost/'])(
    'refuses the URL %j',
    async (url) => {
      const opened = open({ url });
      await expect(opened).rejects.toMatchObject({ code: 'invalid-sandbox-url' });
      await expect(opened).rejects.not.toThrow(/password@/);
    },
  );

  it('stops waiting when told to', async () => {
    await using service = await start();
    await using sandbox = await open({ url: service.url });
    service.intercept = () => true;
    const controller = new AbortController();
    const run = sandbox.run(javascript('1'), {}, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('no longer wanted')), 50);
    await expect(run).rejects.toThrow('no longer wanted');
  });

  it('refuses what the service cannot run', async () => {
    await using service = await start();
    await using sandbox = await open({ url: service.url });
    const command = sandbox.run({ language: 'command', command: ['ls'], files: {} });
    await expect(command).rejects.toMatchObject({ code: 'language-unavailable' });
  });
});

it('asks Piston for the newest Node.js by the name that means it', async () => {
  await using service = await fakePiston();
  await using sandbox = await openPistonSandbox({ url: service.url });
  expect([...sandbox.languages].toSorted()).toEqual(['cpp', 'javascript', 'node', 'python']);
  const program = { ...javascript('console.log(process.argv.slice(2).join())'), arguments: ['a', 'b c'] };
  expect((await sandbox.run(program, {}, { limits: { wallMs: 2000 } })).stdout).toBe('a,b c\n');
  expect(service.requests.at(-1)?.body).toMatchObject({
    language: 'node-javascript',
    version: '18.15.0',
    run_timeout: 2000,
    run_cpu_time: 2000,
  });
  // More than the service allows: it says how much it does, and is asked for that from then on.
  const asked = service.requests.length;
  for (let run = 0; run < 2; run++) {
    expect((await sandbox.run(program, {}, { limits: { wallMs: 6000 } })).stdout).toBe('a,b c\n');
  }
  expect(
    service.requests.slice(asked).map(({ body }) => (body as Record<string, unknown>)['run_timeout']),
  ).toEqual([6000, 5000, 5000]);
});

it('says what SandboxFusion cannot do', async () => {
  await using service = await fakeSandboxFusion();
  await using sandbox = await openSandboxFusion({ url: service.url });
  await expect(sandbox.run({ ...javascript('1'), arguments: ['a'] })).rejects.toMatchObject({
    code: 'invalid-program',
  });
  const nested = { language: 'node' as const, files: { 'a/b.js': '1' } };
  await expect(sandbox.run(nested)).rejects.toMatchObject({ code: 'invalid-program' });
  await expect(sandbox.run({ language: 'python', files: { 'a.py': '1' } })).rejects.toThrow('no such runner');
});
