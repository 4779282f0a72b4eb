/** `aha train zero` as a user runs it: from nothing, interrupted, killed, resumed, piped and with --json. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { aha, ahaFailure, ahaJson, tinyRecipe } from './aha.ts';

// Each test starts several processes, and a machine may be busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

interface TrainResult {
  readonly run: string;
  readonly reason: string;
  readonly steps: number;
  readonly heldOutBefore: { accuracy: number; low: number; high: number; problems: number } | null;
  readonly heldOutAfter: { accuracy: number; low: number; high: number; problems: number } | null;
  readonly seconds: number;
  readonly model: string | null;
  readonly adapter?: string;
  readonly resume?: string;
}

let cwd: string;
let whole: TrainResult;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-train-'));
  await writeFile(join(cwd, 'tiny.yaml'), tinyRecipe);
  whole = await ahaJson<TrainResult>(['train', 'zero', '--config', 'tiny.yaml', '--output', 'whole'], {
    cwd,
  });
});
afterAll(() => rm(cwd, { recursive: true }));

const weights = async (run: string) => readFile(join(cwd, run, 'model', 'model.safetensors'));

describe('a run from scratch', () => {
  it('says what it reached, in one object', () => {
    expect(whole).toMatchObject({
      run: 'whole',
      reason: 'completed',
      steps: 8,
      model: join('whole', 'model'),
    });
    for (const result of [whole.heldOutBefore, whole.heldOutAfter]) {
      expect(result!.problems).toBe(6);
      expect(result!.low).toBeLessThanOrEqual(result!.accuracy);
      expect(result!.high).toBeGreaterThanOrEqual(result!.accuracy);
    }
    expect(whole.seconds).toBeGreaterThan(0);
  });

  it('writes a model that is a Hugging Face folder, and logs every metric of every step', async () => {
    expect(await readdir(join(cwd, 'whole', 'model'))).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']),
    );
    const log = (await readFile(join(cwd, 'whole', 'log.jsonl'), 'utf8')).trimEnd().split('\n');
    const steps = log
      .map((line) => JSON.parse(line) as { type: string; metrics: Record<string, unknown> })
      .filter(({ type }) => type === 'step');
    expect(steps).toHaveLength(8);
    for (const { metrics } of steps) {
      const names =
        'rewardMean rewardStd accuracy lengthMean truncatedShare zeroVarianceShare entropy clipShare ratioMin ' +
        'ratioMax gradientNorm sampledTokensPerSecond trainedTokensPerSecond';
      for (const name of names.split(' ')) {
        expect(metrics[name], name).toBeTypeOf('number');
      }
      expect(metrics).toHaveProperty('kl');
      expect(metrics['timeShares']).toHaveProperty('sample');
    }
  });

  it('prints plain lines when piped, without control sequences', async () => {
    const { stdout, stderr, code } = await aha(
      ['train', 'zero', 'whole', '--config', 'tiny.yaml', '--output', 'again', '--steps', '2'],
      { cwd },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
    expect(stdout).toContain('step 2/2  reward ');
    expect(stdout).toContain('held-out after step 2: ');
    // oxlint-disable-next-line no-control-regex
    expect(stdout + stderr).not.toMatch(/[\u001b\r]/);
  });
});

describe('a run that is stopped', () => {
  it('finishes its step after Ctrl-C, saves, says how to go on, and ends where it would have ended', async () => {
    let interrupted = false;
    const { stdout, stderr, code } = await aha(
      ['train', 'zero', '--config', 'tiny.yaml', '--output', 'stopped'],
      {
        cwd,
        onOutput: (text, child) => {
          if (interrupted || !text.includes('held-out after step 0')) return;
          interrupted = true;
          child.kill('SIGINT');
        },
      },
    );
    expect(code).toBe(130);
    expect(stdout + stderr).toContain('Finishing this step, then saving.');
    expect(stdout).toMatch(
      /Stopped after step [0-8] of 8 and saved\. To go on:\n.*train zero --resume stopped/,
    );
    const resumed = await ahaJson<TrainResult>(['train', 'zero', '--resume', 'stopped'], { cwd });
    expect(resumed).toMatchObject({ reason: 'completed', steps: 8 });
    expect((await weights('stopped')).equals(await weights('whole'))).toBe(true);
  });

  it('goes on after SIGKILL in pre-training and in reinforcement learning, to the same weights', async () => {
    for (const moment of ['pre-training 90/', 'step 1/8']) {
      let killed = false;
      const args = moment.startsWith('pre')
        ? ['train', 'zero', '--config', 'tiny.yaml', '--output', 'killed']
        : ['train', 'zero', '--resume', 'killed'];
      const { signal } = await aha(args, {
        cwd,
        onOutput: (text, child) => {
          if (killed || !text.includes(moment)) return;
          killed = true;
          child.kill('SIGKILL');
        },
      });
      expect({ moment, signal }).toEqual({ moment, signal: 'SIGKILL' });
    }
    await ahaJson(['train', 'zero', '--resume', 'killed'], { cwd });
    expect((await weights('killed')).equals(await weights('whole'))).toBe(true);
  });
});

describe('LoRA', () => {
  it('trains adapters on the model of a run and writes both forms', async () => {
    const result = await ahaJson<TrainResult>(
      ['train', 'zero', 'whole', '--config', 'tiny.yaml', '--lora-rank', '2', '--output', 'lora'],
      { cwd },
    );
    expect(result).toMatchObject({ model: join('lora', 'model'), adapter: join('lora', 'adapter') });
    expect(await readdir(join(cwd, 'lora', 'adapter'))).toContain('adapter_model.safetensors');
  });
});

describe('configuration', () => {
  it('--print-config prints a recipe that gives the same recipe again, and trains nothing', async () => {
    const args = ['train', 'zero', '--config', 'tiny.yaml', '--set', 'kl.beta=0.01', '--print-config'];
    const first = await aha(args, { cwd });
    expect(first.code).toBe(0);
    expect(parse(first.stdout)).toMatchObject({ model: 'scratch', kl: { beta: 0.01, estimator: 'k3' } });
    await writeFile(join(cwd, 'printed.yaml'), first.stdout);
    const second = await aha(['train', 'zero', '--config', 'printed.yaml', '--print-config'], { cwd });
    expect(second.stdout).toBe(first.stdout);
    expect(await readdir(cwd)).not.toContain('runs');
  });

  it('--help-config lists every key with its default', async () => {
    const { stdout, code } = await aha(['train', 'zero', '--help-config'], { cwd });
    expect(code).toBe(0);
    for (const key of ['optimizer.learningRate', 'loss.type', 'kl.beta', 'scratch.pretrain.steps']) {
      expect(stdout).toContain(`${key}: `);
    }
  });

  it('flags win over the file, and --set over both', async () => {
    const args = [
      '--config',
      'tiny.yaml',
      '--steps',
      '7',
      '--seed',
      'x',
      '--set',
      'steps=9',
      '--print-config',
    ];
    const { stdout } = await aha(['train', 'zero', ...args], { cwd });
    expect(parse(stdout)).toMatchObject({ steps: 9, seed: 'x' });
  });

  it('refuses to write over a run, and to resume with other settings', async () => {
    const over = await ahaFailure(['train', 'zero', '--config', 'tiny.yaml', '--output', 'whole'], { cwd });
    expect(over).toMatchObject({ code: 'run-exists', exit: 2 });
    expect(over.fix).toContain('train zero --resume whole');
    const other = await ahaFailure(['train', 'zero', '--resume', 'whole', '--lr', '0.5'], { cwd });
    expect(other).toMatchObject({ code: 'run-differs', exit: 2 });
    expect(other.message).toContain('config.optimizer.learningRate');
  });
});
