/**
 * A draw from each row of logits, in machine code (`graph/ops/draw.ts`). Sums are in 64 bits, so that the last of a
 * large vocabulary are drawn as often as they should be.
 *
 * Inputs: logits [B, V], inverse temperature [B], uniform [B], the shape of the logits, i64 [2]. Outputs: token i64 [B];
 * its logit less the largest, both divided by the temperature [B]; the sum of the exponentials of all of these [B]; and
 * [B, V] to work in. A task is a row.
 */
import {
  type Assembler,
  at,
  lanes,
  r10,
  r8,
  r9,
  rax,
  rcx,
  rdi,
  rdx,
  rsi,
  type Vector,
  ymm,
} from './assembler.ts';
import { emitExponential, exponentialData, loadConstants } from './exponential.ts';
import { eachEight, emitCompute, type KernelFunctions, operand } from './kernel.ts';
import { emitReduction } from './reduction.ts';

const [logits, inverseTemperature, uniform, shape, token, chosen, total, weights] = [0, 1, 2, 3, 4, 5, 6, 7];

/** `vocabulary` is a multiple of 8. */
export function emitDraw(code: Assembler, functions: KernelFunctions, vocabulary: number): void {
  const task = code.label();
  const rows = { input: shape, at: 0 };
  const outputs = [[rows], [rows], [rows], [rows, vocabulary]];
  emitCompute(code, functions, { inputs: 4, outputs, tasks: [rows] }, task);
  code.align(32);
  const exponential = exponentialData(code);
  const least = code.eight(-Infinity);
  code.align(16);
  code.bind(task);

  const [row, work, element] = [r8, r9, rcx];
  code.imul(rax, rsi, 4 * vocabulary);
  code.mov(row, operand(rdi, logits));
  code.add(row, rax);
  code.mov(work, operand(rdi, weights));
  code.add(work, rax);
  const [x, t, y, mask, inverse, largest] = [ymm[0]!, ymm[1]!, ymm[2]!, ymm[3]!, ymm[13]!, ymm[14]!];
  const [sum, reached, target] = [ymm[4]!, ymm[5]!, ymm[6]!];
  code.mov(rax, operand(rdi, inverseTemperature));
  code.broadcast(inverse, at(rax, 0, rsi, 4));
  const constants = loadConstants(code, exponential, [ymm[8]!, ymm[9]!, ymm[10]!, ymm[11]!, ymm[12]!]);

  /** t = reached + the sum of x. */
  const advance = (x: Vector) => {
    code.unary('movups', t, x);
    emitReduction(code, 'addps', t, y);
    code.narrow('cvtss2sd', t, t, t);
    code.narrow('addsd', t, t, reached);
  };

  code.load(largest, least);
  eachEight(code, vocabulary, () => {
    code.vector('mulps', x, inverse, at(row, 0, element, 4));
    code.vector('maxps', largest, largest, x);
  });
  emitReduction(code, 'maxps', largest, t);

  code.zero(reached);
  eachEight(code, vocabulary, () => {
    code.vector('mulps', x, inverse, at(row, 0, element, 4));
    code.vector('subps', x, x, largest);
    // What is forbidden has a weight of 0, and NaN stays NaN.
    code.notLessEqual(mask, x, constants.least);
    emitExponential(code, constants, [x, t, y]);
    code.vector('andps', x, x, mask);
    code.store(at(work, 0, element, 4), x);
    advance(x);
    code.unary('movups', reached, t);
  });
  code.unary('movups', sum, reached);
  code.mov(rax, operand(rdi, uniform));
  code.loadOne(t, at(rax, 0, rsi, 4));
  code.narrow('cvtss2sd', t, t, t);
  code.narrow('mulsd', target, t, sum);

  // The block in which the sum passes the target; added up as before, it passes it in one.
  const [found, within, passed] = [code.label(), code.label(), code.label()];
  code.zero(reached);
  eachEight(code, vocabulary, () => {
    code.load(x, at(work, 0, element, 4));
    advance(x);
    code.compareDoubles(t, target);
    code.jumpIf('above', found);
    code.unary('movups', reached, t);
  });
  code.sub(element, lanes);
  code.bind(found);

  // The token: the first that passes it, or by rounding none, then the last of the block that has any weight.
  const [last, end] = [r10, rdx];
  code.mov(last, element);
  code.lea(end, at(element, lanes));
  code.bind(within);
  code.mov32(rax, at(work, 0, element, 4));
  const weightless = code.label();
  code.cmp(rax, 0);
  code.jumpIf('equal', weightless);
  code.mov(last, element);
  code.loadOne(t, at(work, 0, element, 4));
  code.narrow('cvtss2sd', t, t, t);
  code.narrow('addsd', reached, reached, t);
  code.compareDoubles(reached, target);
  code.jumpIf('above', passed);
  code.bind(weightless);
  code.add(element, 1);
  code.cmp(element, end);
  code.jumpIf('below', within);
  code.bind(passed);

  code.mov(rax, operand(rdi, token));
  code.mov(at(rax, 0, rsi, 8), last);
  code.narrow('mulss', x, inverse, at(row, 0, last, 4));
  code.narrow('subss', x, x, largest);
  code.mov(rax, operand(rdi, chosen));
  code.storeOne(at(rax, 0, rsi, 4), x);
  code.narrow('cvtsd2ss', sum, sum, sum);
  code.mov(rax, operand(rdi, total));
  code.storeOne(at(rax, 0, rsi, 4), sum);
  code.zeroUpper();
  code.ret();
}
