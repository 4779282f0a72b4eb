/** Functions of one argument that are a chain of steps, and the mistakes that are made in them. */
import type { RandomStream } from '../../util/random.ts';
import { canonical, plainFromJson } from '../../verify/code/plain-value.ts';
import { drawSteps, drawValue, kinds, type Kind, type Step } from './steps.ts';

/** A function to be written, with what decides whether it was. */
export interface FunctionProblem {
  /** `(a:number[]):number` */
  readonly signature: string;
  /** What it does, in words. */
  readonly words: string;
  /** Its body, as an expression. */
  readonly body: string;
  /** Bodies that compile and are wrong: each fails at least one case. */
  readonly wrong: readonly string[];
  readonly cases: readonly { readonly args: readonly unknown[]; readonly expected: unknown }[];
}

export const casesOfProblem = 6;
const mostAttempts = 40;

/** Undefined when what was drawn does not tell right from wrong; draw again. */
export function drawPipeline(length: number, random: RandomStream): FunctionProblem | undefined {
  const steps = drawSteps(random);
  const chain = drawChain(length, steps, random);
  if (chain === undefined) return undefined;
  const from = chain[0]!.from;
  const to = chain.at(-1)!.to;
  const mutants = mutantsOf(chain, steps, random);
  return withCases(
    {
      signature: `(a:${kinds[from]}):${kinds[to]}`,
      words: chain.map(({ words }) => words).join('; '),
      body: write(chain),
      run: (value) => run(chain, value),
    },
    mutants.map((mutant) => ({ body: write(mutant), run: (value: unknown) => run(mutant, value) })),
    () => [drawValue(from, random)],
    random,
  );
}

export interface Runnable {
  readonly body: string;
  readonly run: (...args: unknown[]) => unknown;
}

/**
 * Chooses cases until every wrong body fails one of them and not all results are the same. Undefined when that does
 * not come about.
 */
export function withCases(
  right: Runnable & { readonly signature: string; readonly words: string },
  wrong: readonly Runnable[],
  drawArgs: () => readonly unknown[],
  random: RandomStream,
): FunctionProblem | undefined {
  // As the checker compares: the order of keys does not count.
  const text = (one: Runnable, args: readonly unknown[]) => canonical(plainFromJson(one.run(...args)));
  const cases: { args: readonly unknown[]; expected: unknown }[] = [];
  const results = new Set<string>();
  const inputs = new Set<string>();
  let standing = [...wrong];
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const args = drawArgs();
    const key = JSON.stringify(args);
    if (inputs.has(key)) continue;
    const expected = right.run(...args);
    if (!isSafe(expected)) continue;
    const result = canonical(plainFromJson(expected)) ?? '';
    const caught = standing.filter((one) => text(one, args) !== result);
    // A case must show something that no earlier one did, as long as there is something to show.
    const needed =
      standing.length > 0 ? caught.length > 0 : !results.has(result) || attempt > mostAttempts / 2;
    if (!needed && random.next() < 0.8) continue;
    inputs.add(key);
    results.add(result);
    cases.push({ args, expected });
    standing = standing.filter((one) => !caught.includes(one));
    if (cases.length >= casesOfProblem && standing.length === 0) break;
  }
  if (standing.length > 0 || results.size < 2 || cases.length < 4) return undefined;
  const { signature, words, body } = right;
  return { signature, words, body, wrong: wrong.map((one) => one.body), cases };
}

/** Whole numbers of a size that every language agrees about. */
function isSafe(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isSafe);
}

const starts: readonly Kind[] = [
  'numbers',
  'numbers',
  'numbers',
  'strings',
  'string',
  'record',
  'pair',
  'rows',
  'items',
  'maybe',
];

function drawChain(length: number, steps: readonly Step[], random: RandomStream): Step[] | undefined {
  const chain: Step[] = [];
  let kind = random.pick(starts);
  for (let i = 0; i < length; i++) {
    // An expression with an operator can only stand at the end: no parentheses are written.
    const fitting = steps.filter(
      (one) =>
        one.from === kind &&
        !chain.includes(one) &&
        (i === length - 1
          ? true
          : steps.some((next) => next.from === one.to) && !/[-+>?]/.test(operatorOf(one))),
    );
    if (fitting.length === 0) return undefined;
    const chosen = random.pick(fitting);
    chain.push(chosen);
    kind = chosen.to;
  }
  return chain;
}

/** What of a step's code is outside of all brackets. */
function operatorOf(one: Step): string {
  let code = one.code('a');
  for (let before = ''; before !== code;) {
    before = code;
    code = code.replaceAll(/\([^()[\]]*\)|\[[^()[\]]*\]/g, '');
  }
  return code;
}

function run(chain: readonly Step[], value: unknown): unknown {
  return chain.reduce((held, { apply }) => apply(held as never), value);
}

function write(chain: readonly Step[]): string {
  return chain.reduce((code, one) => one.code(code), 'a');
}

/** The chain with another constant in one step, for the first step that has one. */
function otherConstants(chain: readonly Step[], steps: readonly Step[], random: RandomStream): Step[][] {
  // The same constant may come again.
  for (let attempt = 0; attempt < 8; attempt++) {
    const redrawn = drawSteps(random);
    const index = chain.findIndex((one) => redrawn[steps.indexOf(one)]!.words !== one.words);
    if (index < 0) continue;
    const other = redrawn[steps.indexOf(chain[index]!)]!;
    return [chain.map((step, i) => (i === index ? other : step))];
  }
  return [];
}

/** One step left out or exchanged for another of the same type. */
function mutantsOf(chain: readonly Step[], steps: readonly Step[], random: RandomStream): Step[][] {
  const mutants: Step[][] = [];
  for (const [index, one] of chain.entries()) {
    if (one.from === one.to) mutants.push(chain.filter((_step, i) => i !== index));
    const others = steps.filter(
      (other) =>
        other.from === one.from && other.to === one.to && other !== one && !/[-+>?]/.test(operatorOf(other)),
    );
    if (others.length > 0) mutants.push(chain.map((step, i) => (i === index ? random.pick(others) : step)));
  }
  return [...mutants.slice(0, 4), ...otherConstants(chain, steps, random)];
}
