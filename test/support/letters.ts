/** A tiny task that a `TabularPolicy` can learn: answer a small letter with its capital. */
import type { Problem } from '../../src/task/problem.ts';
import { defineTask, type TaskVerifier } from '../../src/task/task.ts';
import type { PromptCodec } from '../../src/train/prompt-codec.ts';
import { type TabularOptions, TabularPolicy } from './tabular-policy.ts';

const small = ['a', 'b', 'c', 'd'];
const large = small.map((letter) => letter.toUpperCase());
const digits = ['0', '1', '2', '3'];
const end = '.';
export const alphabet = [...small, ...large, ...digits, end].join('');

/** Problems are a digit, which means nothing, and a small letter; those of digit 3 are held out. */
export function lettersTask(verify: 'exact' | TaskVerifier<Problem> = 'exact') {
  const problems = (of: readonly string[]) =>
    of.flatMap((digit) => small.map((letter) => ({ prompt: digit + letter, answer: letter.toUpperCase() })));
  return defineTask({
    name: 'letters',
    prompts: { train: problems(digits.slice(0, 3)), heldOut: problems(digits.slice(3)) },
    verify,
    workedExamples: {
      right: ({ answer }) => answer,
      wrong: (_, random) => random.pick(large),
    },
  });
}

/** A policy that answers with some capital letter and an end more often than with anything else: right in 1 of 7. */
export function lettersPolicy(capabilities: TabularOptions['capabilities'] = {}): TabularPolicy {
  const isLarge = (token: number) => large.includes(alphabet[token]!);
  return new TabularPolicy({
    vocabulary: alphabet.length,
    capabilities,
    prior(previous, next) {
      if (isLarge(previous)) return alphabet[next] === end ? 3.5 : 0;
      return isLarge(next) ? 2 : 0;
    },
  });
}

/** One token per character; `.` ends a response. */
export const lettersCodec: PromptCodec = {
  encodePrompt(prompt) {
    const text =
      prompt.kind === 'text' ? prompt.text : prompt.messages.map(({ content }) => content).join('');
    return { tokens: encode(text), text };
  },
  encodeResponse: (text) => encode(text + end),
  decodeResponse: (tokens) =>
    Array.from(tokens, (token) => alphabet[token]!)
      .join('')
      .replaceAll(end, ''),
  stopTokens: [alphabet.indexOf(end)],
  stopStrings: [],
};

function encode(text: string): Int32Array {
  return Int32Array.from(text, (character) => alphabet.indexOf(character));
}
