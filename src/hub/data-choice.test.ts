import { describe, expect, test } from 'vitest';
import { expectRefusal } from '../../test/model-files.ts';
import { chooseDataFiles, type DataQuery } from './data-choice.ts';
import { parseDataReference } from './data-reference.ts';

const names = { repository: 'org/set', reference: 'hf:org/set' };
const choose = (listed: readonly string[], query: DataQuery = { split: 'train' }, path?: string) =>
  chooseDataFiles(names, ['README.md', '.gitattributes', ...listed], path, query);
const expectRefused = async (run: () => unknown, code: string) => expectRefusal((async () => run())(), code);

// The layouts of data sets as they are on the Hub.
const gsm8k = ['main', 'socratic'].flatMap((name) =>
  ['train', 'test'].map((split) => `${name}/${split}-00000-of-00001.parquet`),
);
const mbpp = ['full', 'sanitized'].flatMap((name) =>
  ['prompt', 'test', 'train', 'validation'].map((split) => `${name}/${split}-00000-of-00001.parquet`),
);
const openR1 = [
  ...Array.from({ length: 10 }, (_, i) => `data/train-0000${i}-of-00010.parquet`),
  ...Array.from({ length: 2 }, (_, i) => `all/default-0000${i}-of-00002.parquet`),
];

describe('the files of a data set', () => {
  test.each<[string, readonly string[], DataQuery, readonly string[], string]>([
    ['gsm8k to train on', gsm8k, { split: 'train' }, ['main/train-00000-of-00001.parquet'], 'train'],
    ['gsm8k held out', gsm8k, { split: 'test' }, ['main/test-00000-of-00001.parquet'], 'test'],
    ['mbpp', mbpp, { split: 'all', configurations: ['full'] }, mbpp.slice(0, 4), 'all'],
    ['parts', openR1, { split: 'train' }, openR1.slice(0, 10), 'train'],
    ['the only split', ['test.jsonl'], { split: 'train' }, ['test.jsonl'], 'test'],
    [
      'the only configuration',
      ['openai_humaneval/test-00000-of-00001.parquet'],
      { split: 'test' },
      ['openai_humaneval/test-00000-of-00001.parquet'],
      'test',
    ],
    [
      'as the Hub converts them',
      ['default/train/0000.parquet', 'default/train/0001.parquet', 'default/test/0000.parquet'],
      { split: 'train' },
      ['default/train/0000.parquet', 'default/train/0001.parquet'],
      'train',
    ],
    ['Parquet before JSON', ['train.jsonl', 'train.parquet'], { split: 'train' }, ['train.parquet'], 'train'],
    ['without a split', ['rows.jsonl', 'test.jsonl'], { split: 'train' }, ['rows.jsonl'], ''],
    [
      'a word in a name',
      ['gsm8k_train.jsonl', 'latest.jsonl'],
      { split: 'train' },
      ['gsm8k_train.jsonl'],
      'train',
    ],
  ])('%s', (_, listed, query, paths, split) => {
    expect(choose(listed, query)).toEqual({ paths, split });
  });

  test('in a folder, or one by its path', () => {
    expect(choose(gsm8k, { split: 'test' }, 'socratic').paths).toEqual([
      'socratic/test-00000-of-00001.parquet',
    ]);
    expect(choose(gsm8k, { split: 'test' }, gsm8k[0])).toEqual({ paths: [gsm8k[0]], split: undefined });
  });

  test('are the user’s choice where several are meant equally', async () => {
    const configurations = await expectRefused(() => choose(mbpp), 'data-choice');
    expect(configurations.message).toContain('full, sanitized');
    expect(configurations.message).toContain('hf:org/set/full');
    const files = await expectRefused(() => choose(['train-easy.jsonl', 'train-hard.jsonl']), 'data-choice');
    expect(files.message).toContain('train-easy.jsonl, train-hard.jsonl');
    const splits = await expectRefused(
      () => choose(['train.jsonl', 'validation.jsonl'], { split: 'test' }),
      'data-choice',
    );
    expect(splits.message).toContain('no split test');
  });

  test('that are missing are said to be', async () => {
    expect((await expectRefused(() => choose(['a.csv', 'b.zip']), 'data-files-missing')).message).toContain(
      'hf:org/set@refs/convert/parquet',
    );
    const typo = await expectRefused(
      () => choose(['train.jsonl'], { split: 'train' }, 'trian.jsonl'),
      'data-file-missing',
    );
    expect(typo.message).toContain('hf:org/set/train.jsonl');
    const parts = await expectRefused(() => choose(openR1.slice(1)), 'data-parts-missing');
    expect(parts.message).toContain('9 parts');
  });
});

describe('a reference', () => {
  test.each<[string, object]>([
    ['hf:org/name', { repository: 'org/name', revision: 'main' }],
    ['hf:org/name@v1.0', { repository: 'org/name', revision: 'v1.0' }],
    ['hf:org/name/a/b.jsonl', { repository: 'org/name', revision: 'main', path: 'a/b.jsonl' }],
    [
      'hf:org/name@refs/convert/parquet/default/train',
      { repository: 'org/name', revision: 'refs/convert/parquet', path: 'default/train' },
    ],
    ['hf:org/name@refs/pr/7', { repository: 'org/name', revision: 'refs/pr/7' }],
    ['hf:org/name/', { repository: 'org/name', revision: 'main' }],
  ])('%s', (text, expected) => {
    expect(parseDataReference(text)).toEqual(expected);
  });

  test.each([
    'hf:',
    'hf:gsm8k',
    'hf:../name',
    'hf:org/name@',
    'hf:org/name/../x',
    'hf:org/na me',
    'hf:org/name//a',
  ])('%s is none', async (text) => {
    await expectRefused(() => parseDataReference(text), 'data-reference-invalid');
  });
});
