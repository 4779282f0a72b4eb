import { describe, expect, test } from 'vitest';
import { randomStream } from '../util/random.ts';
import { checkFormat, locateAnswer } from '../verify/format.ts';
import {
  promptOpensReasoning,
  ReasoningStream,
  splitReasoning,
  type ReasonedResponse,
  type ReasoningPart,
} from './reasoning.ts';

function short(response: ReasonedResponse): unknown[] {
  const { reasoning, answer, opened, closed, tagged, problems } = response;
  return [reasoning, answer, opened, closed, tagged, problems.join('; ')];
}

describe('splitReasoning', () => {
  test.each<[string, boolean, unknown[]]>([
    ['<think>so</think>42', false, ['so', '42', true, true, false, '']],
    ['<think>so</think> <answer>42</answer>\n', false, ['so', '42', true, true, true, '']],
    ['so</think>42', true, ['so', '42', true, true, false, '']],
    ['so</think>42', false, ['so', '42', false, true, false, '<think> missing']],
    ['<think>so</think>42', true, ['<think>so', '42', true, true, false, '<think> repeated']],
    ['42', false, ['', '42', false, false, false, 'no reasoning']],
    ['<answer>42</answer>', false, ['', '42', false, false, true, 'no reasoning']],
    ['<think>so and', false, ['so and', '', true, false, false, '</think> missing']],
    ['so and', true, ['so and', '', true, false, false, '</think> missing']],
    ['', true, ['', '', true, false, false, '</think> missing; reasoning empty']],
    ['', false, ['', '', false, false, false, 'no reasoning; answer empty']],
    ['Well <think>so</think>42', false, ['so', '42', true, true, false, 'text before <think>']],
    [
      '<think>a<think>b</think>c</think>d',
      false,
      ['a<think>b</think>c', 'd', true, true, false, '<think> repeated; </think> repeated'],
    ],
    [
      '<think>a</think>b<think>c',
      false,
      ['a</think>b<think>c', '', true, false, false, '<think> repeated; </think> missing'],
    ],
    ['</think>a<think>b', false, ['b', '', true, false, false, '</think> missing; text before <think>']],
    ['<think></think>42', false, ['', '42', true, true, false, 'reasoning empty']],
    ['<think> </think>\n', false, [' ', '\n', true, true, false, 'reasoning empty; answer empty']],
    [
      '<think>a</think><answer>1</answer><answer>2</answer>',
      false,
      ['a', '2', true, true, true, '<answer> repeated; text around <answer>'],
    ],
    ['<think>a</think><answer>1', false, ['a', '', true, true, false, '<answer> unpaired; answer empty']],
    ['<think>a</think>1</answer>', false, ['a', '1</answer>', true, true, false, '<answer> unpaired']],
    ['<think>a</think>So <answer>1</answer>', false, ['a', '1', true, true, true, 'text around <answer>']],
    [
      '<think>a<answer>1</answer></think>2',
      false,
      ['a<answer>1</answer>', '2', true, true, false, '<answer> inside of reasoning'],
    ],
  ])('%j, opened in the prompt: %s', (response, opened, expected) => {
    expect(short(splitReasoning(response, { opened }))).toEqual(expected);
  });

  const pieces = ['<think>', '</think>', '<answer>', '</answer>', 'a', ' ', '1', '<', 'think>', '</'];

  test('finds the answer where rewards look for it', () => {
    const random = randomStream(1, 'reasoning');
    const form = ['<think>', 'a', '</think>', ' ', '<answer>', '1', '</answer>'];
    let kept = 0;
    for (let trial = 0; trial < 20_000; trial++) {
      // The right form with up to two pieces put in, or anything.
      const drawn = trial % 2 === 0 ? [...form] : [];
      const more = trial % 2 === 0 ? random.integer(3) : random.integer(10);
      for (let i = 0; i < more; i++) drawn.splice(random.integer(drawn.length + 1), 0, random.pick(pieces));
      const response = drawn.join('');
      const { answer, problems, reasoning, tagged } = splitReasoning(response);
      expect(answer).toBe(locateAnswer(response)?.text ?? '');
      const strict = checkFormat(response, 'strict');
      const mine = problems.length === 0 && tagged ? { kept: true, reasoning, answer } : { kept: false };
      expect(mine).toEqual(strict.kept ? strict : { kept: false });
      if (strict.kept) kept++;
    }
    expect(kept).toBeGreaterThan(3000);
  });
});

describe('ReasoningStream', () => {
  function streamed(text: string, sizes: () => number, opened = false): ReasoningPart[] {
    const stream = new ReasoningStream({ opened });
    const parts: ReasoningPart[] = [];
    for (let at = 0; at < text.length;) {
      const size = sizes();
      parts.push(...stream.push(text.slice(at, at + size)));
      at += size;
    }
    parts.push(...stream.finish());
    const joined: ReasoningPart[] = [];
    for (const part of parts) {
      expect(part.text).not.toBe('');
      if (joined.at(-1)?.kind === part.kind)
        joined.push({ kind: part.kind, text: joined.pop()!.text + part.text });
      else joined.push(part);
    }
    return joined;
  }

  test('the same however the text is cut', () => {
    const random = randomStream(2, 'stream');
    const pieces = ['<think>', '</think>', '<answer>', '</answer>', 'a', ' ', '<', 'think>', '</', 'x < y'];
    for (let trial = 0; trial < 3000; trial++) {
      const text = Array.from({ length: random.integer(12) }, () => random.pick(pieces)).join('');
      const whole = streamed(text, () => text.length);
      expect(streamed(text, () => 1 + random.integer(4))).toEqual(whole);
      const left = text.replaceAll(/<\/?(?:think|answer)>/g, '');
      expect(whole.map((part) => part.text).join('')).toBe(left);
    }
  });

  test('agrees with splitReasoning on a response that keeps the form', () => {
    expect(streamed('<think>so < then</think> <answer>42</answer>', () => 3)).toEqual([
      { kind: 'reasoning', text: 'so < then' },
      { kind: 'answer', text: ' 42' },
    ]);
    expect(streamed('so</think>42', () => 1, true)).toEqual([
      { kind: 'reasoning', text: 'so' },
      { kind: 'answer', text: '42' },
    ]);
  });

  test('holds back no more than the beginning of a tag', () => {
    const stream = new ReasoningStream();
    expect(stream.push('1 < 2 </thi')).toEqual([{ kind: 'answer', text: '1 < 2 ' }]);
    expect(stream.push('s')).toEqual([{ kind: 'answer', text: '</this' }]);
    expect(stream.push('</think')).toEqual([]);
    expect(stream.finish()).toEqual([{ kind: 'answer', text: '</think' }]);
  });
});

test.each([
  ['<|im_start|>assistant\n<think>\n', true],
  ['<think>', true],
  ['<think></think>\n', false],
  ['', false],
  ['think', false],
])('promptOpensReasoning(%j)', (prompt, expected) => {
  expect(promptOpensReasoning(prompt)).toBe(expected);
});
