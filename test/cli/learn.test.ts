/** `aha train sft` and `aha train distill` as a user runs them: learned, killed, resumed, refused. */
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { FakeEndpoint } from '../fake-endpoint.ts';
import { FakeHub } from '../fake-hub.ts';
import { aha, ahaFailure, ahaJson, tinyRecipe } from './aha.ts';

// Each test starts several processes, and a machine may be busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

interface LearnResult {
  readonly reason: string;
  readonly steps: number;
  readonly loss: number;
  readonly heldOutBefore: {
    readonly loss: number;
    readonly task: { readonly problems: number } | null;
  } | null;
  readonly heldOutAfter: LearnResult['heldOutBefore'];
  readonly model: string;
  readonly examples?: number;
  readonly badRows?: number;
  readonly drawn?: number;
  readonly kept?: number;
}

const task = `
task: arithmetic
taskOptions: { levels: [2], limit: 5 }
engine: { threads: 1 }
evaluation: { problems: 4, maxCompletionTokens: 16 }
`;

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-learn-'));
  await writeFile(join(cwd, 'tiny.yaml'), tinyRecipe);
  const start = ['train', 'zero', '--config', 'tiny.yaml', '--steps', '1', '--output'];
  await ahaJson([...start, 'teacher'], { cwd });
  await ahaJson([...start, 'student', '--seed', '4', '--set', 'scratch.pretrain.steps=20'], { cwd });
  const rows = Array.from({ length: 60 }, (_, n) => {
    const [a, b] = [n % 6, Math.floor(n / 6) % 6];
    return JSON.stringify({ prompt: `${a}+${b}=`, completion: `${a + b}`, source: n });
  });
  await writeFile(join(cwd, 'examples.jsonl'), [...rows, '{"prompt": "1+1="}'].join('\n'));
  const settings = `${task}data: [examples.jsonl]\nmaxBadShare: 0.05\nheldOutShare: 0.2\ncheckpoints: { every: 2 }\n`;
  await writeFile(join(cwd, 'learn.yaml'), `${settings}steps: 30\nexamplesPerStep: 8\n`);
  await writeFile(join(cwd, 'task.yaml'), `${task}steps: 3\nexamplesPerStep: 4\n`);
});
afterAll(() => rm(cwd, { recursive: true }));

const weights = async (run: string) => readFile(join(cwd, run, 'model', 'model.safetensors'));
const distill = ['train', 'distill', '--teacher', 'teacher', '--student', 'student', '--method'];

/** Kills the command once it has said `moment`. */
async function killed(args: readonly string[], moment: string): Promise<void> {
  let done = false;
  const { signal } = await aha(args, {
    cwd,
    onOutput: (text, child) => {
      if (done || !text.includes(moment)) return;
      done = true;
      child.kill('SIGKILL');
    },
  });
  expect(signal).toBe('SIGKILL');
}

describe('aha train sft', () => {
  it('learns, says what it reached, and after SIGKILL ends in the same weights', async () => {
    const args = ['train', 'sft', 'student', '--config', 'learn.yaml', '--output'];
    const result = await ahaJson<LearnResult>([...args, 'sft'], { cwd });
    expect(result).toMatchObject({ reason: 'completed', steps: 30, badRows: 1, model: join('sft', 'model') });
    expect(result.heldOutAfter!.loss).toBeLessThan(result.heldOutBefore!.loss);
    expect(result.heldOutAfter!.task!.problems).toBe(4);
    await killed([...args, 'sft-killed'], 'step 9/30');
    await ahaJson(['train', 'sft', '--resume', 'sft-killed'], { cwd });
    expect((await weights('sft-killed')).equals(await weights('sft'))).toBe(true);
  });

  it('trains LoRA adapters and writes both forms', async () => {
    const args = ['train', 'sft', 'student', '--config', 'learn.yaml', '--lora-rank', '2', '--steps', '2'];
    await ahaJson([...args, '--output', 'sft-lora'], { cwd });
    expect(await readdir(join(cwd, 'sft-lora'))).toEqual(expect.arrayContaining(['model', 'adapter']));
  });

  it('refuses data that is bad or missing before it makes a folder, and other data on resuming', async () => {
    const args = ['train', 'sft', 'student', '--config', 'learn.yaml', '--output', 'sft-bad'];
    const bad = await ahaFailure([...args, '--set', 'maxBadShare=0'], { cwd });
    expect(bad).toMatchObject({ code: 'bad-rows', exit: 1 });
    expect(bad.message).toContain('examples.jsonl line 61: ');
    const none = await ahaFailure([...args, '--data', 'nowhere.jsonl'], { cwd });
    expect(none.message).toContain('nowhere.jsonl');
    expect((await ahaFailure(['train', 'sft', 'student'], { cwd })).code).toBe('data-missing');
    expect(await readdir(cwd)).not.toContain('sft-bad');
    await writeFile(join(cwd, 'own.jsonl'), await readFile(join(cwd, 'examples.jsonl')));
    const own = ['--data', 'own.jsonl', '--output', 'sft-own', '--steps', '1'];
    await ahaJson(['train', 'sft', 'student', '--config', 'learn.yaml', ...own], { cwd });
    await appendFile(join(cwd, 'own.jsonl'), '\n{"prompt": "1+2=", "completion": "3"}');
    const other = await ahaFailure(['train', 'sft', '--resume', 'sft-own', '--steps', '2'], { cwd });
    expect(other).toMatchObject({ code: 'run-differs' });
  });
});

describe('data on the Hub', () => {
  let hub: FakeHub;
  let env: Record<string, string>;
  beforeAll(async () => {
    hub = await FakeHub.start();
    hub.kind = 'dataset';
    const contents = await readFile(join(cwd, 'examples.jsonl'));
    hub.files.set('data/train.jsonl', { contents, large: true });
    env = { HF_ENDPOINT: hub.endpoint, AHA_CACHE: join(cwd, 'cache'), HF_HUB_OFFLINE: '' };
  });
  afterAll(async () => hub.stop());

  it('is downloaded once, and teaches what the same file teaches', async () => {
    const args = ['train', 'sft', 'student', '--config', 'learn.yaml', '--steps', '2'];
    await ahaJson([...args, '--output', 'sft-file'], { cwd });
    const hubArgs = [...args, '--data', 'hf:org/model', '--output'];
    const result = await ahaJson<LearnResult>([...hubArgs, 'sft-hub'], { cwd, env });
    expect(result).toMatchObject({ reason: 'completed', badRows: 1 });
    expect((await weights('sft-hub')).equals(await weights('sft-file'))).toBe(true);
    await ahaJson([...hubArgs, 'sft-cached'], { cwd, env: { ...env, HF_HUB_OFFLINE: '1' } });
    expect((await weights('sft-cached')).equals(await weights('sft-file'))).toBe(true);
    expect(hub.downloads()).toEqual(['data/train.jsonl']);
  });

  it('is the data of a stage, which runs again when it has changed', async () => {
    const recipe = `
name: hub
task: arithmetic
taskOptions: { levels: [2], limit: 5 }
prompt: raw
measure: { problems: 4, maxTokens: 16 }
stages:
  taught:
    kind: sft
    model: ./student
    data: ['hf:org/model']
    settings: { epochs: 1, examplesPerStep: 32, maxBadShare: 0.05, evaluation: { problems: 0 } }
`;
    await writeFile(join(cwd, 'hub.yaml'), recipe);
    const args = ['train', 'r1', 'hub.yaml', '--threads', '1', '--output', 'hub'];
    const first = await aha(args, { cwd, env });
    expect(first.stderr + first.stdout).toContain('Stage taught (sft): done');
    const second = await aha(args, { cwd, env });
    expect(second.stderr + second.stdout).toContain('Stage taught (sft): there already');
    const more = '\n{"prompt": "4+1=", "completion": "5"}\n';
    const contents = Buffer.concat([await readFile(join(cwd, 'examples.jsonl')), Buffer.from(more)]);
    hub.files.set('data/train.jsonl', { contents, large: true });
    hub.commit = 'd'.repeat(40);
    hub.revisions.set('main', hub.commit);
    const third = await aha(args, { cwd, env });
    expect(third.stderr + third.stdout).toContain('Stage taught (sft): done');
  });
});

describe('aha train distill', () => {
  it('logit: goes on after SIGKILL to the same weights', async () => {
    const args = [...distill, 'logit', '--config', 'learn.yaml', '--set', 'logit.topK=5', '--output'];
    const result = await ahaJson<LearnResult>([...args, 'logit'], { cwd });
    expect(result.heldOutAfter!.loss).toBeLessThan(result.heldOutBefore!.loss);
    await killed([...args, 'logit-killed'], 'step 9/30');
    await ahaJson(['train', 'distill', '--resume', 'logit-killed'], { cwd });
    expect((await weights('logit-killed')).equals(await weights('logit'))).toBe(true);
  });

  it('on-policy: learns on a task, or on the prompts of a file, which must stay the same', async () => {
    const limits = ['--set', 'onPolicy.maxCompletionTokens=16', '--output'];
    const result = await ahaJson<LearnResult>(
      [...distill, 'on-policy', '--config', 'task.yaml', ...limits, 'on-policy'],
      { cwd },
    );
    expect(result).toMatchObject({ reason: 'completed', steps: 3 });
    await writeFile(join(cwd, 'prompts.jsonl'), await readFile(join(cwd, 'examples.jsonl')));
    const own = ['--data', 'prompts.jsonl', '--steps', '1', ...limits, 'on-policy-own'];
    await ahaJson([...distill, 'on-policy', '--config', 'learn.yaml', ...own], { cwd });
    await appendFile(join(cwd, 'prompts.jsonl'), '\n{"prompt": "1+2=", "completion": "3"}');
    const resume = ['train', 'distill', '--resume', 'on-policy-own', '--steps', '2'];
    expect(await ahaFailure(resume, { cwd })).toMatchObject({ code: 'run-differs' });
  });

  it('text: asks a local teacher and keeps what is right', async () => {
    const args = ['--set', 'text.problems=16', '--set', 'text.maxTokens=16', '--set', 'text.minScore=0'];
    const result = await ahaJson<LearnResult>(
      [...distill, 'text', '--config', 'task.yaml', ...args, '--output', 'text'],
      { cwd },
    );
    expect(result).toMatchObject({ reason: 'completed', drawn: 64 });
    const rows = (await readFile(join(cwd, 'text', 'examples.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(rows).toHaveLength(result.kept!);
    expect(JSON.parse(rows[0]!)).toMatchObject({ source: { kind: 'local', terms: null } });
  });

  it('text: an endpoint that dies is asked for nothing twice, and its terms are recorded', async () => {
    const endpoint = await FakeEndpoint.start();
    endpoint.say = ({ body }) => String((body['seed'] as number) % 997);
    endpoint.misbehave = (_, response, attempt) => {
      if (attempt !== 6) return false;
      response.destroy();
      return true;
    };
    const start = [
      'train',
      'distill',
      '--method',
      'text',
      '--teacher',
      endpoint.address,
      '--student',
      'student',
    ];
    const texts = 'problems=4 samples=2 minScore=0 model=m concurrency=1 retries=0'.split(' ');
    const settings = texts.flatMap((setting) => ['--set', `text.${setting}`]);
    const args = [...start, '--config', 'task.yaml', ...settings, '--output', 'endpoint'];
    const unsaid = await ahaFailure(args, { cwd });
    expect(unsaid).toMatchObject({ code: 'endpoint-needs', exit: 2 });
    expect(unsaid.fix).toContain('text.terms');
    expect(endpoint.requests).toHaveLength(0);
    await ahaFailure([...args, '--set', 'text.terms=MIT'], { cwd });
    expect(endpoint.answered).toBe(5);
    await ahaJson(['train', 'distill', '--resume', 'endpoint'], { cwd });
    expect(endpoint.answered).toBe(8);
    const lines = (await readFile(join(cwd, 'endpoint', 'texts.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(8);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ source: { terms: 'MIT' } });
    await endpoint.stop();
  });

  it('refuses what cannot be', async () => {
    const failure = async (...args: string[]) => ahaFailure([...args, '--output', 'never'], { cwd });
    expect((await failure(...distill, 'logit')).code).toBe('distillation-needs');
    expect((await failure(...distill, 'on-policy')).code).toBe('distillation-needs');
    const remote = ['train', 'distill', '--teacher', 'http://127.0.0.1:1/v1', '--student', 'student'];
    expect(await failure(...remote, '--method', 'logit', '--data', 'examples.jsonl')).toMatchObject({
      code: 'endpoint-gives-texts',
    });
    expect(await readdir(cwd)).not.toContain('never');
  });
});
