/** Wrong responses made from right ones: what a verifier must not take for the reference. */

export interface Corruption {
  readonly name: string;
  /** The whole corrupted response, or undefined where it would not change anything. */
  readonly apply: (response: string, other: string | undefined) => string | undefined;
}

/** Changes what stands between the answer tags where there are some, else the whole. */
function inAnswer(response: string, change: (answer: string) => string): string {
  const match = /^([\s\S]*<answer>)([\s\S]*?)(<\/answer>[\s\S]*)$/.exec(response);
  return match === null ? change(response) : `${match[1]}${change(match[2]!)}${match[3]}`;
}

export const corruptions: readonly Corruption[] = [
  { name: 'empty', apply: () => '' },
  { name: 'the reference of another problem', apply: (_response, other) => other },
  {
    name: 'first half',
    apply: (response) =>
      response.length < 4
        ? undefined
        : inAnswer(response, (answer) => answer.slice(0, Math.floor(answer.length / 2))),
  },
  {
    name: 'last digit changed',
    apply: (response) =>
      /\d/.test(response)
        ? inAnswer(response, (answer) =>
            answer.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)),
          )
        : undefined,
  },
  { name: 'PASS', apply: () => 'PASS\nAll tests passed.' },
];
