import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CheckpointStore } from '../../train/checkpoint.ts';
import { parseRecipe } from '../recipe/recipe.ts';
import { writeStoredRecipe } from '../runs/run-files.ts';
import { baseModelOf, chooseCheckpoint, runNamed } from './run-checkpoint.ts';

let root: string;
const stored = {
  command: 'train zero' as const,
  recipe: parseRecipe({ model: 'scratch', task: 'arithmetic' }, 'The recipe'),
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-run-checkpoint-'));
  await writeStoredRecipe(join(root, 'run'), stored);
  await writeStoredRecipe(join(root, 'empty'), stored);
  const store = new CheckpointStore(join(root, 'run', 'checkpoints'));
  for (const [position, best] of [
    [1, true],
    [2, true],
    [3, false],
  ] as const) {
    const write = async (folder: string) => writeFile(join(folder, 'state'), `state ${position}`);
    await store.save({ name: `step-${position}`, position, best, write });
  }
});
afterAll(() => rm(root, { recursive: true }));

async function chosen(checkpoint: string | undefined, folder = 'run') {
  const bad: string[] = [];
  const run = { folder: join(root, folder), stored, checkpoint };
  const found = await chooseCheckpoint(run, (name) => bad.push(name));
  return { name: found?.name, bad };
}

it('takes the latest, the latest of the best, or the one that is named', async () => {
  expect(await chosen(undefined)).toEqual({ name: 'step-3', bad: [] });
  expect(await chosen('latest')).toEqual({ name: 'step-3', bad: [] });
  expect(await chosen('best')).toEqual({ name: 'step-2', bad: [] });
  expect(await chosen('step-1')).toEqual({ name: 'step-1', bad: [] });
  await expect(chosen('step-9')).rejects.toThrow(/step-3, step-2, step-1/);
});

it('knows a run by its folder and by the folder of a checkpoint', async () => {
  const run = join(root, 'run');
  expect(await runNamed(run, 'best')).toMatchObject({ folder: run, checkpoint: 'best' });
  const path = join(run, 'checkpoints', 'step-1');
  expect(await runNamed(path, undefined)).toMatchObject({ folder: run, checkpoint: 'step-1' });
  await expect(runNamed(path, 'best')).rejects.toThrow(/a checkpoint already/);
  expect(await runNamed(join(run, 'checkpoints', 'step-7'), undefined)).toBeUndefined();
  expect(await runNamed(root, undefined)).toBeUndefined();
});

it('has nothing to give of a run that has saved nothing', async () => {
  expect(await chosen(undefined, 'empty')).toEqual({ name: undefined, bad: [] });
  await expect(chosen('best', 'empty')).rejects.toThrow(/no checkpoint best/);
  const run = { folder: join(root, 'empty'), stored, checkpoint: undefined };
  await expect(baseModelOf(run)).rejects.toThrow(/still pre-training/);
});

it('passes over what is corrupt for the latest only, and says so', async () => {
  await writeFile(join(root, 'run', 'checkpoints', 'step-3', 'state'), 'changed!');
  expect(await chosen(undefined)).toEqual({ name: 'step-2', bad: ['step-3'] });
  await expect(chosen('step-3')).rejects.toThrow(/step-3 .*is not as it was saved/);
  await writeFile(join(root, 'run', 'checkpoints', 'step-1', 'manifest.json'), '{');
  await writeFile(join(root, 'run', 'checkpoints', 'step-2', 'state'), 'changed!');
  await expect(chosen(undefined)).rejects.toThrow(/latest .*is not as it was saved/);
});
