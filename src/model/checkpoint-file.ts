/** A small file that belongs to a model: tokenizer, chat template, licence. */
import { open } from 'node:fs/promises';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';

export interface CheckpointFile {
  /** A plain file name. */
  readonly name: string;
  read(): Promise<Uint8Array>;
}

/** Larger than any tokenizer. */
const maxBytes = 256 << 20;

/** The contents of a file that must be small enough to be held in memory. */
export async function readCheckpointFile(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r');
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > maxBytes) {
      throw new AhaError({
        code: 'checkpoint-file-invalid',
        boundary: 'model',
        what: `${path} is not a file that can belong to a model`,
        found: stat.isFile() ? `${stat.size} bytes` : stat.isDirectory() ? 'a folder' : 'a device',
        expected: `a file of at most ${maxBytes} bytes`,
        fields: { file: path },
      });
    }
    return await file.readFile();
  } catch (error) {
    throw storageError(`Could not read ${path}`, error);
  }
}
