import { describe, expect, it } from 'vitest';
import { graphFunction } from './function.ts';
import { backward } from './gradients/backward.ts';
import { interpret } from './interpreter.ts';
import { add, exp, mul, silu } from './ops/elementwise.ts';
import { matmul } from './ops/matmul.ts';
import { sum } from './ops/reduce.ts';
import { substitute } from './substitute.ts';
import { input } from './tensor.ts';

describe('substitute', () => {
  const x = input('x', 'f32', ['n', 3]);
  const w = input('w', 'f32', [3, 2]);
  const hidden = matmul(x, w);
  const loss = sum(mul(silu(hidden), exp(hidden)));
  const [gradient] = backward(loss, [w]) as [typeof w];
  const data = { shape: [2, 3], data: Float64Array.of(1, -2, 0.5, 0.25, 3, -1) };
  const weights = { shape: [3, 2], data: Float64Array.of(0.1, -0.3, 0.2, 0.4, -0.5, 0.6) };

  it('computes the same from what is given, and nothing that only that needed', () => {
    const kept = input('hidden', 'f32', ['n', 2]);
    const whole = graphFunction({ loss, gradient, hidden });
    const rest = graphFunction(substitute({ loss, gradient }, new Map([[hidden, kept]])));
    const expected = interpret(whole, { x: data, w: weights });
    const found = interpret(rest, { x: data, hidden: expected['hidden']! });
    expect(found['loss']).toEqual(expected['loss']);
    expect(found['gradient']).toEqual(expected['gradient']);
    // The gradient reads x; nothing reads w any more.
    expect([...rest.inputs.keys()].toSorted()).toEqual(['hidden', 'x']);
  });

  it('hands over a given output and leaves alone what does not depend on it', () => {
    const other = add(x, x);
    const kept = input('hidden', 'f32', ['n', 2]);
    const outputs = substitute({ hidden, other }, new Map([[hidden, kept]]));
    expect(outputs['hidden']).toBe(kept);
    expect(outputs['other']).toBe(other);
  });

  it('refuses a tensor of another type', () => {
    const kept = input('hidden', 'f32', ['n', 3]);
    expect(() => substitute({ loss }, new Map([[hidden, kept]]))).toThrow(
      'A tensor of matmul was given as one of another type: found f32[n, 3], expected f32[n, 2].',
    );
  });
});
