/** The second half of solvers.test.ts: each generator against another method. */
import { describe, expect, it } from 'vitest';
import { calendarArithmetic } from './calendar-arithmetic.ts';
import { circuitEvaluation } from './circuit-evaluation.ts';
import { gameOfLife, lifeStep } from './game-of-life.ts';
import { letterCounting } from './letter-counting.ts';
import { polynomialExpansion, readPolynomial } from './polynomial-expansion.ts';
import { primeFactorization } from './prime-factorization.ts';
import type { KnobValues, ProceduralTask } from './procedural-task.ts';
import { setOperations } from './set-operations.ts';
import { stringRewriting } from './string-rewriting.ts';
import { solveHanoi, towerOfHanoi } from './tower-of-hanoi.ts';
import { permutations } from './zebra-houses.ts';
import { zebraPuzzle } from './zebra-puzzle.ts';

function* puzzlesOf<Knobs extends KnobValues, Puzzle extends object>(
  built: ProceduralTask<Knobs, Puzzle>,
  perLevel: number,
) {
  const task = built.create();
  for (const level of task.levels) {
    for (let index = 0; index < perLevel; index++) {
      const { puzzle, prompt, answer } = task.problem({ split: 'train', index, level });
      yield { puzzle, prompt, answer, level, check: (text: string) => built.definition.check(puzzle, text) };
    }
  }
}

describe('polynomial-expansion', () => {
  it('has the value of the factors as they are written, at many points', () => {
    for (const { prompt, answer } of puzzlesOf(polynomialExpansion, 30)) {
      const compile = (text: string) => {
        const code = text
          .replaceAll(/x\^(\d+)/g, 'x**$1n')
          .replaceAll(/(?<![*\d])(\d+)(?!n|\d)/g, '$1n')
          .replaceAll('nx', 'n*x')
          .replaceAll(')(', ')*(')
          .replaceAll(/-(x\*\*\d+n)/g, '-($1)');
        // oxlint-disable-next-line no-implied-eval
        return new Function('x', `return ${code};`) as (x: bigint) => bigint;
      };
      const product = compile(/^Expand (.*) and collect/.exec(prompt)![1]!);
      const sum = compile(answer.replaceAll(/\^(\d+)/g, '^$1'));
      for (let x = -6n; x <= 6n; x++) expect(sum(x)).toBe(product(x));
    }
  });

  it('reads sums in any order and notation, and no products', () => {
    const check = (text: string) =>
      polynomialExpansion.definition.check(
        {
          factors: [
            [-1, 1],
            [1, 1],
          ],
        },
        text,
      );
    for (const right of ['x^2 - 1', '-1 + x^2', 'x^{2}-1', '1*x**2 − 1', '+x^2+0x-1']) {
      expect(check(right)).toBeUndefined();
    }
    for (const wrong of [
      '(x-1)(x+1)',
      'x^2',
      'x^2 - 1 + x^2',
      'x^2 - 1 = 0',
      'y^2 - 1',
      'x^2 -- 1',
      'x2 - 1',
      'xx-1',
    ]) {
      expect(check(wrong)).toBeTypeOf('string');
    }
    expect(readPolynomial('9'.repeat(3000))).toBeUndefined();
  });
});

describe('prime-factorization', () => {
  it('multiplies back, by primes of a sieve', () => {
    const sieve = new Uint8Array(1_000_001);
    for (let i = 2; i <= 1000; i++) if (!sieve[i]) for (let j = i * i; j <= 1_000_000; j += i) sieve[j] = 1;
    for (const { puzzle, answer, check } of puzzlesOf(primeFactorization, 60)) {
      const factors = answer.split(' * ').map(Number);
      expect(factors.reduce((a, b) => a * b)).toBe(puzzle.number);
      expect(factors.every((factor) => sieve[factor] === 0)).toBe(true);
      expect(check(factors.toReversed().join(' × '))).toBeUndefined();
      expect(check(`${puzzle.number}`) === undefined).toBe(factors.length === 1);
      expect(check(`1 * ${answer}`)).toBe('1 is not prime');
    }
    const check = (text: string) => primeFactorization.definition.check({ number: 360 }, text);
    expect(check('2^3 * 3^2 * 5')).toBeUndefined();
    expect(check('2^{3} \\times 3^{2} \\times 5')).toBeUndefined();
    expect(check('2^3 * 9 * 5')).toBe('9 is not prime');
    expect(check('2^99')).toBeTypeOf('string');
  });
});

describe('calendar-arithmetic', () => {
  it('agrees with the dates of JavaScript', () => {
    const time = (date: string) => Date.parse(`${date}T00:00:00Z`);
    const kinds = new Set<string>();
    const rightAnswer = (prompt: string) => {
      const [first, second] = prompt.match(/\d{4}-\d{2}-\d{2}/g)! as [string, string];
      const span = /is (\d+) days (before|after)/.exec(prompt);
      if (span !== null) {
        kinds.add(span[2]!);
        const days = Number(span[1]) * (span[2] === 'before' ? -1 : 1);
        return new Date(time(first) + days * 86_400_000).toISOString().slice(0, 10);
      }
      if (prompt.startsWith('How many')) {
        kinds.add('between');
        return `${(time(second) - time(first)) / 86_400_000}`;
      }
      kinds.add('weekday');
      return new Date(time(first)).toLocaleDateString('en-US', { weekday: 'long', timeZone: 'UTC' });
    };
    for (const { prompt, answer } of puzzlesOf(calendarArithmetic, 120)) {
      expect({ prompt, answer }).toEqual({ prompt, answer: rightAnswer(prompt) });
    }
    expect(kinds.size).toBe(4);
  });

  it('refuses dates that do not exist', () => {
    const puzzle = { kind: 'add', day: 0, days: 1 } as const;
    for (const wrong of ['2023-02-29', '1900-02-29', '2024-13-01', '2024-00-10', '24-01-01']) {
      expect(calendarArithmetic.definition.check(puzzle, wrong)).toBe('no date of the form 2024-02-29');
    }
    expect(calendarArithmetic.definition.check(puzzle, '0001-01-02')).toBeUndefined();
  });
});

describe('set-operations', () => {
  it('agrees element by element with the expression as it is written', () => {
    for (const { puzzle, prompt, check } of puzzlesOf(setOperations, 40)) {
      const expression = /What is (.*)\? \(/.exec(prompt)![1]!;
      const code = expression
        .replaceAll('∪', '||')
        .replaceAll('∩', '&&')
        .replaceAll('\\', '> ')
        .replaceAll('△', '!==')
        .replaceAll(/[A-H]/g, '$&.has(v)');
      const names = 'ABCDEFGH'.slice(0, puzzle.sets.length).split('');
      // oxlint-disable-next-line no-implied-eval
      const contains = new Function('v', ...names, `return ${code};`) as (
        v: number,
        ...sets: Set<number>[]
      ) => boolean;
      const sets = puzzle.sets.map((set) => new Set(set));
      const all = [...new Set(puzzle.sets.flat())].toSorted((a, b) => b - a);
      const elements = all.filter((value) => contains(value, ...sets));
      expect(check(`{${elements.join(', ')}}`)).toBeUndefined();
      expect(check(elements.join(' '))).toBeUndefined();
      expect(check([...elements, elements[0]].join(', '))).toBe('an element stands twice');
    }
  });
});

describe('circuit-evaluation', () => {
  it('agrees with the gates as they are written', () => {
    for (const { puzzle, prompt, answer } of puzzlesOf(circuitEvaluation, 30)) {
      const values = new Map<string, boolean>();
      for (const match of prompt.matchAll(/(x\d+) = ([01])/g)) values.set(match[1]!, match[2] === '1');
      for (const match of prompt.matchAll(/^(g\d+) = (?:NOT (\w+)|(\w+) (\w+) (\w+))$/gm)) {
        const a = values.get(match[2] ?? match[3]!)!;
        const b = values.get(match[5] ?? '') ?? false;
        const table: Record<string, boolean> = {
          NOT: !a,
          AND: a && b,
          OR: a || b,
          XOR: a !== b,
          NAND: !(a && b),
          NOR: !(a || b),
        };
        values.set(match[1]!, table[match[4] ?? 'NOT']!);
      }
      const asked = /^What are (.*)\? Answer/m.exec(prompt)![1]!.split(', ');
      expect(asked).toHaveLength(puzzle.outputs);
      expect(answer).toBe(asked.map((name) => (values.get(name)! ? '1' : '0')).join(''));
    }
  });
});

describe('string-rewriting', () => {
  it('agrees with the rules as they are written, letter by letter', () => {
    const modes = new Set<string>();
    for (const { puzzle, prompt, answer } of puzzlesOf(stringRewriting, 30)) {
      modes.add(puzzle.mode);
      const rules = [...prompt.matchAll(/^\d+\. (\w+) -> (.*)$/gm)].map(
        (match) => [match[1]!, match[2] === '(nothing)' ? '' : match[2]!] as const,
      );
      let text = /the string (\w+) and/.exec(prompt)![1]!;
      for (let round = 0; round < Number(/(\d+) rounds are made/.exec(prompt)![1]); round++) {
        let next = '';
        if (puzzle.mode === 'parallel') {
          for (let i = 0; i < text.length; i++) {
            const rule = rules.find(([left]) => left === text[i]);
            next += rule === undefined ? text[i]! : rule[1];
          }
        } else {
          next = text;
          for (const [left, right] of rules) {
            const at = text.indexOf(left);
            if (at < 0) continue;
            next = text.slice(0, at) + right + text.slice(at + left.length);
            break;
          }
        }
        text = next;
      }
      expect(answer).toBe(text);
    }
    expect(modes.size).toBe(2);
  });
});

describe('letter-counting', () => {
  it('agrees with counting one letter after the other', () => {
    for (const { prompt, answer } of puzzlesOf(letterCounting, 40)) {
      const text = /"(.*)"/.exec(prompt)![1]!;
      const counts = new Map<string, number>();
      for (let i = 0; i < text.length; i++) counts.set(text[i]!, (counts.get(text[i]!) ?? 0) + 1);
      for (const item of answer.split(', ')) {
        const [letter, count] = item.split(': ');
        expect(Number(count)).toBe(counts.get(letter!));
      }
    }
  });
});

describe('game-of-life', () => {
  it('moves a glider by one cell in four generations, turns a blinker, keeps a block', () => {
    const step = (rows: string[], times: number) => {
      let board = rows;
      for (let i = 0; i < times; i++) board = lifeStep(board);
      return board;
    };
    const glider = ['.#....', '..#...', '###...', '......', '......', '......'];
    expect(step(glider, 4)).toEqual(['......', '..#...', '...#..', '.###..', '......', '......']);
    expect(step(['...', '###', '...'], 1)).toEqual(['.#.', '.#.', '.#.']);
    expect(step(['....', '.##.', '.##.', '....'], 3)).toEqual(['....', '.##.', '.##.', '....']);
  });

  it('agrees with counting from the live cells', () => {
    for (const { puzzle, answer } of puzzlesOf(gameOfLife, 20)) {
      const size = puzzle.rows.length;
      let alive = new Set(
        puzzle.rows.flatMap((row, y) => row.split('').flatMap((c, x) => (c === '#' ? [y * 100 + x] : []))),
      );
      for (let i = 0; i < puzzle.generations; i++) {
        const counts = new Map<number, number>();
        for (const cell of alive) {
          for (const offset of [-101, -100, -99, -1, 1, 99, 100, 101]) {
            counts.set(cell + offset, (counts.get(cell + offset) ?? 0) + 1);
          }
        }
        const inside = (cell: number) => cell >= 0 && cell % 100 < size && Math.floor(cell / 100) < size;
        alive = new Set(
          [...counts].flatMap(([cell, count]) =>
            inside(cell) && (count === 3 || (count === 2 && alive.has(cell))) ? [cell] : [],
          ),
        );
      }
      const written = answer
        .split('\n')
        .flatMap((row, y) => row.split('').flatMap((c, x) => (c === '#' ? [y * 100 + x] : [])));
      expect(new Set(written)).toEqual(alive);
    }
  });
});

describe('tower-of-hanoi', () => {
  it('takes 2^n - 1 moves from peg to peg, as Lucas found', () => {
    for (let disks = 2; disks <= 7; disks++) {
      const on = (peg: number) => Array.from({ length: disks }, () => peg);
      expect(solveHanoi(on(0), on(2))).toHaveLength(2 ** disks - 1);
    }
  });

  it('accepts every legal way in time, judged by stacks', () => {
    // All sequences of up to 4 moves, against a simulation with real stacks.
    const start = [0, 0, 1];
    const goal = [1, 2, 1];
    const puzzle = { start, goal, moves: 4 };
    const names = ['AB', 'AC', 'BA', 'BC', 'CA', 'CB'];
    let accepted = 0;
    const misjudged: string[] = [];
    const visit = (moves: string[]): void => {
      const stacks = { A: [2, 1], B: [3], C: [] as number[] };
      let legal = true;
      for (const move of moves) {
        const [from, to] = move.split('') as ['A' | 'B' | 'C', 'A' | 'B' | 'C'];
        const disk = stacks[from].pop();
        if (disk === undefined || (stacks[to].at(-1) ?? 9) < disk) {
          legal = false;
          break;
        }
        stacks[to].push(disk);
      }
      const right = legal && JSON.stringify(stacks) === '{"A":[],"B":[3,1],"C":[2]}';
      const verdict = towerOfHanoi.definition.check(puzzle, moves.join(', '));
      if ((verdict === undefined) !== right) misjudged.push(moves.join());
      if (right) accepted++;
      if (moves.length < 4) for (const name of names) visit([...moves, name]);
    };
    for (const name of names) visit([name]);
    expect(misjudged).toEqual([]);
    expect(accepted).toBeGreaterThan(1);
    expect(towerOfHanoi.definition.check({ ...puzzle, moves: 1 }, 'AB, AC, AB')).toMatch(/at most 1/);
  });
});

describe('zebra-puzzle', () => {
  it('the clues as they are written leave one arrangement, among all of them', () => {
    for (const { puzzle, prompt, level, check } of puzzlesOf(zebraPuzzle, 6)) {
      if (level > 3) continue;
      const { houses, words } = puzzle;
      const all = words.flat();
      const find = (text: string) => all.findIndex((word) => new RegExp(`\\b${word}\\b`).test(text));
      const clues = [...prompt.matchAll(/^\d+\. (.*)\.$/gm)].map((match) => {
        const sentence = match[1]!;
        const [left, relation, right] = sentence.split(
          / (lives in house|does not live in house|lives next to|lives directly to the left of|lives somewhere to the left of|is) (?!in the)/,
        ) as [string, string, string];
        const a = find(left);
        expect(a).toBeGreaterThanOrEqual(0);
        const house = Number(right) - 1;
        const b = find(right);
        const tests: Record<string, (at: readonly number[]) => boolean> = {
          'lives in house': (at) => at[a] === house,
          'does not live in house': (at) => at[a] !== house,
          'lives next to': (at) => Math.abs(at[a]! - at[b]!) === 1,
          'lives directly to the left of': (at) => at[a]! + 1 === at[b],
          'lives somewhere to the left of': (at) => at[a]! < at[b]!,
          is: (at) => at[a] === at[b],
        };
        return tests[relation]!;
      });
      const orders = permutations(houses);
      const solutions: number[][] = [];
      const visit = (at: number[]): void => {
        if (at.length === all.length) {
          if (clues.every((clue) => clue(at))) solutions.push(at);
          return;
        }
        for (const order of orders) visit([...at, ...order]);
      };
      visit([]);
      expect(solutions).toHaveLength(1);
      const lines = Array.from({ length: houses }, (_, house) => {
        const here = all.filter((_, i) => solutions[0]![i] === house);
        return `House ${house + 1}: ${here.join(',')}`;
      });
      expect(check(lines.toReversed().join('\n\n'))).toBeUndefined();
    }
  });
});
