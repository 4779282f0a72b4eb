import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AhaError } from '../errors.ts';
import { builtInTasks, loadTask } from './load.ts';
import { explainLoadError } from './module-task.ts';
import { proceduralTasks } from './procedural/procedural-tasks.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-load-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let count = 0;
const write = async (extension: string, content: string) => {
  const path = join(folder, `Task File ${count++}.${extension}`);
  await writeFile(path, content);
  return path;
};
const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `What is ${i} + 1?`, answer: i + 1 }));
const jsonl = rows.map((row) => JSON.stringify(row)).join('\n');
const definition = `{
  name: 'doubling',
  prompts: (random) => { const n = random.integer(10000); return { prompt: 'twice ' + n, answer: String(2 * n) }; },
  verify: (problem, answer) => answer.trim() === problem.answer,
}`;

describe('built-in tasks', () => {
  it('have names, descriptions and schemas', () => {
    expect(Object.keys(builtInTasks)).toEqual(expect.arrayContaining(['arithmetic', 'countdown', 'gsm8k']));
    for (const [name, task] of Object.entries(builtInTasks)) {
      expect(task.name).toBe(name);
      expect(task.description).not.toBe('');
      expect(task.schema.safeParse({ noSuchOption: 1 }).success).toBe(false);
    }
  });

  it('are all in docs/tasks.md, with their number of levels', () => {
    const document = readFileSync(new URL('../../docs/tasks.md', import.meta.url), 'utf8');
    for (const name of Object.keys(builtInTasks)) expect(document).toContain(`| \`${name}\``);
    for (const task of proceduralTasks) {
      const row = new RegExp(`^\\| \`${task.name}\` +\\| (\\d+) `, 'm').exec(document);
      expect(Number(row?.[1])).toBe(task.create({}).levels.length);
    }
  });

  it('are loaded by name, with options and presentation', async () => {
    const task = await loadTask('arithmetic', { options: { levels: [2] }, seed: 7, form: 'r1-zero' });
    expect(task).toMatchObject({
      name: 'arithmetic',
      levels: [2],
      seed: 7,
      presentation: { form: 'r1-zero' },
    });
    await expect(loadTask('arithmetic', { options: { level: 2 } })).rejects.toThrow(/Did you mean "levels"/);
    await expect(loadTask('arithmetic', { form: 'zero' as never })).rejects.toThrow(/at form/);
  });

  it.each([
    [
      'arithmatic',
      /no such task: found arithmatic, expected arithmetic, countdown, gsm8k.*Did you mean arithmetic\?/,
    ],
    ['', /no such task/],
    ['toString', /no such task/],
    ['x'.repeat(100_000), /no such task/],
    ['tasks/none.txt', /no such task/],
  ])('an unknown name (%#) names the nearest', async (name, message) => {
    await expect(loadTask(name)).rejects.toThrow(message);
  });
});

describe('files of rows', () => {
  it('take the number verifier when every answer is a number', async () => {
    const task = await loadTask(await write('jsonl', jsonl), { form: 'chat' });
    expect(task.name).toMatch(/^task-file-\d+$/);
    expect(task.notes).toEqual(['verifier: number, since every answer is a number']);
    expect(task.size('train') + task.size('heldOut')).toBe(40);
    const problem = task.problem({ split: 'train', index: 0 });
    const response = `<think>a</think> <answer>It is ${problem.answer}.</answer>`;
    expect(await task.verify(problem, response)).toMatchObject({ score: 1 });
  });

  it('else the exact one, or the one that is named', async () => {
    const text = jsonl.replace('"answer":5}', '"answer":"five"}');
    expect((await loadTask(await write('jsonl', text))).notes[0]).toBe(
      'verifier: exact, since not every answer is a number',
    );
    await expect(loadTask(await write('jsonl', text), { options: { verify: 'number' } })).rejects.toThrow(
      /line 5: the answer is not one clear number/,
    );
    const tolerant = await loadTask(await write('jsonl', text), {
      options: { verify: 'number', maxBadShare: 0.1 },
    });
    expect(tolerant.notes[0]).toMatch(/1 of 40 rows left out/);
    await expect(loadTask(await write('jsonl', text), { options: { verify: 'regex' } })).rejects.toThrow(
      /at verify: found regex, expected exact \| number/,
    );
  });

  it('take a second file as held out', async () => {
    const heldOut = await write('jsonl', '{"prompt":"What is 99 + 1?","answer":100}');
    const task = await loadTask(await write('jsonl', jsonl), { options: { heldOut } });
    expect([task.size('train'), task.size('heldOut')]).toEqual([40, 1]);
  });

  it('refuses a file that is missing or empty', async () => {
    await expect(loadTask(join(folder, 'none.jsonl'))).rejects.toThrow(/Could not read .*none\.jsonl/);
    await expect(loadTask(await write('jsonl', ''))).rejects.toThrow(/has no rows/);
  });
});

describe('YAML and JSON task files', () => {
  it('name a file of rows relative to themselves', async () => {
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data', 'rows.jsonl'), jsonl.replaceAll('"prompt"', '"question"'));
    const path = await write(
      'yaml',
      'name: sums\ndescription: Adding one.\nprompts: ./data/rows.jsonl\nverify: number\nfields: { prompt: question }\n',
    );
    const task = await loadTask(path, { form: 'r1-zero' });
    expect(task).toMatchObject({ name: 'sums', description: 'Adding one.', notes: [] });
  });

  it('or hold the rows', async () => {
    const task = await loadTask(await write('json', JSON.stringify({ prompts: rows, verify: 'exact' })));
    expect(task.size('train') + task.size('heldOut')).toBe(40);
  });

  it.each([
    ['yaml', 'name: [', /is no YAML/],
    ['yaml', '\tname: x', /is no YAML/],
    ['yaml', 'a: 1\na: 2', /is no YAML: found Map keys must be unique/],
    ['yaml', '', /this value cannot be used: found null, expected object/],
    ['yaml', 'just text', /expected object/],
    ['yaml', 'prompts: x.jsonl\nverifier: exact', /unknown key "verifier".*Did you mean "verify"/],
    ['yaml', 'verify: exact', /missing at prompts|at prompts/],
    ['yaml', 'prompts: 3', /at prompts: found 3/],
    ['yaml', 'prompts: []', /at prompts/],
    ['yaml', 'prompts:\n  - prompt: x\n    answer: .nan', /at prompts/],
    ['yaml', 'prompts:\n  - prompt: x\n    answer: 12345678901234567890', /at prompts/],
    ['yaml', 'prompts: none.jsonl\nverify: exact', /Could not read .*none\.jsonl/],
    ['json', '{"prompts": "none.jsonl", ', /is no YAML/],
    [
      'yaml',
      `a: &a [x, x]\n${Array.from({ length: 20 }, (_, i) => `a${i}: &a${i} [${`*a${i === 0 ? '' : i - 1}, `.repeat(9)}]`).join('\n')}`,
      /aliases that multiply|cannot be read/,
    ],
    ['yaml', `name: ${'x'.repeat(2 ** 24)}`, /is too large: found 167\d+ bytes/],
  ])('a broken %s file (%#): a clear error', async (extension, content, message) => {
    await expect(loadTask(await write(extension, content))).rejects.toThrow(message);
  });

  it('take no options beside the file', async () => {
    const path = await write('yaml', 'prompts: x.jsonl');
    await expect(loadTask(path, { options: { verify: 'exact' } })).rejects.toThrow(
      /takes no options.*Write them into the file/,
    );
  });
});

describe('modules', () => {
  it('export a task, its definition, or a function of options', async () => {
    const module = pathToFileURL(join(import.meta.dirname, 'task.ts')).href;
    const contents = [
      `import { defineTask } from ${JSON.stringify(module)};\nexport default defineTask(${definition});`,
      `export default ${definition};`,
      `export default (options) => ({ ...${definition}, description: options.text });`,
    ];
    for (const [i, content] of contents.entries()) {
      const options = i === 2 ? { text: 'Twice.' } : {};
      const task = await loadTask(await write('mjs', content), { options, seed: 3 });
      expect(task).toMatchObject({ name: 'doubling', seed: 3, description: i === 2 ? 'Twice.' : '' });
      expect(task.size('train')).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it.each([
    [
      'export const task = 1;',
      /exports no task: found no default export, expected export default defineTask/,
    ],
    ['export default 42;', /exports no task: found a default export that is a number/],
    ['export default null;', /that is null/],
    ['export default { nmae: 1 };', /that is an object with keys nmae/],
    ['export default { name: "x", prompts: [], verfy: 1 };', /unknown key "verfy"|at verify/],
    ['export default (', /could not be loaded/],
    ['throw new Error("boom at import");', /could not be loaded: found boom at import/],
    ['throw undefined;', /could not be loaded/],
    ['import "./does-not-exist.mjs"; export default 1;', /could not be loaded/],
    ['import "no-such-package-at-all"; export default 1;', /could not be loaded/],
    [`export default { ...${definition}, verify: () => 1 };`, /does not turn away an empty response/],
    [`export default { ...${definition}, reference: () => 'wrong' };`, /its own reference does not score 1/],
    [`export default { ...${definition}, prompts: () => { throw new Error('no data'); } };`, /no data/],
    [`export default () => { throw new Error('needs a key'); };`, /could not be loaded: found needs a key/],
  ])('a broken module (%#): a clear error', async (content, message) => {
    await expect(loadTask(await write('mjs', content))).rejects.toThrow(message);
  });

  it('refuses options that nobody reads', async () => {
    const path = await write('mjs', `export default ${definition};`);
    await expect(loadTask(path, { options: { size: 3 } })).rejects.toThrow(/takes no options: found size/);
  });

  it('refuses a missing file and a folder', async () => {
    await expect(loadTask(join(folder, 'none.ts'))).rejects.toThrow(
      /Could not read task file .*none\.ts.*Check the path/,
    );
    await mkdir(join(folder, 'folder.mjs'), { recursive: true });
    await expect(loadTask(join(folder, 'folder.mjs'))).rejects.toThrow(/The path is a folder/);
  });
});

describe('explainLoadError: what Node.js itself says about a file', () => {
  /** The code and message that a plain Node.js process gives for importing the file. */
  const importError = async (path: string): Promise<{ code?: string; message: string } | undefined> => {
    const script = `import(${JSON.stringify(pathToFileURL(path).href)}).then(() => console.log('null'),
      (e) => console.log(JSON.stringify({ code: e.code, message: e.message })))`;
    const output = execFileSync(process.execPath, ['--no-warnings', '-e', script], { encoding: 'utf8' });
    return (JSON.parse(output) as { code?: string; message: string } | null) ?? undefined;
  };
  const explain = (path: string, error: { code?: string; message: string }) =>
    explainLoadError(path, Object.assign(new Error(error.message), error));

  // Nothing to explain where Node.js strips types by itself (22.18 and later).
  const stripsTypes = 'typescript' in process.features && process.features.typescript !== false;
  it.skipIf(stripsTypes)('says which Node.js loads TypeScript, since this one does not', async () => {
    const path = await write('ts', `const name: string = 'x';\nexport default { name };`);
    const error = await importError(path);
    expect(explain(path, error!).message).toMatch(
      /This Node.js cannot load the TypeScript file .*: found Node.js [\d.]+, expected Node.js 22.18 or later.*npx esbuild .*\.mjs/,
    );
  });

  it('says what to do when the package is not installed beside the file', async () => {
    const path = await write(
      'mjs',
      `import { defineTask } from 'aha';\nexport default defineTask(${definition});`,
    );
    const error = await importError(path);
    expect(explain(path, error!).message).toMatch(
      /imports aha, which is not installed beside it.*npm install aha/,
    );
  });

  it('passes on our own errors', () => {
    const own = new AhaError({ code: 'x', boundary: 'task', what: 'Mine' });
    expect(explainLoadError('a.ts', own)).toBe(own);
    expect(explainLoadError('a.ts', undefined).code).toBe('task-load-failed');
  });
});
