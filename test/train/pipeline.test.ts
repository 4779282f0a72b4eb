/**
 * A pipeline from beginning to end on the real engine, as processes: killed with SIGKILL at twenty random moments it
 * ends in the same artifacts, hash for hash; changed, it runs exactly what depends on the change.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { randomStream } from '../../src/util/random.ts';
import { aha, ahaJson } from '../cli/aha.ts';

const recipe = {
  name: 'tiny',
  seed: 3,
  task: 'arithmetic',
  taskOptions: { levels: [1], limit: 9 },
  prompt: 'raw',
  engine: { threads: 1 },
  measure: { problems: 10, maxTokens: 16 },
  stages: {
    base: {
      kind: 'pretrain',
      size: { hiddenSize: 32, layers: 1, heads: 2, contextLength: 64 },
      settings: {
        steps: 60,
        examplesPerStep: 16,
        learnPrompts: false,
        optimizer: { learningRate: 5e-3 },
        checkpoints: { every: 10 },
      },
    },
    examples: { kind: 'cold-start', examples: 40 },
    cold: {
      kind: 'sft',
      model: 'base',
      data: ['examples'],
      settings: {
        epochs: 2,
        examplesPerStep: 16,
        optimizer: { learningRate: 1e-3 },
        checkpoints: { every: 2 },
        evaluation: { problems: 0 },
      },
    },
    rl: {
      kind: 'grpo',
      model: 'cold',
      settings: {
        steps: 4,
        problemsPerStep: 4,
        groupSize: 6,
        maxCompletionTokens: 12,
        optimizer: { learningRate: 1e-3 },
        checkpoints: { every: 1 },
        evaluation: { problems: 0 },
      },
    },
    draws: { kind: 'rejection-sample', model: 'rl', problems: 12, samples: 4, maxTokens: 12 },
    merged: { kind: 'merge-data', parts: [{ from: 'draws' }, { from: 'examples', take: 10 }] },
    student: {
      kind: 'distill',
      teacher: 'rl',
      student: 'base',
      data: ['merged'],
      method: 'logit',
      settings: { steps: 3, evaluation: { problems: 0 } },
    },
    report: { kind: 'evaluate', models: ['base', 'rl', 'student'], measure: { problems: 10, maxTokens: 16 } },
  },
};

interface Result {
  readonly reason: string;
  readonly explanation?: string;
  readonly stages: readonly {
    name: string;
    digest: string;
    artifact: string;
    facts: Record<string, unknown>;
  }[];
}

let root: string;
let file: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-pipeline-'));
  file = join(root, 'tiny.yaml');
  await writeFile(file, stringify(recipe));
});
afterAll(() => rm(root, { recursive: true }));

const folder = (name: string) => join(root, name);
const run = (name: string, ...more: string[]) =>
  ahaJson<Result>(['train', 'r1', file, '--output', folder(name), ...more]);
const digests = ({ stages }: Result) => Object.fromEntries(stages.map(({ name, digest }) => [name, digest]));

describe('a pipeline', () => {
  let whole: Result;
  beforeAll(async () => {
    whole = await run('whole');
  }, 120_000);

  it('runs every stage, and keeps rows with where they came from', async () => {
    expect(whole.reason).toBe('completed');
    expect(whole.stages.map(({ name }) => name)).toEqual(Object.keys(recipe.stages));
    const artifact = (name: string) => whole.stages.find((stage) => stage.name === name)!;
    const rows = (await readFile(join(artifact('examples').artifact, 'rows.jsonl'), 'utf8'))
      .trim()
      .split('\n');
    expect(rows).toHaveLength(40);
    for (const row of rows) {
      const { prompt, completion, source } = JSON.parse(row) as Record<string, unknown>;
      expect(prompt).toMatch(/^\d[+-]\d=$/);
      expect(completion).toMatch(/;\d+$/);
      expect(source).toMatchObject({
        task: 'arithmetic',
        origin: expect.stringMatching(/^worked example of the task, style (?:steps|direct)$/) as string,
      });
    }
    expect(artifact('draws').facts).toMatchObject({ drawn: 48, problems: 12 });
  });

  it('ends in the same artifacts, hash for hash, after twenty kills', async () => {
    const random = randomStream('kill a pipeline');
    let kills = 0;
    for (let attempt = 0; kills < 20 && attempt < 200; attempt++) {
      // Until the first output the process only loads itself.
      const moment = random.integer(400);
      let armed = false;
      const { signal, code } = await aha(['train', 'r1', file, '--output', folder('killed')], {
        onOutput: (_, child) => {
          if (armed) return;
          armed = true;
          setTimeout(() => child.kill('SIGKILL'), moment);
        },
      });
      if (signal === 'SIGKILL') kills++;
      // Finished before its time: once more from nothing, so that there are moments left to be killed at.
      else if (code === 0 && kills < 20) await rm(folder('killed'), { recursive: true });
      else throw new Error(`aha ended with ${code}`);
    }
    expect(kills).toBe(20);
    const result = await run('killed');
    expect(digests(result)).toEqual(digests(whole));
  }, 300_000);

  it('runs again exactly what depends on a changed setting', async () => {
    const changed = await run('whole', '--set', 'stages.rl.settings.steps=5');
    const before = digests(whole);
    const after = digests(changed);
    const same = Object.keys(before).filter((name) => before[name] === after[name]);
    expect(same).toEqual(['base', 'examples', 'cold']);
    // What was made with the old setting is there still.
    expect(digests(await run('whole'))).toEqual(before);
  }, 120_000);

  it('stops at a gate that is closed, and says why', async () => {
    const args = ['train', 'r1', file, '--output', folder('whole'), '--json'];
    const { code, stdout } = await aha([...args, '--set', 'stages.cold.gate={atLeast: 0.99}']);
    expect(code).toBe(1);
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as Result;
    expect(result).toMatchObject({
      reason: 'stopped',
      explanation: expect.stringMatching(/^Stage cold: accuracy/) as string,
    });
    expect(result.stages.map(({ name }) => name)).toEqual(['base', 'examples', 'cold']);
  }, 120_000);

  it('keeps what was made when a stage fails, and says how to go on', async () => {
    const args = ['train', 'r1', file, '--output', folder('whole')];
    const { code, stderr } = await aha([...args, '--set', 'stages.draws.keep={minTokens: 1000}']);
    expect(code).toBe(1);
    expect(stderr).toContain('Stage draws failed: Rejection sampling kept nothing');
    expect(stderr).toContain('the same command goes on from there');
    expect(digests(await run('whole'))).toEqual(digests(whole));
  }, 120_000);

  it('is drawn with its states', async () => {
    const { stdout, code } = await aha(['pipeline', 'show', folder('whole')]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/rl \(grpo\)\n.*model cold/);
    const shown = await ahaJson<{ stages: { name: string; state: string }[] }>(['pipeline', 'show', file]);
    expect(shown.stages.every(({ state }) => state === 'waiting')).toBe(true);
  }, 60_000);
});
