/**
 * JSON over HTTP to an execution service: with a deadline, retried when the service cannot be reached or asks to wait,
 * and never with a secret in what it throws. Only the URL that the user configured is contacted.
 */
import { eitherSignal } from '../../util/signals.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { AhaError, describeError } from '../../errors.ts';

export interface ServiceOptions {
  /** `http://localhost:2000`; a path before the service's own is kept. */
  readonly url: string;
  /** Name of the environment variable that holds a token, sent as `Authorization: Bearer`. */
  readonly tokenVariable?: string;
  /** Attempts in all when the service is out of reach or overloaded. Default 4. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt; each later wait is twice as long. Default 500. */
  readonly waitMs?: number;
}

export interface ServiceRequest {
  readonly path: string;
  /** Sent as JSON with POST; GET without. */
  readonly body?: unknown;
  /** Milliseconds for one attempt. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Of one response. A service that sends more is broken or hostile. */
const maximumBytes = 64 * 1024 * 1024;
const longestWaitMs = 30_000;
const overloaded = new Set([429, 502, 503, 504]);

export class Service {
  readonly name: string;
  readonly #url: URL;
  readonly #token: string | undefined;
  readonly #attempts: number;
  readonly #waitMs: number;

  /** Throws `AhaError` invalid-sandbox-url, sandbox-token-missing. */
  constructor(name: string, options: ServiceOptions) {
    this.name = name;
    this.#url = parseUrl(options.url);
    this.#attempts = options.attempts ?? 4;
    this.#waitMs = options.waitMs ?? 500;
    const { tokenVariable } = options;
    this.#token = tokenVariable === undefined ? undefined : process.env[tokenVariable];
    if (tokenVariable !== undefined && !this.#token) {
      throw new AhaError({
        code: 'sandbox-token-missing',
        boundary: 'sandbox',
        what: `The environment variable ${tokenVariable}, which should hold the token for ${name}, is not set`,
        fix: `Set ${tokenVariable}, or configure the sandbox without a token.`,
      });
    }
  }

  /** Rejects with `AhaError` sandbox-failed, or the signal's reason. */
  async request({ path, body, timeoutMs, signal }: ServiceRequest): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const last = attempt >= this.#attempts;
      let wait = Math.min(this.#waitMs * 2 ** (attempt - 1), longestWaitMs);
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        const response = await fetch(this.#address(path), {
          method: body === undefined ? 'GET' : 'POST',
          headers: {
            accept: 'application/json',
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          // Elsewhere, the token and the program are none of anyone's business.
          redirect: 'error',
          signal: eitherSignal(deadline, signal),
        });
        if (overloaded.has(response.status) && !last) {
          const after = Number(response.headers.get('retry-after'));
          if (after > 0) wait = Math.min(after * 1000, longestWaitMs);
          await response.body?.cancel();
        } else {
          return this.#parse(response.status, await readText(response));
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof AhaError) throw error;
        // A program that took too long once will again; only what never got there is tried again.
        if (last || deadline.aborted) {
          const within = deadline.aborted ? ` within ${timeoutMs} ms` : '';
          throw this.failed(
            `It did not answer${within}`,
            causeOf(error),
            'Check that it runs and can be reached.',
          );
        }
      }
      await sleep(wait, undefined, signal === undefined ? {} : { signal });
    }
  }

  failed(what: string, found?: unknown, fix?: string): AhaError {
    const shown = typeof found === 'string' ? this.#redact(found) : found;
    return new AhaError({
      code: 'sandbox-failed',
      boundary: 'sandbox',
      what: `The sandbox service ${this.name} at ${this.#url.host} failed. ${what}`,
      ...(shown === undefined ? {} : { found: shown }),
      fix: fix ?? 'Check the configured URL and the log of the service.',
    });
  }

  #parse(status: number, text: string): unknown {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.failed(`Its answer (status ${status}) is not JSON`, text);
    }
    if (status >= 200 && status < 300) return value;
    const { message, detail } = (value ?? {}) as { message?: unknown; detail?: unknown };
    const denied = status === 401 || status === 403;
    throw this.failed(
      `It refused the request with status ${status}`,
      typeof message === 'string' ? message : JSON.stringify(detail ?? value),
      denied ? 'Name the environment variable that holds its token.' : undefined,
    );
  }

  #address(path: string): URL {
    const address = new URL(this.#url);
    address.pathname = `${address.pathname.replace(/\/+$/, '')}${path}`;
    return address;
  }

  #redact(text: string): string {
    return this.#token === undefined ? text : text.replaceAll(this.#token, '[token]');
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const good =
    url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (good) return url;
  throw new AhaError({
    code: 'invalid-sandbox-url',
    boundary: 'sandbox',
    what: 'The URL of the sandbox service cannot be used',
    // It may hold a password.
    found: url === undefined ? text : `${url.protocol}//${url.host}`,
    expected: 'http:// or https:// with a host, and no user or password in it',
    fix: 'Pass a token through an environment variable.',
  });
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    length += bytes.length;
    if (length > maximumBytes) throw new Error(`the answer has more than ${maximumBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** fetch hides the reason (`fetch failed`) one level below. */
function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code : describeError(cause ?? error);
}
