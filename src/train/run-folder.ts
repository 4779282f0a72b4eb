/**
 * The folder of a run: its configuration, its lock, its checkpoints, and the rollout of a step that is not finished.
 *
 *     run/
 *       run.json               what the run is: kind, configuration, task, model
 *       lock.json              while a process works on it
 *       checkpoints/NAME/      policy/ state.json [rollout.jsonl] manifest.json
 *       rollouts/step-N.jsonl  what step N has sampled so far
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Policy } from '../engine/policy.ts';
import { AhaError, describeError } from '../errors.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { type Checkpoint, CheckpointStore, type Retention } from './checkpoint.ts';
import { readRollout, type Rollout, writeRollout } from './rollout-file.ts';
import { lockRun, type RunLock } from './run-lock.ts';

/** What makes a run the run it is. JSON values. */
export interface RunIdentity {
  readonly kind: 'grpo' | 'pretrain' | 'sft' | 'distill';
  readonly [part: string]: unknown;
}

/** Parts of the configuration that may change between two processes of a run, by path. */
const changeable = new Set(['config.steps', 'config.epochs', 'config.evaluation', 'config.checkpoints']);

export interface SavedRun<State> {
  readonly state: State;
  readonly rollout: Rollout | undefined;
  readonly checkpoint: Checkpoint;
}

export class RunFolder implements AsyncDisposable {
  readonly folder: string;
  readonly checkpoints: CheckpointStore;
  readonly #lock: RunLock;

  /** Use `RunFolder.open`. */
  constructor(folder: string, lock: RunLock) {
    this.folder = folder;
    this.#lock = lock;
    this.checkpoints = new CheckpointStore(join(folder, 'checkpoints'));
  }

  /**
   * Locks the folder, creates it if needed, and checks that what it holds is this run.
   * @throws AhaError `run-locked`, `run-differs`, `run-unreadable`, or of the storage
   */
  static async open(folder: string, identity: RunIdentity): Promise<RunFolder> {
    const lock = await lockRun(folder);
    try {
      const path = join(folder, 'run.json');
      // As it will be read back: without undefined.
      const own = JSON.parse(JSON.stringify(identity)) as RunIdentity;
      const known = await readIdentity(path);
      if (known !== undefined) checkIdentity(path, known, own);
      await writeFileAtomic(path, `${JSON.stringify(own, null, 2)}\n`);
      return new RunFolder(folder, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /**
   * The latest good checkpoint, loaded into `policy`; undefined for a run that has none. `onBad` is told of later ones
   * that are not as they were saved.
   * @throws AhaError `no-good-checkpoint` if there are checkpoints and none is good
   */
  async resume<State>(
    policy: Policy,
    parseState: (value: unknown) => State,
    onBad: (name: string, reason: string) => void,
  ): Promise<SavedRun<State> | undefined> {
    await this.checkpoints.clean();
    const bad = new Map<string, string>();
    const checkpoint = await this.checkpoints.latest((name, reason) => {
      bad.set(name, reason);
      onBad(name, reason);
    });
    if (checkpoint === undefined) {
      if (bad.size === 0) return undefined;
      throw new AhaError({
        code: 'no-good-checkpoint',
        boundary: 'storage',
        what: `No checkpoint in ${this.checkpoints.folder} is as it was saved`,
        found: [...bad].map(([name, reason]) => `${name}: ${reason}`).join(' '),
        fix: 'Restore one from a copy, or delete the folder to start from the beginning.',
      });
    }
    // A bad one must not count among the last that are kept.
    for (const name of bad.keys()) await this.checkpoints.setAside(name);
    const path = join(checkpoint.folder, 'state.json');
    let state: State;
    try {
      state = parseState(JSON.parse(await readFile(path, 'utf8')));
    } catch (error) {
      throw new AhaError({
        code: 'run-unreadable',
        boundary: 'storage',
        what: `The state of the run in ${path} cannot be read by this version`,
        found: describeError(error),
        fix: 'Use the version that wrote it, or another folder.',
        cause: error,
      });
    }
    const rollout = await readRollout(join(checkpoint.folder, 'rollout.jsonl'));
    await policy.load(join(checkpoint.folder, 'policy'));
    return { state, rollout, checkpoint };
  }

  async save(
    policy: Policy,
    request: {
      readonly name: string;
      readonly position: number;
      readonly best?: boolean;
      readonly state: unknown;
      readonly rollout?: Rollout | undefined;
      readonly retention: Retention;
    },
  ): Promise<Checkpoint> {
    const checkpoint = await this.checkpoints.save({
      name: request.name,
      position: request.position,
      ...(request.best === undefined ? {} : { best: request.best }),
      write: async (folder) => {
        await mkdir(join(folder, 'policy'));
        await policy.save(join(folder, 'policy'));
        await writeFileAtomic(join(folder, 'state.json'), `${JSON.stringify(request.state)}\n`);
        if (request.rollout !== undefined) {
          await writeRollout(join(folder, 'rollout.jsonl'), request.rollout);
        }
      },
    });
    await this.checkpoints.prune(request.retention);
    return checkpoint;
  }

  async writeRollout(rollout: Rollout): Promise<void> {
    await writeRollout(this.#rolloutPath(rollout.step), rollout);
  }

  /** What a step has sampled already; a file that is not as it was written counts as none, and `onBad` is told. */
  async readRollout(step: number, onBad: (reason: string) => void): Promise<Rollout | undefined> {
    try {
      return await readRollout(this.#rolloutPath(step));
    } catch (error) {
      onBad(describeError(error));
      return undefined;
    }
  }

  /** Removes the rollouts of steps before `step`. */
  async removeRolloutsBefore(step: number): Promise<void> {
    const folder = join(this.folder, 'rollouts');
    try {
      for (const name of await readdir(folder)) {
        // What a killed process left of a file that it was writing goes, too.
        const own = /^step-(\d+)\.jsonl(?:\.\d+\.tmp)?$/.exec(name)?.[1];
        if (own !== undefined && Number(own) < step) await rm(join(folder, name), { force: true });
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw storageError(`Could not remove old rollouts from ${folder}`, error);
    }
  }

  /** Gives up the lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock.release();
  }

  #rolloutPath(step: number): string {
    return join(this.folder, 'rollouts', `step-${step}.jsonl`);
  }
}

async function readIdentity(path: string): Promise<RunIdentity | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(`Could not read ${path}`, error);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as RunIdentity;
  } catch {
    // Refused below, like JSON of something else.
  }
  throw new AhaError({
    code: 'run-unreadable',
    boundary: 'storage',
    what: `${path} does not describe a run`,
    found: text.slice(0, 100),
    fix: 'Choose another folder for this run.',
  });
}

function checkIdentity(path: string, known: RunIdentity, own: RunIdentity): void {
  const differences = differencesOf(known, own, '').filter(
    (place) =>
      ![...changeable].some((prefix) => place.path === prefix || place.path.startsWith(`${prefix}.`)),
  );
  const [first] = differences;
  if (first === undefined) return;
  throw new AhaError({
    code: 'run-differs',
    boundary: 'configuration',
    what: `${path} is of a run with other settings: they differ in ${differences.map(({ path }) => path).join(', ')}`,
    found: `${first.path} = ${JSON.stringify(first.own) ?? 'nothing'}`,
    expected: JSON.stringify(first.known) ?? 'nothing',
    fix: 'Resume with the settings that the run was started with, or choose another folder.',
  });
}

function differencesOf(
  known: unknown,
  own: unknown,
  path: string,
): { readonly path: string; readonly known: unknown; readonly own: unknown }[] {
  if (isDeepStrictEqual(known, own)) return [];
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRecord(known) || !isRecord(own)) return [{ path, known, own }];
  const keys = [...new Set([...Object.keys(known), ...Object.keys(own)])];
  return keys.flatMap((key) => differencesOf(known[key], own[key], path === '' ? key : `${path}.${key}`));
}
