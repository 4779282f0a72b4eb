/** Functions that are no chain of steps: recursion, generics, parsing, grouping, several arguments. */
import type { RandomStream } from '../../util/random.ts';
import { withCases, type FunctionProblem, type Runnable } from './pipeline.ts';
import { drawValue } from './steps.ts';

interface Template {
  readonly signature: string;
  readonly words: string;
  readonly right: Runnable;
  readonly wrong: readonly Runnable[];
  readonly args: () => readonly unknown[];
}

/** Each template draws the arguments that its own functions take. */
const make = (body: string, run: (...args: never[]) => unknown): Runnable => ({
  body,
  run: run as unknown as Runnable['run'],
});

/** Undefined when what was drawn does not tell right from wrong; draw again. */
export function drawTemplate(random: RandomStream): FunctionProblem | undefined {
  const { signature, words, right, wrong, args } = random.pick(templates)(random);
  return withCases({ ...right, signature, words }, wrong, args, random);
}

const numbers = (random: RandomStream) => drawValue('numbers', random) as number[];
const strings = (random: RandomStream) => drawValue('strings', random) as string[];

const templates: readonly ((random: RandomStream) => Template)[] = [
  (random) => {
    const k = 1 + random.integer(4);
    const climb = (n: number, start: number): number =>
      Array.from({ length: n }, (_x, i) => i + 1).reduce((p, i) => p + i * k, start);
    return {
      signature: '(n:number):number',
      words: `recursive sum of ${k} times 1 to n`,
      right: make(`n<=0?0:n*${k}+f(n-1)`, (n: number) => climb(n, 0)),
      wrong: [make(`n<=0?1:n*${k}+f(n-1)`, (n: number) => climb(n, 1)), make(`n*${k}`, (n: number) => n * k)],
      args: () => [random.integer(15)],
    };
  },
  (random) => {
    const euclid = (a: number, b: number): number => {
      let [x, y] = [a, b];
      while (y !== 0) [x, y] = [y, x % y];
      return x;
    };
    return {
      signature: '(a:number,b:number):number',
      words: 'greatest common divisor',
      right: make('b===0?a:f(b,a%b)', euclid),
      wrong: [
        make('Math.min(a,b)', (a: number, b: number) => Math.min(a, b)),
        make('a%b', (a: number, b: number) => a % b),
      ],
      args: () => {
        const d = 1 + random.integer(6);
        return [d * (1 + random.integer(12)), d * (1 + random.integer(12))];
      },
    };
  },
  (random) => ({
    signature: '(n:number):number',
    words: 'recursive sum of digits',
    right: make('n<10?n:n%10+f(Math.floor(n/10))', (n: number) =>
      String(n)
        .split('')
        .reduce((s, d) => s + Number(d), 0),
    ),
    wrong: [
      make('n%10', (n: number) => n % 10),
      make('n<10?n:1+f(Math.floor(n/10))', (n: number) => Number(String(n)[0]) + String(n).length - 1),
    ],
    args: () => [random.integer(10 ** (1 + random.integer(5)))],
  }),
  (random) => {
    const last = random.integer(2) === 0;
    return {
      signature: '<T>(a:T[],b:T):T',
      words: `${last ? 'last' : 'first'} or else b`,
      right: make(last ? 'a.at(-1)??b' : 'a[0]??b', (a: unknown[], b: unknown) =>
        a.length === 0 ? b : last ? a[a.length - 1] : a[0],
      ),
      wrong: [
        make(last ? 'a[0]??b' : 'a.at(-1)??b', (a: unknown[], b: unknown) =>
          a.length === 0 ? b : last ? a[0] : a[a.length - 1],
        ),
        make('b', (_a: unknown[], b: unknown) => b),
      ],
      args: () =>
        random.integer(2) === 0 ? [numbers(random), random.integer(9)] : [strings(random), 'none'],
    };
  },
  (random) => {
    const rotate = (a: unknown[], n: number) => a.map((_x, i) => a[(i + n) % a.length]);
    return {
      signature: '<T>(a:T[],n:number):T[]',
      words: 'move the first n to the end',
      right: make('[...a.slice(n),...a.slice(0,n)]', (a: unknown[], n: number) =>
        n > a.length ? a : rotate(a, n),
      ),
      wrong: [make('a.slice(n)', (a: unknown[], n: number) => a.slice(n)), make('a', (a: unknown[]) => a)],
      args: () => {
        const a = numbers(random);
        return [a, a.length === 0 ? 0 : random.integer(a.length)];
      },
    };
  },
  (random) => ({
    signature: '<T,U>(a:T[],b:U[]):[T,U][]',
    words: 'zip as long as a, b repeats from its start',
    right: make('a.map((x,i)=>[x,b[i%b.length]!])', (a: unknown[], b: unknown[]) =>
      a.map((x, i) => [x, b[i % b.length]]),
    ),
    wrong: [make('a.map(x=>[x,b[0]!])', (a: unknown[], b: unknown[]) => a.map((x) => [x, b[0]]))],
    args: () => [numbers(random), ['x', 'y', 'z'].slice(0, 1 + random.integer(3))],
  }),
  (random) => {
    const sign = random.pick([',', ';', '|']);
    return {
      signature: '(s:string):number[]',
      words: `parse whole numbers between ${sign}`,
      right: make(`s.split("${sign}").map(x=>Number(x))`, (s: string) => s.split(sign).map(Number)),
      wrong: [
        make(`s.split("${sign}").map(x=>x.length)`, (s: string) => s.split(sign).map((x) => x.length)),
        make('[Number.parseInt(s)]', (s: string) => [Number.parseInt(s)]),
      ],
      args: () => [[random.integer(9), ...numbers(random)].join(sign)],
    };
  },
  (random) => ({
    signature: '(s:string):Record<string,string>',
    words: 'parse k=v pairs between &',
    right: make('Object.fromEntries(s.split("&").map(x=>x.split("=")))', (s: string) => {
      const r: Record<string, string> = {};
      for (const part of s.split('&')) {
        const [key, value] = part.split('=');
        r[key!] = value!;
      }
      return r;
    }),
    wrong: [
      make('({[s.split("=")[0]!]:s.split("=")[1]!})', (s: string) => ({
        [s.split('=')[0]!]: s.split('=')[1]!,
      })),
    ],
    args: () => [
      Array.from(
        { length: 1 + random.integer(3) },
        () => `${random.pick(['a', 'b', 'cd', 'e'])}=${random.integer(50)}`,
      ).join('&'),
    ],
  }),
  (random) => ({
    signature: '(a:{name:string,price:number}[]):Record<string,number>',
    words: 'total price by name',
    right: make(
      'a.reduce<Record<string,number>>((r,i)=>({...r,[i.name]:(r[i.name]??0)+i.price}),{})',
      (a: { name: string; price: number }[]) => {
        const r: Record<string, number> = {};
        for (const i of a) r[i.name] = (r[i.name] ?? 0) + i.price;
        return r;
      },
    ),
    wrong: [
      make('Object.fromEntries(a.map(i=>[i.name,i.price]))', (a: { name: string; price: number }[]) =>
        Object.fromEntries(a.map((i) => [i.name, i.price])),
      ),
    ],
    args: () => [
      Array.from({ length: 1 + random.integer(6) }, () => ({
        name: random.pick(['tea', 'bun']),
        price: 1 + random.integer(9),
      })),
    ],
  }),
  (random) => ({
    signature: '(a:({kind:"square",side:number}|{kind:"box",width:number,height:number})[]):number[]',
    words: 'areas',
    right: make('a.map(s=>s.kind==="square"?s.side*s.side:s.width*s.height)', (a: Record<string, never>[]) =>
      a.map((s) => (s['kind'] === 'square' ? s['side']! ** 2 : s['width']! * s['height']!)),
    ),
    wrong: [
      make('a.map(s=>s.kind==="square"?s.side*2:s.width*s.height)', (a: Record<string, never>[]) =>
        a.map((s) => (s['kind'] === 'square' ? s['side']! * 2 : s['width']! * s['height']!)),
      ),
    ],
    args: () => [
      Array.from({ length: 1 + random.integer(4) }, () =>
        random.integer(2) === 0
          ? { kind: 'square', side: 1 + random.integer(8) }
          : { kind: 'box', width: 1 + random.integer(8), height: 1 + random.integer(8) },
      ),
    ],
  }),
  (random) => {
    const k = 2 + random.integer(3);
    const chunks = (a: number[]) => {
      const out: number[][] = [];
      for (let i = 0; i < a.length; i += k) out.push(a.slice(i, i + k));
      return out;
    };
    return {
      signature: '(a:number[]):number[][]',
      words: `recursive chunks of ${k}`,
      right: make(`a.length===0?[]:[a.slice(0,${k}),...f(a.slice(${k}))]`, chunks),
      wrong: [make('[a]', (a: number[]) => [a]), make('a.map(x=>[x])', (a: number[]) => a.map((x) => [x]))],
      args: () => [numbers(random)],
    };
  },
];
