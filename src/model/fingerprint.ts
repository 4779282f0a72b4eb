/** What makes a model on disk the model it is: a hash of its files, weights included. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { updateWithFile } from '../util/digest.ts';
import { storageError } from '../util/files.ts';

/** Files of a Hugging Face folder that decide what a model says. */
const decisive = /\.(?:safetensors|json|jinja|model)$|^(?:vocab|merges)\.txt$/;

export interface FingerprintOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes read, of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * SHA-256 over names and contents of the files of the folder (or of the GGUF file) at `path`, in 64 hexadecimal
 * digits. The place of the model does not matter.
 */
export async function fingerprintModel(path: string, options: FingerprintOptions = {}): Promise<string> {
  const { signal, onProgress } = options;
  try {
    const info = await stat(path);
    const names = info.isDirectory()
      ? (await readdir(path)).filter((name) => decisive.test(name)).sort()
      : [''];
    const files = await Promise.all(
      names.map(async (name) => {
        const file = name === '' ? path : join(path, name);
        return { name, file, size: (await stat(file)).size };
      }),
    );
    const total = files.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    const hash = createHash('sha256');
    for (const { name, file, size } of files) {
      hash.update(JSON.stringify([name, size]));
      await updateWithFile(hash, file, (bytes) => {
        signal?.throwIfAborted();
        done += bytes;
        onProgress?.(done, total);
      });
    }
    return hash.digest('hex');
  } catch (error) {
    signal?.throwIfAborted();
    throw storageError(`Could not read the model ${path}`, error);
  }
}
