import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeHub, json, refuse } from '../../test/fake-hub.ts';
import { expectRefusal, fixture, temporaryFolder } from '../../test/model-files.ts';
import { openCheckpoint } from './checkpoint.ts';
import { cacheFolder, type DownloadProgress, type HubOptions } from '../hub/client.ts';
import { downloadModel } from './hub.ts';
import type { HubReference } from './model-reference.ts';

const token = 'hf_secretsecretsecret';
const reference: HubReference = { kind: 'hub', repository: 'org/model', revision: 'main' };

let hub: FakeHub;
let cache: string;
let options: HubOptions;

beforeEach(async () => {
  vi.stubEnv('HF_HUB_OFFLINE', undefined);
  hub = await FakeHub.start();
  cache = temporaryFolder();
  options = {
    endpoint: hub.endpoint,
    cacheFolder: cache,
    token,
    retries: 2,
    retryDelayMs: 1,
    timeoutMs: 5000,
  };
  addModel('models/qwen2');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
});

/** Puts a fixture on the Hub, weights in large-file storage. */
function addModel(path: string): void {
  hub.files.clear();
  for (const name of readdirSync(fixture(path))) {
    if (name === 'golden.safetensors' || name === 'converted.gguf') continue;
    hub.files.set(name, {
      contents: readFileSync(fixture(path, name)),
      large: name.endsWith('.safetensors'),
    });
  }
}

const read = (folder: string, name: string) => readFileSync(join(folder, name));
const partFolder = () => join(cache, 'hub', 'org--model', 'parts');
const parts = () => readdirSync(partFolder());

/** Leaves a part of the weights as a process of this number (default: this one, earlier) would have. */
async function leavePart(contents: Uint8Array, pid?: number): Promise<void> {
  hub.misbehave = (_, response, server) => {
    if (server === 'storage') response.destroy();
    return server === 'storage';
  };
  await expectRefusal(downloadModel(reference, options), 'hub-unreachable');
  hub.misbehave = undefined;
  hub.requests.length = 0;
  const [name, ...others] = parts();
  expect(others).toEqual([]);
  rmSync(join(partFolder(), name!));
  const renamed = pid === undefined ? name! : name!.replace(`-${process.pid}-`, `-${pid}-`);
  writeFileSync(join(partFolder(), renamed), contents);
}

describe('a model', () => {
  test('is fetched, verified and opened; pickles and others are left alone', async () => {
    for (const name of [
      'pytorch_model.bin',
      'README.md',
      'original/consolidated.pth',
      'tf_model.h5',
      'onnx/model.onnx',
    ]) {
      hub.files.set(name, { contents: Buffer.from('x') });
    }
    hub.files.set('tokenizer.json', { contents: Buffer.from('{}') });
    hub.files.set('chat_template.jinja', { contents: Buffer.from('{{ x }}') });
    const progress: DownloadProgress[] = [];
    const checkpoint = await openCheckpoint('org/model', {
      hub: { ...options, onProgress: (p) => progress.push(p) },
    });
    expect(checkpoint.source).toBe(`org/model at ${hub.commit}`);
    expect(checkpoint.hub).toEqual({ repository: 'org/model', commit: hub.commit });
    expect(checkpoint.config.architecture).toBe('qwen2');
    expect(checkpoint.files.map((file) => file.name)).toEqual(['tokenizer.json', 'chat_template.jinja']);
    expect(hub.downloads().toSorted()).toEqual([
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect(
      read(checkpoint.path, 'model.safetensors').equals(hub.files.get('model.safetensors')!.contents),
    ).toBe(true);
    const last = progress.at(-1)!;
    expect(last.file).toBe('model.safetensors');
    expect(last.bytesDone).toBe(last.bytesTotal);
    expect(last.allBytesDone).toBe(last.allBytesTotal);
    const done = progress.map(({ allBytesDone }) => allBytesDone);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(parts()).toEqual([]);
    await checkpoint.close();
  });

  test('with shards, of which the index tells', async () => {
    addModel('checkpoints/models/sharded');
    hub.files.set('model-00001-of-00009.safetensors', {
      contents: Buffer.from('of another index'),
      large: true,
    });
    hub.pageSize = 3;
    const checkpoint = await openCheckpoint('org/model', { hub: options });
    expect(hub.downloads().filter((name) => name.endsWith('.safetensors'))).toHaveLength(5);
    await checkpoint.close();
  });

  test('one GGUF file of a repository', async () => {
    hub.files.clear();
    const contents = readFileSync(fixture('checkpoints', 'models', 'qwen3', 'converted.gguf'));
    hub.files.set('sub/model.Q8_0.gguf', { contents, large: true });
    hub.files.set('other.gguf', { contents: Buffer.from('x'), large: true });
    const checkpoint = await openCheckpoint('org/model/sub/model.Q8_0.gguf', { hub: options });
    expect(checkpoint.config.architecture).toBe('qwen3');
    await checkpoint.close();
    expect(hub.downloads()).toEqual(['sub/model.Q8_0.gguf']);
    const again = await downloadModel(
      { ...reference, file: 'sub/model.Q8_0.gguf' },
      { ...options, offline: true },
    );
    expect(again.path).toBe(checkpoint.path);
  });

  test('the token goes to the Hub only, not where it redirects to', async () => {
    await downloadModel(reference, options);
    const seen = (server: string) =>
      new Set(hub.requests.filter((r) => r.server === server).map((r) => r.authorization));
    expect(seen('hub')).toEqual(new Set([`Bearer ${token}`]));
    expect(seen('storage')).toEqual(new Set([undefined]));
  });

  test('with settings from the environment', async () => {
    vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/`);
    vi.stubEnv('HF_TOKEN', `${token}\n`);
    vi.stubEnv('AHA_CACHE', cache);
    vi.stubEnv('HF_HUB_OFFLINE', undefined);
    const checkpoint = await openCheckpoint('org/model');
    await checkpoint.close();
    expect(checkpoint.path.startsWith(cache)).toBe(true);
    expect(hub.requests[0]?.authorization).toBe(`Bearer ${token}`);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    hub.requests.length = 0;
    await (await openCheckpoint('org/model')).close();
    expect(hub.requests).toEqual([]);
  });

  test('a revision by name and by commit', async () => {
    hub.revisions.set('v1', hub.commit);
    const named = await downloadModel({ ...reference, revision: 'v1' }, options);
    const before = hub.requests.length;
    const exact = await downloadModel({ ...reference, revision: hub.commit }, options);
    expect(exact).toEqual(named);
    expect(hub.requests).toHaveLength(before);
  });
});

describe('the cache', () => {
  test('is used again after one question', async () => {
    const first = await downloadModel(reference, options);
    hub.requests.length = 0;
    expect(await downloadModel(reference, options)).toEqual(first);
    expect(hub.requests).toHaveLength(1);
  });

  test('serves without a network', async () => {
    const first = await downloadModel(reference, options);
    await hub.stop();
    expect(await downloadModel(reference, options)).toEqual(first);
    expect(await downloadModel(reference, { ...options, offline: true })).toEqual(first);
    const checkpoint = await openCheckpoint('org/model', { hub: options });
    await checkpoint.close();
    hub = await FakeHub.start();
  });

  test('that is not complete does not pretend to be', async () => {
    await expectRefusal(downloadModel(reference, { ...options, offline: true }), 'hub-not-cached');
    expect(hub.requests).toHaveLength(0);
    const { path } = await downloadModel(reference, options);
    rmSync(join(path, 'model.safetensors'));
    await expectRefusal(downloadModel(reference, { ...options, offline: true }), 'hub-not-cached');
    hub.requests.length = 0;
    await downloadModel(reference, options);
    expect(hub.downloads()).toEqual(['model.safetensors']);
    writeFileSync(join(path, 'config.json'), 'short');
    await downloadModel(reference, options);
    expect(read(path, 'config.json').equals(hub.files.get('config.json')!.contents)).toBe(true);
  });

  test('follows the branch', async () => {
    const first = await downloadModel(reference, options);
    Object.assign(hub, { commit: 'd'.repeat(40) });
    hub.revisions.set('main', hub.commit);
    const second = await downloadModel(reference, options);
    expect(second.commit).not.toBe(first.commit);
    expect(second.path).not.toBe(first.path);
  });

  test('lies where AHA_CACHE says', () => {
    expect(cacheFolder({ AHA_CACHE: cache })).toBe(cache);
  });

  test.runIf(process.platform === 'linux')('lies where Linux keeps caches', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/aha');
    expect(cacheFolder({})).toMatch(/\/\.cache\/aha$/);
  });

  test('that is a file is an error', async () => {
    const file = join(cache, 'file');
    writeFileSync(file, '');
    await expectRefusal(downloadModel(reference, { ...options, cacheFolder: file }), /^storage-/);
  });
});

describe('an interrupted download', () => {
  /** Cuts the connection after `bytes` of the weights, `times` times. */
  function cutAfter(bytes: number, times: number): void {
    let left = times;
    hub.misbehave = (request, response, server) => {
      if (server !== 'storage' || left === 0) return false;
      left--;
      const { contents } = hub.files.get('model.safetensors')!;
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from === 0 ? 200 : 206, {
        'Content-Length': contents.length - from,
        ...(from === 0 ? {} : { 'Content-Range': `bytes ${from}-${contents.length - 1}/${contents.length}` }),
      });
      response.write(contents.subarray(from, from + bytes), () => setTimeout(() => response.destroy(), 20));
      return true;
    };
  }

  test('goes on where it stopped, as long as it makes progress', async () => {
    cutAfter(100_000, 4);
    const { path } = await downloadModel(reference, options);
    const ranges = hub.requests.filter((r) => r.server === 'storage').map((r) => r.range);
    expect(ranges).toEqual([undefined, 'bytes=100000-', 'bytes=200000-', 'bytes=300000-', 'bytes=400000-']);
    expect(read(path, 'model.safetensors').equals(hub.files.get('model.safetensors')!.contents)).toBe(true);
  });

  test('that makes none fails, keeps what it has, and the next run goes on', async () => {
    cutAfter(100_000, 1);
    const cut = hub.misbehave!;
    hub.misbehave = (request, response, server) => {
      if (cut(request, response, server)) return true;
      if (server === 'storage') response.destroy();
      return server === 'storage';
    };
    const error = await expectRefusal(downloadModel(reference, options), 'hub-unreachable');
    expect(error.message).toContain('is kept');
    expect(error.boundary).toBe('provider');
    const [part] = parts();
    expect(statSync(join(partFolder(), part!)).size).toBe(100_000);
    hub.misbehave = undefined;
    hub.requests.length = 0;
    await downloadModel(reference, options);
    expect(hub.requests.filter((r) => r.server === 'storage').map((r) => r.range)).toEqual(['bytes=100000-']);
    expect(parts()).toEqual([]);
  });

  test('by Ctrl-C keeps what it has', async () => {
    const controller = new AbortController();
    const stopped = downloadModel(reference, {
      ...options,
      signal: controller.signal,
      onProgress: ({ file, bytesDone }) => {
        if (file === 'model.safetensors' && bytesDone > 0) controller.abort(new Error('stopped by the user'));
      },
    });
    await expect(stopped).rejects.toThrow('stopped by the user');
    expect(parts()).toHaveLength(1);
    await downloadModel(reference, options);
    expect(parts()).toEqual([]);
  });

  test('whose server does not resume begins again', async () => {
    cutAfter(100_000, 1);
    const cut = hub.misbehave!;
    hub.misbehave = (request, response, server) => {
      delete request.headers.range;
      return cut(request, response, server);
    };
    const { path } = await downloadModel(reference, options);
    expect(read(path, 'model.safetensors').equals(hub.files.get('model.safetensors')!.contents)).toBe(true);
  });

  test('that stalls is given up and tried again', async () => {
    let stalls = 1;
    hub.misbehave = (_, response, server) => {
      if (server !== 'storage' || stalls-- <= 0) return false;
      response.writeHead(200, { 'Content-Length': 430_944 });
      response.write(hub.files.get('model.safetensors')!.contents.subarray(0, 1000));
      return true;
    };
    const { path } = await downloadModel(reference, { ...options, timeoutMs: 300 });
    expect(read(path, 'model.safetensors').equals(hub.files.get('model.safetensors')!.contents)).toBe(true);
  });

  test('of a process that is gone is taken over; of one that lives it is not', async () => {
    const { contents } = hub.files.get('model.safetensors')!;
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    await leavePart(contents.subarray(0, 1000), child.pid);
    await downloadModel(reference, options);
    expect(hub.requests.filter((r) => r.server === 'storage').map((r) => r.range)).toEqual([undefined]);
    expect(parts()).toHaveLength(1);

    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill();
    await ended;
    rmSync(join(cache, 'hub', 'org--model', hub.commit), { recursive: true });
    hub.requests.length = 0;
    await downloadModel(reference, options);
    expect(hub.requests.filter((r) => r.server === 'storage').map((r) => r.range)).toEqual(['bytes=1000-']);
    expect(parts()).toEqual([]);
  });

  test.each([
    ['damaged', new Uint8Array(200_000).fill(1)],
    ['too long', new Uint8Array(500_000)],
    ['complete but wrong', new Uint8Array(430_944)],
    ['empty', new Uint8Array(0)],
  ])('whose part is %s begins again', async (_, part) => {
    await leavePart(part);
    const { path } = await downloadModel(reference, options);
    expect(read(path, 'model.safetensors').equals(hub.files.get('model.safetensors')!.contents)).toBe(true);
    expect(parts()).toEqual([]);
  });

  test('whose part is complete needs no further data', async () => {
    await leavePart(hub.files.get('model.safetensors')!.contents);
    await downloadModel(reference, options);
    expect(hub.requests.filter((r) => r.server === 'storage')).toEqual([]);
  });
});

test('several at once do not disturb each other', async () => {
  const all = await Promise.all(Array.from({ length: 5 }, async () => downloadModel(reference, options)));
  expect(new Set(all.map(({ path }) => path)).size).toBe(1);
  expect(read(all[0]!.path, 'model.safetensors').equals(hub.files.get('model.safetensors')!.contents)).toBe(
    true,
  );
  expect(parts()).toEqual([]);
});

describe('what goes wrong is said', () => {
  const always = (status: number, code = '', headers: Record<string, string> = {}) => {
    hub.misbehave = (_, response) => {
      refuse(response, status, code, headers);
      return true;
    };
  };

  test.each<[number, string, string, string]>([
    [401, 'RepoNotFound', 'hub-unauthorized', 'HF_TOKEN'],
    [403, 'GatedRepo', 'hub-forbidden', 'accept its terms'],
    [404, 'RepoNotFound', 'hub-not-found', 'org/model'],
    [404, 'RevisionNotFound', 'hub-not-found', 'revision'],
    [429, '', 'hub-rate-limited', 'Wait'],
    [500, '', 'hub-unavailable', 'later'],
    [503, '', 'hub-unavailable', 'later'],
    [418, '', 'hub-refused', '418'],
  ])('status %s %s', async (status, reason, code, words) => {
    always(status, reason);
    const error = await expectRefusal(downloadModel(reference, options), code);
    expect(error.message).toContain(words);
    expect(error.boundary).toBe('provider');
    expect(inspect(error, { depth: 10 })).not.toContain('secret');
    expect(hub.requests).toHaveLength(status === 429 || status >= 500 ? 3 : 1);
  });

  test('a file that may not be read although the model is listed', async () => {
    hub.misbehave = (request, response) => {
      if (request.url?.includes('/resolve/') !== true) return false;
      refuse(response, 403, 'GatedRepo');
      return true;
    };
    await expectRefusal(downloadModel(reference, options), 'hub-forbidden');
  });

  test('a failure that passes is not noticed', async () => {
    const failed = new Map<string, number>();
    hub.misbehave = (request, response) => {
      const failures = failed.get(request.url!) ?? 0;
      failed.set(request.url!, failures + 1);
      if (failures < 2) refuse(response, [503, 429][failures]!, '', { 'Retry-After': '0' });
      return failures < 2;
    };
    const { path } = await downloadModel(reference, { ...options, retries: 4 });
    expect(readdirSync(path)).toContain('model.safetensors');
  });

  test('no server at all, no answer', async () => {
    await expectRefusal(
      downloadModel(reference, { ...options, endpoint: 'http://127.0.0.1:9' }),
      'hub-unreachable',
    );
    hub.misbehave = () => true;
    const slow = await expectRefusal(
      downloadModel(reference, { ...options, timeoutMs: 50 }),
      'hub-unreachable',
    );
    expect(slow.message).toContain('no answer');
  });

  test('a damaged file is not kept', async () => {
    hub.misbehave = (_, response, server) => {
      if (server !== 'storage') return false;
      const contents = new Uint8Array(hub.files.get('model.safetensors')!.contents);
      contents[1000]! ^= 1;
      response.writeHead(200).end(contents);
      return true;
    };
    const error = await expectRefusal(downloadModel(reference, options), 'hub-hash-mismatch');
    expect(error.message).toContain('sha256');
    expect(inspect(error, { depth: 10 })).not.toContain('secret');
    expect(hub.requests.filter((r) => r.server === 'storage')).toHaveLength(2);
    expect(readdirSync(join(cache, 'hub', 'org--model', hub.commit))).not.toContain('model.safetensors');
    for (const part of parts()) expect(statSync(join(partFolder(), part)).size).toBe(0);
  });

  test('a damaged small file is noticed by its git hash', async () => {
    hub.misbehave = (request, response) => {
      if (request.url?.endsWith('/config.json') !== true) return false;
      const contents = new Uint8Array(hub.files.get('config.json')!.contents);
      contents[5]! ^= 1;
      response.writeHead(200).end(contents);
      return true;
    };
    const error = await expectRefusal(downloadModel(reference, options), 'hub-hash-mismatch');
    expect(error.message).toContain('git-sha1');
  });

  test('more data than announced', async () => {
    hub.misbehave = (_, response, server) => {
      if (server === 'storage') response.writeHead(200).end(new Uint8Array(5_000_000));
      return server === 'storage';
    };
    await expectRefusal(downloadModel(reference, options), 'hub-hash-mismatch');
  });

  test.each<[string, (url: string) => unknown]>([
    [
      'a commit that is none',
      (url) => (url.includes('/revision/') ? { id: 'org/model', sha: '../../x' } : undefined),
    ],
    ['no commit', (url) => (url.includes('/revision/') ? {} : undefined)],
    ['an answer that is a list', (url) => (url.includes('/revision/') ? [] : undefined)],
    ['a listing that is no list', (url) => (url.includes('/tree/') ? { a: 1 } : undefined)],
    ['entries that are none', (url) => (url.includes('/tree/') ? [1, 2] : undefined)],
    [
      'sizes below zero',
      (url) => (url.includes('/tree/') ? [{ type: 'file', path: 'config.json', size: -1 }] : undefined),
    ],
  ])('%s', async (_, answer) => {
    hub.misbehave = (request, response) => {
      const value = answer(request.url ?? '');
      if (value !== undefined) json(response, value);
      return value !== undefined;
    };
    await expectRefusal(downloadModel(reference, options), 'hub-response-invalid');
  });

  test('a page of another server in the place of the Hub', async () => {
    hub.misbehave = (_, response) => {
      response
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end('<html>Please log in to this network</html>');
      return true;
    };
    await expectRefusal(downloadModel(reference, options), 'hub-response-invalid');
  });

  test('a listing that leads elsewhere does not take the token along', async () => {
    const other = await FakeHub.start();
    other.misbehave = (_, response) => {
      json(response, []);
      return true;
    };
    hub.misbehave = (request, response) => {
      if (request.url?.includes('/tree/') !== true) return false;
      response.setHeader('Link', `<${other.endpoint}/steal>; rel="next"`);
      json(response, []);
      return true;
    };
    await expectRefusal(downloadModel(reference, options), 'hub-repository-unsuitable');
    expect(other.requests.map((r) => r.authorization)).toEqual([undefined]);
    await other.stop();
  });

  test('a listing without end is given up', async () => {
    hub.misbehave = (request, response) => {
      if (request.url?.includes('/tree/') !== true) return false;
      response.setHeader('Link', `<${hub.endpoint}${request.url}>; rel="next"`);
      json(
        response,
        Array.from({ length: 20_000 }, (_, i) => ({ type: 'file', path: `${i}`, size: 0 })),
      );
      return true;
    };
    await expectRefusal(downloadModel(reference, options), 'hub-response-invalid');
  });

  test('file names cannot leave the folder', async () => {
    hub.files.set('../../config.json', { contents: Buffer.from('{}') });
    addModel('checkpoints/models/sharded');
    const index = JSON.parse(
      Buffer.from(hub.files.get('model.safetensors.index.json')!.contents).toString(),
    ) as {
      weight_map: Record<string, string>;
    };
    index.weight_map['model.norm.weight'] = '../../evil.safetensors';
    hub.files.set('model.safetensors.index.json', { contents: Buffer.from(JSON.stringify(index)) });
    hub.files.set('../../evil.safetensors', { contents: Buffer.from('x'), large: true });
    await expectRefusal(downloadModel(reference, options), 'safetensors-index-invalid');
    expect(readdirSync(cache)).toEqual(['hub']);
  });

  test.each<[string, readonly string[], string]>([
    ['nothing', [], 'holds no model'],
    ['only GGUF', ['a.gguf', 'b.gguf'], 'org/model/a.gguf'],
    ['only an adapter', ['adapter_config.json'], 'LoRA adapter'],
    ['only pickles', ['config.json', 'pytorch_model.bin'], 'pickle'],
  ])('a repository with %s', async (_, names, words) => {
    hub.files.clear();
    for (const name of names) hub.files.set(name, { contents: Buffer.from('{}') });
    const error = await expectRefusal(downloadModel(reference, options), 'hub-repository-unsuitable');
    expect(error.message).toContain(words);
    expect(hub.downloads()).toEqual([]);
  });

  test('a GGUF file that is not there', async () => {
    hub.files.set('a.gguf', { contents: Buffer.from('x') });
    const run = downloadModel({ ...reference, file: 'b.gguf' }, options);
    expect((await expectRefusal(run, 'hub-repository-unsuitable')).message).toContain('a.gguf');
  });

  test('an index that names a shard that is not there', async () => {
    addModel('checkpoints/models/sharded');
    hub.files.delete('model-00002-of-00005.safetensors');
    await expectRefusal(downloadModel(reference, options), 'hub-repository-unsuitable');
  });

  test('settings that cannot be', async () => {
    await expectRefusal(
      downloadModel(reference, { ...options, endpoint: 'ftp://x' }),
      'hub-endpoint-invalid',
    );
    await expectRefusal(
      downloadModel(reference, { ...options, endpoint: 'nonsense' }),
      'hub-endpoint-invalid',
    );
    const error = await expectRefusal(
      downloadModel(reference, { ...options, token: 'hf_se cret' }),
      'hub-token-invalid',
    );
    expect(inspect(error)).not.toContain('hf_se');
  });
});
