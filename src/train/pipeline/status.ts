/**
 * What has become of each stage, for `aha pipeline show` and for the next process: `stages.json` beside the artifacts.
 * Times and scores stand here, since two runs of one plan share their artifacts but not their hours.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../../errors.ts';
import { storageError, writeFileAtomic } from '../../util/files.ts';
import { parseWithSchema } from '../../util/schema.ts';

const measuresSchema = z.strictObject({
  problems: z.int(),
  accuracy: z.number(),
  low: z.number(),
  high: z.number(),
  /** Tokens of a response. */
  length: z.number().nullable(),
  truncated: z.number(),
  /** Share of responses that keep the format; null where the task checks none. */
  format: z.number().nullable(),
});

const stageStatusSchema = z.strictObject({
  key: z.string(),
  /** `stopped`: the artifact is there, and its gate did not let the pipeline go on. */
  state: z.enum(['running', 'done', 'failed', 'stopped']),
  /** Seconds of work in all processes, measuring included. */
  seconds: z.number(),
  digest: z.string().optional(),
  measures: measuresSchema.optional(),
  /** Why it failed or was stopped. */
  reason: z.string().optional(),
  facts: z.record(z.string(), z.unknown()).optional(),
});

const statusSchema = z.strictObject({
  format: z.literal('aha-pipeline'),
  version: z.literal(1),
  stages: z.record(z.string(), stageStatusSchema),
});

export type StageMeasures = z.output<typeof measuresSchema>;
export type StageStatus = z.output<typeof stageStatusSchema>;

export class PipelineStatus {
  readonly #path: string;
  readonly #stages: Map<string, StageStatus>;

  constructor(path: string, stages: ReadonlyMap<string, StageStatus>) {
    this.#path = path;
    this.#stages = new Map(stages);
  }

  static async read(folder: string): Promise<PipelineStatus> {
    const path = join(folder, 'stages.json');
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new PipelineStatus(path, new Map());
      throw storageError(`Could not read ${path}`, error);
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new AhaError({
        code: 'pipeline-unreadable',
        boundary: 'storage',
        what: `${path} is not JSON`,
        found: text.slice(0, 100),
        fix: 'Delete it: only times and states are lost, and what is made is found again.',
        cause: error,
      });
    }
    const { stages } = parseWithSchema(statusSchema, value, {
      what: path,
      boundary: 'storage',
      code: 'pipeline-unreadable',
      fix: 'Delete it: only times and states are lost, and what is made is found again.',
    });
    return new PipelineStatus(path, new Map(Object.entries(stages)));
  }

  /** What is known of the stage with this key; undefined when it was another one, with other settings. */
  of(name: string, key: string): StageStatus | undefined {
    const status = this.#stages.get(name);
    return status?.key === key ? status : undefined;
  }

  async set(name: string, status: StageStatus): Promise<void> {
    this.#stages.set(name, status);
    await this.#write();
  }

  /** Forgets stages that the recipe no longer has. */
  async keepOnly(names: Iterable<string>): Promise<void> {
    const kept = new Set(names);
    for (const name of this.#stages.keys()) if (!kept.has(name)) this.#stages.delete(name);
    await this.#write();
  }

  async #write(): Promise<void> {
    const value = { format: 'aha-pipeline', version: 1, stages: Object.fromEntries(this.#stages) };
    await writeFileAtomic(this.#path, `${JSON.stringify(value, null, 2)}\n`);
  }
}
