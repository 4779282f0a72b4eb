/**
 * Requests to a Hugging Face Hub: repeated where that can help, refused with one clear error where it cannot, and
 * with the access token sent to the Hub's own address only and named in no message.
 */
import { AhaError } from '../errors.ts';
import { systemClock } from '../util/clock.ts';

export type RepositoryKind = 'model' | 'dataset';

export interface HubClient {
  /** Without a slash at its end: `https://huggingface.co`. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly kind: RepositoryKind;
  /** `org/name` */
  readonly repository: string;
  /** Further tries after a failure that may pass. */
  readonly retries: number;
  /** Wait before the first further try; doubles with each. */
  readonly retryDelayMs: number;
  /** How long to wait for an answer, or for the next bytes of one. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The longest that we wait because a server asks us to. */
const maxWaitMs = 120_000;

/**
 * `fetch` for this client. Resolves to a response with a good status; otherwise throws `AhaError` (provider), also
 * when the network fails. The body is not read yet.
 */
export async function hubFetch(client: HubClient, url: string, init: RequestInit = {}): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const last = attempt >= client.retries;
    let waitMs = client.retryDelayMs * 2 ** attempt;
    try {
      const response = await fetchOnce(client, url, init);
      // 416 is an answer to a request for a range: the caller's business.
      if (response.ok || response.status === 416) return response;
      const mayPass = response.status === 429 || response.status === 408 || response.status >= 500;
      if (!mayPass || last) throw statusError(client, url, response);
      waitMs = Math.max(waitMs, retryAfterMs(response));
      await response.body?.cancel();
    } catch (error) {
      client.signal?.throwIfAborted();
      if (error instanceof AhaError || last) throw networkError(client, url, error);
    }
    await sleep(waitMs, client.signal);
  }
}

async function fetchOnce(client: HubClient, url: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (client.token !== undefined && sameOrigin(url, client.endpoint)) {
    headers.set('Authorization', `Bearer ${client.token}`);
  }
  headers.set('User-Agent', 'aha');
  // The timer covers the wait for an answer only: a body may take as long as it keeps coming.
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error('no answer')), client.timeoutMs);
  const signals = [stalled.signal, client.signal, init.signal].filter(
    (signal) => signal instanceof AbortSignal,
  );
  try {
    return await fetch(url, { ...init, headers, signal: AbortSignal.any(signals) });
  } finally {
    clearTimeout(timer);
  }
}

function sameOrigin(url: string, endpoint: string): boolean {
  return new URL(url).origin === new URL(endpoint).origin;
}

function retryAfterMs(response: Response): number {
  const header = response.headers.get('Retry-After');
  if (header === null) return 0;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - systemClock.wall();
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0), maxWaitMs) : 0;
}

/** Waits; rejects at once with the signal's reason when aborted. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal?.addEventListener('abort', abort, { once: true });
    function done() {
      signal?.removeEventListener('abort', abort);
      resolve();
    }
  });
}

function statusError(client: HubClient, url: string, response: Response): AhaError {
  const { status } = response;
  const { repository, token } = client;
  const noun = nounOf(client.kind);
  const reason = response.headers.get('X-Error-Code') ?? '';
  const common = {
    boundary: 'provider' as const,
    found: `status ${status}${reason === '' ? '' : ` (${reason})`} from ${showUrl(url)}`,
    fields: { repository, status },
  };
  const tokenFix =
    token === undefined
      ? `Check the name. For a private or gated ${noun}, set HF_TOKEN to an access token of yours.`
      : `Check the name, and whether the token in HF_TOKEN is valid and may read this ${noun}.`;
  if (status === 401) {
    const what = `The Hub does not show ${repository} to you: it is private, gated, or does not exist`;
    return new AhaError({ ...common, code: 'hub-unauthorized', what, fix: tokenFix });
  }
  if (status === 403) {
    const what = `The Hub does not let you download ${repository}`;
    const fix = `If it is gated, accept its terms at ${pageOf(client)}, with the account of your token${token === undefined ? ', and set HF_TOKEN' : ''}.`;
    return new AhaError({ ...common, code: 'hub-forbidden', what, fix });
  }
  if (status === 404) {
    const revision = reason === 'RevisionNotFound';
    const what = revision ? `${repository} has no such revision` : `The Hub has no ${noun} ${repository}`;
    const fix = revision ? 'Check the branch, tag or commit after the @.' : tokenFix;
    return new AhaError({ ...common, code: 'hub-not-found', what, fix });
  }
  if (status === 429) {
    const what = `The Hub refuses further requests for ${repository} for now`;
    const fix = 'Wait some minutes and run the same command again; what was downloaded is kept.';
    return new AhaError({ ...common, code: 'hub-rate-limited', what, fix });
  }
  if (status >= 500) {
    const what = `The Hub failed while giving ${repository}`;
    const fix = 'Run the same command again later; what was downloaded is kept.';
    return new AhaError({ ...common, code: 'hub-unavailable', what, fix });
  }
  return new AhaError({
    ...common,
    code: 'hub-refused',
    what: `The Hub refused to give ${repository}`,
    fix: tokenFix,
  });
}

/** For messages. */
export function nounOf(kind: RepositoryKind): string {
  return kind === 'model' ? 'model' : 'data set';
}

/** The address that a repository and its files have in a browser. */
export function pageOf({ endpoint, kind, repository }: HubClient): string {
  return `${endpoint}/${kind === 'model' ? '' : 'datasets/'}${repository}`;
}

/** What to throw for a network failure. Passes our own errors and an abort through. */
export function networkError(client: HubClient, url: string, error: unknown): unknown {
  if (error instanceof AhaError || client.signal?.aborted === true) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new AhaError({
    code: 'hub-unreachable',
    boundary: 'provider',
    what: `The Hub could not be reached for ${client.repository}`,
    found: `${cause instanceof Error ? cause.message : String(cause)} at ${showUrl(url)}`,
    fix: 'Check the network (and HF_ENDPOINT, if you set it), then run the same command again; what was downloaded is kept.',
    fields: { repository: client.repository },
    cause: error,
  });
}

/** Without query and credentials: signed addresses are secrets. */
export function showUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
