/**
 * What small TypeScript functions are made of: steps from one type to another, each with its words, its code and what
 * it does. The code is written by hand and so is what it does, so that running the one checks the other.
 */
import type { RandomStream } from '../../util/random.ts';

/** Types of values between steps; all of them JSON. */
export const kinds = {
  numbers: 'number[]',
  number: 'number',
  string: 'string',
  strings: 'string[]',
  boolean: 'boolean',
  record: 'Record<string,number>',
  pair: '[number,number]',
  rows: 'number[][]',
  items: '{name:string,price:number}[]',
  maybe: 'number|null',
} as const;

export type Kind = keyof typeof kinds;

export interface Step {
  readonly from: Kind;
  readonly to: Kind;
  readonly words: string;
  readonly code: (value: string) => string;
  readonly apply: (value: never) => unknown;
}

type Numbers = readonly number[];
type Strings = readonly string[];
type Item = { readonly name: string; readonly price: number };

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- they say what a step takes and gives
function step<From, To>(
  from: Kind,
  to: Kind,
  words: string,
  code: (value: string) => string,
  apply: (value: From) => To,
): Step {
  return { from, to, words, code, apply };
}

const letters = 'abest';

/** All steps, their constants drawn. */
export function drawSteps(random: RandomStream): Step[] {
  const k = 2 + random.integer(5);
  const few = 1 + random.integer(3);
  const letter = letters[random.integer(letters.length)]!;
  const sum = (values: Numbers) => values.reduce((total, one) => total + one, 0);
  return [
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      `add ${k}`,
      (v) => `${v}.map(x=>x+${k})`,
      (v) => v.map((x) => x + k),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      `times ${k}`,
      (v) => `${v}.map(x=>x*${k})`,
      (v) => v.map((x) => x * k),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'square',
      (v) => `${v}.map(x=>x*x)`,
      (v) => v.map((x) => x ** 2),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'negate',
      (v) => `${v}.map(x=>-x)`,
      (v) => v.map((x) => 0 - x),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'keep even',
      (v) => `${v}.filter(x=>x%2===0)`,
      (v) => v.filter((x) => Math.abs(x) % 2 === 0),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'keep odd',
      (v) => `${v}.filter(x=>x%2!==0)`,
      (v) => v.filter((x) => Math.abs(x) % 2 === 1),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      `keep over ${k}`,
      (v) => `${v}.filter(x=>x>${k})`,
      (v) => v.filter((x) => x - k > 0),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      `keep under ${k}`,
      (v) => `${v}.filter(x=>x<${k})`,
      (v) => v.filter((x) => k - x > 0),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'reverse',
      (v) => `${v}.toReversed()`,
      (v) => v.map((_x, i) => v[v.length - 1 - i]!),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'sort',
      (v) => `${v}.toSorted((x,y)=>x-y)`,
      (v) => [...Float64Array.from(v).sort()],
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      `first ${few}`,
      (v) => `${v}.slice(0,${few})`,
      (v) => v.filter((_x, i) => i < few),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      `drop ${few}`,
      (v) => `${v}.slice(${few})`,
      (v) => v.filter((_x, i) => i >= few),
    ),
    step<Numbers, Numbers>(
      'numbers',
      'numbers',
      'unique',
      (v) => `[...new Set(${v})]`,
      (v) => v.filter((x, i) => v.indexOf(x) === i),
    ),
    step<Numbers, number>('numbers', 'number', 'sum', (v) => `${v}.reduce((s,x)=>s+x,0)`, sum),
    step<Numbers, number>(
      'numbers',
      'number',
      'product',
      (v) => `${v}.reduce((s,x)=>s*x,1)`,
      (v) => {
        let p = 1;
        for (const x of v) p *= x;
        return p;
      },
    ),
    step<Numbers, number>(
      'numbers',
      'number',
      'count',
      (v) => `${v}.length`,
      (v) => v.reduce((n) => n + 1, 0),
    ),
    step<Numbers, number>(
      'numbers',
      'number',
      'largest or 0',
      (v) => `Math.max(0,...${v})`,
      (v) => v.reduce((m, x) => (x > m ? x : m), 0),
    ),
    step<Numbers, number>(
      'numbers',
      'number',
      'first or 0',
      (v) => `${v}[0]??0`,
      (v) => (v.length > 0 ? v[0]! : 0),
    ),
    step<Numbers, number>(
      'numbers',
      'number',
      'last or 0',
      (v) => `${v}.at(-1)??0`,
      (v) => (v.length > 0 ? v[v.length - 1]! : 0),
    ),
    step<Numbers, boolean>(
      'numbers',
      'boolean',
      `any over ${k}`,
      (v) => `${v}.some(x=>x>${k})`,
      (v) => v.filter((x) => x > k).length > 0,
    ),
    step<Numbers, boolean>(
      'numbers',
      'boolean',
      'all even',
      (v) => `${v}.every(x=>x%2===0)`,
      (v) => v.filter((x) => Math.abs(x) % 2 === 1).length === 0,
    ),
    step<Numbers, string>(
      'numbers',
      'string',
      'join with -',
      (v) => `${v}.join("-")`,
      (v) => v.map((x) => `${x}`).join('-'),
    ),
    step<Numbers, Strings>(
      'numbers',
      'strings',
      'as text',
      (v) => `${v}.map(x=>String(x))`,
      (v) => v.map((x) => `${x}`),
    ),
    step<Numbers, readonly [number, number]>(
      'numbers',
      'pair',
      'sum and count',
      (v) => `[${v}.reduce((s,x)=>s+x,0),${v}.length]`,
      (v) => [sum(v), v.length],
    ),
    step<string, string>(
      'string',
      'string',
      'upper',
      (v) => `${v}.toUpperCase()`,
      (v) => v.toUpperCase(),
    ),
    step<string, string>(
      'string',
      'string',
      'reverse',
      (v) => `[...${v}].reverse().join("")`,
      (v) => {
        let r = '';
        for (const c of v) r = c + r;
        return r;
      },
    ),
    step<string, string>(
      'string',
      'string',
      `repeat ${few + 1}`,
      (v) => `${v}.repeat(${few + 1})`,
      (v) =>
        Array<string>(few + 1)
          .fill(v)
          .join(''),
    ),
    step<string, string>(
      'string',
      'string',
      `first ${few}`,
      (v) => `${v}.slice(0,${few})`,
      (v) => v.slice(0, few),
    ),
    step<string, string>(
      'string',
      'string',
      `drop ${few}`,
      (v) => `${v}.slice(${few})`,
      (v) => v.slice(few),
    ),
    step<string, number>(
      'string',
      'number',
      'length',
      (v) => `${v}.length`,
      (v) => v.split('').length,
    ),
    step<string, number>(
      'string',
      'number',
      `count ${letter}`,
      (v) => `${v}.split("${letter}").length-1`,
      (v) => v.split('').filter((c) => c === letter).length,
    ),
    step<string, Strings>(
      'string',
      'strings',
      'words',
      (v) => `${v}.split(" ")`,
      (v) => v.split(' '),
    ),
    step<string, Strings>(
      'string',
      'strings',
      'letters',
      (v) => `[...${v}]`,
      (v) => v.split(''),
    ),
    step<string, boolean>(
      'string',
      'boolean',
      `has ${letter}`,
      (v) => `${v}.includes("${letter}")`,
      (v) => v.includes(letter),
    ),
    step<Strings, Strings>(
      'strings',
      'strings',
      'upper',
      (v) => `${v}.map(x=>x.toUpperCase())`,
      (v) => v.map((x) => x.toUpperCase()),
    ),
    step<Strings, Strings>(
      'strings',
      'strings',
      `keep longer than ${few}`,
      (v) => `${v}.filter(x=>x.length>${few})`,
      (v) => v.filter((x) => x.length > few),
    ),
    step<Strings, Strings>(
      'strings',
      'strings',
      'sort',
      (v) => `${v}.toSorted()`,
      (v) => v.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    ),
    step<Strings, Strings>(
      'strings',
      'strings',
      'reverse',
      (v) => `${v}.toReversed()`,
      (v) => v.map((_x, i) => v[v.length - 1 - i]!),
    ),
    step<Strings, string>(
      'strings',
      'string',
      'join with space',
      (v) => `${v}.join(" ")`,
      (v) => v.join(' '),
    ),
    step<Strings, Numbers>(
      'strings',
      'numbers',
      'lengths',
      (v) => `${v}.map(x=>x.length)`,
      (v) => v.map((x) => x.length),
    ),
    step<Strings, number>(
      'strings',
      'number',
      'count',
      (v) => `${v}.length`,
      (v) => v.length,
    ),
    step<Strings, Record<string, number>>(
      'strings',
      'record',
      'tally',
      (v) => `${v}.reduce<Record<string,number>>((r,x)=>({...r,[x]:(r[x]??0)+1}),{})`,
      (v) => {
        const tally = new Map<string, number>();
        for (const x of v) tally.set(x, (tally.get(x) ?? 0) + 1);
        return Object.fromEntries(tally);
      },
    ),
    step<Record<string, number>, Numbers>(
      'record',
      'numbers',
      'values',
      (v) => `Object.values(${v})`,
      (v) => Object.keys(v).map((key) => v[key]!),
    ),
    step<Record<string, number>, Strings>(
      'record',
      'strings',
      'keys',
      (v) => `Object.keys(${v})`,
      (v) => Object.entries(v).map(([key]) => key),
    ),
    step<Record<string, number>, Record<string, number>>(
      'record',
      'record',
      `times ${k}`,
      (v) => `Object.fromEntries(Object.entries(${v}).map(([n,x])=>[n,x*${k}]))`,
      (v) => {
        const next: Record<string, number> = {};
        for (const key of Object.keys(v)) next[key] = v[key]! * k;
        return next;
      },
    ),
    step<readonly [number, number], number>(
      'pair',
      'number',
      'add both',
      (v) => `${v}[0]+${v}[1]`,
      ([a, b]) => a + b,
    ),
    step<readonly [number, number], number>(
      'pair',
      'number',
      'difference',
      (v) => `${v}[0]-${v}[1]`,
      ([a, b]) => a - b,
    ),
    step<readonly [number, number], readonly [number, number]>(
      'pair',
      'pair',
      'swap',
      (v) => `[${v}[1],${v}[0]]`,
      ([a, b]) => [b, a],
    ),
    step<readonly Numbers[], Numbers>(
      'rows',
      'numbers',
      'flatten',
      (v) => `${v}.flat()`,
      (v) => v.reduce<number[]>((all, row) => [...all, ...row], []),
    ),
    step<readonly Numbers[], Numbers>(
      'rows',
      'numbers',
      'row sums',
      (v) => `${v}.map(r=>r.reduce((s,x)=>s+x,0))`,
      (v) => v.map(sum),
    ),
    step<readonly Item[], Strings>(
      'items',
      'strings',
      'names',
      (v) => `${v}.map(i=>i.name)`,
      (v) => v.map(({ name }) => name),
    ),
    step<readonly Item[], Numbers>(
      'items',
      'numbers',
      'prices',
      (v) => `${v}.map(i=>i.price)`,
      (v) => v.map(({ price }) => price),
    ),
    step<readonly Item[], readonly Item[]>(
      'items',
      'items',
      `keep price over ${k}`,
      (v) => `${v}.filter(i=>i.price>${k})`,
      (v) => v.filter(({ price }) => price > k),
    ),
    step<number | null, number>(
      'maybe',
      'number',
      `or else ${k}`,
      (v) => `${v}??${k}`,
      (v) => (v === null ? k : v),
    ),
    step<number, number>(
      'number',
      'number',
      `plus ${k}`,
      (v) => `${v}+${k}`,
      (v) => v + k,
    ),
    step<number, boolean>(
      'number',
      'boolean',
      `over ${k}`,
      (v) => `${v}>${k}`,
      (v) => v > k,
    ),
    step<number, string>(
      'number',
      'string',
      'as text',
      (v) => `String(${v})`,
      (v) => `${v}`,
    ),
  ];
}

/** A value of a type, of a size that small programs deal with. */
export function drawValue(kind: Kind, random: RandomStream): unknown {
  const number = () => random.integer(19) - 6;
  const word = () => random.pick(['tea', 'best', 'a', 'sea', 'east', 'tab', 'bee', 'seat', 'beast', 'at']);
  const many = <T>(draw: () => T, least = 0) => Array.from({ length: least + random.integer(6) }, draw);
  switch (kind) {
    case 'numbers':
      return many(number);
    case 'number':
      return number();
    case 'string':
      return many(word, 1).join(' ');
    case 'strings':
      return many(word);
    case 'boolean':
      return random.integer(2) === 0;
    case 'record':
      return Object.fromEntries(many(() => [word(), number()] as const));
    case 'pair':
      return [number(), number()];
    case 'rows':
      return many(() => many(number));
    case 'items':
      return many(() => ({ name: word(), price: random.integer(12) }));
    case 'maybe':
      return random.integer(3) === 0 ? null : number();
  }
}
