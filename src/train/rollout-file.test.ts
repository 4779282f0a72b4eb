import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRollout, type Rollout, writeRollout } from './rollout-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-rollout-'));
});
afterEach(() => rm(folder, { recursive: true }));

const awkward = Float32Array.of(-0, 1e-45, 3.4028234e38, Number.NEGATIVE_INFINITY, Number.NaN, 0.1);
const rollout: Rollout = {
  step: 7,
  waves: 2,
  complete: true,
  groups: [
    {
      address: { split: 'train', index: 3, level: 2 },
      problem: { prompt: 'two\nlines "quoted" 😀', answer: '' },
      prompt: { tokens: Int32Array.of(1, 2, 2 ** 31 - 1), text: 'two' },
      completions: [
        {
          tokens: Int32Array.of(5),
          logprobs: awkward,
          finish: 'length',
          truncatedDistribution: false,
          response: '\u2028',
          verdict: {
            outcome: 'scored',
            score: 0.5,
            parts: { accuracy: 0.5 },
            evidence: { f32: 'text', i32: 'text' },
          },
        },
      ],
    },
  ],
  replaced: [0],
  data: { drawn: { 2: 4 }, curriculum: { level: 2, recent: [0.25] } },
  sampledTokens: 1,
  seconds: { sample: 0.5, verify: 0.25 },
  prepared: [[{ oldLogprobs: awkward, policyScale: new Float32Array(0) }]],
};

describe('rollout files', () => {
  it('give back every bit', async () => {
    const path = join(folder, 'deep', 'step-7.jsonl');
    await writeRollout(path, rollout);
    const read = (await readRollout(path))!;
    expect(read).toEqual(rollout);
    const bits = (array: Float32Array) => [...new Uint32Array(array.buffer, array.byteOffset, array.length)];
    expect(bits(read.groups[0]!.completions[0]!.logprobs)).toEqual(bits(awkward));
    expect(bits(read.prepared![0]![0]!.oldLogprobs!)).toEqual(bits(awkward));
    expect(await readdir(join(folder, 'deep'))).toEqual(['step-7.jsonl']);
  });

  it('are undefined where there is none', async () => {
    expect(await readRollout(join(folder, 'none'))).toBeUndefined();
  });

  it.each<[string, (text: string) => string]>([
    ['changed', (text) => text.replace('"score":0.5', '"score":1.0')],
    ['cut', (text) => text.slice(0, 200)],
    ['empty', () => ''],
    ['of another format', (text) => text.replace('aha-rollout-1', 'aha-rollout-9')],
    ['not JSON', () => 'hello\nworld\n'],
  ])('are refused when they were %s', async (_, harm) => {
    const path = join(folder, 'rollout');
    await writeRollout(path, rollout);
    await writeFile(path, harm(await readFile(path, 'utf8')));
    await expect(readRollout(path)).rejects.toMatchObject({ code: 'rollout-corrupt' });
  });

  it('that cannot be written say why', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(writeRollout(join(folder, 'file', 'rollout'), rollout)).rejects.toMatchObject({
      boundary: 'storage',
    });
  });
});
