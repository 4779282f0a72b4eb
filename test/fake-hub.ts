/**
 * A Hugging Face Hub for tests: an HTTP server on this machine that speaks the endpoints that downloads use, and
 * that can be told to misbehave. Large files are answered by a redirect to a second server, as the real Hub does.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeFile {
  readonly contents: Uint8Array;
  /** Kept in large-file storage. */
  readonly large?: boolean;
}

export interface SeenRequest {
  readonly path: string;
  readonly server: 'hub' | 'storage';
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** May answer a request itself; returns whether it did. */
export type Misbehaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  server: 'hub' | 'storage',
) => boolean;

export class FakeHub {
  /** Of what `files` holds; `revisions` say what points to it. */
  commit = 'c'.repeat(40);
  readonly repository = 'org/model';
  /** Whether the repository is a model or a data set. */
  kind: 'model' | 'dataset' = 'model';
  readonly files = new Map<string, FakeFile>();
  readonly requests: SeenRequest[] = [];
  misbehave: Misbehaviour | undefined;
  /** Entries per page of a listing. */
  pageSize = 1000;
  /** Revisions by name. */
  readonly revisions = new Map<string, string>([['main', this.commit]]);
  readonly #hub = createServer((request, response) => this.#answer(request, response, 'hub'));
  readonly #storage = createServer((request, response) => this.#answer(request, response, 'storage'));

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    await Promise.all([listen(hub.#hub), listen(hub.#storage)]);
    return hub;
  }

  async stop(): Promise<void> {
    await Promise.all(
      [this.#hub, this.#storage].map(async (server) => {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }),
    );
  }

  get endpoint(): string {
    return address(this.#hub);
  }

  get #page(): string {
    return `${this.kind === 'model' ? '' : '/datasets'}/${this.repository}`;
  }

  /** Paths of files that were asked for, in order, each attempt. */
  downloads(): string[] {
    const prefix = `${this.#page}/resolve/${this.commit}/`;
    return this.requests
      .filter((r) => r.path.startsWith(prefix))
      .map((r) => decodeURIComponent(r.path.slice(prefix.length)));
  }

  #answer(request: IncomingMessage, response: ServerResponse, server: 'hub' | 'storage'): void {
    const url = new URL(request.url ?? '/', 'http://localhost');
    this.requests.push({
      path: url.pathname,
      server,
      range: request.headers.range,
      authorization: request.headers.authorization,
    });
    if (this.misbehave?.(request, response, server) === true) return;
    const path = decodeURIComponent(url.pathname);
    if (server === 'storage') return this.#send(request, response, path.slice('/stored/'.length));
    const api = `/api/${this.kind}s/${this.repository}/`;
    if (path.startsWith(`${api}revision/`)) {
      const name = path.slice(`${api}revision/`.length);
      const sha =
        this.revisions.get(name) ?? ([...this.revisions.values()].includes(name) ? name : undefined);
      if (sha === undefined) return refuse(response, 404, 'RevisionNotFound');
      return json(response, { _id: '1', id: this.repository, sha, private: false, likes: 0, downloads: 0 });
    }
    if (path.startsWith(`${api}tree/`)) {
      const from = Number(url.searchParams.get('cursor') ?? 0);
      const entries = this.#entries(url.searchParams.get('recursive') === 'true');
      if (from + this.pageSize < entries.length) {
        const next = `${this.endpoint}${url.pathname}?recursive=${url.searchParams.get('recursive')}&cursor=${from + this.pageSize}`;
        response.setHeader('Link', `<${next}>; rel="next"`);
      }
      return json(response, entries.slice(from, from + this.pageSize));
    }
    const resolve = `${this.#page}/resolve/${this.commit}/`;
    if (path.startsWith(resolve)) {
      const name = path.slice(resolve.length);
      const file = this.files.get(name);
      if (file === undefined) return refuse(response, 404, 'EntryNotFound');
      if (file.large !== true) return this.#send(request, response, name);
      response
        .writeHead(302, {
          Location: `${address(this.#storage)}/stored/${encodeURIComponent(name)}?secret=signature`,
        })
        .end();
      return;
    }
    refuse(response, 404, 'RepoNotFound');
  }

  #entries(recursive: boolean) {
    return [...this.files]
      .filter(([path]) => recursive || !path.includes('/'))
      .map(([path, { contents, large }]) => {
        const blob = createHash('sha1').update(`blob ${contents.length}\0`).update(contents).digest('hex');
        if (large !== true) return { type: 'file', path, size: contents.length, oid: blob };
        const oid = createHash('sha256').update(contents).digest('hex');
        return {
          type: 'file',
          path,
          size: contents.length,
          oid: 'f'.repeat(40),
          lfs: { oid, size: contents.length, pointerSize: 130 },
          xetHash: '0'.repeat(64),
        };
      });
  }

  #send(request: IncomingMessage, response: ServerResponse, name: string): void {
    const contents = this.files.get(name)?.contents;
    if (contents === undefined) return refuse(response, 404, 'EntryNotFound');
    const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    if (from === undefined) {
      response.writeHead(200, { 'Content-Length': contents.length }).end(contents);
      return;
    }
    if (Number(from) >= contents.length) return refuse(response, 416, '');
    const rest = contents.subarray(Number(from));
    response
      .writeHead(206, {
        'Content-Length': rest.length,
        'Content-Range': `bytes ${from}-${contents.length - 1}/${contents.length}`,
      })
      .end(rest);
  }
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function address(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    ...(code === '' ? {} : { 'X-Error-Code': code }),
    'Content-Type': 'application/json',
    ...headers,
  });
  response.end(JSON.stringify({ error: 'the words of the server' }));
}
