/** Wrong responses made from right ones: what a verifier must not take for the reference. */

/** Where the task says itself what a wrong answer is, no edits are made: one may give another right answer. */
export function corruptionsOf(
  response: string,
  { other, own }: { readonly other: string | undefined; readonly own: string | undefined },
): readonly (readonly [kind: string, response: string | undefined])[] {
  const edits = own === undefined ? editsOf(response) : [['as the task corrupts it', own] as const];
  return [
    ['empty', ''],
    ['the reference of another problem', other],
    ...edits,
    ['PASS', 'PASS\nAll tests passed.'],
  ];
}

function editsOf(response: string): (readonly [kind: string, response: string])[] {
  const edits: (readonly [string, string])[] = [];
  if (response.length >= 4) {
    edits.push([
      'first half',
      inAnswer(response, (answer) => answer.slice(0, Math.floor(answer.length / 2))),
    ]);
  }
  if (/\d/.test(response)) {
    edits.push([
      'last digit changed',
      inAnswer(response, (answer) =>
        answer.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)),
      ),
    ]);
  }
  return edits;
}

/** Changes what stands between the answer tags where there are some, else the whole. */
function inAnswer(response: string, change: (answer: string) => string): string {
  const match = /^([\s\S]*<answer>)([\s\S]*?)(<\/answer>[\s\S]*)$/.exec(response);
  return match === null ? change(response) : `${match[1]}${change(match[2]!)}${match[3]}`;
}
