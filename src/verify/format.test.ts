import { describe, expect, it } from 'vitest';
import { checkFormat, formatVerifier, locateAnswer, prefilledThinking } from './format.ts';
import { judge } from './verdict.ts';

const good = '<think>2 + 2 is 4.</think> <answer>4</answer>';

describe('checkFormat', () => {
  it.each([
    [good],
    ['<think>a</think><answer>b</answer>'],
    ['\n<think>\na\nb\n</think>\n\n<answer>\nb\n</answer>\n'],
    ['<think>a < b, </thin k> <Answer></think> <answer>x</answer>'],
  ])('strict accepts %j', (response) => {
    expect(checkFormat(response)).toMatchObject({ kept: true });
    expect(checkFormat(response, 'lenient')).toMatchObject({ kept: true });
  });

  it('gives the parts', () => {
    expect(checkFormat(good)).toEqual({ kept: true, reasoning: '2 + 2 is 4.', answer: '4' });
    expect(checkFormat('<think>a</think> so b', 'lenient')).toEqual({
      kept: true,
      reasoning: 'a',
      answer: ' so b',
    });
  });

  it.each([
    ['', '<think> is missing'],
    ['4', '<think> is missing'],
    ['<answer>4</answer>', '<think> is missing'],
    ['<think>a <answer>4</answer>', '</think> is missing'],
    ['</think>a<think> <answer>4</answer>', '</think> stands before <think>'],
    ['<think>a</think> 4</answer>', '<answer> is missing'],
    ['<think>a</think> <answer>4', '</answer> is missing'],
    ['<think>a</think> </answer>4<answer>', '</answer> stands before <answer>'],
    ['<answer>4</answer> <think>a</think>', '<answer> stands before </think>'],
    ['<think>a<answer>4</think></answer>', '<answer> stands before </think>'],
    ['<think>a</think><think>b</think><answer>4</answer>', '<think> stands more than once'],
    ['<think>a</think></think><answer>4</answer>', '</think> stands more than once'],
    [`${good}<answer>5</answer>`, '<answer> stands more than once'],
    [`${good}</answer>`, '</answer> stands more than once'],
    ['<think></think><answer>4</answer>', 'nothing stands between <think> and </think>'],
    ['<think>a</think><answer> \n</answer>', 'nothing stands between <answer> and </answer>'],
  ])('both modes refuse %j: %s', (response, problem) => {
    expect(checkFormat(response)).toEqual({ kept: false, problem });
    expect(checkFormat(response, 'lenient')).toEqual({ kept: false, problem });
  });

  it.each([
    [`Sure! ${good}`, 'text stands before <think>'],
    [`${good} Bye.`, 'text follows </answer>'],
    ['<think>a</think> so <answer>4</answer>', 'text stands between </think> and <answer>'],
  ])('only strict refuses %j: %s', (response, problem) => {
    expect(checkFormat(response)).toEqual({ kept: false, problem });
    expect(checkFormat(response, 'lenient')).toMatchObject({ kept: true });
  });

  it('only lenient does without answer tags, and even it wants an answer', () => {
    expect(checkFormat('<think>a</think> 4')).toEqual({ kept: false, problem: '<answer> is missing' });
    expect(checkFormat('<think>a</think> 4', 'lenient')).toMatchObject({ kept: true });
    expect(checkFormat('<think>a</think>\n', 'lenient')).toEqual({
      kept: false,
      problem: 'nothing follows </think>',
    });
  });
});

describe('prefilledThinking', () => {
  it.each([
    ['<|assistant|>\n<think>\n', '<think>\n'],
    ['Assistant: <think>', '<think>'],
    ['tags, i.e., <think> reasoning </think>. User: x. Assistant:', ''],
    ['<think>\n\n</think>\n\n', ''],
    ['', ''],
  ])('%j → %j', (prompt, expected) => {
    expect(prefilledThinking(prompt)).toBe(expected);
  });

  it('makes a response complete whose prompt opened the tag', () => {
    const rest = 'a</think> <answer>4</answer>';
    expect(checkFormat(rest).kept).toBe(false);
    expect(checkFormat(prefilledThinking('user…\n<think>\n') + rest).kept).toBe(true);
    expect(checkFormat(`${prefilledThinking('user…\n<think>\n')}<think>${rest}`).kept).toBe(false);
  });
});

describe('locateAnswer', () => {
  it.each([
    [good, { text: '4', tagged: true }],
    ['<think>a</think> 4 ', { text: ' 4 ', tagged: false }],
    ['4', { text: '4', tagged: false }],
    ['a</think>b', { text: 'b', tagged: false }],
    ['<answer>3</answer><think>a</think><answer>4</answer>', { text: '4', tagged: true }],
    ['<answer>3</answer><think>a</think>4', { text: '4', tagged: false }],
    ['<think>a <answer>4</answer>', undefined],
    ['<think>a</think><answer>4', undefined],
    ['<answer>3</answer><answer>4', undefined],
  ])('%j', (response, expected) => {
    expect(locateAnswer(response)).toEqual(expected);
  });
});

describe('formatVerifier', () => {
  it('looks at the whole response, not at the answer', async () => {
    const verify = formatVerifier();
    const run = async (response: string) =>
      judge((signal) => verify(undefined, 'whatever', { response, signal }));
    expect(await run(good)).toMatchObject({ outcome: 'scored', score: 1 });
    expect(await run('4')).toMatchObject({ score: 0, evidence: { problem: '<think> is missing' } });
  });

  it('ends at once on a megabyte of tags', () => {
    for (const tag of ['<think>', '</think>', '<answer>', '<', '<think><answer>']) {
      expect(checkFormat(tag.repeat(1_000_000 / tag.length)).kept).toBe(false);
    }
  });
});
