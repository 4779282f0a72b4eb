import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AhaError } from '../../errors.ts';
import { type ConfigValue, parseConfigText, parseSetting, readConfigFile, setAt } from './config-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-config-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

function errorOf(work: () => unknown): AhaError {
  try {
    work();
  } catch (error) {
    if (error instanceof AhaError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

async function readErrorOf(content: string | Uint8Array): Promise<AhaError> {
  const path = join(folder, 'recipe.yaml');
  await writeFile(path, content);
  const error: unknown = await readConfigFile(path).then(
    () => new Error('nothing was thrown'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AhaError);
  expect((error as AhaError).message).toContain('recipe.yaml');
  return error as AhaError;
}

describe('parseConfigText', () => {
  it('reads YAML 1.2: no is text, dates are text, JSON is YAML', () => {
    expect(parseConfigText('a: no\nb: 1e-6\nc: 2001-01-01\nd: [1, true, null]\n', 'x')).toEqual({
      a: 'no',
      b: 1e-6,
      c: '2001-01-01',
      d: [1, true, null],
    });
    expect(parseConfigText('{"a": {"b": 0.5}}', 'x')).toEqual({ a: { b: 0.5 } });
  });

  it('keeps a few aliases, as people write them', () => {
    expect(parseConfigText('a: &x {b: 1}\nc: *x\n', 'x')).toEqual({ a: { b: 1 }, c: { b: 1 } });
  });

  it.each([
    ['', 'it is empty'],
    ['# only a comment\n', 'it is empty'],
    ['- a\n- b\n', 'found a list'],
    ['just words', 'found a single string'],
    ['42', 'found a single number'],
    ['a: [1, 2', 'line 1, column'],
    ['a: 1\nb: "open\n', 'line 3, column'],
    ['a: 1\na: 2\n', 'Map keys must be unique'],
    ['a: 1\n---\nb: 2\n', 'multiple documents'],
    ['a: !!js/function "x"\n', 'Unresolved tag'],
    ['a: *nowhere\n', 'nowhere'],
    ['\ta: 1\n  b: 2', 'line 1'],
  ])('%j: %s', (text, problem) => {
    expect(errorOf(() => parseConfigText(text, 'zero.yaml')).message).toContain(problem);
  });

  it('refuses a bomb of aliases without expanding it', () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}*l${i}]`,
    );
    const error = errorOf(() => parseConfigText(`l0: &l0 x\n${levels.join('\n')}\n`, 'zero.yaml'));
    expect(error.message).toContain('alias');
  });

  it.each([
    ['brackets', `a: ${'['.repeat(50_000)}`],
    ['balanced brackets', `a: ${'['.repeat(900)}1${']'.repeat(900)}`],
    ['indented maps', Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['lists in a line', `a:\n${'- '.repeat(20_000)}x`],
  ])('refuses deep nesting (%s)', (_name, text) => {
    expect(errorOf(() => parseConfigText(text, 'zero.yaml')).code).toBe('invalid-configuration-file');
  });

  it('keeps __proto__ as a key for the schema to refuse', () => {
    const value = parseConfigText('__proto__: {polluted: true}\n', 'x');
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('readConfigFile', () => {
  it('says what to do when there is no such file, or it is a folder', async () => {
    await expect(readConfigFile(join(folder, 'missing.yaml'))).rejects.toThrow(
      /missing\.yaml.*Check the path/s,
    );
    await expect(readConfigFile(folder)).rejects.toThrow(AhaError);
  });

  it('refuses 10 MB of one line at once', async () => {
    const error = await readErrorOf(`a: ${'x'.repeat(10_000_000)}`);
    expect(error.code).toBe('configuration-too-large');
  });

  it('refuses what is no text', async () => {
    expect((await readErrorOf(new Uint8Array([0x61, 0x3a, 0x20, 0xff, 0xfe]))).message).toContain('UTF-8');
  });

  it('accepts a byte order mark', async () => {
    const path = join(folder, 'bom.yaml');
    await writeFile(path, '\uFEFFsteps: 3\n');
    expect(await readConfigFile(path)).toEqual({ steps: 3 });
  });
});

describe('--set', () => {
  it.each([
    ['steps=5', ['steps'], 5],
    ['kl.beta=0.01', ['kl', 'beta'], 0.01],
    ['loss.type=dapo', ['loss', 'type'], 'dapo'],
    ['rewardWeights={score: 1, format: 0.5}', ['rewardWeights'], { score: 1, format: 0.5 }],
    ['a=[1, 2]', ['a'], [1, 2]],
    ['a=x=y', ['a'], 'x=y'],
    ['a=', ['a'], ''],
    ['a="true"', ['a'], 'true'],
    ['a=null', ['a'], null],
  ])('%s', (setting, path, value) => {
    expect(parseSetting(setting)).toEqual({ path, value });
  });

  it.each(['steps', '=5', 'a..b=1', 'a b=1', 'a=[1', 'a=1\nb: 2', 'a=b: c'])('refuses %j', (setting) => {
    expect(errorOf(() => parseSetting(setting)).boundary).toBe('configuration');
  });

  it('puts values where they belong and pollutes nothing', () => {
    const target: ConfigValue = { kl: { beta: 0.5, estimator: 'k3' }, loss: 'x' };
    setAt(target, ['kl', 'beta'], 0.1);
    setAt(target, ['loss', 'type'], 'grpo');
    setAt(target, ['__proto__', 'polluted'], true);
    setAt(target, ['constructor', 'prototype', 'polluted'], true);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(target['kl']).toEqual({ beta: 0.1, estimator: 'k3' });
    expect(target['loss']).toEqual({ type: 'grpo' });
    expect(Object.keys(target)).toContain('__proto__');
  });
});
