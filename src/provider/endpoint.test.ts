import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeEndpoint, sendJson } from '../../test/fake-endpoint.ts';
import { AhaError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { CompletionRequest } from './completion.ts';
import { openEndpoint, type EndpointOptions } from './endpoint.ts';

const key = 'sk-very-secret-0123456789';

let server: FakeEndpoint;
let folder: string;
beforeEach(async () => {
  server = await FakeEndpoint.start();
  folder = await mkdtemp(join(tmpdir(), 'aha-endpoint-'));
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** Waiting takes no time: the clock is moved on instead, and what was waited for is noted. */
function setUp(options: Partial<EndpointOptions> = {}) {
  const waits: number[] = [];
  let now = 0;
  const clock: Clock = { monotonic: () => now, wall: () => 1_700_000_000_000 + now };
  const endpoint = openEndpoint({
    address: options.address ?? server.address,
    model: 'tiny',
    key,
    keyVariable: 'MY_KEY',
    clock,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted();
      waits.push(milliseconds);
      now += milliseconds;
      await Promise.resolve();
    },
    ...options,
  });
  return { endpoint, waits };
}

const ask = (text: string, more: Partial<CompletionRequest> = {}): CompletionRequest => ({
  prompt: { kind: 'chat', messages: [{ role: 'user', content: text }] },
  maxTokens: 20,
  ...more,
});

async function errorOf(promise: Promise<unknown>): Promise<AhaError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AhaError);
  // Nothing that a person or a log sees may hold the key.
  expect(
    JSON.stringify([
      (error as AhaError).message,
      (error as AhaError).fields,
      String((error as AhaError).found),
    ]),
  ).not.toContain(key);
  return error as AhaError;
}

describe('a request', () => {
  it('speaks chat and plain completions, with the key as a bearer token', async () => {
    const { endpoint } = setUp();
    server.say = ({ path }) => `from ${path}`;
    const chat = await endpoint.complete(ask('hi', { temperature: 0.5, topP: 0.9, seed: 7, stop: ['x'] }));
    expect(chat).toEqual({
      text: 'from /v1/chat/completions',
      reasoning: '',
      finish: 'stop',
      promptTokens: 10,
      completionTokens: 25,
      model: 'tiny',
      cached: false,
    });
    const plain = await endpoint.complete({ prompt: { kind: 'text', text: '1+1=' }, maxTokens: 3 });
    expect(plain.text).toBe('from /v1/completions');
    expect(server.requests).toEqual([
      {
        path: '/v1/chat/completions',
        authorization: `Bearer ${key}`,
        body: {
          model: 'tiny',
          messages: [{ role: 'user', content: 'hi' }],
          max_tokens: 20,
          temperature: 0.5,
          top_p: 0.9,
          seed: 7,
          stop: ['x'],
        },
      },
      {
        path: '/v1/completions',
        authorization: `Bearer ${key}`,
        body: { model: 'tiny', prompt: '1+1=', max_tokens: 3 },
      },
    ]);
  });

  it('reads reasoning that is kept apart, and why an answer ended', async () => {
    const { endpoint } = setUp();
    server.misbehave = (_seen, response) => {
      const message = { content: null, reasoning_content: 'hm' };
      sendJson(response, 200, { choices: [{ message, finish_reason: 'length' }] });
      return true;
    };
    expect(await endpoint.complete(ask('hi'))).toMatchObject({
      text: '',
      reasoning: 'hm',
      finish: 'length',
      completionTokens: null,
    });
  });

  it.each([
    ['ftp://x/v1', 'no web address'],
    ['nonsense', 'no web address'],
    ['http://user:secret@127.0.0.1/v1', 'more than an address'],
    ['http://127.0.0.1/v1?key=secret', 'more than an address'],
  ])('refuses the address %s without quoting it', (address, words) => {
    expect(() => openEndpoint({ address, model: 'x' })).toThrow(words);
    expect(() => openEndpoint({ address, model: 'x' })).not.toThrow('secret');
  });
});

describe('what may pass', () => {
  it('is tried again, as long as Retry-After says, with all other requests paused', async () => {
    const { endpoint, waits } = setUp({ concurrency: 4 });
    server.misbehave = (_seen, response, attempt) => {
      if (attempt > 1) return false;
      sendJson(response, 429, { error: { message: 'slow down' } }, { 'Retry-After': '7' });
      return true;
    };
    expect((await endpoint.complete(ask('a'))).text).toBe('hello');
    expect(waits).toEqual([7000]);
    expect(server.requests).toHaveLength(2);
  });

  it('reads Retry-After as a date, and bounds what a server may ask for', async () => {
    const { endpoint, waits } = setUp();
    const answers = [new Date(1_700_000_000_000 + 90_000).toUTCString(), '1e12'];
    server.misbehave = (_seen, response, attempt) => {
      const wait = answers[attempt - 1];
      if (wait === undefined) return false;
      sendJson(response, 503, {}, { 'Retry-After': wait });
      return true;
    };
    await endpoint.complete(ask('a'));
    expect(waits[0]).toBeGreaterThan(85_000);
    expect(waits[0]).toBeLessThanOrEqual(90_000);
    expect(waits[1]).toBe(600_000);
  });

  it.each([
    ['a 500', (response: ServerResponse) => sendJson(response, 500, { error: 'oops' })],
    ['a connection that is cut', (response: ServerResponse) => void response.destroy()],
    [
      'a body that is cut',
      (response: ServerResponse) => {
        response.writeHead(200, { 'Content-Length': '1000' });
        response.write('{"choices": [');
        setTimeout(() => response.destroy(), 5);
      },
    ],
    ['half of a JSON', (response: ServerResponse) => void response.writeHead(200).end('{"choices": [{"mess')],
    ['JSON of another kind', (response: ServerResponse) => sendJson(response, 200, { hello: 'world' })],
    ['no choices', (response: ServerResponse) => sendJson(response, 200, { choices: [] })],
  ])('%s: tried again, longer apart each time', async (_name, fail) => {
    const { endpoint, waits } = setUp({ retryMilliseconds: 100 });
    server.misbehave = (_seen, response, attempt) => {
      if (attempt > 3) return false;
      fail(response);
      return true;
    };
    expect((await endpoint.complete(ask('a'))).text).toBe('hello');
    expect(server.requests).toHaveLength(4);
    expect(waits).toHaveLength(3);
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(75 * 2 ** i);
      expect(wait).toBeLessThanOrEqual(125 * 2 ** i);
    }
  });

  it.each([
    [429, 'endpoint-rate-limited'],
    [500, 'endpoint-unavailable'],
    [200, 'endpoint-malformed'],
  ])('a %d that does not pass ends in one error: %s', async (status, code) => {
    const { endpoint } = setUp({ retries: 2 });
    server.misbehave = (_seen, response) => {
      sendJson(response, status, { error: { message: `your key ${key} \u001b[31m` } });
      return true;
    };
    const error = await errorOf(endpoint.complete(ask('a')));
    expect(error).toMatchObject({ code, boundary: 'provider' });
    expect(server.requests).toHaveLength(3);
    expect(error.message).not.toContain('\u001b');
  });

  it('an answer that takes too long is given up and asked for again', async () => {
    const { endpoint, waits } = setUp({ timeoutMilliseconds: 200, retries: 1 });
    server.misbehave = () => true;
    const error = await errorOf(endpoint.complete(ask('a')));
    expect(error.code).toBe('endpoint-unreachable');
    expect(error.message).toContain('no answer within 0.2 s');
    expect(waits).toHaveLength(1);
  });

  it('a server that is not there is reported after its tries', async () => {
    const { address } = server;
    await server.stop();
    const { endpoint, waits } = setUp({ retries: 3, address });
    expect((await errorOf(endpoint.complete(ask('a')))).code).toBe('endpoint-unreachable');
    expect(waits).toHaveLength(3);
    server = await FakeEndpoint.start();
  });
});

describe('what cannot pass', () => {
  it.each([
    [401, 'endpoint-unauthorized', 'MY_KEY'],
    [403, 'endpoint-unauthorized', 'MY_KEY'],
    [404, 'endpoint-not-found', 'tiny'],
    [400, 'endpoint-refused', 'bad temperature'],
    [302, 'endpoint-redirects', 'redirects to'],
  ])('a %d is refused at once: %s', async (status, code, words) => {
    const { endpoint, waits } = setUp();
    server.misbehave = (_seen, response) => {
      const message = `bad temperature; key ${key}`;
      sendJson(response, status, { error: { message } }, { Location: `${server.address}/elsewhere` });
      return true;
    };
    const error = await errorOf(endpoint.complete(ask('a')));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(server.requests).toHaveLength(1);
    expect(waits).toEqual([]);
  });
});

describe('the cache', () => {
  it('never pays twice for the same request, in this process or the next', async () => {
    const { endpoint } = setUp({ cache: folder });
    const first = await endpoint.complete(ask('a'));
    const again = await endpoint.complete(ask('a'));
    expect(again).toEqual({ ...first, cached: true });
    const { endpoint: other } = setUp({ cache: folder, key: 'another key' });
    expect(await other.complete(ask('a'))).toEqual({ ...first, cached: true });
    expect(server.answered).toBe(1);
    expect(other.usage).toEqual({
      requests: 0,
      promptTokens: 0,
      completionTokens: 0,
      price: null,
      cached: 1,
    });
  });

  it.each([
    ['another text', ask('b')],
    ['another limit', ask('a', { maxTokens: 21 })],
    ['another seed', ask('a', { seed: 1 })],
    ['another variant', ask('a', { variant: 1 })],
  ])('asks again for %s', async (_name, request) => {
    const { endpoint } = setUp({ cache: folder });
    await endpoint.complete(ask('a'));
    expect((await endpoint.complete(request)).cached).toBe(false);
    expect(server.answered).toBe(2);
  });

  it('keeps no key, and asks again for a file that was damaged', async () => {
    const { endpoint } = setUp({ cache: folder });
    await endpoint.complete(ask('a'));
    const [name] = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.json'));
    const path = join(folder, name!);
    expect(await readFile(path, 'utf8')).not.toContain(key);
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 50));
    expect((await endpoint.complete(ask('a'))).cached).toBe(false);
    expect((await endpoint.complete(ask('a'))).cached).toBe(true);
  });
});

describe('the budget', () => {
  it('counts requests that are repeated, and stops before one too many', async () => {
    const { endpoint } = setUp({ budget: { requests: 3 } });
    server.misbehave = (_seen, response, attempt) => {
      if (attempt > 1) return false;
      sendJson(response, 500, {});
      return true;
    };
    await endpoint.complete(ask('a'));
    await endpoint.complete(ask('b'));
    const error = await errorOf(endpoint.complete(ask('c')));
    expect(error.code).toBe('endpoint-budget-exhausted');
    expect(server.requests).toHaveLength(3);
    expect(endpoint.usage.requests).toBe(3);
  });

  it('is never exceeded, with many requests under way', async () => {
    const { endpoint } = setUp({ concurrency: 16, budget: { tokens: 400 } });
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, async (_, i) => endpoint.complete(ask(`question ${i}`))),
    );
    const { promptTokens, completionTokens } = endpoint.usage;
    expect(promptTokens + completionTokens).toBe(server.answered * 15);
    expect(promptTokens + completionTokens).toBeLessThanOrEqual(400);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(server.answered);
    expect(server.answered).toBeGreaterThan(3);
  });

  it('counts money by the prices of tokens', async () => {
    const prices = { prompt: 1000, completion: 10_000 };
    const { endpoint } = setUp({ prices, budget: { price: 0.5 } });
    await endpoint.complete(ask('a'));
    // 10 prompt tokens at 0.001 and 5 of the answer at 0.01.
    expect(endpoint.usage.price).toBeCloseTo(0.06, 12);
    await endpoint.complete(ask('b'));
    await endpoint.complete(ask('c'));
    const rest = await Promise.allSettled(
      Array.from({ length: 9 }, async (_, i) => endpoint.complete(ask(`${i}`))),
    );
    expect(rest.some(({ status }) => status === 'rejected')).toBe(true);
    expect(endpoint.usage.price).toBeLessThanOrEqual(0.5);
    expect(() => setUp({ budget: { price: 1 } })).toThrow('needs the prices');
  });
});

describe('many requests', () => {
  it('are never more at a time than allowed', async () => {
    const { endpoint } = setUp({ concurrency: 3 });
    // Nobody is answered before three are under way.
    let release: () => void = () => undefined;
    const three = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.misbehave = async () => {
      if (server.open >= 3) release();
      await three;
      return false;
    };
    await Promise.all(Array.from({ length: 20 }, async (_, i) => endpoint.complete(ask(`${i}`))));
    expect(server.mostOpen).toBe(3);
  });

  it('can be cancelled, those that wait and those under way', async () => {
    const { endpoint } = setUp({ concurrency: 2 });
    const controller = new AbortController();
    let under = 0;
    server.misbehave = () => {
      if (++under === 2) controller.abort(new Error('enough'));
      return true;
    };
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, async (_, i) =>
        endpoint.complete(ask(`${i}`), { signal: controller.signal }),
      ),
    );
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: new Error('enough') });
    expect(server.requests).toHaveLength(2);
  });
});
