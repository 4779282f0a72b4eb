/** Checkpoints of a real layout: opened, trained in full or by LoRA, exported, opened again with equal results. */
import { readFile, writeFile, mkdir, copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LocalModel, openLocalModel } from '../../src/engine/local-model.ts';
import { loraConfig } from '../../src/model/lora.ts';
import { openOnnxRuntime } from '../../src/runtime/onnx/onnx-runtime.ts';
import { streamKey } from '../../src/util/random.ts';
import { characterTokenizerFiles } from '../character-files.ts';
import { temporaryFolder } from '../model-files.ts';
import { fixtureFolder, fixtureNames, type FixtureName, relativeError } from '../parity/fixture.ts';
import { weightedLogprobs } from '../parity/losses.ts';

/** A fixture checkpoint with a tokenizer beside it, as people have them. */
async function checkpointFolder(name: FixtureName): Promise<string> {
  const folder = join(temporaryFolder(), name);
  await mkdir(folder);
  for (const file of await readdir(fixtureFolder(name))) {
    if (file !== 'golden.safetensors') await copyFile(join(fixtureFolder(name), file), join(folder, file));
  }
  for (const [file, bytes] of characterTokenizerFiles()) await writeFile(join(folder, file), bytes);
  return folder;
}

const batch = [
  { tokens: Int32Array.of(5, 9, 33, 12, 7, 40), weights: Float32Array.of(0, 0, 1, 1, 1, 1) },
  { tokens: Int32Array.of(8, 8, 21), weights: Float32Array.of(0, 1, 1) },
];

async function train({ policy }: LocalModel): Promise<void> {
  for (let step = 0; step < 3; step++) {
    await policy.forwardBackward(batch, weightedLogprobs);
    await policy.optimizerStep({ learningRate: 0.01, maxGradientNorm: 1 });
  }
}

async function logprobs({ policy }: LocalModel): Promise<number[]> {
  return (await policy.forward(batch)).logprobs.flatMap((row) => [...row]);
}

describe.each(fixtureNames)('%s', (name) => {
  it('exports what full training made, to the bit', async () => {
    await using runtime = openOnnxRuntime();
    const folder = await checkpointFolder(name);
    await using model = await openLocalModel(folder, { runtime });
    const before = await logprobs(model);
    await train(model);
    const after = await logprobs(model);
    expect(relativeError(after, before)).toBeGreaterThan(0.01);
    const exported = join(temporaryFolder(), 'exported');
    await model.policy.export(exported);
    await using again = await openLocalModel(exported, { runtime });
    expect(await logprobs(again)).toEqual(after);
    const request = { prompt: Int32Array.of(5, 9, 33), streams: [streamKey(1)], maxTokens: 8 };
    expect(await again.policy.sample([request])).toEqual(await model.policy.sample([request]));
    const config = JSON.parse(await readFile(join(exported, 'config.json'), 'utf8')) as {
      model_type: string;
    };
    expect(config.model_type).toBe(name);
    expect(again.tokenizer.encode('7+5')).toEqual(model.tokenizer.encode('7+5'));
  });

  it('exports LoRA merged and as an adapter with equal results', async () => {
    await using runtime = openOnnxRuntime();
    const folder = await checkpointFolder(name);
    const lora = loraConfig({ rank: 4, alpha: 8, targets: ['all-linear'] });
    await using model = await openLocalModel(folder, { runtime, lora });
    const before = await logprobs(model);
    await train(model);
    const after = await logprobs(model);
    expect(relativeError(after, before)).toBeGreaterThan(0.01);
    const merged = join(temporaryFolder(), 'merged');
    const adapter = join(temporaryFolder(), 'adapter');
    await model.policy.export(merged);
    await model.policy.export(adapter, { form: 'adapter' });
    await using fromMerged = await openLocalModel(merged, { runtime });
    expect(relativeError(await logprobs(fromMerged), after)).toBeLessThan(1e-5);
    await using fromAdapter = await openLocalModel(folder, { runtime, adapter });
    expect(await logprobs(fromAdapter)).toEqual(after);
    await expect(fromMerged.policy.export(adapter, { form: 'adapter' })).rejects.toThrow(
      /no adapter to export/,
    );
  });
});
