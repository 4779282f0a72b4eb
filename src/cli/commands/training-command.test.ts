import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { absoluteTaskOptions } from './training-command.ts';

test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
  [
    'gsm8k',
    { train: 'data/train.jsonl', heldOut: '/data/test.jsonl', maxBadShare: 0.5 },
    { train: resolve('data/train.jsonl'), heldOut: '/data/test.jsonl', maxBadShare: 0.5 },
  ],
  ['gsm8k', { train: 'hf:openai/gsm8k' }, { train: 'hf:openai/gsm8k' }],
  ['math', { train: './math' }, { train: resolve('math') }],
  ['humaneval', { file: 'HumanEval.jsonl.gz' }, { file: resolve('HumanEval.jsonl.gz') }],
  ['mbpp', { file: '../mbpp.jsonl' }, { file: resolve('../mbpp.jsonl') }],
  ['rows.jsonl', { heldOut: 'more.jsonl', name: 'rows' }, { heldOut: resolve('more.jsonl'), name: 'rows' }],
  // What the options of a user's own program mean, only it knows.
  ['task.ts', { train: 'x' }, { train: 'x' }],
  ['arithmetic', { levels: [1] }, { levels: [1] }],
])('paths in the options of %s hold from any folder', async (task, options, expected) => {
  expect(await absoluteTaskOptions(task, options)).toEqual(expected);
});
