/** `aha export` from each kind of model, loaded back with equal log-probabilities. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ahaFailure, ahaJson, tinyRecipe } from './aha.ts';

// Each test starts several processes, and a machine may be busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-export-'));
  await writeFile(join(cwd, 'tiny.yaml'), tinyRecipe);
  await writeFile(join(cwd, 'ids.json'), '[[3, 7, 11, 9, 12, 5], [6, 6]]');
  await ahaJson(['train', 'zero', '--config', 'tiny.yaml', '--output', 'full'], { cwd });
  const lora = ['--lora-rank', '2', '--lr', '0.01', '--output', 'lora'];
  await ahaJson(['train', 'zero', 'full', '--config', 'tiny.yaml', ...lora], { cwd });
});
afterAll(() => rm(cwd, { recursive: true }));

async function logprobs(model: string): Promise<number[]> {
  const args = ['score', model, '--tokens', 'ids.json', '--threads', '1'];
  const result = await ahaJson<{ logprobs: (number | null)[][] }>(args, { cwd });
  return result.logprobs.flat().map((value) => value ?? 0);
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
}

const bytes = (...path: string[]) => readFile(join(cwd, ...path));

describe('the checkpoint of a run', () => {
  it('is by default the latest, to the byte the model that the run has written', async () => {
    const result = await ahaJson(['export', 'full', '--to', 'latest'], { cwd });
    expect(result).toMatchObject({
      model: 'latest',
      form: 'merged',
      source: 'full',
      checkpoint: 'step-000008',
    });
    expect(
      (await bytes('latest', 'model.safetensors')).equals(await bytes('full', 'model', 'model.safetensors')),
    ).toBe(true);
    expect((await readdir(join(cwd, 'latest'))).toSorted()).toEqual(
      (await readdir(join(cwd, 'full', 'model'))).toSorted(),
    );
  });

  it('can be named in two ways', async () => {
    const byName = await ahaJson(['export', 'full', '--checkpoint', 'step-000007', '--to', 'seven'], { cwd });
    expect(byName).toMatchObject({ checkpoint: 'step-000007' });
    await ahaJson(['export', join('full', 'checkpoints', 'step-000007'), '--to', 'also-seven'], { cwd });
    const seven = await bytes('seven', 'model.safetensors');
    expect(seven.equals(await bytes('also-seven', 'model.safetensors'))).toBe(true);
    const unknown = await ahaFailure(['export', 'full', '--checkpoint', 'step-9', '--to', 'nine'], { cwd });
    expect(unknown).toMatchObject({ code: 'checkpoint-not-found', exit: 2 });
    expect(unknown.message).toContain('step-000008');
  });

  it('passes over a corrupt one, with a warning, and refuses it when it is named', async () => {
    await cp(join(cwd, 'full'), join(cwd, 'damaged'), { recursive: true });
    const path = join(cwd, 'damaged', 'checkpoints', 'step-000008', 'policy', 'weights.safetensors');
    const damaged = await readFile(path);
    damaged[damaged.length - 5]! ^= 1;
    await writeFile(path, damaged);
    expect(await ahaJson(['export', 'damaged', '--to', 'rescued'], { cwd })).toMatchObject({
      checkpoint: 'step-000007',
    });
    const named = await ahaFailure(['export', 'damaged', '--checkpoint', 'step-000008', '--to', 'x'], {
      cwd,
    });
    expect(named).toMatchObject({ code: 'checkpoint-corrupt', exit: 1 });
    expect(await readdir(cwd)).not.toContain('x');
  });
});

describe('LoRA', () => {
  it('is exported merged and as an adapter that gives the same log-probabilities', async () => {
    await ahaJson(['export', 'lora', '--to', 'merged'], { cwd });
    await ahaJson(['export', 'lora', '--adapter', '--to', 'adapter'], { cwd });
    await ahaJson(['export', 'adapter', '--to', 'merged-again'], { cwd });
    const merged = await logprobs('merged');
    expect(largestDifference(merged, await logprobs('full'))).toBeGreaterThan(1e-4);
    expect(largestDifference(await logprobs('adapter'), merged)).toBeLessThan(1e-5);
    expect(
      (await bytes('merged-again', 'model.safetensors')).equals(await bytes('merged', 'model.safetensors')),
    ).toBe(true);
    const config = JSON.parse((await bytes('adapter', 'adapter_config.json')).toString()) as Record<
      string,
      unknown
    >;
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 2,
      base_model_name_or_path: join(cwd, 'full', 'model'),
    });
  });

  it('refuses an adapter where there is none, and to train one further', async () => {
    expect(await ahaFailure(['export', 'full', '--adapter', '--to', 'x'], { cwd })).toMatchObject({
      code: 'export-no-adapter',
      exit: 2,
    });
    const again = ['train', 'zero', join('lora', 'adapter'), '--config', 'tiny.yaml', '--output', 'x'];
    expect(await ahaFailure(again, { cwd })).toMatchObject({ code: 'model-is-adapter', exit: 2 });
    expect(await readdir(cwd)).not.toContain('x');
  });
});

describe('a checkpoint in another layout', () => {
  it.each([
    ['shards', join(fixtures, 'checkpoints', 'models', 'sharded')],
    ['a GGUF file', join(fixtures, 'checkpoints', 'models', 'qwen2', 'converted.gguf')],
    ['a Hugging Face folder', join(fixtures, 'models', 'qwen3')],
  ])('%s', async (name, model) => {
    const to = name.replaceAll(' ', '-');
    await ahaJson(['export', model, '--to', to], { cwd });
    expect(largestDifference(await logprobs(to), await logprobs(model))).toBe(0);
  });

  it('is stored in half the bytes with --dtype bf16', async () => {
    const model = join(fixtures, 'models', 'llama');
    await ahaJson(['export', model, '--to', 'half', '--dtype', 'bf16'], { cwd });
    const config = JSON.parse((await bytes('half', 'config.json')).toString()) as Record<string, unknown>;
    expect(config['dtype'] ?? config['torch_dtype']).toBe('bfloat16');
    const difference = largestDifference(await logprobs('half'), await logprobs(model));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.1);
  });
});

it('replaces a model only with --force, and nothing else', async () => {
  await ahaJson(['export', 'full', '--to', 'taken'], { cwd });
  expect(await ahaFailure(['export', 'full', '--to', 'taken'], { cwd })).toMatchObject({
    code: 'export-exists',
    exit: 2,
    fix: expect.stringContaining('--force'),
  });
  await ahaJson(['export', 'full', '--to', 'taken', '--force', '--dtype', 'f16'], { cwd });
  expect((await bytes('taken', 'config.json')).toString()).toContain('float16');
  expect(await ahaFailure(['export', 'full', '--to', '.', '--force'], { cwd })).toMatchObject({
    code: 'export-exists',
  });
});
