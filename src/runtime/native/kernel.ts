/**
 * What all kernels share: the part that ONNX Runtime calls, which fetches the operands of an operator and hands tasks
 * to its pool of threads.
 *
 * A task is machine code of its own with the calling convention of System V: rdi holds the address of a frame, the
 * pointers to all inputs, then all outputs; rsi holds the number of the task.
 */
import {
  type Assembler,
  at,
  type Label,
  lanes,
  type Memory,
  r8,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  type Register,
  rsi,
  rsp,
} from './assembler.ts';

/** ONNX Runtime's functions that a kernel calls. */
export const kernelFunctionNames = [
  'KernelContext_GetInput',
  'KernelContext_GetOutput',
  'GetTensorMutableData',
  'KernelContext_ParallelFor',
] as const;

/** Their addresses. */
export type KernelFunctions = Readonly<Record<(typeof kernelFunctionNames)[number], bigint>>;

/** A size that is known now, or element `at` of the input number `input`, i64. */
export type Size = number | { readonly input: number; readonly at: number };

/** A size, or how many parts of `per` it has, the last one perhaps smaller. */
export type TaskCount = Size | { readonly input: number; readonly at: number; readonly per: number };

export interface KernelShape {
  readonly inputs: number;
  /** The shape of each output. */
  readonly outputs: readonly (readonly Size[])[];
  /** How many tasks there are: the product of these. */
  readonly tasks: readonly TaskCount[];
}

/** Parts that tasks are handed out in: enough that a thread which is late holds up little. */
const mostParts = 32;

/** The operand number `index` of a frame: inputs first, then outputs. */
export function operand(frame: Register, index: number) {
  return at(frame, 8 * index);
}

/** Runs `body` for each eight of `count` elements, a multiple of 8; rcx is the number of those before them. */
export function eachEight(code: Assembler, count: number, body: () => void): void {
  const again = code.label();
  code.clear(rcx);
  code.bind(again);
  body();
  code.add(rcx, lanes);
  code.cmp(rcx, count);
  code.jumpIf('below', again);
}

/** rax / by to rax, the rest to rdx; rcx is lost. */
export function emitDivision(code: Assembler, by: number): void {
  code.clear(rdx);
  code.movImmediate(rcx, BigInt(by));
  code.div(rcx);
}

/** The register, or `most` if it holds more. */
export function atMost(code: Assembler, register: Register, most: number): void {
  const fits = code.label();
  code.cmp(register, most);
  code.jumpIf('belowOrEqual', fits);
  code.movImmediate(register, BigInt(most));
  code.bind(fits);
}

/**
 * A task that uses registers which its caller wants back, and places of eight bytes on the stack. `body` may move rsp
 * and ends where the task ends.
 */
export function emitFramed(
  code: Assembler,
  { saved, places }: { readonly saved: readonly Register[]; readonly places: number },
  body: (place: (index: number) => Memory) => void,
): void {
  code.push(rbp);
  code.mov(rbp, rsp);
  for (const register of saved) code.push(register);
  code.sub(rsp, 8 * places);
  body((index) => at(rbp, -8 * (saved.length + 1 + index)));
  code.zeroUpper();
  code.lea(rsp, at(rbp, -8 * saved.length));
  for (const register of saved.toReversed()) code.pop(register);
  code.pop(rbp);
  code.ret();
}

/** `KernelComputeV2` of an operator of this shape, whose tasks run the code at `task`. */
export function emitCompute(
  code: Assembler,
  functions: KernelFunctions,
  { inputs, outputs, tasks }: KernelShape,
  task: Label,
): void {
  const rank = Math.max(...outputs.map((shape) => shape.length));
  // The frame, an address that functions answer in, a shape.
  const answer = 8 * (inputs + outputs.length);
  const shape = answer + 8;
  const bytes = Math.ceil((shape + 8 * rank) / 16) * 16;
  const end = code.label();
  /** Ends the computation with its status where that is an error. */
  const callFunction = (name: keyof KernelFunctions) => {
    code.movImmediate(rax, functions[name]);
    code.call(rax);
    code.cmp(rax, 0);
    code.jumpIf('notEqual', end);
  };
  const takeData = (index: number) => {
    code.mov(rdi, at(rsp, answer));
    code.lea(rsi, at(rsp, 8 * index));
    callFunction('GetTensorMutableData');
  };
  const loadSize = (to: Register, size: Size) => {
    if (typeof size === 'number') return code.movImmediate(to, BigInt(size));
    code.mov(to, at(rsp, 8 * size.input));
    code.mov(to, at(to, 8 * size.at));
  };
  const loadTasks = (size: TaskCount) => {
    loadSize(rax, size);
    if (typeof size === 'number' || !('per' in size)) return;
    code.add(rax, size.per - 1);
    emitDivision(code, size.per);
  };

  // One register and the return address keep the stack aligned.
  code.push(rbx);
  code.sub(rsp, bytes);
  code.mov(rbx, rsi);
  for (let index = 0; index < inputs; index++) {
    code.mov(rdi, rbx);
    code.movImmediate(rsi, BigInt(index));
    code.lea(rdx, at(rsp, answer));
    callFunction('KernelContext_GetInput');
    takeData(index);
  }
  for (const [index, sizes] of outputs.entries()) {
    for (const [axis, size] of sizes.entries()) {
      loadSize(rax, size);
      code.mov(at(rsp, shape + 8 * axis), rax);
    }
    code.mov(rdi, rbx);
    code.movImmediate(rsi, BigInt(index));
    code.lea(rdx, at(rsp, shape));
    code.movImmediate(rcx, BigInt(sizes.length));
    code.lea(r8, at(rsp, answer));
    callFunction('KernelContext_GetOutput');
    takeData(inputs + index);
  }
  code.movImmediate(r8, 1n);
  for (const size of tasks) {
    loadTasks(size);
    code.imul(r8, rax);
  }
  code.mov(rdx, r8);
  code.mov(rdi, rbx);
  code.lea(rsi, code.atLabel(task));
  // Never more parts than tasks: the empty ones would all be a thread's own, which then takes every other task of its
  // neighbour's.
  code.mov(rcx, rdx);
  atMost(code, rcx, mostParts);
  code.mov(r8, rsp);
  callFunction('KernelContext_ParallelFor');
  code.bind(end);
  code.add(rsp, bytes);
  code.pop(rbx);
  code.ret();
}
