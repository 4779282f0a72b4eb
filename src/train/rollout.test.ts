import { describe, expect, it } from 'vitest';
import type { Completion, Policy, SampleOptions, SampleRequest } from '../engine/policy.ts';
import { defineTask } from '../task/task.ts';
import type { PromptCodec } from './prompt-codec.ts';
import { poseProblem, sampleAndScore } from './rollout.ts';

const drawn = (token: number): Completion => ({
  tokens: Int32Array.of(token),
  logprobs: Float32Array.of(-1),
  finish: 'stop',
  truncatedDistribution: false,
});
const codec = {
  encodePrompt: () => ({ tokens: Int32Array.of(1), text: 'p' }),
  decodeResponse: (tokens: Int32Array) => String(tokens[0]),
  stopTokens: [],
  stopStrings: [],
} as unknown as PromptCodec;

/** Three groups of two; completion c of problem p is the token 10 p + c. */
async function run(
  sample: (requests: readonly SampleRequest[], options: SampleOptions) => Promise<Completion[][]>,
  verify: (answer: string, signal: AbortSignal) => Promise<number>,
  onSampled?: () => void,
) {
  const task = defineTask({
    name: 'tokens',
    prompts: [0, 1, 2].map((p) => ({ prompt: `p${p}`, answer: `${p}` })),
    verify: async (_problem, answer, { signal }) => verify(answer, signal),
    deadline: 100_000,
    heldOutShare: 0.1,
  });
  const posed = [0, 1, 2].map(() =>
    poseProblem(task, codec, { split: 'train', index: 0 }, { contextLength: 8, maxCompletionTokens: 2 })!,
  );
  const policy = {
    sample: async (requests: readonly SampleRequest[], options: SampleOptions = {}) =>
      sample(requests, options),
  } as Policy;
  return sampleAndScore(policy, task, codec, posed, {
    size: 2,
    sampling: { maxTokens: 2, temperature: 1 },
    seed: 0,
    stream: (problem) => ['test', problem],
    failures: { action: 'drop', retries: 0 },
    ...(onSampled === undefined ? {} : { onSampled }),
  });
}

const all = [0, 1, 2].map((p) => [drawn(10 * p), drawn(10 * p + 1)]);
const scores = (groups: Awaited<ReturnType<typeof run>>) =>
  groups.map(({ completions }) => completions.map(({ verdict }) => 'score' in verdict && verdict.score));

describe('sampleAndScore', () => {
  it('checks what is drawn while the rest is drawn, in whatever order that comes', async () => {
    const events: string[] = [];
    let checked: (() => void) | undefined;
    const firstCheck = new Promise<void>((resolve) => {
      checked = resolve;
    });
    const groups = await run(
      async (requests, { onCompletion }) => {
        for (const request of [2, 0, 1]) {
          for (const completion of requests[request]!.streams.keys()) {
            onCompletion?.({ request, completion, drawn: all[request]![completion]! });
          }
          // Drawing goes on only once something has been checked.
          await firstCheck;
        }
        return all;
      },
      async (answer) => {
        events.push(answer);
        checked!();
        return Number(answer) / 100;
      },
      () => events.push('sampled'),
    );
    expect(scores(groups)).toEqual([
      [0, 0.01],
      [0.1, 0.11],
      [0.2, 0.21],
    ]);
    expect(events.slice(0, 2)).toEqual(['20', '21']);
    expect(events.indexOf('sampled')).toBeGreaterThan(1);
    expect(events).toHaveLength(7);
  });

  it('checks after drawing where a policy does not say when a completion ends', async () => {
    const groups = await run(
      async () => all,
      async (answer) => Number(answer) / 100,
    );
    expect(scores(groups)).toEqual([
      [0, 0.01],
      [0.1, 0.11],
      [0.2, 0.21],
    ]);
    expect(groups[2]!.completions[1]).toMatchObject({ response: '21', tokens: Int32Array.of(21) });
  });

  it('ends the checks when drawing fails', async () => {
    let aborted = 0;
    const failing = run(
      async (_requests, { onCompletion }) => {
        onCompletion?.({ request: 0, completion: 0, drawn: all[0]![0]! });
        onCompletion?.({ request: 0, completion: 1, drawn: all[0]![1]! });
        throw new Error('out of memory');
      },
      async (_answer, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted++;
            reject(new Error('nobody waits'));
          });
        }),
    );
    await expect(failing).rejects.toThrow('out of memory');
    await new Promise((resolve) => setImmediate(resolve));
    expect(aborted).toBe(2);
  });
});
