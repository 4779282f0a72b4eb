/** A run on the real engine, killed with SIGKILL at ten random moments, ends in the same files, byte for byte. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GrpoConfigInput } from '../../src/train/config.ts';
import { randomStream } from '../../src/util/random.ts';
import { compiledModule } from '../support/compiled.ts';
import { policyFiles, runTrainer } from '../support/killed-run.ts';

const config: GrpoConfigInput = {
  seed: 5,
  steps: 24,
  problemsPerStep: 4,
  groupSize: 6,
  maxCompletionTokens: 8,
  refillAttempts: 1,
  miniBatches: 2,
  kl: { beta: 0.01, refreshReferenceEvery: 5 },
  optimizer: { learningRate: 3e-3, schedule: 'cosine', warmupSteps: 3, weightDecay: 0.01 },
  evaluation: { problems: 4, every: 6 },
  checkpoints: { every: 3 },
};

let root: string;
let program: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-kill-'));
  program = join(root, 'trainer.mjs');
  const from = (source: string) => JSON.stringify(compiledModule(source));
  await writeFile(
    program,
    `import { openOnnxRuntime } from ${from('src/runtime/onnx/onnx-runtime.ts')};
     import { trainGrpo } from ${from('src/train/grpo.ts')};
     import { codec, task, tinyModel } from ${from('test/support/tiny-run.ts')};
     const runtime = openOnnxRuntime();
     const policy = await tinyModel(runtime);
     const { checkpoint } = await trainGrpo({
       policy, task, codec, folder: process.argv[2], config: ${JSON.stringify(config)},
       onEvent: ({ type, step }) => process.send({ type, step }),
     });
     await policy.dispose();
     await runtime[Symbol.asyncDispose]();
     process.send({ checkpoint }, () => process.disconnect());`,
  );
});
afterAll(() => rm(root, { recursive: true }));

it('ends in the same weights and the same optimizer after ten kills', async () => {
  const whole = await policyFiles((await runTrainer(program, [join(root, 'whole')]))!);
  expect(Object.keys(whole)).toContain('weights.safetensors');
  const random = randomStream('kill');
  let kills = 0;
  let checkpoint: string | undefined;
  while (checkpoint === undefined) {
    checkpoint = await runTrainer(
      program,
      [join(root, 'killed')],
      kills < 10 ? { after: random.integer(200) } : undefined,
    );
    if (checkpoint === undefined) kills++;
  }
  expect(kills).toBeGreaterThanOrEqual(5);
  expect(await policyFiles(checkpoint)).toEqual(whole);
}, 600_000);
