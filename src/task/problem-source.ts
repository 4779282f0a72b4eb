/**
 * Where problems come from: a generator (as many as asked for) or a data set (a list). Both give the problem at an
 * address deterministically, and neither can give the same problem in both splits: the split of a problem is
 * decided by its own content (`fingerprintOf`), or, where a data set brings its own splits, what is held out is
 * removed from training.
 */
import { AhaError } from '../errors.ts';
import { randomStream, type RandomStream } from '../util/random.ts';
import { checkProblem, fingerprintOf, type Problem, type ProblemAddress, type Split } from './problem.ts';

export interface ProblemSource<P extends Problem> {
  /** The levels there are, ascending; never empty. */
  readonly levels: readonly number[];
  /** What was done to the data on the way in, for people. */
  readonly notes: readonly string[];
  /** How many different problems; Infinity for a generator. */
  size(split: Split, level?: number): number;
  /** `seed` orders and draws training problems; held-out ones are the same for every seed. */
  problem(seed: number | string, address: ProblemAddress): P;
}

/** Draws a problem of a level. Must take all its randomness from the stream. */
export type ProblemGenerator<P extends Problem> = (random: RandomStream, level: number) => P;

/** How often a generator is asked until a problem belongs to the wanted split. */
const mostAttempts = 2000;

export function generatedSource<P extends Problem>(options: {
  readonly name: string;
  readonly generate: ProblemGenerator<P>;
  readonly levels: readonly number[];
  readonly canonical: (problem: P) => string;
  readonly heldOutShare: number;
}): ProblemSource<P> {
  const { name, generate, levels, canonical, heldOutShare } = options;
  return {
    levels,
    notes: [],
    size: () => Number.POSITIVE_INFINITY,
    problem(seed, address) {
      checkAddress(name, levels, address);
      const { split, index } = address;
      const streamSeed = split === 'train' ? seed : 'held-out';
      const random = randomStream(streamSeed, 'task', name, split, address.level ?? 'any', index);
      const level = address.level ?? random.pick(levels);
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        const problem = generate(random, level);
        checkProblem(problem, `What task ${name} generated at level ${level}`);
        const { position } = fingerprintOf(canonical(problem));
        if (position < heldOutShare === (split === 'heldOut')) return problem;
      }
      throw new AhaError({
        code: 'split-empty',
        boundary: 'task',
        what: `Task ${name} has no ${split === 'train' ? 'training' : 'held-out'} problem at level ${level}`,
        found: `${mostAttempts} problems drawn, all of the other split`,
        expected: `about ${split === 'train' ? 1 - heldOutShare : heldOutShare} of all problems to be in this one`,
        fix: 'Use a level with more different problems, or set another heldOutShare.',
      });
    },
  };
}

/** What a data set is made of: one list to split by content, or two that are already split. */
export type ProblemList<P> = readonly P[] | { readonly train: readonly P[]; readonly heldOut: readonly P[] };

/**
 * A data set. Problems that stand twice in a split count once; a training problem that is also held out is removed
 * from training. The same prompt with two different answers is an error, since one of them is wrong.
 */
export function listedSource<P extends Problem>(options: {
  readonly name: string;
  readonly problems: ProblemList<P>;
  readonly canonical: (problem: P) => string;
  readonly levelOf: (problem: P) => number;
  readonly heldOutShare: number;
}): ProblemSource<P> {
  const { name, canonical, levelOf } = options;
  const notes: string[] = [];
  const given = options.problems;
  let train: Entry<P>[];
  let heldOut: Entry<P>[];
  if ('train' in given) {
    heldOut = distinct(name, 'heldOut', given.heldOut, canonical, notes);
    const taken = new Map(heldOut.map((entry) => [entry.identity, entry]));
    const all = distinct(name, 'train', given.train, canonical, notes);
    train = all.filter((entry) => !taken.has(entry.identity));
    if (train.length < all.length) {
      notes.push(`${all.length - train.length} training problems are also held out: removed from training`);
    }
  } else {
    const all = distinct(name, 'prompts', given, canonical, notes);
    ({ train, heldOut } = splitByContent(all, options.heldOutShare));
  }
  for (const [split, entries] of [['train', train] as const, ['heldOut', heldOut] as const]) {
    if (entries.length === 0) {
      throw new AhaError({
        code: 'split-empty',
        boundary: 'task',
        what: `Task ${name} has no ${split === 'train' ? 'training' : 'held-out'} problems`,
        found: `${train.length + heldOut.length} different problems in all`,
        expected: 'at least one in each split',
        fix: 'Add problems, or give both splits: prompts: { train, heldOut }.',
      });
    }
  }

  const problems: Record<Split, P[]> = {
    train: train.map((e) => e.problem),
    heldOut: heldOut.map((e) => e.problem),
  };
  const byLevel: Record<Split, Map<number, P[]>> = {
    train: groupByLevel(problems.train, levelOf),
    heldOut: groupByLevel(problems.heldOut, levelOf),
  };
  const levels = [...new Set([...byLevel.train.keys(), ...byLevel.heldOut.keys()])].sort((a, b) => a - b);
  const entriesOf = (split: Split, level: number | undefined) =>
    level === undefined ? problems[split] : (byLevel[split].get(level) ?? []);
  const orders = new Map<string, P[]>();

  return {
    levels,
    notes,
    size: (split, level) => entriesOf(split, level).length,
    problem(seed, address) {
      checkAddress(name, levels, address);
      const { split, index, level } = address;
      const entries = entriesOf(split, level);
      if (entries.length === 0 || (split === 'heldOut' && index >= entries.length)) {
        throw new AhaError({
          code: 'problem-index-out-of-range',
          boundary: 'task',
          what: `Task ${name} has no ${split === 'train' ? 'training' : 'held-out'} problem ${index}${
            level === undefined ? '' : ` at level ${level}`
          }`,
          found: index,
          expected: entries.length === 0 ? 'another level' : `an index below ${entries.length}`,
        });
      }
      const epoch = split === 'train' ? Math.floor(index / entries.length) : 0;
      const streamSeed = split === 'train' ? seed : 'held-out';
      const key = JSON.stringify([streamSeed, split, level ?? 'any', epoch]);
      let order = orders.get(key);
      if (order === undefined) {
        order = randomStream(streamSeed, 'task', name, split, level ?? 'any', 'epoch', epoch).shuffle(
          entries,
        );
        // Training looks at one epoch at a time: a few orders are enough.
        if (orders.size >= 16) orders.delete(orders.keys().next().value!);
        orders.set(key, order);
      }
      return order[index % entries.length]!;
    },
  };
}

interface Entry<P> {
  readonly problem: P;
  readonly identity: string;
  readonly position: number;
}

function distinct<P extends Problem>(
  name: string,
  list: 'train' | 'heldOut' | 'prompts',
  problems: readonly P[],
  canonical: (problem: P) => string,
  notes: string[],
): Entry<P>[] {
  const entries = new Map<string, Entry<P>>();
  let repeated = 0;
  for (const [i, problem] of problems.entries()) {
    const where = list === 'prompts' ? `prompts[${i}]` : `prompts.${list}[${i}]`;
    checkProblem(problem, `Task ${name}, ${where},`);
    const { identity, position } = fingerprintOf(canonical(problem));
    const earlier = entries.get(identity);
    if (earlier === undefined) entries.set(identity, { problem, identity, position });
    else if (earlier.problem.answer === problem.answer) repeated++;
    else {
      throw new AhaError({
        code: 'contradicting-answers',
        boundary: 'data',
        what: `Task ${name}, ${where}, repeats a prompt with another answer`,
        found: problem.answer ?? 'no answer',
        expected: earlier.problem.answer ?? 'no answer',
        fix: 'Remove one of the two.',
        fields: { prompt: problem.prompt.slice(0, 200) },
      });
    }
  }
  if (repeated > 0) notes.push(`${repeated} repeated problems in ${list}: each counts once`);
  return [...entries.values()];
}

/**
 * By content, so that a problem stays where it is when others are added. Small lists, of which chance might leave
 * a split empty, give it the problem nearest to the border.
 */
function splitByContent<P>(
  entries: readonly Entry<P>[],
  heldOutShare: number,
): { train: Entry<P>[]; heldOut: Entry<P>[] } {
  const train = entries.filter((entry) => entry.position >= heldOutShare);
  const heldOut = entries.filter((entry) => entry.position < heldOutShare);
  if (entries.length >= 2) {
    const ascending = (a: Entry<P>, b: Entry<P>) => a.position - b.position;
    if (heldOut.length === 0) {
      const first = train.toSorted(ascending)[0]!;
      return { train: train.filter((entry) => entry !== first), heldOut: [first] };
    }
    if (train.length === 0) {
      const last = heldOut.toSorted(ascending).at(-1)!;
      return { train: [last], heldOut: heldOut.filter((entry) => entry !== last) };
    }
  }
  return { train, heldOut };
}

function groupByLevel<P>(problems: readonly P[], levelOf: (problem: P) => number): Map<number, P[]> {
  const groups = new Map<number, P[]>();
  for (const problem of problems) {
    const level = levelOf(problem);
    const group = groups.get(level);
    if (group === undefined) groups.set(level, [problem]);
    else group.push(problem);
  }
  return groups;
}

function checkAddress(name: string, levels: readonly number[], address: ProblemAddress): void {
  const { index, level } = address;
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new AhaError({
      code: 'problem-index-out-of-range',
      boundary: 'task',
      what: `A problem index of task ${name} cannot be used`,
      found: String(index),
      expected: 'an integer from 0',
    });
  }
  if (level !== undefined && !levels.includes(level)) {
    throw new AhaError({
      code: 'level-unknown',
      boundary: 'task',
      what: `Task ${name} has no level ${level}`,
      found: String(level),
      expected: levels.length > 12 ? `${levels[0]} to ${levels.at(-1)}` : levels.join(', '),
    });
  }
}
