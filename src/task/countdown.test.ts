import { describe, expect, it } from 'vitest';
import { isAhaError } from '../errors.ts';
import { randomStream } from '../util/random.ts';
import { formatRational } from '../verify/rational.ts';
import { checkTask } from './check.ts';
import { countdownAlphabet, countdownProblem, countdownTask, verifyCountdown } from './countdown.ts';
import { evaluateExpression } from './countdown-expression.ts';
import { solveCountdown } from './countdown-solver.ts';

const valueOf = (text: string) => {
  const result = evaluateExpression(text);
  return result.kind === 'value' ? formatRational(result.value) : `! ${result.problem}`;
};

describe('evaluateExpression', () => {
  it.each([
    ['7', '7'],
    ['1+2*3', '7'],
    ['(1+2)*3', '9'],
    ['8/3/2', '4/3'],
    ['8/(3/2)', '16/3'],
    ['10-3-2', '5'],
    ['10-(3-2)', '9'],
    ['3-5', '-2'],
    ['(3-5)*2', '-4'],
    ['1/3+1/3+1/3', '1'],
    ['((((7))))', '7'],
    [' ( 1 + 2 )\t*\n3 ', '9'],
    ['6×4÷8−1', '2'],
    ['0*5', '0'],
    ['999999999*999999999', '999999998000000001'],
  ])('%j = %s', (text, expected) => {
    expect(valueOf(text)).toBe(expected);
  });

  it.each([
    ['', 'nothing to evaluate'],
    [' ', 'nothing to evaluate'],
    ['1+', 'the end where a number should be'],
    ['+1', '+ where a number should be'],
    ['-1', '- where a number should be'],
    ['5+(-1)', '- where a number should be'],
    ['5--1', '- where a number should be'],
    ['5*-1', '- where a number should be'],
    ['1 2', '2 where an operation or the end should be'],
    ['(1)(2)', '( where an operation or the end should be'],
    ['2(3)', '( where an operation or the end should be'],
    ['(1+2', 'a ( is not closed'],
    ['1+2)', ') where an operation or the end should be'],
    ['()', ') where a number should be'],
    ['1.5', 'the character "." is not allowed'],
    ['1,5', 'the character "," is not allowed'],
    ['2^3', 'the character "^" is not allowed'],
    ['2**3', '* where a number should be'],
    ['7//2', '/ where a number should be'],
    ['5%3', 'the character "%" is not allowed'],
    ['4!', 'the character "!" is not allowed'],
    ['1e3', 'the character "e" is not allowed'],
    ['0x10', 'the character "x" is not allowed'],
    ['1_000', 'the character "_" is not allowed'],
    ['1+2=3', 'the character "=" is not allowed'],
    ['√9', 'the character "√" is not allowed'],
    ['２+1', 'the character "２" is not allowed'],
    ['٣+1', 'the character "٣" is not allowed'],
    ['1\u00a0+ 2', 'the character "\u00a0" is not allowed'],
    ['007', 'a number begins with 0'],
    ['1/0', 'division by 0'],
    ['1/(3-3)', 'division by 0'],
    ['0/0', 'division by 0'],
    ['1234567890', 'a number has too many digits'],
    [`${'('.repeat(100)}1${')'.repeat(100)}`, 'parentheses nested too deeply'],
    [`${'1+'.repeat(20)}1`, 'too many numbers'],
    ['constructor', 'the character "c" is not allowed'],
    ['process.exit()', 'the character "p" is not allowed'],
  ])('%j: %s', (text, problem) => {
    expect(valueOf(text)).toBe(`! ${problem}`);
  });

  it('ten megabytes end at once', () => {
    for (const piece of ['1', '(', '1+', ' ']) {
      expect(valueOf(piece.repeat(10_000_000 / piece.length))).toBe('! longer than 256 characters');
    }
  });

  it('agrees with floating point on random expressions', () => {
    for (let i = 0; i < 2000; i++) {
      const random = randomStream(i, 'expressions');
      const draw = (depth: number): string => {
        if (depth === 0 || random.next() < 0.3) return `${random.integer(30)}`;
        const text = `${draw(depth - 1)}${random.pick(['+', '-', '*', '/'])}${draw(depth - 1)}`;
        return random.next() < 0.5 ? `(${text})` : text;
      };
      const text = draw(3);
      // oxlint-disable-next-line no-implied-eval
      const float = new Function(`return ${text};`)() as number;
      const result = evaluateExpression(text);
      // Only a division by 0 has no value; JavaScript makes it NaN or an infinity, or 0 in a later division.
      if (result.kind === 'error' && result.problem === 'division by 0') continue;
      if (result.kind === 'error') throw new Error(`${text}: ${result.problem}`);
      const value = Number(result.value.numerator) / Number(result.value.denominator);
      expect(Math.abs(value - float)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(float)));
    }
  });
});

describe('verifyCountdown', () => {
  const problem = { numbers: [3, 7, 25, 7], target: 39 };

  it.each([
    ['25+7+7*(3-3)', 0],
    ['25+7+(7*3)', 0],
    ['25+(3*7)-7', 1],
    ['3*7+25-7', 1],
    [' (7 × 3) − 7 + 25\n', 1],
    ['25+7+7', 0],
    ['3*7+25-7=39', 0],
    ['39', 0],
    ['', 0],
    ['73-(25+7)', 0],
    ['3*7+25-7+7-7', 0],
    ['The answer is 3*7+25-7', 0],
    ['3*7+25-7; 3*7+25-7', 0],
  ])('%j: %d', (answer, score) => {
    expect(verifyCountdown(problem, answer).score).toBe(score);
  });

  it('says what is wrong', () => {
    expect(verifyCountdown(problem, '25+7').evidence).toMatchObject({
      problem: 'uses 7, 25, not 3, 7, 7, 25',
    });
    expect(verifyCountdown(problem, '3+7+25+7').evidence).toMatchObject({ problem: 'equals 42, not 39' });
    expect(verifyCountdown(problem, '3*7+25-7').evidence).toEqual({ extracted: '3*7+25-7' });
  });

  it('is exact where floating point is not', () => {
    // 1/3 + 2/3 and the like sum to 1 exactly; 100 fractions away from it do not.
    expect(verifyCountdown({ numbers: [8, 3, 8, 3], target: 24 }, '8/(3-8/3)').score).toBe(1);
    expect(verifyCountdown({ numbers: [1, 49, 49], target: 1 }, '1/49*49').score).toBe(1);
    const almost = { numbers: [1, 999_999_999, 999_999_999, 1], target: 1 };
    expect(verifyCountdown(almost, '1-1/999999999/999999999').score).toBe(0);
  });
});

/** All values that the numbers reach, by a method of its own: every split of the set into two halves, in floats. */
function reachable(numbers: readonly number[]): number[] {
  const full = (1 << numbers.length) - 1;
  const memo = new Map<number, Set<number>>();
  const values = (mask: number): Set<number> => {
    const known = memo.get(mask);
    if (known !== undefined) return known;
    const found = new Set<number>();
    memo.set(mask, found);
    for (const [i, value] of numbers.entries()) if (mask === 1 << i) found.add(value);
    for (let left = (mask - 1) & mask; left > 0; left = (left - 1) & mask) {
      for (const a of values(left)) {
        for (const b of values(mask ^ left)) {
          found
            .add(a + b)
            .add(a - b)
            .add(a * b);
          if (Math.abs(b) > 1e-9) found.add(a / b);
        }
      }
    }
    return found;
  };
  return [...values(full)];
}

describe('solveCountdown', () => {
  it('solves exactly what can be solved, for 3 and 4 numbers', () => {
    let solved = 0;
    let unsolved = 0;
    for (let i = 0; i < 60; i++) {
      const random = randomStream(i, 'solver');
      const numbers = Array.from({ length: 3 + (i % 2) }, () => 1 + random.integer(12));
      const values = reachable(numbers);
      for (let t = 0; t < 8; t++) {
        const target = 1 + random.integer(60);
        const possible = values.some((value) => Math.abs(value - target) < 1e-7);
        const solution = solveCountdown(numbers, target);
        expect({ numbers, target, solved: solution !== undefined }).toEqual({
          numbers,
          target,
          solved: possible,
        });
        if (possible) solved++;
        else unsolved++;
        // What is found is a solution.
        const score =
          solution === undefined ? undefined : verifyCountdown({ numbers, target }, solution).score;
        expect({ solution, score }).toEqual({ solution, score: possible ? 1 : undefined });
      }
    }
    expect(solved).toBeGreaterThan(50);
    expect(unsolved).toBeGreaterThan(50);
  });

  it.each([
    // Known hard cases of the 24 game: only fractions solve them.
    [[3, 3, 8, 8], 24, true],
    [[1, 5, 5, 5], 24, true],
    [[1, 3, 4, 6], 24, true],
    [[1, 1, 1, 1], 24, false],
    [[1, 1, 1, 5], 24, false],
    [[5], 5, true],
    [[5], 6, false],
    [[0, 0, 5], 5, true],
  ])('%j → %d: %s', (numbers, target, possible) => {
    const solution = solveCountdown(numbers, target);
    expect(solution !== undefined).toBe(possible);
    expect(solution === undefined ? 1 : verifyCountdown({ numbers, target }, solution).score).toBe(1);
  });

  it.each([
    [[], 1],
    [[1, 2, 3, 4, 5, 6, 7], 1],
    [[-1, 2], 1],
    [[1.5, 2], 3],
    [[Number.NaN], 1],
    [[1], Number.NaN],
    [[1e6, 1e6, 1e6], 1],
  ])('refuses %j → %d', (numbers, target) => {
    expect(() => solveCountdown(numbers, target)).toThrow(/cannot be searched exactly/);
  });
});

describe('countdown problems', () => {
  const task = countdownTask();

  it('passes the checks of every task', async () => {
    expect((await checkTask(task)).references).toBe(4 * 2 * 16);
    expect((await checkTask(task.configure({ form: 'r1-zero' }))).references).toBe(128);
  });

  it.each([[1], [2], [3], [4]])('level %d: can be solved, and the solver agrees', (level) => {
    for (let index = 0; index < (level === 4 ? 10 : 60); index++) {
      const problem = task.problem({ split: 'train', index, level });
      expect(problem.numbers).toHaveLength(level + 2);
      expect(verifyCountdown(problem, problem.answer).score).toBe(1);
      expect(problem.numbers).not.toContain(problem.target);
      const found = solveCountdown(problem.numbers, problem.target);
      expect(verifyCountdown(problem, found!).score).toBe(1);
    }
  });

  it('the order of the numbers does not hide a held-out problem in training', () => {
    const small = countdownTask({ levels: [1], maximum: 9 });
    const key = (problem: { numbers: readonly number[]; target: number }) =>
      `${problem.numbers.toSorted((a, b) => a - b).join()}=${problem.target}`;
    const heldOut = new Set(small.heldOut(200).map(key));
    for (let index = 0; index < 3000; index++) {
      expect(heldOut.has(key(small.problem({ split: 'train', index })))).toBe(false);
    }
  });

  it('worked steps are exact and within the alphabet', async () => {
    for (let index = 0; index < 100; index++) {
      const problem = task.problem({ split: 'train', index });
      const steps = task.workedExample(problem, 'steps', randomStream(0));
      const [work, expression] = steps.split(';');
      expect(expression).toBe(problem.answer);
      for (const step of work!.split(',')) {
        const [left, right] = step.split('=');
        // oxlint-disable-next-line no-implied-eval
        expect(new Function(`return ${left!.replaceAll('--', '- -')};`)()).toBe(Number(right));
      }
      expect(work!.endsWith(`=${problem.target}`)).toBe(true);
      for (const character of problem.prompt + steps) expect(countdownAlphabet).toContain(character);
      const direct = task.workedExample(problem, 'direct', randomStream(index));
      expect(evaluateExpression(direct)).toMatchObject({ kind: 'value' });
      expect(await task.verify(problem, steps)).toMatchObject({ score: 1 });
      expect(await task.verify(problem, `${steps};${problem.answer}`)).toMatchObject({ score: 0 });
    }
  });

  it('turns given numbers into a problem when they can be solved', async () => {
    const problem = countdownProblem([3, 7, 25], 46)!;
    expect(problem.prompt).toBe('3,7,25=46:');
    expect(await task.verify(problem, problem.answer)).toMatchObject({ score: 1 });
    expect(countdownProblem([1, 1, 1], 46)).toBeUndefined();
  });

  it.each([
    [{ maxmum: 3 }, /Did you mean "maximum"/],
    [{ minimum: 30 }, /leave no numbers/],
    [{ maximum: 101 }, /at maximum/],
    [{ levels: [5] }, /at levels\[0\]/],
    [{ target: 5 }, /at target/],
  ])('refuses the options %j', (options, message) => {
    expect(() => countdownTask(options as never)).toThrow(message);
  });

  it('says so when a split is empty', () => {
    // The only problem is (97+97)/97=2, which belongs to one split.
    const only = countdownTask({ levels: [1], minimum: 97, maximum: 97, target: 10 });
    const splits = (['train', 'heldOut'] as const).map((split) => {
      try {
        return only.problem({ split, index: 0 }).target;
      } catch (error) {
        return isAhaError(error, 'split-empty');
      }
    });
    expect(new Set(splits)).toEqual(new Set([2, true]));
  });
});
