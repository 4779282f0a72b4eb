/**
 * A step of AdamW in machine code, in one pass over memory (`graph/ops/fused.ts`): the same operations in the same
 * order as the decomposition has, so that both round alike.
 *
 * Inputs: parameter, gradient, both moments [n], nine factors [], and the shape, i64 [1]. Outputs: parameter and both
 * moments [n], which may be the memory of the inputs. Tasks are equal parts.
 */
import { adamwFactors } from '../../graph/ops/fused.ts';
import {
  type Assembler,
  at,
  lanes,
  r10,
  r11,
  r8,
  r9,
  rax,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  type Vector,
  ymm,
} from './assembler.ts';
import { emitCompute, type KernelFunctions, operand } from './kernel.ts';

const parts = 64;

export function emitAdamW(code: Assembler, functions: KernelFunctions): void {
  const shape = 4 + adamwFactors.length;
  const output = shape + 1;
  const task = code.label();
  const sizes = [{ input: shape, at: 0 }];
  emitCompute(code, functions, { inputs: output, outputs: [sizes, sizes, sizes], tasks: [parts] }, task);
  code.align(16);
  code.bind(task);

  // Elements [rsi, rdx) of this part: multiples of 8 but for the end.
  const [element, end] = [rsi, rdx];
  code.mov(rcx, operand(rdi, shape));
  code.mov(rcx, at(rcx));
  // rax = the length of a part.
  code.lea(rax, at(rcx, parts * lanes - 1));
  code.shiftRight(rax, Math.log2(parts * lanes));
  code.imul(rax, rax, lanes);
  code.imul(element, rax);
  code.lea(end, at(element, 0, rax));
  const whole = code.label();
  code.cmp(end, rcx);
  code.jumpIf('below', whole);
  code.mov(end, rcx);
  code.bind(whole);

  const factors = new Map<string, Vector>();
  for (const [index, name] of adamwFactors.entries()) {
    const vector = ymm[15 - index]!;
    code.mov(rax, operand(rdi, 4 + index));
    code.broadcast(vector, at(rax));
    factors.set(name, vector);
  }
  const factor = (name: (typeof adamwFactors)[number]) => factors.get(name)!;
  const inputs = [r8, r9, r10, r11];
  for (const [index, pointer] of inputs.entries()) code.mov(pointer, operand(rdi, index));
  const [parameter, gradient, moment1, moment2] = inputs as [Register, Register, Register, Register];

  const [p, g, m, v, t] = ymm as [Vector, Vector, Vector, Vector, Vector];
  const step = (kind: 'eight' | 'one') => {
    const multiply = (to: Vector, a: Vector, b: Vector) =>
      kind === 'eight' ? code.vector('mulps', to, a, b) : code.narrow('mulss', to, a, b);
    const plus = (to: Vector, a: Vector, b: Vector) =>
      kind === 'eight' ? code.vector('addps', to, a, b) : code.narrow('addss', to, a, b);
    const load = (to: Vector, from: Register) =>
      kind === 'eight' ? code.load(to, at(from, 0, element, 4)) : code.loadOne(to, at(from, 0, element, 4));
    const store = (index: number, from: Vector) => {
      code.mov(rax, operand(rdi, output + index));
      if (kind === 'eight') code.store(at(rax, 0, element, 4), from);
      else code.storeOne(at(rax, 0, element, 4), from);
    };
    load(g, gradient);
    multiply(g, g, factor('scale'));
    load(m, moment1);
    multiply(m, m, factor('beta1'));
    multiply(t, g, factor('rest1'));
    plus(m, m, t);
    load(v, moment2);
    multiply(v, v, factor('beta2'));
    multiply(t, g, factor('rest2'));
    multiply(t, t, g);
    plus(v, v, t);
    load(p, parameter);
    store(1, m);
    store(2, v);
    code.unary('sqrtps', t, v);
    multiply(t, t, factor('correction2'));
    plus(t, t, factor('epsilon'));
    if (kind === 'eight') code.vector('divps', t, m, t);
    else code.narrow('divss', t, m, t);
    multiply(t, t, factor('stepSize'));
    multiply(p, p, factor('keep'));
    if (kind === 'eight') code.vector('subps', p, p, t);
    else code.narrow('subss', p, p, t);
    store(0, p);
  };

  const [eights, ones, done] = [code.label(), code.label(), code.label()];
  code.bind(eights);
  code.lea(rcx, at(element, lanes));
  code.cmp(rcx, end);
  code.jumpIf('above', ones);
  step('eight');
  code.add(element, lanes);
  code.jump(eights);
  code.bind(ones);
  code.cmp(element, end);
  code.jumpIf('aboveOrEqual', done);
  step('one');
  code.add(element, 1);
  code.jump(ones);
  code.bind(done);
  code.zeroUpper();
  code.ret();
}
