/** What the Python process and its host say to each other. */

export interface PythonJob {
  readonly files: Readonly<Record<string, string>>;
  readonly entry: string;
  readonly arguments: readonly string[];
  readonly memoryBytes: number;
  readonly fileBytes: number;
  readonly outputBytes: number;
}

export interface PythonEnding {
  readonly exitCode: number;
  /** What the engine said when the interpreter broke down. */
  readonly crash: string | null;
  /** The function outside its reach that the program called. */
  readonly violation: string | null;
  readonly memoryRefused: boolean;
  /** The stream on which it printed more than it may. */
  readonly overflow: 'stdout' | 'stderr' | null;
  /** Of the interpreter, now. */
  readonly memoryBytes: number;
}

export const frameKinds = ['ready', 'stdout', 'stderr', 'end'] as const;
export type FrameKind = (typeof frameKinds)[number];

const headerLength = 5;

/** Kind in one byte, length in four, big-endian, then the bytes. */
export function frame(kind: FrameKind, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(headerLength + bytes.length);
  whole[0] = frameKinds.indexOf(kind);
  new DataView(whole.buffer).setUint32(1, bytes.length);
  whole.set(bytes, headerLength);
  return whole;
}

/** Takes a stream apart into frames, however it arrives. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);
  readonly #longest: number;

  /** A frame longer than `longest` bytes is an error: what is longer cannot have come from our code. */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** Throws RangeError on what is no frame. */
  *push(chunk: Uint8Array): Generator<{ kind: FrameKind; bytes: Uint8Array }> {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (data.length >= headerLength) {
      const kind = frameKinds[data[0]!];
      const length = new DataView(data.buffer, data.byteOffset).getUint32(1);
      if (kind === undefined || length > this.#longest) throw new RangeError('This is no frame');
      if (data.length < headerLength + length) break;
      yield { kind, bytes: data.subarray(headerLength, headerLength + length) };
      data = data.subarray(headerLength + length);
    }
    this.#rest = data;
  }
}
