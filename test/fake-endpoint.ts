/**
 * An OpenAI-compatible endpoint for tests: an HTTP server on this machine that answers completions and can be told to
 * misbehave. It counts what it has answered, since that is what a user would pay for.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenCompletion {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** May answer a request itself; returns whether it did. */
export type EndpointMisbehaviour = (
  seen: SeenCompletion,
  response: ServerResponse,
  attempt: number,
) => boolean | Promise<boolean>;

export class FakeEndpoint {
  readonly requests: SeenCompletion[] = [];
  /** Requests that got their answer. */
  answered = 0;
  /** Requests under way now, and the most there were. */
  open = 0;
  mostOpen = 0;
  misbehave: EndpointMisbehaviour | undefined;
  /** What the model says. */
  say: (seen: SeenCompletion) => string = () => 'hello';
  readonly #server = createServer((request, response) => {
    void this.#answer(request, response);
  });

  static async start(): Promise<FakeEndpoint> {
    const endpoint = new FakeEndpoint();
    await new Promise<void>((resolve) => endpoint.#server.listen(0, '127.0.0.1', resolve));
    return endpoint;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
    const seen = { path: request.url ?? '', authorization: request.headers.authorization, body };
    this.requests.push(seen);
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      if ((await this.misbehave?.(seen, response, this.requests.length)) === true) return;
      const text = this.say(seen);
      this.answered++;
      const choice =
        seen.path === '/v1/completions'
          ? { text, finish_reason: 'stop' }
          : { message: { role: 'assistant', content: text }, finish_reason: 'stop' };
      sendJson(response, 200, {
        id: 'x',
        object: 'completion',
        model: body['model'],
        choices: [{ index: 0, ...choice }],
        usage: { prompt_tokens: 10, completion_tokens: text.length, total_tokens: 10 + text.length },
      });
    } finally {
      this.open--;
    }
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(value));
}
