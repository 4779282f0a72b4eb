/** The first bytes of a stream, up to a limit. */
import type { Readable } from 'node:stream';

export class Capture {
  truncated = false;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  /** `overflow` is called once, when there is more. */
  constructor(stream: Readable, limit: number, overflow: () => void) {
    stream.on('data', (chunk: Uint8Array) => {
      if (this.truncated) return;
      const room = limit - this.#length;
      this.#chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
      this.#length += Math.min(chunk.length, room);
      if (chunk.length <= room) return;
      this.truncated = true;
      overflow();
    });
  }

  /** UTF-8, malformed sequences replaced. */
  text(): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(this.#chunks));
  }
}
