/**
 * The folder of a run of `aha train …` or `aha demo`:
 *
 *     recipe.json      what was asked for, with every default filled in; how the run is resumed
 *     log.jsonl        what happened: steps, evaluations, warnings
 *     pretrain/        the pre-training of a model from scratch, and base/, the model that came out of it
 *     run.json, checkpoints/, rollouts/    the state of the training (src/train/run-folder.ts)
 *     model/           the trained model as a Hugging Face folder; adapter/ with LoRA
 */
import { appendFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError, describeError } from '../../errors.ts';
import { storageError, writeFileAtomic } from '../../util/files.ts';
import { parseWithSchema } from '../../util/schema.ts';
import { parseDistillRecipe } from '../recipe/distill-recipe.ts';
import { parseRecipe } from '../recipe/recipe.ts';
import { parseSftRecipe } from '../recipe/sft-recipe.ts';

export interface RunFiles {
  readonly folder: string;
  readonly recipe: string;
  readonly log: string;
  readonly pretrain: string;
  readonly base: string;
  readonly model: string;
  readonly adapter: string;
}

export function runFiles(folder: string): RunFiles {
  return {
    folder,
    recipe: join(folder, 'recipe.json'),
    log: join(folder, 'log.jsonl'),
    pretrain: join(folder, 'pretrain'),
    base: join(folder, 'base'),
    model: join(folder, 'model'),
    adapter: join(folder, 'adapter'),
  };
}

/** The recipe of each command that makes runs. */
const parsers = {
  'train zero': parseRecipe,
  demo: parseRecipe,
  'train sft': parseSftRecipe,
  'train distill': parseDistillRecipe,
};

export type RunCommand = keyof typeof parsers;

const storedSchema = z.strictObject({
  format: z.literal('aha-recipe'),
  version: z.literal(1),
  /** Which command made the run, and resumes it. */
  command: z.enum(Object.keys(parsers) as [RunCommand, ...RunCommand[]]),
  recipe: z.record(z.string(), z.unknown()),
});

/** What the run in a folder is, by the command that made it. */
export type StoredRecipe<C extends RunCommand = RunCommand> = C extends RunCommand
  ? { readonly command: C; readonly recipe: ReturnType<(typeof parsers)[C]> }
  : never;

/** The recipe of the run in `folder`, or undefined if there is no run. */
export async function readStoredRecipe(folder: string): Promise<StoredRecipe | undefined> {
  const path = runFiles(folder).recipe;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw storageError(`Could not read ${path}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AhaError({
      code: 'recipe-unreadable',
      boundary: 'storage',
      what: `${path} is not JSON`,
      found: describeError(error),
      fix: 'Restore it from a copy, or start a new run.',
      cause: error,
    });
  }
  const stored = parseWithSchema(storedSchema, value, { what: path, boundary: 'storage', code: 'recipe-unreadable' });
  const { command } = stored;
  return { command, recipe: parsers[command](stored.recipe, path) } as StoredRecipe;
}

export async function writeStoredRecipe(folder: string, { command, recipe }: StoredRecipe): Promise<void> {
  const stored: z.input<typeof storedSchema> = { format: 'aha-recipe', version: 1, command, recipe };
  await writeFileAtomic(runFiles(folder).recipe, `${JSON.stringify(stored, null, 2)}\n`);
}

/** Refuses a folder that cannot take a new run: one that holds something already. */
export async function checkNewRunFolder(folder: string, resumeCommand: (folder: string) => string): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw storageError(`Could not use the folder ${folder}`, error);
  }
  if (entries.length === 0) return;
  const isRun = entries.includes('recipe.json');
  throw new AhaError({
    code: isRun ? 'run-exists' : 'folder-not-empty',
    boundary: 'configuration',
    what: isRun ? `${folder} holds a run already` : `${folder} is not empty`,
    expected: 'an empty folder, or one that does not exist',
    fix: isRun
      ? `To go on with that run: ${resumeCommand(folder)}. For a new one choose another folder with --output.`
      : 'Choose another folder with --output.',
  });
}

/** `parent/name`, or the first of `parent/name-2`, `parent/name-3`… that does not exist. */
export async function freeFolder(parent: string, name: string): Promise<string> {
  for (let number = 1; ; number++) {
    const folder = join(parent, number === 1 ? name : `${name}-${number}`);
    const taken = await stat(folder).then(
      () => true,
      () => false,
    );
    if (!taken) return folder;
  }
}

/** Appends records to the run's log, in the order of the calls. */
export class RunLog {
  readonly #path: string;
  #last: Promise<void>;

  constructor(folder: string) {
    this.#path = runFiles(folder).log;
    this.#last = mkdir(folder, { recursive: true }).then(() => undefined);
    // Heard by the next caller of `written`; until then it must not count as unhandled.
    this.#last.catch(() => undefined);
  }

  append(record: Readonly<Record<string, unknown>>): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#last = this.#last.then(async () => appendFile(this.#path, line));
    this.#last.catch(() => undefined);
  }

  /** Once everything is written. Throws `AhaError` (storage). */
  async written(): Promise<void> {
    try {
      await this.#last;
    } catch (error) {
      throw storageError(`Could not write ${this.#path}`, error);
    }
  }
}

/** The records of a log. A last line that a crash has cut off is passed over. */
export async function readRunLog(folder: string): Promise<Record<string, unknown>[]> {
  const path = runFiles(folder).log;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw storageError(`Could not read ${path}`, error);
  }
  return text.split('\n').flatMap((line): Record<string, unknown>[] => {
    if (line === '') return [];
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : [];
    } catch {
      return [];
    }
  });
}
