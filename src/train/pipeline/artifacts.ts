/**
 * The artifacts of a pipeline: folders named by the key of what made them, that exist whole or not at all
 * (`checkpoint.ts`), each with a record of its making and the hash of every file.
 *
 *     artifacts/KEY/           artifact.json manifest.json, and model/ or rows.jsonl or report files
 *     work/KEY/                what a stage under way needs to go on: run folders, responses drawn so far
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../../errors.ts';
import { storageError, writeFileAtomic } from '../../util/files.ts';
import { parseWithSchema } from '../../util/schema.ts';
import { CheckpointStore } from '../checkpoint.ts';

const artifactSchema = z.strictObject({
  format: z.literal('aha-artifact'),
  version: z.literal(1),
  key: z.string(),
  kind: z.string(),
  /** Keys of what it was made from, by role. */
  inputs: z.record(z.string(), z.string()),
  settings: z.unknown(),
  /** What the stage counted: steps, rows drawn and kept. Nothing that two runs would have differently. */
  facts: z.record(z.string(), z.unknown()),
});

export type ArtifactRecord = z.output<typeof artifactSchema>;

export interface Artifact {
  readonly key: string;
  readonly folder: string;
  readonly record: ArtifactRecord;
  /** SHA-256 over the hashes of all files: what two runs compare. */
  readonly digest: string;
}

export interface ArtifactRequest {
  readonly key: string;
  readonly kind: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly settings: unknown;
  /** Writes the files into an existing, empty folder and returns the facts. */
  readonly write: (folder: string) => Promise<Readonly<Record<string, unknown>>>;
}

/** Digits of a key that name its folder. */
const shown = 24;

export class ArtifactStore {
  readonly #store: CheckpointStore;
  readonly #work: string;

  constructor(folder: string) {
    this.#store = new CheckpointStore(join(folder, 'artifacts'));
    this.#work = join(folder, 'work');
  }

  /** Where the stage with this key keeps what it needs to go on. */
  workFolder(key: string): string {
    return join(this.#work, key.slice(0, shown));
  }

  /**
   * The artifact with this key if it is there and every file is as it was written. One that is not is moved aside,
   * and `onBad` is told.
   */
  async find(key: string, onBad: (reason: string) => void = () => undefined): Promise<Artifact | undefined> {
    const name = key.slice(0, shown);
    let bad = false;
    const found = await this.#store.latest(
      (folder, reason) => {
        if (folder !== name) return;
        bad = true;
        onBad(reason);
      },
      (checkpoint) => checkpoint.name === name,
    );
    if (bad) await this.#store.setAside(name);
    if (found === undefined) return undefined;
    const { folder } = found;
    return { key, folder, record: await readRecord(folder), digest: await digestOf(folder) };
  }

  async save({ write, ...about }: ArtifactRequest): Promise<Artifact> {
    const name = about.key.slice(0, shown);
    await this.#store.save({
      name,
      position: 0,
      write: async (folder) => {
        const facts = await write(folder);
        const record: ArtifactRecord = { format: 'aha-artifact', version: 1, ...about, facts: { ...facts } };
        await writeFileAtomic(join(folder, 'artifact.json'), `${JSON.stringify(record, null, 2)}\n`);
      },
    });
    const saved = await this.find(about.key);
    if (saved === undefined) {
      throw new AhaError({
        code: 'artifact-lost',
        boundary: 'storage',
        what: `The artifact ${name} is not as it was just written`,
        fix: 'Check the disk, then run the same command again.',
      });
    }
    await this.removeWork(about.key);
    return saved;
  }

  async removeWork(key: string): Promise<void> {
    const folder = this.workFolder(key);
    try {
      await rm(folder, { recursive: true, force: true });
    } catch (error) {
      throw storageError(`Could not remove ${folder}`, error);
    }
  }

  /** Removes what crashes left of artifacts that were being written. */
  async clean(): Promise<void> {
    await this.#store.clean();
  }
}

async function readRecord(folder: string): Promise<ArtifactRecord> {
  const path = join(folder, 'artifact.json');
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return parseWithSchema(artifactSchema, value, {
      what: path,
      boundary: 'storage',
      code: 'artifact-unreadable',
    });
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new AhaError({
        code: 'artifact-unreadable',
        boundary: 'storage',
        what: `${path} is not JSON`,
        fix: 'Delete that folder; the stage will be run again.',
        cause: error,
      });
    }
    throw storageError(`Could not read ${path}`, error);
  }
}

async function digestOf(folder: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>;
  };
  const lines = Object.entries(manifest.files)
    .map(([name, { sha256 }]) => `${sha256}  ${name}\n`)
    .sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}
