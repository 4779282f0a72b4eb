import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseRecipe } from '../recipe/recipe.ts';
import {
  checkNewRunFolder,
  freeFolder,
  readRunLog,
  readStoredRecipe,
  RunLog,
  runFiles,
  writeStoredRecipe,
} from './run-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-run-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const recipe = parseRecipe({ model: 'scratch', task: 'arithmetic', steps: 3 }, 'test');

describe('the stored recipe', () => {
  it('is read back as it was written', async () => {
    await writeStoredRecipe(folder, { command: 'train zero', recipe });
    expect(await readStoredRecipe(folder)).toEqual({ command: 'train zero', recipe });
    // What is stored names every key, so that later defaults change nothing.
    const stored = JSON.parse(await readFile(runFiles(folder).recipe, 'utf8')) as { recipe: object };
    expect(Object.keys(stored.recipe)).toContain('loss');
  });

  it('is absent where there is no run', async () => {
    expect(await readStoredRecipe(folder)).toBeUndefined();
    expect(await readStoredRecipe(join(folder, 'nowhere'))).toBeUndefined();
  });

  it.each([
    ['{"format": "aha-rec', 'not JSON'],
    ['null', 'expected object'],
    ['{"format": "other", "version": 1, "command": "demo", "recipe": {}}', 'expected aha-recipe'],
    ['{"format": "aha-recipe", "version": 2, "command": "demo", "recipe": {}}', 'version'],
    ['{"format": "aha-recipe", "version": 1, "command": "demo", "recipe": {"model": "x", "task": "y", "stps": 1}}', 'steps'],
  ])('%s is refused', async (text, problem) => {
    await writeFile(runFiles(folder).recipe, text);
    await expect(readStoredRecipe(folder)).rejects.toThrow(problem);
    await expect(readStoredRecipe(folder)).rejects.toThrow('recipe.json');
  });
});

describe('folders of new runs', () => {
  const resume = (path: string) => `aha train zero --resume ${path}`;

  it('may be absent or empty', async () => {
    await expect(checkNewRunFolder(folder, resume)).resolves.toBeUndefined();
    await expect(checkNewRunFolder(join(folder, 'new'), resume)).resolves.toBeUndefined();
  });

  it('says how to resume the run that is there', async () => {
    await writeStoredRecipe(folder, { command: 'train zero', recipe });
    await expect(checkNewRunFolder(folder, resume)).rejects.toThrow(`aha train zero --resume ${folder}`);
  });

  it('does not write among other files', async () => {
    await writeFile(join(folder, 'thesis.tex'), '');
    await expect(checkNewRunFolder(folder, resume)).rejects.toThrow('is not empty');
    await expect(checkNewRunFolder(join(folder, 'thesis.tex'), resume)).rejects.toThrow('thesis.tex');
  });

  it('get the first free name', async () => {
    expect(await freeFolder(folder, 'x')).toBe(join(folder, 'x'));
    await mkdir(join(folder, 'x'));
    await mkdir(join(folder, 'x-2'));
    expect(await freeFolder(folder, 'x')).toBe(join(folder, 'x-3'));
  });
});

describe('RunLog', () => {
  it('keeps order, survives a cut line, and goes on', async () => {
    const log = new RunLog(join(folder, 'run'));
    for (let i = 0; i < 50; i++) log.append({ i });
    await log.written();
    await appendFile(runFiles(join(folder, 'run')).log, '{"i": 5');
    await appendFile(runFiles(join(folder, 'run')).log, '\n');
    const again = new RunLog(join(folder, 'run'));
    again.append({ i: 50 });
    await again.written();
    expect((await readRunLog(join(folder, 'run'))).map(({ i }) => i)).toEqual(Array.from({ length: 51 }, (_, i) => i));
  });

  it('reports a log that cannot be written', async () => {
    await writeFile(join(folder, 'file'), '');
    const log = new RunLog(join(folder, 'file', 'run'));
    log.append({});
    await expect(log.written()).rejects.toThrow(/log\.jsonl/);
  });
});
