/**
 * The teacher's most likely tokens for each example, on disk: the teacher then computes each example once, however
 * many epochs there are and however often the run is interrupted. A file that is not as it was written counts as
 * none.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TokenDistributions } from '../engine/policy.ts';
import { storageError } from '../util/files.ts';

const digestBytes = 32;

export class TeacherCache {
  readonly #folder: string;
  readonly #width: number;

  /** `key` names everything that the distributions depend on: teacher, data, temperature. */
  constructor(folder: string, width: number, key: string) {
    const name = createHash('sha256').update(`${width}\n${key}`).digest('hex').slice(0, 16);
    this.#folder = join(folder, name);
    this.#width = width;
  }

  async read(example: number): Promise<TokenDistributions | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path(example));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw storageError(`Could not read ${this.#path(example)}`, error);
    }
    const body = bytes.subarray(digestBytes);
    const whole = createHash('sha256').update(body).digest().equals(bytes.subarray(0, digestBytes));
    const size = body.length / 8;
    if (!whole || !Number.isInteger(size) || size % this.#width !== 0) return undefined;
    const copy = new Uint8Array(body).buffer;
    return {
      width: this.#width,
      ids: new Int32Array(copy, 0, size),
      logprobs: new Float32Array(copy, size * 4, size),
    };
  }

  /** Not synced: what is lost in a crash is computed again, and half a file is told by its digest. */
  async write(example: number, { ids, logprobs }: TokenDistributions): Promise<void> {
    const bytesOf = (array: Int32Array | Float32Array) =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const body = Buffer.concat([bytesOf(ids!), bytesOf(logprobs)]);
    const digest = createHash('sha256').update(body).digest();
    const path = this.#path(example);
    try {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(`${path}.tmp`, Buffer.concat([digest, body]));
      await rename(`${path}.tmp`, path);
    } catch (error) {
      throw storageError(`Could not write ${path}`, error);
    }
  }

  #path(example: number): string {
    return join(this.#folder, `${example}.bin`);
  }
}
