import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lettersPolicy, lettersTask } from '../../test/support/letters.ts';
import { type Setup, temporaryFolder, trainLetters } from '../../test/support/letters-run.ts';
import type { GrpoEvent } from './events.ts';

let root: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ folder: root, remove } = await temporaryFolder());
});
afterEach(() => remove());

const train = (setup: Partial<Setup> = {}) => trainLetters({ folder: join(root, 'run'), ...setup });

describe('the run folder', () => {
  it('refuses a second run of the same folder at the same time', async () => {
    let second: Promise<unknown> | undefined;
    const options = {
      onEvent(event: GrpoEvent) {
        if (event.type === 'step') second ??= train().catch((error: unknown) => error);
      },
    };
    await train({ options });
    expect(await second).toMatchObject({ code: 'run-locked' });
  });

  it('refuses another configuration, task or model, naming what differs; more steps are fine', async () => {
    await train();
    await expect(train({ config: { groupSize: 5 } })).rejects.toMatchObject({
      code: 'run-differs',
      message: expect.stringContaining('config.groupSize: found config.groupSize = 5, expected 6') as string,
    });
    await expect(train({ task: lettersTask().configure({ seed: 7 }) })).rejects.toThrow('task.seed = 7');
    await expect(train({ options: { identity: { model: 'other' } } })).rejects.toThrow('model = "other"');
    const more = await train({ config: { steps: 8 } });
    expect(more.of('run-start')[0]).toMatchObject({ resumed: true, step: 6 });
    expect(more.result.steps).toBe(8);
  });

  it('keeps the last checkpoints and the best', async () => {
    await train({ config: { steps: 12, checkpoints: { every: 2, keepLast: 2 } } });
    const names = await readdir(join(root, 'run', 'checkpoints'));
    expect(names).toContain('step-000012');
    expect(names).toContain('step-000010');
    expect(names.length).toBeLessThanOrEqual(3);
    expect(await readdir(join(root, 'run', 'rollouts'))).toEqual([]);
  });

  it('survives a full disk: a clear error, and the previous checkpoint is used', async () => {
    const policy = lettersPolicy();
    const save = policy.save.bind(policy);
    policy.save = async (folder) => {
      if (policy.calls.save === 1) {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      }
      return save(folder);
    };
    await expect(train({ policy })).rejects.toMatchObject({
      code: 'storage-enospc',
      message: expect.stringMatching(
        /Could not save the checkpoint .*step-00000[34].*free some space/,
      ) as string,
    });
    const resumed = await train();
    expect(resumed.of('run-start')[0]).toMatchObject({ resumed: true });
    const whole = await train({ folder: join(root, 'whole') });
    expect(resumed.policy.fingerprint).toBe(whole.policy.fingerprint);
  });

  it('passes over a corrupt checkpoint, says so, and still ends in the same weights', async () => {
    const whole = await train({ config: { steps: 8 } });
    await train({ folder: join(root, 'harmed'), config: { checkpoints: { every: 2, keepLast: 9 } } });
    const path = join(root, 'harmed', 'checkpoints', 'step-000006', 'policy', 'table.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('0.', '1.'));
    const config = { steps: 8, checkpoints: { every: 2, keepLast: 9 } };
    const { of, policy } = await train({ folder: join(root, 'harmed'), config });
    expect(of('warning')[0]).toMatchObject({ code: 'checkpoint-bad' });
    expect(of('warning')[0]!.message).toMatch(
      /step-000006 is passed over: .*table\.json is not as it was saved/,
    );
    expect(of('run-start')[0]).toMatchObject({ resumed: true, step: 4 });
    expect(policy.fingerprint).toBe(whole.policy.fingerprint);
  });

  it('never gives up a good checkpoint for a corrupt later one', async () => {
    const config = { steps: 8, checkpoints: { every: 3, keepLast: 1, keepBest: false } };
    await train({ config });
    const checkpoints = join(root, 'run', 'checkpoints');
    await train({ folder: join(root, 'early'), config: { ...config, steps: 3 } });
    // Beside the corrupt end of the run, a good checkpoint of its beginning.
    await cp(join(root, 'early', 'checkpoints', 'step-000003'), join(checkpoints, 'step-000003'), {
      recursive: true,
    });
    await rm(join(checkpoints, 'step-000008', 'state.json'));
    expect((await train({ config })).of('run-start')[0]).toMatchObject({ step: 3 });
    expect(await readdir(checkpoints)).toEqual(['step-000008']);
    expect((await train({ config })).of('run-start')[0]).toMatchObject({ step: 8 });
  });

  it('refuses to start again from nothing when every checkpoint is corrupt', async () => {
    await train({ config: { checkpoints: { keepLast: 1, keepBest: false } } });
    const checkpoints = join(root, 'run', 'checkpoints');
    for (const name of await readdir(checkpoints)) await rm(join(checkpoints, name, 'state.json'));
    await expect(train({ config: { steps: 9 } })).rejects.toMatchObject({ code: 'no-good-checkpoint' });
  });

  it('refuses a folder that cannot be written', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(train({ folder: join(root, 'file', 'run') })).rejects.toMatchObject({
      code: 'storage-enotdir',
    });
  });
});
