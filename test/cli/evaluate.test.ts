/** `aha evaluate` as a child process: reports that resume after SIGKILL, endpoints, comparison, bad input. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeEndpoint, sendJson } from '../fake-endpoint.ts';
import { aha, ahaFailure, ahaJson, tinyRecipe } from './aha.ts';

interface Result {
  readonly accuracy: number;
  readonly folder: string;
  readonly measures: { readonly responses: number };
}

const key = 'sk-do-not-print-me-42';
let cwd: string;
let server: FakeEndpoint;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-evaluate-'));
  server = await FakeEndpoint.start();
  await writeFile(
    join(cwd, 'sums.jsonl'),
    Array.from({ length: 60 }, (_, i) =>
      JSON.stringify({ prompt: `What is ${i} plus 1?`, answer: `${i + 1}` }),
    ).join('\n'),
  );
});
afterAll(async () => {
  await server.stop();
  await rm(cwd, { recursive: true });
});

/** Right for even numbers, in the format that the prompt asks for. */
function solve(body: Readonly<Record<string, unknown>>): string {
  const messages = body['messages'] as readonly { readonly content: string }[];
  const number = Number(/What is (\d+)/.exec(messages.at(-1)!.content)![1]);
  return `<think>one more</think> <answer>${number % 2 === 0 ? number + 1 : number}</answer>`;
}

const endpoint = () => [
  '--endpoint',
  server.address,
  '--model',
  'tiny',
  '--key-variable',
  'TEST_KEY',
  '--cache',
  'cache',
];
const env = { TEST_KEY: key };

describe('aha evaluate behind an endpoint', () => {
  it('judges every answer, keeps it, and asks nothing twice', async () => {
    server.say = ({ body }) => solve(body);
    const args = ['evaluate', ...endpoint(), '--task', 'sums.jsonl', '--samples', '3', '--output', 'report'];
    const result = await ahaJson<Result>(args, { cwd, env });
    const lines = (await readFile(join(cwd, 'report', 'responses.jsonl'), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(result.measures.responses);
    const problems = new Map(
      lines
        .map((line) => JSON.parse(line) as { prompt: string; answer: string })
        .map((r) => [r.prompt, Number(r.answer)]),
    );
    const right = [...problems.values()].filter((answer) => answer % 2 === 1).length;
    expect(result.accuracy).toBeCloseTo(right / problems.size, 12);
    expect(server.requests.every(({ authorization }) => authorization === `Bearer ${key}`)).toBe(true);
    const asked = server.requests.length;
    expect(asked).toBe(lines.length);
    await ahaJson(args, { cwd, env });
    // The report is gone, the answers are not.
    await ahaJson([...args, '--fresh'], { cwd, env });
    expect(server.requests).toHaveLength(asked);
    for (const folder of ['report', 'cache']) {
      const entries = await readdir(join(cwd, folder), { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      expect(files.length).toBeGreaterThan(0);
      for (const file of files) {
        expect(await readFile(join(file.parentPath, file.name), 'utf8')).not.toContain(key);
      }
    }
  });

  it('goes on after SIGKILL without asking again, to the same responses', async () => {
    server.requests.length = 0;
    server.answered = 0;
    let child: ChildProcess | undefined;
    server.say = ({ body }) => solve(body);
    server.misbehave = () => {
      if (server.answered === 4) child?.kill('SIGKILL');
      return server.answered >= 4;
    };
    const args = ['evaluate', ...endpoint(), '--task', 'sums.jsonl', '--samples', '2', '--temperature', '1'];
    const all = [...args, '--concurrency', '1', '--cache', 'cache-2', '--output', 'killed'];
    const outcome = await aha(all, {
      cwd,
      env,
      onOutput: (_text, running) => {
        child = running;
      },
    });
    expect(outcome.signal).toBe('SIGKILL');
    const before = server.answered;
    server.misbehave = undefined;
    const result = await ahaJson<Result>(all, { cwd, env });
    expect(result.measures.responses).toBeGreaterThan(before);
    // The last answer may have been on its way when the process died.
    expect(server.answered - result.measures.responses).toBeLessThanOrEqual(1);
    const whole = [...args, '--cache', 'cache-3', '--output', 'whole'];
    await ahaJson(whole, { cwd, env });
    const read = async (name: string) => readFile(join(cwd, name, 'responses.jsonl'), 'utf8');
    expect(await read('killed')).toBe(await read('whole'));
  });

  it('says what is wrong without the key, in one error', async () => {
    server.misbehave = (_seen, response) => {
      sendJson(response, 401, { error: { message: `Incorrect API key provided: ${key}` } });
      return true;
    };
    const args = ['evaluate', ...endpoint(), '--task', 'sums.jsonl', '--output', 'refused'];
    const error = await ahaFailure(args, { cwd, env });
    server.misbehave = undefined;
    expect(error).toMatchObject({ code: 'endpoint-unauthorized', exit: 1 });
    expect(JSON.stringify(error)).not.toContain(key);
    expect(error.message).toContain('TEST_KEY');
  });

  it('stops at the budget, and goes on with a larger one', async () => {
    server.answered = 0;
    const args = [
      'evaluate',
      ...endpoint(),
      '--task',
      'sums.jsonl',
      '--cache',
      'cache-4',
      '--output',
      'budget',
    ];
    const error = await ahaFailure([...args, '--max-requests', '3'], { cwd, env });
    expect(error).toMatchObject({ code: 'endpoint-budget-exhausted', exit: 1 });
    expect(server.answered).toBe(3);
    const result = await ahaJson<Result>(args, { cwd, env });
    expect(server.answered).toBe(result.measures.responses);
  });
});

describe('aha evaluate of a run', () => {
  it('asks the task of the run, compares with another, and reads reports', async () => {
    await writeFile(join(cwd, 'tiny.yaml'), tinyRecipe);
    await ahaJson(['train', 'zero', '--config', 'tiny.yaml', '--output', 'run'], { cwd });
    const common = ['--problems', '6', '--threads', '1', '--samples', '3'];
    const one = await ahaJson<Result & { contamination: object }>(['evaluate', 'run', ...common], { cwd });
    expect(one.contamination).toMatchObject({ exact: 0, overlapping: 0 });
    const again = await ahaJson<Result>(['evaluate', 'run', ...common], { cwd });
    expect(again.folder).toBe(one.folder);
    const rates = ['--split', 'train', '--solve-rates', 'rates.jsonl'];
    const trained = await ahaJson<Result>(['evaluate', 'run', ...common, ...rates], { cwd });
    expect((await readFile(join(cwd, 'rates.jsonl'), 'utf8')).trim().split('\n').length).toBeGreaterThan(0);
    expect(trained.folder).not.toBe(one.folder);
    const compared = await ahaJson<{ comparison: object }>(
      ['evaluate', one.folder, '--against', again.folder],
      { cwd },
    );
    expect(compared.comparison).toMatchObject({ accuracy: { difference: 0, pValue: 1 } });
  });
});

describe('bad input', () => {
  it.each([
    [['evaluate'], 'model-missing', 2],

    [['evaluate', '--endpoint', 'http://127.0.0.1:1/v1', '--task', 'sums.jsonl'], 'endpoint-incomplete', 2],
    [
      ['evaluate', '--endpoint', 'ftp://x', '--model', 'm', '--task', 'sums.jsonl'],
      'endpoint-address-invalid',
      2,
    ],
    [['evaluate', '--endpoint', 'http://127.0.0.1:1/v1', '--model', 'm'], 'task-missing', 2],
    [
      ['evaluate', '--endpoint', 'http://127.0.0.1:1/v1', '--model', 'm', '--task', 'arithmatic'],
      'task-unknown',
      1,
    ],
    [
      [
        'evaluate',
        '--endpoint',
        'http://127.0.0.1:1/v1',
        '--model',
        'm',
        '--task',
        'sums.jsonl',
        '--training-data',
        'none.jsonl',
      ],
      'storage-enoent',
      1,
    ],
    [
      [
        'evaluate',
        '--endpoint',
        'http://127.0.0.1:1/v1',
        '--model',
        'm',
        '--task',
        'sums.jsonl',
        '--weights',
        '1,2',
      ],
      'mixture-mismatch',
      2,
    ],
  ])('%j', async (args, code, exit) => {
    const error = await ahaFailure(args, { cwd });
    expect(error.exit).toBe(exit);
    expect(error.code).toBe(code);
  });
});
