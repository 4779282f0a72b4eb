import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { arithmeticAlphabet, arithmeticLevels, arithmeticTask, verifyMarked } from './arithmetic.ts';
import { drawExpression, workOut, writeExpression } from './arithmetic-expression.ts';
import { checkTask } from './check.ts';

/** JavaScript's own arithmetic: what is evaluated holds nothing but digits, + - * and parentheses. */
function evaluate(text: string): number {
  expect(text).toMatch(/^[0-9+*()-]+$/);
  // oxlint-disable-next-line no-implied-eval
  return new Function(`return (${text});`)() as number;
}

describe('workOut', () => {
  it.each([
    [[7, '+', 5, '-', 3, '+', 8], '7+5=12,12-3=9,9+8=17'],
    [[2, '+', 3, '*', 4], '3*4=12,2+12=14'],
    [['(', 2, '+', 3, ')', '*', 4], '2+3=5,5*4=20'],
    [[2, '*', '(', 3, '+', 4, ')', '-', 1, '*', 5], '3+4=7,2*7=14,1*5=5,14-5=9'],
    [[9, '-', '(', 4, '-', '(', 3, '-', 2, ')', ')'], '3-2=1,4-1=3,9-3=6'],
    [['(', 5, ')', '+', 1], '5+1=6'],
  ] as const)('%j', (expression, expected) => {
    const steps = workOut(expression).map((s) => `${s.left}${s.operation}${s.right}=${s.result}`);
    expect(steps.join(',')).toBe(expected);
  });

  it('takes every result modulo the modulus, from 0 up', () => {
    expect(workOut([3, '-', 8, '*', 2], 10).map((step) => step.result)).toEqual([6, 7]);
  });
});

describe('arithmetic problems', () => {
  const task = arithmeticTask();

  it('passes the checks of every task', async () => {
    expect(await checkTask(task)).toEqual({ references: 8 * 2 * 16, withoutReference: 0 });
    expect((await checkTask(task.configure({ form: 'r1-zero' }))).references).toBe(256);
    expect((await checkTask(task.configure({ form: 'chat', format: 'none' }))).references).toBe(256);
  });

  it.each(task.levels.map((level) => [level]))(
    'level %d: answers are right, results stay in bounds',
    (level) => {
      const shape = arithmeticLevels[level - 1]!;
      const seen = new Set<string>();
      for (let index = 0; index < 300; index++) {
        const problem = task.problem({ split: 'train', index, level });
        const expression = problem.prompt.slice(0, -1);
        expect(problem.prompt.endsWith('=')).toBe(true);
        expect(`${evaluate(expression)}`).toBe(problem.answer);
        const operands = expression.match(/\d+/g)!.map(Number);
        expect(operands).toHaveLength(shape.operands);
        expect(Math.min(...operands)).toBeGreaterThanOrEqual(shape.minimum);
        expect(Math.max(...operands)).toBeLessThanOrEqual(shape.maximum);
        expect(problem.steps).toHaveLength(shape.operands - 1);
        for (const step of problem.steps) {
          expect(evaluate(`${step.left}${step.operation}${step.right}`)).toBe(step.result);
          expect(step.result).toBeGreaterThanOrEqual(0);
          expect(step.result).toBeLessThanOrEqual(shape.limit);
        }
        for (const operation of expression.replaceAll(/[\d()]/g, '')) seen.add(operation);
        if (expression.includes('(')) seen.add('(');
        for (const character of problem.prompt + task.reference(problem)!) {
          expect(arithmeticAlphabet).toContain(character);
        }
      }
      expect([...seen].toSorted().join('')).toBe(
        `${shape.parentheses ? '(' : ''}${shape.operations}`.split('').toSorted().join(''),
      );
    },
  );

  it('worked steps have the documented form', () => {
    const problem = { ...task.problem({ split: 'train', index: 0, level: 4 }) };
    const steps = task.workedExample(problem, 'steps', randomStream(0));
    expect(steps).toMatch(/^(\d+[+-]\d=\d+,){3}\d+[+-]\d=\d+;\d+$/);
    expect(steps).toBe(task.reference(problem));
    // Each step goes on from the result of the one before.
    const parts = steps.split(';')[0]!.split(',');
    for (let i = 1; i < parts.length; i++) {
      expect(parts[i]!.startsWith(parts[i - 1]!.split('=')[1]!)).toBe(true);
    }
  });

  it('direct examples are wrong as often as asked, and near', async () => {
    const guessing = arithmeticTask({ wrongDirect: 0.7 });
    let wrong = 0;
    for (let index = 0; index < 2000; index++) {
      const problem = guessing.problem({ split: 'train', index, level: 3 });
      const direct = guessing.workedExample(problem, 'direct', randomStream(5, index));
      expect(direct).toMatch(/^;\d+$/);
      expect(Math.abs(Number(direct.slice(1)) - Number(problem.answer))).toBeLessThanOrEqual(10);
      const verdict = await guessing.verify(problem, direct);
      wrong += verdict.outcome === 'scored' && verdict.score === 0 ? 1 : 0;
    }
    // 0.7 ± 4 standard errors.
    expect(wrong / 2000).toBeGreaterThan(0.659);
    expect(wrong / 2000).toBeLessThan(0.741);
    const always = arithmeticTask({ wrongDirect: 1, modulus: 2 });
    const problem = always.problem({ split: 'train', index: 0, level: 1 });
    expect(always.workedExample(problem, 'direct', randomStream(0))).toBe(
      problem.answer === '0' ? ';1' : ';0',
    );
  });

  it('asks in words in the other forms', () => {
    const chat = arithmeticTask({ levels: [6], modulus: 10 }).configure({ form: 'chat', format: 'none' });
    const problem = chat.problem({ split: 'train', index: 0 });
    const expression = problem.prompt.slice(0, -1);
    expect(chat.prompt(problem)).toEqual({
      kind: 'chat',
      messages: [{ role: 'user', content: `What is ${expression.replaceAll(/[+*-]/g, ' $& ')} modulo 10?` }],
    });
    expect(Number(problem.answer)).toBe(((evaluate(expression) % 10) + 10) % 10);
  });

  it('accepts the number in the other forms however it was found', async () => {
    const zero = task.configure({ form: 'r1-zero' });
    const problem = zero.problem({ split: 'train', index: 0, level: 2 });
    const right = `<think>hm</think> <answer>The result is ${problem.answer}.0</answer>`;
    expect(await zero.verify(problem, right)).toMatchObject({ score: 1 });
    const wrong = `<think>${problem.answer}</think> <answer>${Number(problem.answer) + 1}</answer>`;
    expect(await zero.verify(problem, wrong)).toMatchObject({ score: 0.5, parts: { accuracy: 0 } });
  });
});

describe('verifyMarked: only the answer, exactly', () => {
  it.each([
    ['7+5=12,12+5=17;17', 1],
    [';17', 1],
    ['nonsense that is not looked at;17', 1],
    ['1+1=3;17\n', 1],
    ['17', 0],
    ['7+5=12,12+5=17', 0],
    ['', 0],
    [';', 0],
    [';17;', 0],
    [';17;17', 0],
    [';18;17', 0],
    [';1 7', 0],
    ['; 17', 0],
    [';017', 0],
    [';+17', 0],
    [';17.0', 0],
    [';17=17', 0],
    [';0x11', 0],
    [';-17', 0],
    [';１７', 0],
    [';17 or 18', 0],
  ])('%j: %d', (response, score) => {
    expect(verifyMarked('17', response).score).toBe(score);
  });

  it('a megabyte ends at once', () => {
    for (const response of [`;${'17'.repeat(500_000)}`, ';'.repeat(1_000_000), '1'.repeat(1_000_000)]) {
      expect(verifyMarked('17', response).score).toBe(0);
    }
  });

  it('a longer response is worth nothing by itself', async () => {
    const task = arithmeticTask();
    const problem = task.problem({ split: 'train', index: 0, level: 5 });
    const wrong = task.reference(problem)!.replace(/;.*/, `;${Number(problem.answer) + 1}`);
    expect(await task.verify(problem, wrong)).toMatchObject({ score: 0 });
    expect(await task.verify(problem, `;${problem.answer}`)).toMatchObject({ score: 1 });
  });
});

describe('options', () => {
  it('replace what the levels say', () => {
    const task = arithmeticTask({
      levels: [2],
      operands: 5,
      minimum: 0,
      maximum: 5,
      limit: 9,
      operations: '+',
    });
    for (let index = 0; index < 100; index++) {
      const problem = task.problem({ split: 'train', index });
      expect(problem.prompt).toMatch(/^[0-5](\+[0-5]){4}=$/);
      expect(Number(problem.answer)).toBeLessThanOrEqual(9);
    }
  });

  it.each([
    [{ operand: 3 }, /unknown key "operand".*Did you mean "operands"/],
    [{ operands: 1 }, /at operands: found 1, expected at least 2/],
    [{ operands: 13 }, /at most 12/],
    [{ operations: '+/' }, /at operations: found \+\/, expected some of \+ - \*/],
    [{ operations: '++' }, /at operations/],
    [{ operations: '' }, /at operations/],
    [{ modulus: 1 }, /at modulus/],
    [{ wrongDirect: 1.5 }, /at wrongDirect/],
    [{ levels: [9] }, /at levels\[0\]/],
    [{ levels: [] }, /at levels/],
    [{ minimum: 10 }, /leave no numbers at level 1: found minimum 10, maximum 9/],
    ['x', /expected object/],
  ])('refuses %j', (options, message) => {
    expect(() => arithmeticTask(options as never)).toThrow(message);
  });

  it('says so when nothing fits, instead of searching for ever', () => {
    const task = arithmeticTask({ levels: [1], minimum: 50, maximum: 60, limit: 9, operations: '+' });
    expect(() => task.problem({ split: 'train', index: 0 })).toThrow(/No arithmetic expression fits/);
  });
});

describe('drawExpression', () => {
  it('puts parentheses that close and hold a part', () => {
    for (let i = 0; i < 200; i++) {
      const shape = { ...arithmeticLevels[7]! };
      const text = writeExpression(drawExpression(shape, undefined, randomStream(i)));
      const inside = /\(([^()]*)\)/.exec(text)![1]!;
      expect(inside).toMatch(/^\d+([+*-]\d+){1,2}$/);
      expect(evaluate(text)).toBeGreaterThanOrEqual(0);
    }
  });
});
