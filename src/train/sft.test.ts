import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alphabet, lettersCodec, lettersTask } from '../../test/support/letters.ts';
import { TabularPolicy } from '../../test/support/tabular-policy.ts';
import type { LearnEvent } from './events.ts';
import { loadExampleData } from './example-data.ts';
import type { ExampleEncoder } from './example-encoder.ts';
import { exampleDataShape, type SftConfigInput, stepLoopShape } from './sft-config.ts';
import { epochOrder, sftSteps, trainSft, type SftOptions } from './sft.ts';
import { z } from 'zod';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-sft-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Completions in the letters of the tabular policy. */
const encode: ExampleEncoder = (example) => {
  if (example.form !== 'completion' || typeof example.prompt !== 'string') return 'another form';
  const prompt = lettersCodec.encodePrompt({ kind: 'text', text: example.prompt }).tokens;
  const completion = lettersCodec.encodeResponse(example.completion);
  const tokens = Int32Array.of(...prompt, ...completion);
  return {
    tokens,
    learned: Uint8Array.from(tokens, (_, t) => Number(t >= prompt.length)),
    promptLength: prompt.length,
  };
};
const dataSchema = z.strictObject({ seed: stepLoopShape.seed, ...exampleDataShape });

const rows = ['0', '1', '2'].flatMap((digit) =>
  ['a', 'b', 'c', 'd'].map((letter) => ({ prompt: digit + letter, completion: letter.toUpperCase() })),
);

async function load(lines: readonly unknown[], config: z.input<typeof dataSchema> = {}) {
  const file = join(root, 'data.jsonl');
  await writeFile(
    file,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return loadExampleData({ files: [file], encode, config: dataSchema.parse(config), contextLength: 8 });
}

const base: SftConfigInput = {
  seed: 3,
  epochs: 2,
  examplesPerStep: 4,
  optimizer: { learningRate: 0.3, schedule: 'linear', warmupSteps: 1 },
  checkpoints: { every: 2 },
};

async function run(config: SftConfigInput = {}, options: Partial<SftOptions> = {}) {
  const events: LearnEvent[] = [];
  const policy = new TabularPolicy({ vocabulary: alphabet.length });
  const result = await trainSft({
    policy,
    data: await load(rows, { heldOutShare: 0 }),
    config: { ...base, ...config },
    folder: join(root, 'run'),
    ...options,
    onEvent(event) {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  const steps = events.flatMap((event) => (event.type === 'learn-step' ? [event] : []));
  return { policy, result, events, steps };
}

describe('trainSft', () => {
  it('learns the completions, and measures it', async () => {
    const task = { task: lettersTask(), codec: lettersCodec };
    const { steps, result } = await run(
      { epochs: 10, evaluation: { problems: 4, maxCompletionTokens: 4 } },
      { task },
    );
    expect(steps).toHaveLength(30);
    expect(steps[0]!.loss).toBeGreaterThan(2);
    expect(steps.at(-1)!.loss).toBeLessThan(0.1);
    expect(result.evaluations.map(({ step }) => step)).toEqual([0, 30]);
    expect(result.evaluations.at(-1)!.metrics.task!.accuracy).toBe(1);
  });

  it('weighs tokens alike, or examples alike', async () => {
    const data = await load(
      [
        { prompt: 'a', completion: 'A' },
        { prompt: 'b', completion: 'BBB' },
      ],
      { heldOutShare: 0 },
    );
    const weights = async (averaging: 'tokens' | 'examples') => {
      const folder = join(root, averaging);
      const { policy } = await run({ averaging, steps: 1 }, { data, folder });
      return policy.batches[0]!.map((sequence) => [...sequence.weights]).toSorted(
        (a, b) => a.length - b.length,
      );
    };
    const sixth = Math.fround(1 / 6);
    expect(await weights('tokens')).toEqual([
      [0, sixth, sixth],
      [0, sixth, sixth, sixth, sixth],
    ]);
    expect(await weights('examples')).toEqual([
      [0, 0.25, 0.25],
      [0, 0.125, 0.125, 0.125, 0.125],
    ]);
  });

  it('walks through all examples in each epoch, in another order each time', () => {
    const order = epochOrder(1, 10, 4);
    const epochs = [0, 3].map((first) => [0, 1, 2].flatMap((step) => order(first + step)));
    for (const epoch of epochs)
      expect(epoch.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(order(2)).toHaveLength(2);
    expect(epochOrder(1, 10, 4)(5)).toEqual(order(5));
    expect(sftSteps({ steps: undefined, epochs: 2.5, examplesPerStep: 4 }, 10)).toBe(8);
  });

  it('goes on exactly after an interruption and after a crash', async () => {
    const whole = await run({}, { folder: join(root, 'whole') });
    const controller = new AbortController();
    const stopped = await run(
      {},
      {
        signal: controller.signal,
        onEvent: (event) => event.type === 'learn-step' && event.step === 0 && controller.abort(),
      },
    );
    expect(stopped.result).toMatchObject({ reason: 'interrupted', steps: 1 });
    const crash = run(
      {},
      {
        onEvent(event) {
          if (event.type === 'learn-step' && event.step === 3) throw new Error('crash');
        },
      },
    );
    await expect(crash).rejects.toThrow('crash');
    const resumed = await run();
    expect(resumed.events[0]).toMatchObject({ type: 'run-start', resumed: true, step: 2 });
    expect(resumed.policy.fingerprint).toBe(whole.policy.fingerprint);
  });

  it('refuses to go on with other data', async () => {
    await run({ steps: 1 });
    const data = await load(rows.slice(1), { heldOutShare: 0 });
    await expect(run({ steps: 2 }, { data })).rejects.toThrow('data.fingerprint');
  });
});

describe('loadExampleData', () => {
  it('counts bad rows, shows the first, and refuses too many', async () => {
    const bad = ['{', { prompt: 'a' }, [1]];
    const data = await load([...rows, ...bad], { maxBadShare: 0.25, heldOutShare: 0 });
    expect(data.counts).toEqual({ rows: 15, bad: 3, tooLong: 0 });
    expect(data.train).toHaveLength(12);
    expect(data.notes[0]).toMatch(
      /^3 of 15 rows .*line 13: not JSON .*line 14: neither .*line 15: no JSON object/,
    );
    await expect(load([...rows, ...bad], { maxBadShare: 0.1 })).rejects.toMatchObject({
      code: 'bad-rows',
      message: expect.stringContaining('line 13: not JSON') as string,
    });
    await expect(load([])).rejects.toMatchObject({ code: 'no-rows' });
  });

  it('leaves out or cuts what is too long', async () => {
    const long = [
      ...rows,
      { prompt: '0a', completion: 'ABCDABCD' },
      { prompt: '0123abcd0', completion: 'A' },
    ];
    const dropped = await load(long, { heldOutShare: 0 });
    expect(dropped.train).toHaveLength(12);
    expect(dropped.counts.tooLong).toBe(2);
    const cut = await load(long, { heldOutShare: 0, tooLong: 'truncate' });
    expect(cut.train).toHaveLength(13);
    expect(cut.train.at(-1)!.tokens).toHaveLength(8);
    await expect(load(rows, { maxTokens: 2 })).rejects.toMatchObject({ code: 'no-examples' });
  });

  it('holds out by prompt, the same for every order, and nothing of it is learned', async () => {
    const answers = rows.flatMap(({ prompt }) => [
      { prompt, completion: 'A' },
      { prompt, completion: 'B' },
    ]);
    const prompts = (examples: readonly { tokens: Int32Array; promptLength: number }[]) =>
      new Set(examples.map(({ tokens, promptLength }) => tokens.subarray(0, promptLength).join()));
    const { train, heldOut } = await load(answers, { heldOutShare: 0.4 });
    expect(heldOut.length).toBeGreaterThan(0);
    expect(train.length + heldOut.length).toBe(24);
    const both = [...prompts(train)].filter((prompt) => prompts(heldOut).has(prompt));
    expect(both).toEqual([]);
    const reversed = await load(answers.toReversed(), { heldOutShare: 0.4 });
    expect(prompts(reversed.heldOut)).toEqual(prompts(heldOut));
  });
});
