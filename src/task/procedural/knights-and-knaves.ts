/**
 * Knights always tell the truth, knaves always lie: who is what? Every puzzle has exactly one solution, found by
 * looking at all 2^n cases when it is drawn.
 */
import { z } from 'zod';
import type { RandomStream } from '../../util/random.ts';
import { assignments } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

/** What someone says, about the persons `a` and `b` by index. */
export type Claim =
  | { readonly kind: 'is'; readonly a: number; readonly knight: boolean }
  | { readonly kind: 'same' | 'different'; readonly a: number; readonly b: number }
  | {
      readonly kind: 'and' | 'or' | 'implies';
      readonly a: number;
      readonly aKnight: boolean;
      readonly b: number;
      readonly bKnight: boolean;
    }
  | { readonly kind: 'count'; readonly knights: number };

interface KnightsPuzzle {
  readonly people: readonly string[];
  /** One for each of `people`, said by that person. */
  readonly claims: readonly Claim[];
  /** Bit i: whether person i is a knight. */
  readonly solution: number;
}

const firstNames = [
  'Ava',
  'Ben',
  'Cleo',
  'Dan',
  'Ella',
  'Finn',
  'Gina',
  'Hugo',
  'Ida',
  'Jack',
  'Kara',
  'Leo',
];

export function holds(claim: Claim, knights: number): boolean {
  const is = (person: number) => ((knights >> person) & 1) === 1;
  switch (claim.kind) {
    case 'is':
      return is(claim.a) === claim.knight;
    case 'same':
      return is(claim.a) === is(claim.b);
    case 'different':
      return is(claim.a) !== is(claim.b);
    case 'and':
      return is(claim.a) === claim.aKnight && is(claim.b) === claim.bKnight;
    case 'or':
      return is(claim.a) === claim.aKnight || is(claim.b) === claim.bKnight;
    case 'implies':
      return is(claim.a) !== claim.aKnight || is(claim.b) === claim.bKnight;
    case 'count': {
      let count = 0;
      for (let rest = knights; rest > 0; rest >>= 1) count += rest & 1;
      return count === claim.knights;
    }
  }
}

/** All cases in which exactly the knights' claims hold. */
export function consistentCases(claims: readonly Claim[]): number[] {
  const cases: number[] = [];
  for (let knights = 0; knights < 2 ** claims.length; knights++) {
    if (claims.every((claim, i) => holds(claim, knights) === (((knights >> i) & 1) === 1)))
      cases.push(knights);
  }
  return cases;
}

function drawClaim(random: RandomStream, speaker: number, count: number, varied: boolean): Claim {
  const others = random.shuffle(
    Array.from({ length: count }, (_, i) => i).filter((person) => person !== speaker),
  );
  const [a, b] = others as [number, number | undefined];
  const kinds = varied
    ? (['is', 'same', 'different', 'and', 'or', 'implies', 'count'] as const)
    : (['is', 'is', 'same', 'different'] as const);
  const kind = random.pick(kinds);
  const flip = () => random.next() < 0.5;
  switch (kind) {
    case 'is':
      return { kind, a, knight: flip() };
    case 'same':
    case 'different':
      return { kind, a, b: b !== undefined && flip() ? b : speaker };
    case 'and':
    case 'or':
    case 'implies':
      return { kind, a, aKnight: flip(), b: b ?? speaker, bKnight: flip() };
    case 'count':
      return { kind, knights: random.integer(count + 1) };
  }
}

function writeClaim(claim: Claim, people: readonly string[], speaker: number): string {
  const name = (person: number) => (person === speaker ? 'I' : people[person]!);
  const role = (person: number, knight: boolean) =>
    `${name(person)} ${person === speaker ? 'am' : 'is'} a ${knight ? 'knight' : 'knave'}`;
  switch (claim.kind) {
    case 'is':
      return `${role(claim.a, claim.knight)}.`;
    case 'same':
      return `${name(claim.a)} and ${name(claim.b)} are of the same kind.`;
    case 'different':
      return `${name(claim.a)} and ${name(claim.b)} are of different kinds.`;
    case 'and':
      return `${role(claim.a, claim.aKnight)} and ${role(claim.b, claim.bKnight)}.`;
    case 'or':
      return `${role(claim.a, claim.aKnight)} or ${role(claim.b, claim.bKnight)}, or both.`;
    case 'implies':
      return `If ${role(claim.a, claim.aKnight)}, then ${role(claim.b, claim.bKnight)}.`;
    case 'count':
      return `Exactly ${claim.knights} of the ${people.length} of us ${claim.knights === 1 ? 'is a knight' : 'are knights'}.`;
  }
}

function writeRoles(people: readonly string[], knights: number): string {
  return people
    .map((person, i) => `${person}: ${((knights >> i) & 1) === 1 ? 'knight' : 'knave'}`)
    .join(', ');
}

export const knightsAndKnaves = proceduralTask<
  { readonly people: number; readonly varied: boolean },
  KnightsPuzzle
>({
  name: 'knights-and-knaves',
  description: 'Find out who tells the truth and who lies from what each says.',
  knobs: {
    people: z.int().min(2).max(12),
    /** Whether claims go beyond single roles and equal roles. */
    varied: z.boolean(),
  },
  levels: [
    { people: 2, varied: true },
    { people: 3, varied: false },
    { people: 4, varied: true },
    { people: 6, varied: true },
    { people: 8, varied: true },
  ],
  draw(random, { people: count, varied }) {
    const people = random.shuffle(firstNames).slice(0, count);
    const claims = people.map((_, i) => drawClaim(random, i, count, varied));
    const cases = consistentCases(claims);
    return cases.length === 1 ? { people, claims, solution: cases[0]! } : undefined;
  },
  question: ({ people, claims }) =>
    'Knights always tell the truth, and knaves always lie. Each person is one or the other.\n' +
    `${claims.map((claim, i) => `${people[i]} says: "${writeClaim(claim, people, i)}"`).join('\n')}\n` +
    `Who is what? Answer with everybody, such as ${writeRoles(people, 1)}`,
  answer: ({ people, solution }) => writeRoles(people, solution),
  reasoning: ({ people, claims, solution }) =>
    claims
      .map((claim, i) => {
        const knight = ((solution >> i) & 1) === 1;
        return `${people[i]} is a ${knight ? 'knight' : 'knave'}, and "${writeClaim(claim, people, i)}" is ${knight ? 'true' : 'false'}.`;
      })
      .join(' ') + ' No other case fits.',
  check({ people, solution }, answer) {
    const given = assignments(answer);
    if (given === undefined) return 'not of the form Ava: knight, Ben: knave';
    if (given.size !== people.length) return `${given.size} persons, not ${people.length}`;
    for (const [i, person] of people.entries()) {
      const role = (given.get(person) ?? '').toLowerCase();
      if (role !== 'knight' && role !== 'knave') return `neither knight nor knave for ${person}`;
      if ((role === 'knight') !== (((solution >> i) & 1) === 1)) return `${person} is no ${role}`;
    }
    return undefined;
  },
  corrupt: ({ people, solution }, random) =>
    writeRoles(people, solution ^ (1 << random.integer(people.length))),
});
