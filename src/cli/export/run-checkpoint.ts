/** Which checkpoint of a run is meant, and the recipe that says what model it is of. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AhaError } from '../../errors.ts';
import { type Checkpoint, CheckpointStore } from '../../train/checkpoint.ts';
import { readStoredRecipe, runFiles, type StoredRecipe } from '../runs/run-files.ts';

export interface NamedRun {
  readonly folder: string;
  readonly stored: StoredRecipe;
  /** `latest`, `best` or a name; undefined when the run alone was named. */
  readonly checkpoint: string | undefined;
}

/** The run that `name` stands for, or whose checkpoint it is; undefined for anything else. */
export async function runNamed(name: string, asked: string | undefined): Promise<NamedRun | undefined> {
  const stored = await readStoredRecipe(name);
  if (stored !== undefined) return { folder: name, stored, checkpoint: asked };
  const path = resolve(name);
  const folder = dirname(dirname(path));
  if (basename(dirname(path)) !== 'checkpoints' || !(await exists(path))) return undefined;
  const owner = await readStoredRecipe(folder);
  if (owner === undefined) return undefined;
  if (asked === undefined) return { folder, stored: owner, checkpoint: basename(path) };
  throw new AhaError({
    code: 'checkpoint-named-twice',
    boundary: 'configuration',
    what: `${name} is a checkpoint already`,
    found: `--checkpoint ${asked}`,
    fix: `Name the run with --checkpoint, or the checkpoint without: ${folder}.`,
  });
}

/**
 * The checkpoint of the run that is asked for, its files verified. A corrupt one is passed over only when the latest
 * is asked for; `onBad` is told. undefined when the latest is asked for and there is none at all.
 */
export async function chooseCheckpoint(
  { folder, checkpoint: asked = 'latest' }: NamedRun,
  onBad: (name: string, reason: string) => void,
): Promise<Checkpoint | undefined> {
  const store = new CheckpointStore(join(folder, 'checkpoints'));
  const bad = new Map<string, string>();
  const hear = (name: string, reason: string) => {
    bad.set(name, reason);
    if (asked === 'latest') onBad(name, reason);
  };
  const found = await store.latest(hear, ({ name, best }) =>
    asked === 'latest' ? true : asked === 'best' ? best : name === asked,
  );
  if (found !== undefined) return found;
  const names = (await store.list()).map(({ name }) => name);
  if (asked === 'latest' && names.length === 0 && bad.size === 0) return undefined;
  const reason = asked === 'latest' ? [...bad.values()][0] : (bad.get(asked) ?? [...bad.values()][0]);
  const corrupt = reason !== undefined && (asked === 'latest' || asked === 'best' || bad.has(asked));
  throw new AhaError({
    code: corrupt ? 'checkpoint-corrupt' : 'checkpoint-not-found',
    boundary: corrupt ? 'storage' : 'configuration',
    what: corrupt
      ? `The checkpoint ${asked} of the run in ${folder} is not as it was saved`
      : `The run in ${folder} has no checkpoint ${asked}`,
    found: corrupt ? reason : names.length === 0 ? 'no checkpoint' : names.join(', '),
    expected: corrupt ? 'the files that its manifest lists' : 'latest, best, or one of those',
    fix: corrupt
      ? 'Choose another one with --checkpoint.'
      : asked === 'best'
        ? 'No evaluation was better than the first one, before training. Leave --checkpoint out for the latest.'
        : 'Leave --checkpoint out for the latest.',
  });
}

/** Where the model lies that a run began with. Throws `AhaError` (run-has-no-model) before there is one. */
export async function baseModelOf({ folder, stored }: NamedRun): Promise<string> {
  if (stored.recipe.model !== 'scratch') return stored.recipe.model;
  const { base } = runFiles(folder);
  if (await exists(join(base, 'config.json'))) return base;
  throw new AhaError({
    code: 'run-has-no-model',
    boundary: 'model',
    what: `The run in ${folder} is still pre-training its model`,
    expected: base,
    fix: 'Go on with the run first.',
  });
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
