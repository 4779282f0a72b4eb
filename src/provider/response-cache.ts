/**
 * Answers of endpoints on disk, addressed by the hash of the whole request, so that nothing is paid for twice. An
 * answer is written, and synced, before anyone uses it. Keys and headers are no part of it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { storageError, writeFileAtomic } from '../util/files.ts';
import type { CompletionReply } from './completion.ts';

const storedSchema = z.strictObject({
  format: z.literal('aha-endpoint-reply'),
  version: z.literal(1),
  reply: z.strictObject({
    text: z.string(),
    reasoning: z.string(),
    finish: z.enum(['stop', 'length', 'filtered']),
    promptTokens: z.number().nullable(),
    completionTokens: z.number().nullable(),
    model: z.string().nullable(),
  }),
  /** For people who look into the folder. */
  address: z.string(),
  body: z.unknown(),
});

export type StoredReply = Omit<CompletionReply, 'cached'>;

export interface CacheKey {
  readonly address: string;
  readonly body: unknown;
  readonly variant: string | number | null;
}

export class ResponseCache {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** A file that is not as it was written counts as none: it is asked for again and replaced. */
  async read(key: CacheKey): Promise<StoredReply | undefined> {
    const path = this.#path(key);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw storageError(`Could not read ${path}`, error);
    }
    try {
      return storedSchema.parse(JSON.parse(text)).reply;
    } catch {
      return undefined;
    }
  }

  async write(key: CacheKey, reply: StoredReply): Promise<void> {
    const stored: z.input<typeof storedSchema> = {
      format: 'aha-endpoint-reply',
      version: 1,
      reply,
      address: key.address,
      body: key.body,
    };
    await writeFileAtomic(this.#path(key), `${JSON.stringify(stored)}\n`);
  }

  #path({ address, body, variant }: CacheKey): string {
    const hash = createHash('sha256')
      .update(JSON.stringify([address, body, variant]))
      .digest('hex');
    return join(this.folder, hash.slice(0, 2), `${hash.slice(2)}.json`);
  }
}
