/** `aha verify` and `aha task` as child processes: verdicts a line, counts, exit codes, and rows of every bad kind. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fakePiston } from '../sandbox/fake-services.ts';
import { aha, ahaFailure, ahaJson } from './aha.ts';

// Each test starts processes, and a machine may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-verify-'));
});
afterAll(() => rm(cwd, { recursive: true }));

interface Line {
  readonly line: number;
  readonly outcome?: string;
  readonly score?: number;
  readonly error?: string;
}

const linesOf = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const rows = (...values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join('\n');

describe('aha verify', () => {
  it('prints one verdict a line, in order, and the counts beside them', async () => {
    const responses = Array.from({ length: 60 }, (_, i) => ({
      reference: `${i}/4`,
      response: `${i * 0.25}`,
    }));
    const outcome = await aha(['verify', 'math'], { cwd, input: rows(...responses) });
    expect(outcome.code).toBe(0);
    const lines = linesOf(outcome.stdout);
    expect(lines.map(({ line }) => line)).toEqual(responses.map((_, i) => i + 1));
    expect(lines.every(({ score }) => score === 1)).toBe(true);
    expect(outcome.stderr).toMatch(/60 rows: 60 scored \(mean 1\.000\), 0 failed, 0 malformed/);
  });

  it('runs programs in the sandbox that is asked for, and refuses one that there is not', async () => {
    const tests = { kind: 'calls', function: 'add', cases: [{ args: [1, 2], expected: 3 }] };
    const input = rows({ tests, response: 'function add(a, b) { return a + b; }' });
    await using service = await fakePiston();
    const flags = ['--sandbox', 'piston', '--sandbox-url', service.url];
    const outcome = await aha(['verify', 'javascript', ...flags], { cwd, input });
    expect(linesOf(outcome.stdout)).toMatchObject([{ score: 1 }]);
    expect(service.requests.some(({ path }) => path.endsWith('/execute'))).toBe(true);

    const homeless = await aha(['verify', 'javascript', '--sandbox', 'piston'], { cwd, input });
    expect(homeless.stdout).toMatch(/no URL says where it is/);
    const unknown = await aha(['verify', 'javascript', '--sandbox', 'jail'], { cwd, input });
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/jail.*bubblewrap/s);
  });

  it('names malformed rows by their lines, judges the others, and exits with 1', async () => {
    const input = Buffer.concat([
      Buffer.from(
        [
          '{"reference": 2, "response": "2"}',
          '{"reference": 2, "response": ',
          '',
          '[1]',
          '{"reference": 2, "respones": "2"}',
          '{"response": "2"}',
          `{"reference": 2, "response": "${'x'.repeat(10_000_000)}"}`,
          '{"reference": "no number", "response": "2"}',
          '{"reference": 2, "response": "3"}\n',
        ].join('\n'),
      ),
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
    ]);
    const outcome = await aha(['verify', 'number'], { cwd, input });
    const lines = linesOf(outcome.stdout);
    expect(lines).toMatchObject([
      { line: 1, outcome: 'scored', score: 1 },
      { line: 2, error: expect.stringMatching(/not JSON/) as string },
      { line: 4, error: 'no JSON object' },
      { line: 5, error: expect.stringMatching(/is respones meant/) as string },
      { line: 6, error: expect.stringMatching(/reference/) as string },
      { line: 7, error: expect.stringMatching(/bytes long, more than/) as string },
      { line: 8, outcome: 'failed', boundary: 'reference' },
      { line: 9, outcome: 'scored', score: 0 },
      { line: 10, error: 'not UTF-8' },
    ]);
    expect(outcome.code).toBe(1);
    const last = JSON.parse((await aha(['verify', 'number', '--json'], { cwd, input })).last) as object;
    expect(last).toMatchObject({ rows: 9, scored: 2, failed: 1, malformed: 6, mean: 0.5 });
  });

  it('keeps standard output for the summary with --json, and reads files', async () => {
    await writeFile(join(cwd, 'rows.jsonl'), rows({ schema: { type: 'array' }, response: '[1]' }));
    const outcome = await aha(['verify', 'json', '--file', 'rows.jsonl', '--json'], { cwd });
    expect(outcome.stdout.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(outcome.last)).toMatchObject({ rows: 1, scored: 1, mean: 1 });
    expect(linesOf(outcome.stderr.split('\n')[0]!)).toMatchObject([{ line: 1, score: 1 }]);
  });

  it('judges by the tests of a row and by a task’s own verifier', async () => {
    const tests = { kind: 'calls', function: 'f', cases: [{ args: [2], expected: 4 }] };
    const program = await ahaJson(['verify', 'typescript'], {
      cwd,
      input: rows(
        { tests, response: 'const f = (x: number): number => x * 2;' },
        { tests, response: 'const f = (x: number): string => x * 2;' },
        { tests, response: 'console.log("PASS"); Deno.exit(0);' },
      ),
    });
    expect(program).toMatchObject({ rows: 3, scored: 3, mean: 1 / 3 });
    const shown = await aha(['task', 'show', 'number-sorting', '--problems', '2'], { cwd });
    const problems = linesOf(shown.stdout) as unknown as { problem: object; reference: string }[];
    const input = rows(...problems.map(({ problem, reference }) => ({ problem, response: reference })));
    const judged = await ahaJson(['verify', 'number-sorting'], { cwd, input });
    expect(judged).toMatchObject({ scored: problems.length, mean: 1 });
  });

  it.each([
    [['verify', 'maths'], '', 'verifier-unknown', 2, /Did you mean math\?/],
    [['verify', 'countdwn'], '', 'verifier-unknown', 2, /Did you mean countdown\?/],
    [['verify'], '', 'verifier-unknown', 2, /No verifier was named.*json/],
    [['verify', 'math'], '', 'no-rows', 1, /empty standard input/],
    [['verify', 'math'], '\n\n', 'no-rows', 1, /empty standard input/],
    [['verify', 'math', '--file', 'nowhere.jsonl'], '', 'storage-enoent', 1, /nowhere\.jsonl/],
    [['verify', 'math', '--set', 'decimal=rounded'], '{}', 'invalid-configuration', 2, /decimals/],
    [['verify', 'math', '--set', 'decimals'], '{}', 'invalid-option', 2, /--set key=value/],
    [['verify', 'json', '--set', 'schema={type: objekt}'], '{}', 'invalid-json-schema', 1, /schema/],
  ])('%j fails with one error', async (args, input, code, exit, message) => {
    const failure = await ahaFailure(args, { cwd, input });
    expect(failure).toMatchObject({ code, exit });
    expect(failure.message).toMatch(message);
  });
});

describe('aha task', () => {
  it('lists tasks', async () => {
    const { tasks } = await ahaJson<{ tasks: { name: string }[] }>(['task', 'list'], { cwd });
    const names = tasks.map(({ name }) => name);
    for (const name of ['countdown', 'humaneval', 'mbpp', 'math', 'typescript-functions', 'zebra-puzzle']) {
      expect(names).toContain(name);
    }
  });

  it('proves a task: references score 1, corrupted ones do not, and how fast', async () => {
    const result = await ahaJson<{ tally: Record<string, { checked: number; right: number }> }>(
      ['task', 'check', 'countdown', '--problems', '5'],
      { cwd },
    );
    expect(result).toMatchObject({
      task: 'countdown',
      proved: true,
      perSecond: expect.any(Number) as number,
    });
    const { reference, ...corrupted } = result.tally;
    expect(reference!.checked).toBeGreaterThan(9);
    expect(Object.keys(corrupted).length).toBeGreaterThan(2);
    for (const { checked, right } of Object.values(result.tally)) expect(right).toBe(checked);
  });

  it('says which corrupted answer a verifier takes, and exits with 1', async () => {
    await writeFile(
      join(cwd, 'lax.mjs'),
      `import { defineTask } from 'aha';
      export default defineTask({ name: 'lax', prompts: [{ prompt: 'a', answer: '12' }, { prompt: 'b', answer: '34' }],
        verify: (problem, answer) => answer.length === 2 });`,
    );
    const outcome = await aha(['task', 'check', './lax.mjs', '--json'], { cwd });
    expect(outcome.code).toBe(1);
    const result = JSON.parse(outcome.last) as { failures: { kind: string }[] };
    expect(result).toMatchObject({ proved: false });
    expect(result.failures.map(({ kind }) => kind)).toContain('the reference of another problem');
    await writeFile(
      join(cwd, 'broken.mjs'),
      `import { defineTask } from 'aha';
      export default defineTask({ name: 'broken', prompts: [{ prompt: 'a', answer: '1' }, { prompt: 'b', answer: '2' }],
        verify: () => false });`,
    );
    expect(await ahaFailure(['task', 'check', './broken.mjs'], { cwd })).toMatchObject({
      code: 'reference-does-not-score',
      exit: 1,
    });
  });

  it.each([
    [['task', 'check', 'countdwn'], 'task-unknown', /countdown/],
    [['task', 'show', 'humaneval'], 'invalid-configuration', /file/],
    [['task', 'show', 'countdown', '--form', 'r1'], 'invalid-option', /r1-zero/],
  ])('%j fails with one error', async (args, code, message) => {
    const failure = await ahaFailure(args, { cwd });
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(message);
  });
});
