/**
 * Every generator against a solver of its own kind: brute force or a second method, on many seeds. What a puzzle
 * promises (one solution, the least length, no solution) must be what the other method finds.
 */
import { describe, expect, it } from 'vitest';
import { baseConversion } from './base-conversion.ts';
import { cryptarithm, solveCryptarithm } from './cryptarithm.ts';
import { knightsAndKnaves, type Claim } from './knights-and-knaves.ts';
import { linearEquations } from './linear-equations.ts';
import { miniSudoku } from './mini-sudoku.ts';
import { numberSorting } from './number-sorting.ts';
import { propositionalLogic } from './propositional-logic.ts';
import { shortestPathTask } from './shortest-path.ts';
import { twentyFour } from './twenty-four.ts';
import type { KnobValues, ProceduralTask } from './procedural-task.ts';

/** The first puzzles of every level, with a check of answers to them. */
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

describe('number-sorting', () => {
  it('agrees with selection, one number after the other', () => {
    for (const { puzzle, answer } of puzzlesOf(numberSorting, 20)) {
      const left = [...puzzle.numbers];
      const order: number[] = [];
      while (left.length > 0) {
        let best = 0;
        for (let i = 1; i < left.length; i++) {
          if (puzzle.descending ? left[i]! > left[best]! : left[i]! < left[best]!) best = i;
        }
        order.push(...left.splice(best, 1));
      }
      expect(answer).toBe(order.join(', '));
    }
  });

  it('reads lists in brackets and without commas, and nothing else', () => {
    const puzzle = { numbers: [3, -1, 3, 10], descending: false };
    const check = (text: string) => numberSorting.definition.check(puzzle, text);
    for (const right of ['-1, 3, 3, 10', '[-1,3,3,10]', '-1 3 3 10', '−1, 3, 3, 10']) {
      expect(check(right)).toBeUndefined();
    }
    for (const wrong of ['-1, 3, 10', '-1, 3, 3, 3, 10', '-1, 3, 3, 10,', '10, 3, 3, -1', '-1, 3, 3, 1e1']) {
      expect(check(wrong)).toBeTypeOf('string');
    }
  });
});

describe('base-conversion', () => {
  it('agrees with JavaScript', () => {
    for (const { puzzle, answer, check } of puzzlesOf(baseConversion, 40)) {
      const value = Number.parseInt(puzzle.digits, puzzle.from);
      expect(answer).toBe(value.toString(puzzle.to));
      expect(check(`00${answer.toUpperCase()}`)).toBeUndefined();
      expect(check((value + 1).toString(puzzle.to))).toBeTypeOf('string');
      expect(check(`${answer}.0`)).toBeTypeOf('string');
    }
  });
});

describe('linear-equations', () => {
  it('agrees with Cramer’s rule', () => {
    const determinant = (matrix: readonly (readonly bigint[])[]): bigint =>
      matrix.length === 0
        ? 1n
        : matrix[0]!.reduce((sum, value, column) => {
            const minor = matrix.slice(1).map((row) => row.filter((_, i) => i !== column));
            return sum + (column % 2 === 0 ? value : -value) * determinant(minor);
          }, 0n);
    for (const { puzzle, check } of puzzlesOf(linearEquations, 30)) {
      const left = puzzle.rows.map((row) => row.slice(0, -1).map(BigInt));
      const right = puzzle.rows.map((row) => BigInt(row.at(-1)!));
      const whole = determinant(left);
      expect(whole).not.toBe(0n);
      const values = left.map((_, column) =>
        determinant(left.map((row, i) => row.map((value, j) => (j === column ? right[i]! : value)))),
      );
      // Fractions that are not reduced, in reverse order.
      const sign = whole < 0n ? -1n : 1n;
      const written = values
        .map((value, i) => `${'xyzuvw'[i]} = ${value * sign}/${whole * sign}`)
        .toReversed();
      expect(check(written.join('\n'))).toBeUndefined();
      written[0] = written[0]!.replace(' = ', ' = 1').replace('1-', '-1');
      expect(check(written.join(', '))).toBeTypeOf('string');
    }
  });

  it('accepts decimals that are exact and refuses those that are not', () => {
    const check = (text: string) => linearEquations.definition.check({ rows: [[4, 1]] }, text);
    expect(check('x = 0.25')).toBeUndefined();
    expect(check('x: 2/8')).toBeUndefined();
    expect(check('x = 0.2500001')).toBeTypeOf('string');
    expect(check('x = 1/0')).toBeTypeOf('string');
    expect(check('x = 0.25, x = 0.25')).toBeTypeOf('string');
    expect(check('y = 0.25')).toBeTypeOf('string');
    expect(check('0.25')).toBeTypeOf('string');
  });
});

describe('propositional-logic', () => {
  /** The statements as the prompt writes them, as JavaScript. */
  const compile = (prompt: string, variables: number) => {
    const letters = 'ABCDEFGHIJ'.slice(0, variables).split('');
    const implication = (text: string): string =>
      text
        .replaceAll(' and ', ' && ')
        .replaceAll(' or ', ' || ')
        .replaceAll(' iff ', ' === ')
        .replaceAll(' implies ', ' <= ')
        .replaceAll('not ', '!');
    const statements = [...prompt.matchAll(/^\d+\. (.*)$/gm)].map((match) => `(${implication(match[1]!)})`);
    // oxlint-disable-next-line no-implied-eval
    return new Function(...letters, `return ${statements.join(' && ')};`) as (
      ...values: boolean[]
    ) => boolean;
  };

  it('agrees with the truth table of the statements as they are written, answer by answer', () => {
    let satisfiable = 0;
    let total = 0;
    for (const { puzzle, prompt, check } of puzzlesOf(propositionalLogic, 30)) {
      const all = compile(prompt, puzzle.variables);
      let any = false;
      for (let row = 0; row < 2 ** puzzle.variables; row++) {
        const values = Array.from({ length: puzzle.variables }, (_, i) => ((row >> i) & 1) === 1);
        const right = all(...values);
        any ||= right;
        const answer = values.map((value, i) => `${'ABCDEFGHIJ'[i]} = ${value}`).join(', ');
        expect(check(answer) === undefined).toBe(right);
      }
      expect(check('Unsatisfiable') === undefined).toBe(!any);
      total++;
      if (any) satisfiable++;
    }
    expect(satisfiable / total).toBeGreaterThan(0.35);
    expect(satisfiable / total).toBeLessThan(0.65);
  });
});

describe('knights-and-knaves', () => {
  /** What a sentence claims, read from its words. */
  const read = (
    sentence: string,
    people: readonly string[],
    speaker: string,
  ): ((knights: Set<string>) => boolean) => {
    const text = sentence.replaceAll(/\bI\b/g, speaker).replaceAll(' am ', ' is ');
    const role = (part: string) => {
      const match = /(\w+) is a (knight|knave)/.exec(part)!;
      return (knights: Set<string>) => knights.has(match[1]!) === (match[2] === 'knight');
    };
    const count = /^Exactly (\d+) of/.exec(text);
    if (count !== null) return (knights) => knights.size === Number(count[1]);
    const kinds = /^(\w+) and (\w+) are of (the same kind|different kinds)/.exec(text);
    if (kinds !== null) {
      return (knights) =>
        (knights.has(kinds[1]!) === knights.has(kinds[2]!)) === (kinds[3] === 'the same kind');
    }
    const parts = text.split(/, then | and | or (?!both)/);
    const roles = parts.map(role);
    if (text.startsWith('If ')) return (knights) => !roles[0]!(knights) || roles[1]!(knights);
    if (text.includes(' and ')) return (knights) => roles.every((one) => one(knights));
    if (text.includes(', or both')) return (knights) => roles.slice(0, 2).some((one) => one(knights));
    expect(people).toContain(/(\w+) is a/.exec(text)![1]);
    return roles[0]!;
  };

  it('the sentences as they are written have one solution: the reference', () => {
    const kinds = new Set<Claim['kind']>();
    for (const { puzzle, prompt, check } of puzzlesOf(knightsAndKnaves, 40)) {
      for (const claim of puzzle.claims) kinds.add(claim.kind);
      const said = [...prompt.matchAll(/^(\w+) says: "(.*)"$/gm)];
      expect(said).toHaveLength(puzzle.people.length);
      const claims = said.map((match) => read(match[2]!, puzzle.people, match[1]!));
      const solutions: string[] = [];
      for (let row = 0; row < 2 ** puzzle.people.length; row++) {
        const knights = new Set(puzzle.people.filter((_, i) => ((row >> i) & 1) === 1));
        if (!claims.every((holds, i) => holds(knights) === knights.has(puzzle.people[i]!))) continue;
        solutions.push(
          puzzle.people
            .map((person) => `${person} is a ${knights.has(person) ? 'Knight' : 'knave'}`)
            .join('; '),
        );
      }
      expect(solutions).toHaveLength(1);
      expect(check(solutions[0]!)).toBeUndefined();
    }
    expect(kinds.size).toBe(7);
  });
});

describe('mini-sudoku', () => {
  it('has one solution, found cell by cell in reading order', () => {
    for (const { puzzle, check } of puzzlesOf(miniSudoku, 8)) {
      const { size, givens } = puzzle;
      const [boxRows, boxColumns] = size === 4 ? [2, 2] : [2, 3];
      const cells = [...givens];
      const solutions: number[][] = [];
      const free = (cell: number, digit: number) => {
        const [row, column] = [Math.floor(cell / size), cell % size];
        for (let i = 0; i < size; i++) {
          if (cells[row * size + i] === digit || cells[i * size + column] === digit) return false;
          const boxRow = row - (row % boxRows) + Math.floor(i / boxColumns);
          const boxColumn = column - (column % boxColumns) + (i % boxColumns);
          if (cells[boxRow * size + boxColumn] === digit) return false;
        }
        return true;
      };
      const fill = (cell: number): void => {
        if (cell === cells.length) {
          solutions.push([...cells]);
          return;
        }
        if (givens[cell] !== 0) {
          fill(cell + 1);
          return;
        }
        for (let digit = 1; digit <= size; digit++) {
          if (!free(cell, digit)) continue;
          cells[cell] = digit;
          fill(cell + 1);
          cells[cell] = 0;
        }
      };
      fill(0);
      expect(solutions).toHaveLength(1);
      const rows = Array.from({ length: size }, (_, row) =>
        solutions[0]!.slice(row * size, (row + 1) * size),
      );
      expect(check(rows.map((row) => row.join('')).join('\n'))).toBeUndefined();
      expect(check(rows.map((row) => `| ${row.join(' | ')} |`).join('\n'))).toBeUndefined();
      expect(check(rows.map((row) => row.join(' ')).join(' '))).toBeTypeOf('string');
    }
  });
});

describe('shortest-path', () => {
  it('agrees with Floyd and Warshall, and accepts every shortest way and no other', () => {
    let ties = 0;
    for (const { puzzle, level, check } of puzzlesOf(shortestPathTask, 30)) {
      const { places, roads, start, goal, shortest } = puzzle;
      const distance = Array.from({ length: places }, (_, i) =>
        Array.from({ length: places }, (_, j) => (i === j ? 0 : Number.POSITIVE_INFINITY)),
      );
      for (const { from, to, length } of roads) {
        distance[from]![to] = length;
        distance[to]![from] = length;
      }
      const direct = distance.map((row) => [...row]);
      for (let k = 0; k < places; k++) {
        for (let i = 0; i < places; i++) {
          for (let j = 0; j < places; j++) {
            distance[i]![j] = Math.min(distance[i]![j]!, distance[i]![k]! + distance[k]![j]!);
          }
        }
      }
      expect(shortest).toBe(distance[start]![goal]);
      if (level > 2) continue;
      // All simple ways, by depth-first search.
      let right = 0;
      const misjudged: string[] = [];
      const walk = (path: number[], length: number): void => {
        const here = path.at(-1)!;
        if (here === goal) {
          const answer = path.map((place) => 'ABCDEFGHIJ'[place]).join(' → ');
          if ((check(answer) === undefined) !== (length === shortest)) misjudged.push(answer);
          if (length === shortest) right++;
          return;
        }
        for (let next = 0; next < places; next++) {
          const step = direct[here]![next]!;
          if (!path.includes(next) && Number.isFinite(step)) walk([...path, next], length + step);
        }
      };
      walk([start], 0);
      expect(misjudged).toEqual([]);
      expect(right).toBeGreaterThan(0);
      if (right > 1) ties++;
    }
    expect(ties).toBeGreaterThan(0);
    const square = [
      { from: 0, to: 1, length: 2 },
      { from: 1, to: 3, length: 2 },
      { from: 0, to: 2, length: 1 },
      { from: 2, to: 3, length: 3 },
    ];
    const tied = { places: 4, roads: square, start: 0, goal: 3, shortest: 4 };
    const check = (text: string) => shortestPathTask.definition.check(tied, text);
    expect([check('A -> B -> D'), check('A -> C -> D')]).toEqual([undefined, undefined]);
    expect(check('A -> D')).toBe('no road A-D');
    expect(check('A -> C -> A -> C -> D')).toBe('length 6, and there is one of 4');
  });
});

describe('cryptarithm', () => {
  it('has one solution among all assignments of digits', () => {
    for (const { puzzle, level, check } of puzzlesOf(cryptarithm, 4)) {
      if (level > 3) continue;
      const letters = Object.keys(puzzle.solution);
      const words = [...puzzle.addends, puzzle.sum];
      const solutions: string[] = [];
      const digits = new Map<string, number>();
      const value = (word: string) =>
        word.split('').reduce((sum, letter) => 10 * sum + digits.get(letter)!, 0);
      const assign = (at: number): void => {
        if (at === letters.length) {
          if (words.some((word) => digits.get(word[0]!) === 0)) return;
          const total = puzzle.addends.reduce((sum, word) => sum + value(word), 0);
          if (total === value(puzzle.sum)) {
            solutions.push([...digits].map(([letter, digit]) => `${letter}=${digit}`).join(' ,'));
          }
          return;
        }
        for (let digit = 0; digit < 10; digit++) {
          if ([...digits.values()].includes(digit)) continue;
          digits.set(letters[at]!, digit);
          assign(at + 1);
          digits.delete(letters[at]!);
        }
      };
      assign(0);
      expect(solutions).toHaveLength(1);
      expect(check(solutions[0]!)).toBeUndefined();
    }
  });

  it('finds the known solution of Dudeney’s puzzle (Strand Magazine, 1924)', () => {
    expect(solveCryptarithm(['SEND', 'MORE'], 'MONEY', 10)).toEqual([
      { D: 7, E: 5, M: 1, N: 6, O: 0, R: 8, S: 9, Y: 2 },
    ]);
    expect(solveCryptarithm(['TWO', 'TWO'], 'FOUR', 100)).toHaveLength(7);
  });
});

describe('twenty-four', () => {
  it('accepts another solution than the reference’s, and no expression of another value', () => {
    const check = (text: string) =>
      twentyFour.definition.check({ numbers: [1, 2, 3, 4], target: 24, solution: '1*2*3*4' }, text);
    for (const right of ['4 * 3 * 2 * 1', '(1+2+3)*4', '4*(3+2+1)', '2 × 3 × 4 ÷ 1']) {
      expect(check(right)).toBeUndefined();
    }
    for (const wrong of [
      '24',
      '4*3*2',
      '1*2*3*4 = 24',
      '4*3*2+1',
      '4*3*2*1*1',
      '(1+2+3)*4; 24',
      '12*(3+4)',
    ]) {
      expect(check(wrong)).toBeTypeOf('string');
    }
  });

  it('keeps fractions out where the level does', () => {
    for (const { puzzle, level } of puzzlesOf(twentyFour, 40)) {
      const sorted = puzzle.numbers.toSorted((a, b) => a - b).join();
      expect(level < 3 && sorted === '3,3,8,8').toBe(false);
      expect(puzzle.numbers).toHaveLength(4);
    }
  });
});
