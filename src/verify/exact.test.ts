import { expect, it } from 'vitest';
import { exactVerifier } from './exact.ts';
import { judge } from './verdict.ts';

it.each([
  ['Paris', 'Paris', 1],
  ['Paris', ' Paris\n', 1],
  ['New York', 'New\n  York', 1],
  ['caf\u00e9', 'cafe\u0301', 1],
  ['Paris', 'paris', 0],
  ['Paris', 'Paris.', 0],
  ['Paris', 'The answer is Paris', 0],
  ['Paris', '', 0],
  ['3', '3.0', 0],
])('reference %j, answer %j: %d', async (reference, answer, score) => {
  const verify = exactVerifier<string>((problem) => problem);
  const verdict = await judge((signal) => verify(reference, answer, { response: answer, signal }));
  expect(verdict).toMatchObject({ outcome: 'scored', score });
});
