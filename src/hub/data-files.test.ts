import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeHub, refuse } from '../../test/fake-hub.ts';
import { expectRefusal, fixture, temporaryFolder } from '../../test/model-files.ts';
import { loadTask } from '../task/load.ts';
import { readRowFile } from '../util/row-file.ts';
import type { DownloadProgress, HubOptions } from './client.ts';
import { openDataFiles } from './data-files.ts';

let hub: FakeHub;
let cache: string;
let options: HubOptions;

const train = 'main/train-00000-of-00001.parquet';
const held = 'main/test-00000-of-00001.parquet';
const open = async (reference = 'hf:org/model', more: HubOptions = {}) =>
  openDataFiles(reference, { split: 'train' }, { ...options, ...more });
const contents = (name: string) => readFileSync(fixture('data', name));

beforeEach(async () => {
  vi.stubEnv('HF_HUB_OFFLINE', undefined);
  hub = await FakeHub.start();
  hub.kind = 'dataset';
  cache = temporaryFolder();
  options = { endpoint: hub.endpoint, cacheFolder: cache, retries: 2, retryDelayMs: 1, timeoutMs: 5000 };
  hub.files.set('README.md', { contents: Buffer.from('---\n') });
  hub.files.set(train, { contents: contents('gsm8k-train.parquet'), large: true });
  hub.files.set(held, { contents: contents('gsm8k-test.parquet'), large: true });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
});

describe('a data set', () => {
  test('is fetched, only what is asked for, with progress', async () => {
    const seen: DownloadProgress[] = [];
    const { files, split, pinned } = await open('hf:org/model', { onProgress: (one) => seen.push(one) });
    expect(hub.downloads()).toEqual([train]);
    expect(readFileSync(files[0]!).equals(contents('gsm8k-train.parquet'))).toBe(true);
    expect([split, pinned]).toEqual(['train', `hf:org/model@${hub.commit}`]);
    const size = contents('gsm8k-train.parquet').length;
    expect(seen.at(-1)).toMatchObject({ repository: 'org/model', allBytesDone: size, allBytesTotal: size });
  });

  test('that is cached is not fetched again, and needs no network', async () => {
    const first = await open();
    hub.requests.length = 0;
    const silent = vi.fn<(progress: DownloadProgress) => void>();
    expect(await open('hf:org/model', { onProgress: silent })).toEqual(first);
    expect(hub.requests).toHaveLength(1);
    expect(silent).not.toHaveBeenCalled();
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await open()).toEqual(first);
    await expectRefusal(open(`hf:org/model/${held}`), 'hub-not-cached');
    await expectRefusal(open('hf:org/other'), 'hub-not-cached');
    expect(hub.requests).toHaveLength(1);
  });

  test('whose cached file was cut is fetched again', async () => {
    const { files } = await open();
    writeFileSync(files[0]!, 'short');
    await open();
    expect(readFileSync(files[0]!).equals(contents('gsm8k-train.parquet'))).toBe(true);
  });

  test('goes on where an earlier attempt stopped', async () => {
    const whole = contents('gsm8k-train.parquet');
    let cuts = 1;
    hub.misbehave = (_, response, server) => {
      if (server !== 'storage' || cuts-- <= 0) return false;
      response.writeHead(200, { 'Content-Length': whole.length });
      response.write(whole.subarray(0, 500), () => setTimeout(() => response.destroy(), 20));
      return true;
    };
    const { files } = await open();
    expect(hub.requests.filter(({ server }) => server === 'storage').map(({ range }) => range)).toEqual([
      undefined,
      'bytes=500-',
    ]);
    expect(readFileSync(files[0]!).equals(whole)).toBe(true);
  });

  test('that arrives altered is refused', async () => {
    const altered = Buffer.from(contents('gsm8k-train.parquet'));
    altered[100]! ^= 1;
    hub.misbehave = (_, response, server) => {
      if (server === 'storage') response.writeHead(200, { 'Content-Length': altered.length }).end(altered);
      return server === 'storage';
    };
    await expectRefusal(open(), 'hub-hash-mismatch');
  });

  test('whose download is stopped keeps what it has', async () => {
    const controller = new AbortController();
    const stopped = open('hf:org/model', {
      signal: controller.signal,
      onProgress: ({ bytesDone }) => {
        if (bytesDone > 0) controller.abort(new Error('stopped by the user'));
      },
    });
    await expect(stopped).rejects.toThrow('stopped by the user');
    const root = join(cache, 'datasets', 'org--model');
    expect(readdirSync(join(root, 'parts'))).toHaveLength(1);
    await open();
    expect(readdirSync(join(root, 'parts'))).toEqual([]);
  });

  test('that is private or not there is one clear error', async () => {
    const missing = await expectRefusal(open('hf:org/none'), 'hub-not-found');
    expect(missing.message).toContain('no data set org/none');
    hub.misbehave = (_, response) => {
      refuse(response, 401, 'GatedRepo');
      return true;
    };
    const hidden = await expectRefusal(open(), 'hub-unauthorized');
    expect(hidden.message).toContain('private or gated data set, set HF_TOKEN');
    hub.misbehave = (_, response) => {
      refuse(response, 403, 'GatedRepo');
      return true;
    };
    const gated = await expectRefusal(open(), 'hub-forbidden');
    expect(gated.message).toContain(`${hub.endpoint}/datasets/org/model`);
  });

  test('cannot name files outside its folder', async () => {
    hub.files.clear();
    hub.files.set('../../train.jsonl', { contents: Buffer.from('{}') });
    await expectRefusal(open(), 'hub-response-invalid');
    expect(readdirSync(cache)).toEqual(['datasets']);
  });

  test('whose stored listing is damaged is listed again', async () => {
    await open();
    const folder = join(cache, 'datasets', 'org--model');
    writeFileSync(join(folder, 'listings', `${hub.commit}.json`), '[{');
    rmSync(join(folder, hub.commit), { recursive: true });
    expect((await open()).files).toHaveLength(1);
  });

  test('is no path: a path is left as it is', async () => {
    expect(await open('org/model')).toEqual({ files: ['org/model'], pinned: 'org/model' });
    expect(hub.requests).toEqual([]);
  });
});

describe('a task', () => {
  test('gsm8k trains on one split and holds out the other', async () => {
    const task = await loadTask('gsm8k', { options: { train: 'hf:org/model' }, hub: options });
    expect([task.size('train'), task.size('heldOut')]).toEqual([12, 4]);
    expect(hub.downloads()).toEqual([train, held]);
    const [problem] = task.heldOut(4).filter(({ answer }) => answer === '202');
    expect(problem?.prompt).toBe('Ann has 101 apples and gets 101 more. How many has she?');
    const named = await loadTask('gsm8k', { options: { train: `hf:org/model/${train}` }, hub: options });
    expect(named.size('train') + named.size('heldOut')).toBe(12);
  });

  test('mbpp reads all splits of Parquet', async () => {
    hub.files.clear();
    hub.files.set('full/test-00000-of-00001.parquet', { contents: contents('mbpp.parquet'), large: true });
    hub.files.set('sanitized/test-00000-of-00001.parquet', { contents: Buffer.from('x'), large: true });
    const settings = {
      options: { file: 'hf:org/model', heldOutShare: 0.5 },
      hub: options,
      check: false,
    } as const;
    const task = await loadTask('mbpp', settings);
    const all = [
      ...task.heldOut(2),
      ...Array.from({ length: task.size('train') }, (_, index) => task.problem({ split: 'train', index })),
    ];
    expect(new Set(all.map(({ answer }) => answer))).toEqual(
      new Set(['def add(a, b):\n    return a + b', 'def double(a):\n    return 2 * a']),
    );
  });

  test('math reads the only split there is, and splits it by content', async () => {
    const rows = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({
        problem: `What is ${i}+1?`,
        solution: `\\boxed{${i + 1}}`,
        answer: `${i + 1}`,
        level: 1,
      }),
    );
    hub.files.clear();
    hub.files.set('test.jsonl', { contents: Buffer.from(rows.join('\n')) });
    const task = await loadTask('math', { options: { train: 'hf:org/model' }, hub: options });
    expect(task.size('train') + task.size('heldOut')).toBe(30);
    expect(task.size('heldOut')).toBeGreaterThan(0);
  });
});

test('integers of 64 bits are plain numbers where they can be', async () => {
  const rows = [];
  for await (const row of readRowFile(fixture('data', 'mbpp.parquet'))) rows.push(row.value);
  expect(rows.map((row) => [row?.['task_id'], row?.['wide']])).toEqual([
    [1, 7],
    [2, '1152921504606846976'],
  ]);
});
