import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectRefusal, temporaryFolder } from '../../test/model-files.ts';
import { parseModelReference } from './model-reference.ts';

describe('in a folder with models/tiny and a file gpt2', () => {
  const home = process.cwd();
  beforeEach(() => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'models', 'tiny'), { recursive: true });
    writeFileSync(join(folder, 'gpt2'), '');
    process.chdir(folder);
  });
  afterEach(() => process.chdir(home));

  test.each(['models/tiny', './models/tiny', 'gpt2', '.'])('%s is a path', async (path) => {
    expect(await parseModelReference(path)).toEqual({ kind: 'path', path });
  });

  test.each([
    ['Qwen/Qwen3-0.6B', { repository: 'Qwen/Qwen3-0.6B', revision: 'main' }],
    ['Qwen/Qwen3-0.6B@v1.0', { repository: 'Qwen/Qwen3-0.6B', revision: 'v1.0' }],
    ['Qwen/Qwen3-0.6B@refs/pr/1', { repository: 'Qwen/Qwen3-0.6B', revision: 'refs/pr/1' }],
    ['hf:models/tiny', { repository: 'models/tiny', revision: 'main' }],
    ['a/b-GGUF/b.Q4_K_M.gguf', { repository: 'a/b-GGUF', revision: 'main', file: 'b.Q4_K_M.gguf' }],
    ['a/b/sub/b.gguf@abc', { repository: 'a/b', revision: 'abc', file: 'sub/b.gguf' }],
  ])('%s is on the Hub', async (text, expected) => {
    expect(await parseModelReference(text)).toEqual({ kind: 'hub', ...expected });
  });

  test.each([
    '',
    './nothing',
    '../a/b',
    '/a/b',
    '~/a',
    'nothing',
    'a/b/c',
    'a\\b',
    'a//b',
    'a/..',
    'a/b/../c.gguf',
    'a/b@',
    'a/b@../x@y',
    'a b/c',
    'https://huggingface.co/a/b',
    'hf:',
    'hf:gpt2',
    'hf:./a',
    'a/b\u0000',
    'x'.repeat(10_000),
  ])('%j is nothing', async (text) => {
    await expectRefusal(parseModelReference(text), 'model-not-found');
  });

  test('a mistyped path below an existing folder is not looked up, but explained', async () => {
    const error = await expectRefusal(parseModelReference('models/tyni'), 'model-not-found');
    expect(error.message).toContain('hf:models/tyni');
  });
});
