/** Fine-tuning and the distillations on the real engine, killed at random moments, end in the same files, byte for byte. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SftConfigInput } from '../../src/train/sft-config.ts';
import { randomStream } from '../../src/util/random.ts';
import { compiledModule } from '../support/compiled.ts';
import { policyFiles, runTrainer } from '../support/killed-run.ts';

const wantedKills = 4;
const config: SftConfigInput = {
  seed: 5,
  steps: 60,
  examplesPerStep: 7,
  optimizer: { learningRate: 3e-3, schedule: 'cosine', warmupSteps: 3, weightDecay: 0.01 },
  evaluation: { problems: 4, every: 20, maxCompletionTokens: 8 },
  checkpoints: { every: 6, keepBest: true },
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
     import { distillLogits, distillOnPolicy } from ${from('src/train/distill.ts')};
     import { trainSft } from ${from('src/train/sft.ts')};
     import { codec, task, tinyExamples, tinyModel } from ${from('test/support/tiny-run.ts')};
     const [, , folder, method] = process.argv;
     const runtime = openOnnxRuntime({ threads: 1 });
     const policy = await tinyModel(runtime);
     const teacher = await tinyModel(runtime, 'teacher');
     const config = ${JSON.stringify(config)};
     const shared = {
       policy, teacher, teacherName: 'tiny', folder, task: { task, codec },
       onEvent: ({ type, step }) => process.send({ type, step }),
     };
     const examples = tinyExamples(40);
     const data = { train: examples.slice(8), heldOut: examples.slice(0, 8), fingerprint: 'tiny' };
     const prompt = (index) => codec.encodePrompt(task.prompt(task.problem({ split: 'train', index })));
     const methods = {
       sft: () => trainSft({ ...shared, data, config }),
       logit: () => distillLogits({ ...shared, data, config: { ...config, logit: { topK: 4, crossEntropy: 0.2 } } }),
       'on-policy': () => distillOnPolicy({
         ...shared, prompt, stopTokens: codec.stopTokens, heldOut: data.heldOut,
         config: { ...config, onPolicy: { completionsPerPrompt: 2, maxCompletionTokens: 8, discount: 0.9 } },
       }),
     };
     const { checkpoint } = await methods[method]();
     await teacher.dispose();
     await policy.dispose();
     await runtime[Symbol.asyncDispose]();
     process.send({ checkpoint }, () => process.disconnect());`,
  );
});
afterAll(() => rm(root, { recursive: true }));

it.each(['sft', 'logit', 'on-policy'])(
  '%s ends in the same weights and the same optimizer after kills',
  { timeout: 300_000 },
  async (method) => {
    const whole = await policyFiles((await runTrainer(program, [join(root, `${method}-whole`), method]))!);
    expect(Object.keys(whole)).toContain('weights.safetensors');
    const random = randomStream('kill', method);
    let kills = 0;
    let checkpoint: string | undefined;
    while (checkpoint === undefined) {
      const kill = { events: 2 + random.integer(12), after: random.integer(10) };
      checkpoint = await runTrainer(
        program,
        [join(root, `${method}-killed`), method],
        kills < wantedKills ? kill : undefined,
      );
      if (checkpoint === undefined) kills++;
    }
    expect(kills).toBeGreaterThanOrEqual(wantedKills - 1);
    expect(await policyFiles(checkpoint)).toEqual(whole);
  },
);
