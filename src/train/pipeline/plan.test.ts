import { describe, expect, it } from 'vitest';
import { canonicalJson, planPipeline, type PlannedStage, type PlanOptions } from './plan.ts';
import { parsePipeline } from './recipe.ts';

const options: PlanOptions = {
  identify: async (outside) => `content of ${outside}`,
  taskIdentity: async (task, own) => `${task} ${canonicalJson(own)}`,
};

/** A small recipe; `change` edits it before it is parsed. */
function recipe(change: (value: Recipe) => void = () => undefined) {
  const value: Recipe = {
    name: 'small',
    seed: 1,
    task: 'arithmetic',
    stages: {
      base: { kind: 'pretrain', settings: { steps: 10 } },
      examples: { kind: 'cold-start', examples: 20 },
      cold: { kind: 'sft', model: 'base', data: ['examples'], settings: { epochs: 1 } },
      rl: { kind: 'grpo', model: 'cold', settings: { steps: 5 }, gate: { atLeast: 0.5 } },
      draws: { kind: 'rejection-sample', model: 'rl' },
      merged: { kind: 'merge-data', parts: [{ from: 'draws' }, { from: 'examples', take: 5 }] },
      report: { kind: 'evaluate', models: ['base', 'rl'] },
    },
  };
  change(value);
  return parsePipeline(value, 'small.yaml');
}

type Recipe = Record<string, unknown> & { stages: Record<string, Record<string, unknown>> };

async function keys(change?: (value: Recipe) => void, over = options): Promise<Record<string, string>> {
  const plan = await planPipeline(recipe(change), over);
  return Object.fromEntries(plan.map(({ name, key }: PlannedStage) => [name, key]));
}

/** Stages whose keys a change gives other values. */
async function changed(change: (value: Recipe) => void): Promise<string[]> {
  const before = await keys();
  const after = await keys(change);
  return Object.keys(before).filter((name) => before[name] !== after[name]);
}

describe('planPipeline', () => {
  it('gives the same keys to the same recipe, whatever the order of its keys', async () => {
    const reordered = await keys((value) => {
      const { base } = value.stages;
      value.stages['base'] = Object.fromEntries(Object.entries(base!).toReversed());
    });
    expect(reordered).toEqual(await keys());
    expect(new Set(Object.values(reordered)).size).toBe(7);
  });

  it.each<[string, (value: Recipe) => void, string[]]>([
    ['a setting at the end', ({ stages }) => (stages['report']!['measure'] = { problems: 3 }), ['report']],
    [
      'a setting in the middle',
      ({ stages }) => (stages['rl']!['settings'] = { steps: 6 }),
      ['rl', 'draws', 'merged', 'report'],
    ],
    [
      'the data of a stage',
      ({ stages }) => (stages['examples']!['examples'] = 21),
      ['examples', 'cold', 'rl', 'draws', 'merged', 'report'],
    ],
    [
      'how much is taken of a part',
      ({ stages }) => (stages['merged']!['parts'] = [{ from: 'draws' }, { from: 'examples', take: 6 }]),
      ['merged'],
    ],
    ['a gate', ({ stages }) => (stages['rl']!['gate'] = { atLeast: 0.9 }), []],
    ['how models are measured', (value) => (value['measure'] = { problems: 7 }), []],
    ['how many threads compute', (value) => (value['engine'] = { threads: 1 }), []],
    [
      'the seed',
      (value) => (value['seed'] = 2),
      ['base', 'examples', 'cold', 'rl', 'draws', 'merged', 'report'],
    ],
    ['the task of one stage', ({ stages }) => (stages['draws']!['task'] = 'countdown'), ['draws', 'merged']],
  ])('%s changes exactly what depends on it', async (_, change, expected) => {
    expect(await changed(change)).toEqual(expected);
  });

  it('depends on the content of what comes from outside', async () => {
    const outside = (value: Recipe) => {
      value.stages['cold']!['model'] = './base-model';
    };
    const one = await keys(outside);
    const other = await keys(outside, { ...options, identify: async () => 'other content' });
    expect(one['cold']).not.toBe(other['cold']);
    expect(one['examples']).toBe(other['examples']);
  });

  it.each<[string, (value: Recipe) => void, string, RegExp]>([
    [
      'a stage that there is not',
      ({ stages }) => (stages['rl']!['model'] = 'colt'),
      'stage-unknown',
      /Stage rl refers in model to a stage that there is not: found colt.*Did you mean cold\?/,
    ],
    [
      'a stage that comes later',
      ({ stages }) => (stages['cold']!['model'] = 'rl'),
      'stage-unknown',
      /comes after it/,
    ],
    [
      'data where a model is needed',
      ({ stages }) => (stages['rl']!['model'] = 'examples'),
      'stage-makes-other',
      /found examples, which makes data, expected a stage that makes a model/,
    ],
  ])('refuses a reference to %s', async (_, change, code, message) => {
    await expect(keys(change)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('parsePipeline', () => {
  it.each<[string, (value: Recipe) => void, RegExp]>([
    [
      'an unknown key of a stage',
      ({ stages }) => (stages['rl']!['setings'] = {}),
      /small\.yaml, stage rl: unknown key "setings".*Did you mean "settings"\?/,
    ],
    [
      'an unknown setting',
      ({ stages }) => (stages['rl']!['settings'] = { groupsize: 3 }),
      /unknown key "groupsize".*Did you mean "groupSize"\?/,
    ],
    [
      'an unknown kind',
      ({ stages }) => (stages['rl']!['kind'] = 'gpro'),
      /stage rl: no such kind of stage: found gpro.*Did you mean grpo\?/,
    ],
    ['no stages', (value) => (value.stages = {}), /has no stages/],
    ['a name with a space', ({ stages }) => (stages['r l'] = stages['rl']!), /lower case letters/],
  ])('refuses %s', (_, change, message) => {
    expect(() => recipe(change)).toThrow(message);
  });
});
