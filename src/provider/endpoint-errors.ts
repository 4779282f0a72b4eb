/** What can go wrong with an endpoint, as errors that say what to do. No message holds the key. */
import { AhaError } from '../errors.ts';

export interface EndpointPlace {
  /** Without key and query. */
  readonly address: string;
  readonly model: string;
  readonly key: string | undefined;
  /** Which environment variable the key is from, for messages. */
  readonly keyVariable: string | undefined;
}

const again = 'What was answered is kept: run the same command again later to go on.';

/** Whatever a server quotes, it may quote the key. */
export function withoutKey(text: string, key: string | undefined): string {
  return key === undefined || key === '' ? text : text.replaceAll(key, '[key]');
}

/** What the server said, from the body of an error: `error.message`, `message`, `detail`, or its beginning. */
export function serverWords(body: string): string {
  try {
    const value = JSON.parse(body) as Record<string, unknown> | null;
    const error = value?.['error'];
    const inner =
      typeof error === 'object' && error !== null ? (error as Record<string, unknown>)['message'] : error;
    const words = inner ?? value?.['message'] ?? value?.['detail'];
    if (typeof words === 'string') return words;
  } catch {
    // Not JSON: its text is what there is.
  }
  return body
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

export function statusError(place: EndpointPlace, status: number, body: string): AhaError {
  const { address, model, key, keyVariable } = place;
  const words = withoutKey(serverWords(body), key).slice(0, 160);
  const common = {
    boundary: 'provider' as const,
    found: `status ${status}${words === '' ? '' : `: ${words}`}`,
    fields: { address, model, status },
  };
  const variable = keyVariable ?? 'the environment variable named by --key-variable';
  if (status === 401 || status === 403) {
    return new AhaError({
      ...common,
      code: 'endpoint-unauthorized',
      what: `${address} does not accept ${key === undefined ? 'requests without a key' : 'the key'}`,
      fix: key === undefined ? `Set ${variable} to your key.` : `Check the key in ${variable}.`,
    });
  }
  if (status === 404) {
    return new AhaError({
      ...common,
      code: 'endpoint-not-found',
      what: `There is no such model or address at ${address}`,
      expected: 'an address such as http://127.0.0.1:8000/v1 that serves the model',
      fix: `Check the address, and that it serves a model called ${model}.`,
    });
  }
  if (status === 429) {
    return new AhaError({
      ...common,
      code: 'endpoint-rate-limited',
      what: `${address} keeps refusing further requests`,
      fix: again,
    });
  }
  if (status >= 500 || status === 408) {
    return new AhaError({
      ...common,
      code: 'endpoint-unavailable',
      what: `${address} keeps failing`,
      fix: again,
    });
  }
  if (status >= 300 && status < 400) {
    return new AhaError({
      ...common,
      code: 'endpoint-redirects',
      what: `${address} redirects, and a key is sent nowhere else than told`,
      fix: 'Name the address that it redirects to.',
    });
  }
  return new AhaError({
    ...common,
    code: 'endpoint-refused',
    what: `${address} refused a request`,
    fix: 'Read what it says: a setting may be one that this model does not take.',
  });
}

export function malformedReply(place: EndpointPlace, found: string): AhaError {
  return new AhaError({
    code: 'endpoint-malformed',
    boundary: 'provider',
    what: `${place.address} answers with something that is no completion`,
    found: withoutKey(found, place.key).slice(0, 160),
    expected: 'JSON with choices, as the OpenAI API gives it',
    fix: 'Check the address: it must end where /chat/completions begins, often in /v1.',
    fields: { address: place.address, model: place.model },
  });
}

export function unreachable(place: EndpointPlace, error: unknown): AhaError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new AhaError({
    code: 'endpoint-unreachable',
    boundary: 'provider',
    what: `${place.address} does not answer`,
    found: withoutKey(message, place.key).slice(0, 160),
    fix: `Check the address and the network. ${again}`,
    fields: { address: place.address, model: place.model },
  });
}
