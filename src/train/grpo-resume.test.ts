/** A run that was interrupted, crashed, or was killed goes on as if nothing had happened. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compiledModule } from '../../test/support/compiled.ts';
import { lettersCodec, lettersPolicy, lettersTask } from '../../test/support/letters.ts';
import { randomStream } from '../util/random.ts';
import type { GrpoConfigInput } from './config.ts';
import type { GrpoEvent } from './events.ts';
import { trainGrpo } from './grpo.ts';

/** Everything that a run remembers takes part: reference, refills, several updates, curriculum, corrections. */
const config: GrpoConfigInput = {
  seed: 'resume',
  steps: 6,
  problemsPerStep: 3,
  groupSize: 4,
  maxCompletionTokens: 3,
  refillAttempts: 1,
  sampling: { topK: 9 },
  importance: { correction: 'token' },
  kl: { beta: 0.05, refreshReferenceEvery: 3 },
  loss: { entropyBonus: 0.01 },
  miniBatches: 2,
  epochs: 2,
  optimizer: { learningRate: 0.1, schedule: 'cosine', warmupSteps: 2, weightDecay: 0.01 },
  evaluation: { problems: 2, every: 2 },
  checkpoints: { every: 2 },
};

let root: string;
let expected: string;
let expectedMetrics: unknown;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-resume-'));
  const { policy, result } = await run(join(root, 'whole'));
  expected = policy.fingerprint;
  expectedMetrics = timeless(result.history);
});
afterAll(() => rm(root, { recursive: true }));

/** Metrics without what depends on the clock. */
function timeless(history: Awaited<ReturnType<typeof trainGrpo>>['history']) {
  const strip = ({ metrics, step }: { step: number; metrics: object }) => {
    const timed = /seconds|second$|timeShares/i;
    return {
      step,
      metrics: Object.fromEntries(Object.entries(metrics).filter(([name]) => !timed.test(name))),
    };
  };
  return { steps: history.steps.map(strip), evaluations: history.evaluations.map(strip) };
}

async function run(
  folder: string,
  options: { readonly onEvent?: (event: GrpoEvent) => void; readonly signal?: AbortSignal } = {},
) {
  const policy = lettersPolicy();
  const events: GrpoEvent[] = [];
  const result = await trainGrpo({
    policy,
    task: lettersTask(),
    codec: lettersCodec,
    config,
    folder,
    ...options,
    onEvent(event) {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return { policy, result, events };
}

describe('resuming', () => {
  it('after an interruption between any two updates, in the middle of a step', async () => {
    const folder = join(root, 'interrupted');
    const updatesOf: number[] = [];
    let last: Awaited<ReturnType<typeof run>>;
    do {
      const controller = new AbortController();
      let updates = 0;
      last = await run(folder, {
        signal: controller.signal,
        // Three updates for each process, where four make a step.
        onEvent: (event) => event.type === 'update' && ++updates === 3 && controller.abort(),
      });
      updatesOf.push(updates);
      expect(last.policy.calls.optimizerStep).toBe(updates);
      expect(last.events.at(-1)).toMatchObject({ type: 'run-end', reason: last.result.reason });
    } while (last.result.reason === 'interrupted');
    // No update is done twice.
    expect(updatesOf).toEqual(Array.from({ length: (6 * 4) / 3 }, () => 3));
    expect(last.policy.fingerprint).toBe(expected);
    expect(timeless(last.result.history)).toEqual(expectedMetrics);
    // A step took as long as all processes together spent on it.
    for (const { metrics } of last.result.history.steps) {
      const shares = Object.values(metrics.timeShares).reduce((a, b) => a + b, 0);
      expect(shares).toBeGreaterThan(0);
      expect(shares).toBeLessThan(1 + 1e-9);
    }
  });

  it('does not sample again what was sampled', async () => {
    const folder = join(root, 'paid-once');
    const dies = run(folder, {
      onEvent(event) {
        if (event.type === 'update' && event.step === 3) throw new Error('power cut');
      },
    });
    await expect(dies).rejects.toThrow('power cut');
    expect(await readdir(join(folder, 'rollouts'))).toContain('step-3.jsonl');
    const { policy, events } = await run(folder);
    const sampled = events.flatMap((event) => (event.type === 'sampling' ? [event.step] : []));
    expect(new Set(sampled)).toEqual(new Set([4, 5]));
    expect(policy.fingerprint).toBe(expected);
  });

  it('samples again, to the same end, when the stored rollout was damaged', async () => {
    const folder = join(root, 'damaged');
    const dies = run(folder, {
      onEvent(event) {
        if (event.type === 'update' && event.step === 3) throw new Error('power cut');
      },
    });
    await expect(dies).rejects.toThrow('power cut');
    await writeFile(
      join(folder, 'rollouts', 'step-3.jsonl'),
      '{"format":"aha-rollout-1","digest":"0"}\n{}\n',
    );
    const { policy, events } = await run(folder);
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.code] : []));
    expect(warnings).toContain('rollout-unreadable');
    expect(policy.fingerprint).toBe(expected);
  });

  it('after an exception at any event', async () => {
    const random = randomStream('crashes');
    const folder = join(root, 'crashed');
    const crash = new Error('crash');
    let crashes = 0;
    let last: Awaited<ReturnType<typeof run>> | undefined;
    while (last === undefined) {
      let left = 10 + random.integer(60);
      const attempt = run(folder, {
        onEvent() {
          if (left-- === 0) throw crash;
        },
      });
      last = await attempt.catch((error: unknown) => {
        if (error !== crash || ++crashes > 200) throw error;
        return undefined;
      });
    }
    expect(crashes).toBeGreaterThan(3);
    expect(last.policy.fingerprint).toBe(expected);
    expect(timeless(last.result.history)).toEqual(expectedMetrics);
  });

  it('after SIGKILL at ten random moments, to the same bits', async () => {
    const random = randomStream('kills');
    const folder = join(root, 'killed');
    const program = join(root, 'trainer.mjs');
    await writeFile(
      program,
      `import { trainGrpo } from ${JSON.stringify(compiledModule('src/train/grpo.ts'))};
       import { lettersCodec, lettersPolicy, lettersTask } from ${JSON.stringify(compiledModule('test/support/letters.ts'))};
       const policy = lettersPolicy();
       const { reason } = await trainGrpo({
         policy, task: lettersTask(), codec: lettersCodec, folder: process.argv[2], config: ${JSON.stringify(config)},
         onEvent: (event) => process.send({ event: event.type }),
       });
       process.send({ fingerprint: policy.fingerprint, reason }, () => process.disconnect());`,
    );
    let kills = 0;
    const fingerprints: string[] = [];
    while (fingerprints.length === 0) {
      const child = fork(program, [folder], { execArgv: [] });
      const exit = once(child, 'exit');
      child.on('message', ({ fingerprint }: { fingerprint?: string }) => {
        if (fingerprint !== undefined) fingerprints.push(fingerprint);
      });
      await once(child, 'message');
      if (kills < 10) {
        await delay(random.integer(120));
        kills++;
        child.kill('SIGKILL');
      }
      await exit;
    }
    expect(fingerprints).toEqual([expected]);
    // The machine may be so fast that a process is done before its moment comes.
    expect(kills).toBeGreaterThanOrEqual(3);
  }, 600_000);
});
