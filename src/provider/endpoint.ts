/**
 * A language model behind an OpenAI-compatible HTTP endpoint (vLLM, llama.cpp, Ollama, hosted APIs): completions with
 * bounded concurrency, retries, a budget and a cache on disk. Knows nothing about tasks or verdicts.
 *
 * What it promises: an answer that arrived is in the cache before anyone sees it, so it is never paid for twice; a
 * rate limit pauses all requests, not only the one that met it; what may pass is tried again for minutes, what cannot
 * is refused at once; the key is sent to the endpoint's own address only and appears in no error and no file.
 */
import { eitherSignal } from '../util/signals.ts';
import { AhaError } from '../errors.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { randomStream } from '../util/random.ts';
import { Budget, type BudgetLimits, type Prices, type Usage } from './budget.ts';
import { type CompletionReply, type CompletionRequest, replySchema, toBody, toReply } from './completion.ts';
import { type EndpointPlace, malformedReply, statusError, unreachable } from './endpoint-errors.ts';
import { type CacheKey, ResponseCache, type StoredReply } from './response-cache.ts';
import { type Sleep, sleep, Throttle } from './throttle.ts';

export interface EndpointOptions {
  /** Where `/chat/completions` begins: `http://127.0.0.1:8000/v1`. */
  readonly address: string;
  /** The model's name there. */
  readonly model: string;
  /** Sent as a bearer token. Take it from the environment, never from a file or a flag. */
  readonly key?: string | undefined;
  /** The environment variable that holds it, for messages. */
  readonly keyVariable?: string | undefined;
  /** Requests at a time. Default 8. */
  readonly concurrency?: number | undefined;
  /** Further tries after a failure that may pass. Default 8: with waits of up to a minute, about four minutes. */
  readonly retries?: number | undefined;
  /** Wait before the first further try; doubles with each, up to a minute. Default 1000. */
  readonly retryMilliseconds?: number | undefined;
  /** How long an answer may take. Default 600 000. */
  readonly timeoutMilliseconds?: number | undefined;
  readonly budget?: BudgetLimits | undefined;
  readonly prices?: Prices | undefined;
  /** Where answers are kept. Without it nothing is. */
  readonly cache?: string | undefined;
  /** Told why and how long requests wait. */
  readonly onPause?:
    ((pause: { readonly reason: string; readonly milliseconds: number }) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly sleep?: Sleep | undefined;
}

export interface Endpoint {
  /** Without a slash at its end. */
  readonly address: string;
  readonly model: string;
  /** Requests at a time. */
  readonly concurrency: number;
  readonly usage: Usage;
  /** @throws AhaError (provider, storage), or the reason of an aborted signal */
  complete(
    request: CompletionRequest,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<CompletionReply>;
}

const longestWait = 60_000;
/** The longest that a server may ask us to wait. */
const longestAskedWait = 600_000;
const largestBody = 64 << 20;

/** @throws AhaError `endpoint-address-invalid` */
export function openEndpoint(options: EndpointOptions): Endpoint {
  const address = checkAddress(options.address);
  const { model, key, clock = systemClock, sleep: wait = sleep, retries = 8 } = options;
  const place: EndpointPlace = { address, model, key, keyVariable: options.keyVariable };
  const concurrency = Math.max(1, options.concurrency ?? 8);
  const throttle = new Throttle(concurrency, clock, wait);
  const budget = new Budget(options.budget, options.prices);
  const cache = options.cache === undefined ? undefined : new ResponseCache(options.cache);
  const jitter = randomStream(0, 'endpoint', 'jitter');

  const attempt = async (
    url: string,
    text: string,
    request: CompletionRequest,
    signal: AbortSignal | undefined,
  ) => {
    const reservation = budget.reserve(mostTokens(text, request));
    try {
      const body = await exchange(place, url, text, options.timeoutMilliseconds ?? 600_000, clock, signal);
      const reply = parseReply(place, body);
      reservation.settle({
        promptTokens: reply.promptTokens ?? Math.ceil(text.length / 4),
        completionTokens:
          reply.completionTokens ?? Math.ceil((reply.text.length + reply.reasoning.length) / 4),
      });
      return reply;
    } finally {
      reservation.settle({ promptTokens: 0, completionTokens: 0 });
    }
  };

  const insist = async (
    url: string,
    text: string,
    request: CompletionRequest,
    signal: AbortSignal | undefined,
  ) => {
    for (let tries = 0; ; tries++) {
      await throttle.resumed(signal);
      signal?.throwIfAborted();
      try {
        return await attempt(url, text, request, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Passing)) throw error;
        if (tries >= retries) throw error.final;
        const base = Math.min(longestWait, (options.retryMilliseconds ?? 1000) * 2 ** tries);
        // Spread, so that many requests do not come back at the same moment.
        const milliseconds = Math.max(
          error.askedMilliseconds,
          Math.round(base * (0.75 + 0.5 * jitter.next())),
        );
        if (error.pausesAll) throttle.pause(milliseconds);
        options.onPause?.({ reason: error.final.message, milliseconds });
        if (!error.pausesAll) await wait(milliseconds, signal);
      }
    }
  };

  return {
    address,
    model,
    concurrency,
    get usage() {
      return budget.usage;
    },
    async complete(request, { signal } = {}) {
      const url = `${address}/${request.prompt.kind === 'chat' ? 'chat/completions' : 'completions'}`;
      const body = toBody(model, request);
      const cacheKey: CacheKey = { address: url, body, variant: request.variant ?? null };
      const known = await cache?.read(cacheKey);
      if (known !== undefined) {
        budget.countCached();
        return { ...known, cached: true };
      }
      return throttle.run(async () => {
        const reply = await insist(url, JSON.stringify(body), request, signal);
        await cache?.write(cacheKey, reply);
        return { ...reply, cached: false };
      }, signal);
    },
  };
}

/** A failure that may pass. */
class Passing extends Error {
  /** What to throw if it does not. */
  readonly final: AhaError;
  /** How long the server asks us to wait; 0 when it does not. */
  readonly askedMilliseconds: number;
  /** Whether other requests would meet the same. */
  readonly pausesAll: boolean;

  constructor(
    final: AhaError,
    detail: { readonly askedMilliseconds?: number; readonly pausesAll?: boolean } = {},
  ) {
    super(final.message);
    this.final = final;
    this.askedMilliseconds = detail.askedMilliseconds ?? 0;
    this.pausesAll = detail.pausesAll ?? false;
  }
}

/** One request and its answer as text. Throws `Passing` for what is worth another try. */
async function exchange(
  place: EndpointPlace,
  url: string,
  text: string,
  timeoutMilliseconds: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<string> {
  const late = AbortSignal.timeout(timeoutMilliseconds);
  let response: Response;
  let body: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'User-Agent': 'aha',
        ...(place.key === undefined ? {} : { Authorization: `Bearer ${place.key}` }),
      },
      body: text,
      // A redirect would carry the request, and perhaps the key, to an address that nobody has named.
      redirect: 'manual',
      signal: eitherSignal(late, signal),
    });
    body = await readBody(response);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof AhaError) throw error;
    const seconds = timeoutMilliseconds / 1000;
    throw new Passing(unreachable(place, late.aborted ? new Error(`no answer within ${seconds} s`) : error), {
      pausesAll: !late.aborted,
    });
  }
  if (response.ok) return body;
  const error = statusError(place, response.status, body);
  if (response.status === 429 || response.status === 408 || response.status >= 500) {
    throw new Passing(error, {
      askedMilliseconds: retryAfter(response, clock),
      pausesAll: response.status === 429 || response.status === 503,
    });
  }
  throw error;
}

async function readBody(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > largestBody) throw new Error(`an answer of more than ${largestBody} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An answer that is cut off or no JSON may be whole the next time. */
function parseReply(place: EndpointPlace, body: string): StoredReply {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Passing(malformedReply(place, body.slice(0, 160)));
  }
  const parsed = replySchema.safeParse(value);
  const reply = parsed.success ? toReply(parsed.data) : undefined;
  if (reply === undefined) throw new Passing(malformedReply(place, body.slice(0, 160)));
  return reply;
}

/** More tokens than the request can cost: a token is at least a byte, of English about four. */
function mostTokens(text: string, { maxTokens }: CompletionRequest) {
  return { promptTokens: Math.ceil(Buffer.byteLength(text) / 3), completionTokens: maxTokens };
}

function retryAfter(response: Response, clock: Clock): number {
  const milliseconds = Number(response.headers.get('retry-after-ms') ?? Number.NaN);
  if (milliseconds >= 0) return Math.min(milliseconds, longestAskedWait);
  const header = response.headers.get('Retry-After');
  if (header === null) return 0;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - clock.wall();
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0), longestAskedWait) : 0;
}

/** A web address without secrets in it: those belong into the environment. */
function checkAddress(address: string): string {
  const invalid = (what: string, expected: string) =>
    new AhaError({
      code: 'endpoint-address-invalid',
      boundary: 'configuration',
      what,
      expected,
      fix: 'For example: --endpoint http://127.0.0.1:8000/v1',
    });
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw invalid(
      'The address of the endpoint is no web address',
      'one that begins with http:// or https://',
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(
      'The address of the endpoint is no web address',
      'one that begins with http:// or https://',
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid(
      'The address of the endpoint holds more than an address',
      'no user, password, query or fragment; the key comes from an environment variable',
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/(?:chat\/)?completions$/, '');
}
