/**
 * JSON-RPC 2.0 over the pipes of a process, framed by Content-Length: what `tsc --api --async` speaks. Requests run
 * both ways: the compiler asks for files, we ask for diagnostics. A process that dies rejects what was waiting.
 */
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export type Peer = ChildProcessByStdio<Writable, Readable, null>;

type Handler = (parameter: unknown) => unknown;

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message?: string };
}

/** No answer of the compiler is as long; one that is says that something went wrong. */
const longestMessage = 64 << 20;

export class JsonRpc {
  readonly #peer: Peer;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >();
  #next = 1;
  #buffer: Buffer = Buffer.alloc(0);
  #ended: Error | undefined;

  constructor(peer: Peer, handlers: Readonly<Record<string, Handler>>) {
    this.#peer = peer;
    this.#handlers = handlers;
    peer.stdout.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    peer.stdin.on('error', (error) => {
      this.#end(error);
    });
    peer.once('error', (error) => {
      this.#end(error);
    });
    peer.once('close', (code, signal) => {
      this.#end(new Error(`the process ended (${signal ?? `exit ${code}`})`));
    });
  }

  request(method: string, params: unknown): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ jsonrpc: '2.0', id, method, params });
    });
  }

  #send(message: object): void {
    const body = Buffer.from(JSON.stringify(message));
    this.#peer.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.#peer.stdin.write(body);
  }

  #receive(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      const headerEnd = this.#buffer.indexOf('\r\n\r\n');
      if (headerEnd < 0) return;
      const length = Number(
        /content-length: *(\d+)/i.exec(this.#buffer.toString('latin1', 0, headerEnd))?.[1],
      );
      if (!(length <= longestMessage)) {
        this.#end(new Error('a message of unreadable or excessive length'));
        return;
      }
      const end = headerEnd + 4 + length;
      if (this.#buffer.length < end) return;
      const body = this.#buffer.toString('utf8', headerEnd + 4, end);
      this.#buffer = this.#buffer.subarray(end);
      this.#dispatch(JSON.parse(body) as Message);
    }
  }

  #dispatch(message: Message): void {
    if (message.method !== undefined) {
      if (message.id === undefined) return;
      const handler = this.#handlers[message.method];
      this.#send(
        handler === undefined
          ? { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no such method' } }
          : { jsonrpc: '2.0', id: message.id, result: handler(message.params) ?? null },
      );
      return;
    }
    const waiting = this.#waiting.get(message.id as number);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id as number);
    if (message.error === undefined) waiting.resolve(message.result);
    else waiting.reject(new Error(message.error.message ?? 'a request failed'));
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
