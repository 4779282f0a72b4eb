/** A run on the real engine, killed with SIGKILL at ten random moments, ends in the same files, byte for byte. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GrpoConfigInput } from '../../src/train/config.ts';
import { randomStream } from '../../src/util/random.ts';
import { compiledModule } from '../support/compiled.ts';

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

interface Message {
  readonly type?: string;
  readonly checkpoint?: string;
}

/** Runs the trainer; `kill` milliseconds after its first event it is killed. The final checkpoint, if it got there. */
async function process(folder: string, kill?: number): Promise<string | undefined> {
  const child = fork(program, [folder], { execArgv: [] });
  const exit = once(child, 'exit');
  let checkpoint: string | undefined;
  let started: () => void;
  const start = new Promise<void>((resolve) => (started = resolve));
  child.on('message', (message: Message) => {
    checkpoint ??= message.checkpoint;
    started();
  });
  await Promise.race([start, exit]);
  if (kill !== undefined) {
    await Promise.race([delay(kill), exit]);
    child.kill('SIGKILL');
  }
  const [code] = (await exit) as [number | null];
  if (kill === undefined && code !== 0) throw new Error(`the trainer ended with ${code}`);
  return checkpoint;
}

/** The state of the policy as it was saved, by file. */
async function policyFiles(checkpoint: string): Promise<Record<string, string>> {
  const folder = join(checkpoint, 'policy');
  const names = (await readdir(folder)).toSorted();
  const contents = await Promise.all(
    names.map(async (name) => (await readFile(join(folder, name))).toString('base64')),
  );
  return Object.fromEntries(names.map((name, index) => [name, contents[index]!]));
}

it('ends in the same weights and the same optimizer after ten kills', async () => {
  const whole = await policyFiles((await process(join(root, 'whole')))!);
  expect(Object.keys(whole)).toContain('weights.safetensors');
  const random = randomStream('kill');
  let kills = 0;
  let checkpoint: string | undefined;
  while (checkpoint === undefined) {
    checkpoint = await process(join(root, 'killed'), kills < 10 ? random.integer(200) : undefined);
    if (checkpoint === undefined) kills++;
  }
  expect(kills).toBeGreaterThanOrEqual(5);
  expect(await policyFiles(checkpoint)).toEqual(whole);
});
