import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphFunction } from '../../graph/function.ts';
import { add, exp, mul } from '../../graph/ops/elementwise.ts';
import { indexSelect } from '../../graph/ops/indexing.ts';
import { matmul } from '../../graph/ops/matmul.ts';
import { sum } from '../../graph/ops/reduce.ts';
import { expand } from '../../graph/ops/shape.ts';
import { input, scalar } from '../../graph/tensor.ts';
import { kernelObstacle } from '../native/support.ts';
import type { HostTensor, Program, TensorBinding } from '../runtime.ts';
import { lower } from './lowering.ts';
import { type OnnxRuntime, openOnnxRuntime } from './onnx-runtime.ts';

let runtime: OnnxRuntime;
beforeAll(() => {
  runtime = openOnnxRuntime({ threads: 2 });
});
afterAll(async () => runtime[Symbol.asyncDispose]());

const host = (shape: readonly number[], value = 0): HostTensor => {
  return { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) };
};
const bind = (length: number, value = 0): TensorBinding => {
  const buffer = runtime.allocate('f32', length);
  buffer.data.fill(value);
  return { buffer, shape: [length] };
};
const free = (...bindings: TensorBinding[]) => {
  for (const { buffer } of bindings) buffer[Symbol.dispose]();
};

/** y = x + x·x */
function polynomial() {
  const x = input('x', 'f32', ['n']);
  return graphFunction({ y: add(x, mul(x, x)) });
}

/** A product that takes long enough to be caught in flight. */
function slowProduct() {
  const a = input('a', 'f32', ['n', 'n']);
  let product = a;
  for (let i = 0; i < 8; i++) product = matmul(product, a);
  return graphFunction({ product });
}

describe('running', () => {
  it('writes bound outputs in place and returns the others', async () => {
    const x = input('x', 'f32', ['n']);
    using program = await runtime.compile(graphFunction({ y: exp(x), total: sum(x) }));
    const bound = bind(3);
    const results = await program.run({ x: { shape: [3], data: Float32Array.of(0, 1, 2) } }, { y: bound });
    expect(Object.keys(results)).toEqual(['total']);
    expect(results['total']).toEqual({ shape: [], data: Float32Array.of(3) });
    expect(bound.buffer.data[2]).toBeCloseTo(Math.exp(2), 5);
    free(bound);
  });

  it('updates memory in place at an offset and leaves the rest alone', async () => {
    using program = await runtime.compile(polynomial());
    const { buffer } = bind(6, 2);
    const middle: TensorBinding = { buffer, shape: [2], offset: 3 };
    await program.run({ x: middle }, { y: middle });
    await program.run({ x: middle }, { y: middle });
    expect([...(buffer.data as Float32Array)]).toEqual([2, 2, 2, 42, 42, 2]);
    buffer[Symbol.dispose]();
  });

  it('runs one program at once on different data', async () => {
    using program = await runtime.compile(slowProduct());
    const side = 48;
    const inputs = Array.from({ length: 8 }, (_, index) => host([side, side], (index + 1) / side));
    const results = await Promise.all(inputs.map((a) => program.run({ a })));
    for (const [index, { product }] of results.entries()) {
      expect((product!.data[5]! as number) / ((index + 1) ** 9 / side)).toBeCloseTo(1, 4);
    }
  });

  it('does not block the event loop', async () => {
    using program = await runtime.compile(slowProduct());
    let ticks = 0;
    const count = setInterval(() => ticks++, 1);
    await program.run({ a: host([700, 700], 1e-3) });
    clearInterval(count);
    expect(ticks).toBeGreaterThan(2);
  });

  it('copies its inputs before it returns', async () => {
    using program = await runtime.compile(slowProduct());
    const a = host([64, 64], 1 / 64);
    const running = program.run({ a });
    (a.data as Float32Array).fill(NaN);
    const { product } = await running;
    expect(product!.data[0]).toBeCloseTo(1 / 64, 6);
  });

  it('runs nodes in the order of the lowering', async () => {
    const a = input('a', 'f32', [4, 4]);
    const early = exp(a);
    let late = a;
    for (let i = 0; i < 5; i++) late = matmul(late, early);
    const model = lower(
      graphFunction({ late, early, twice: mul(early, scalar(2)), total: sum(late) }),
      'order',
    );
    const folder = mkdtempSync(join(tmpdir(), 'aha-profile-'));
    try {
      const program = await runtime.load(model, { profile: join(folder, 'profile') });
      await program.run({ a: host([4, 4], 0.1) });
      program[Symbol.dispose]();
      const text = readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8');
      const events = (JSON.parse(text) as { name: string; cat: string; ts: number }[])
        .filter(({ name, cat }) => cat === 'Node' && name.endsWith('_kernel_time'))
        .toSorted((one, other) => one.ts - other.ts)
        .map(({ name }) => name.replace(/_kernel_time$/, ''));
      expect(events).toEqual(model.nodes.map(({ name }) => name));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('what is refused, with a reason', () => {
  it('a missing, an unknown and a mistyped input', async () => {
    using program = await runtime.compile(polynomial(), { name: 'poly' });
    await expect(program.run({})).rejects.toThrow(/poly was run without its input x.*f32 \[n\]/);
    await expect(program.run({ x: host([2]), z: host([2]) })).rejects.toThrow(/poly has no input.*z/);
    await expect(program.run({ x: { shape: [2], data: new Int32Array(2) } })).rejects.toThrow(
      /input x of poly.*element type.*i32.*f32/,
    );
    const y = bind(2);
    await expect(program.run({ x: host([2]) }, { w: y })).rejects.toThrow(/poly has no output.*w/);
    free(y);
  });

  it('shapes that do not fit, with the values of the symbols', async () => {
    const [x, w] = [input('x', 'f32', ['n', 3]), input('w', 'f32', ['n'])];
    using program = await runtime.compile(graphFunction({ y: mul(sum(x, { axes: [1] }), w) }), { name: 'p' });
    await expect(program.run({ x: host([2, 4]), w: host([2]) })).rejects.toThrow(
      /x of p.*\[2, 4\].*\[n, 3\]/,
    );
    await expect(program.run({ x: host([2]), w: host([2]) })).rejects.toThrow(/x of p.*\[2\].*\[n, 3\]/);
    await expect(program.run({ x: host([2, 3]), w: host([4]) })).rejects.toThrow(/w of p.*\[4\].*n = 2/);
    await expect(program.run({ x: { ...host([2, 3]), shape: [5, 3] }, w: host([5]) })).rejects.toThrow(
      /as many elements.*6.*15/,
    );
    const y = bind(3);
    await expect(program.run({ x: host([2, 3]), w: host([2]) }, { y })).rejects.toThrow(
      /output y of p.*n = 2/,
    );
    free(y);
  });

  it('a tensor that reaches out of its buffer, or has an odd shape', async () => {
    using program = await runtime.compile(polynomial());
    const { buffer } = bind(4);
    for (const [shape, offset] of [
      [[5], 0],
      [[4], 1],
      [[1], -1],
      [[1], 0.5],
      [[-1], 0],
      [[1.5], 0],
      [[NaN], 0],
    ] as const) {
      await expect(program.run({ x: { buffer, shape, offset } })).rejects.toThrow(
        /fit into its buffer|malformed/,
      );
    }
    buffer[Symbol.dispose]();
  });

  it('a buffer of another runtime', async () => {
    const other = openOnnxRuntime({ threads: 2 });
    using program = await runtime.compile(polynomial());
    const buffer = {
      ...bind(1).buffer,
      dtype: 'f32',
      length: 1,
      data: new Float32Array(1),
      disposed: false,
    } as const;
    await expect(program.run({ x: { buffer, shape: [1] } })).rejects.toThrow(/another runtime/);
    const own = other.allocate('f32', 1);
    await expect(program.run({ x: { buffer: own, shape: [1] } })).rejects.toThrow(/another runtime/);
    await other[Symbol.asyncDispose]();
  });

  it('outputs that overlap inputs or each other where that would be wrong', async () => {
    const x = input('x', 'f32', ['n', 'n']);
    using product = await runtime.compile(graphFunction({ y: matmul(x, x) }), { name: 'square' });
    const { buffer } = bind(9);
    const matrix = { buffer, shape: [2, 2] };
    await expect(product.run({ x: matrix }, { y: matrix })).rejects.toThrow(
      /square cannot run.*output y.*input x.*Gemm .* reads x while it writes y/,
    );
    await expect(product.run({ x: matrix }, { y: { ...matrix, offset: 2 } })).rejects.toThrow(
      /output y overlaps a part of input x/,
    );
    await product.run({ x: matrix }, { y: { ...matrix, offset: 4 } });
    const v = input('v', 'f32', ['n']);
    using two = await runtime.compile(graphFunction({ a: exp(v), b: mul(v, v) }));
    const at = (offset: number): TensorBinding => ({ buffer, shape: [3], offset });
    await expect(two.run({ v: host([3]) }, { a: at(0), b: at(2) })).rejects.toThrow(/a and b overlap/);
    await two.run({ v: host([3]) }, { a: at(0), b: at(3) });
    buffer[Symbol.dispose]();
  });

  it('a second run that would race with one in flight', async () => {
    using slow = await runtime.compile(slowProduct(), { name: 'slow' });
    using quick = await runtime.compile(polynomial(), { name: 'quick' });
    const side = 1000;
    const [a, out] = [runtime.allocate('f32', side * side), runtime.allocate('f32', side * side)];
    const running = slow.run(
      { a: { buffer: a, shape: [side, side] } },
      { product: { buffer: out, shape: [side, side] } },
    );
    const piece = { buffer: a, shape: [10], offset: 20 };
    await expect(quick.run({ x: piece }, { y: piece })).rejects.toThrow(/quick.*slow.*same memory/);
    await expect(quick.run({ x: { buffer: out, shape: [4] } })).rejects.toThrow(/same memory/);
    // Reading what another run only reads is safe.
    await quick.run({ x: piece });
    expect(() => a[Symbol.dispose]()).toThrow(/freed while a run uses it/);
    expect(() => slow[Symbol.dispose]()).toThrow(/slow was disposed while it runs/);
    await running;
    await quick.run({ x: piece }, { y: piece });
    a[Symbol.dispose]();
    out[Symbol.dispose]();
  });

  it('indices out of range and too much memory, and goes on working', async () => {
    const [table, at] = [input('table', 'f32', [3]), input('at', 'i64', ['n'])];
    using lookup = await runtime.compile(graphFunction({ y: indexSelect(table, at) }), { name: 'lookup' });
    const run = (index: bigint) =>
      lookup.run({ table: host([3]), at: { shape: [1], data: BigInt64Array.of(index) } });
    await expect(run(3n)).rejects.toThrow(/lookup failed.*out of data bounds, idx=3/);
    expect((await run(2n))['y']!.shape).toEqual([1]);
    const n = input('n', 'f32', ['n']);
    const huge = graphFunction({ y: expand(sum(n), ['1000000*n', 1_000_000]) });
    using big = await runtime.compile(huge, { name: 'big' });
    await expect(big.run({ n: host([100]) })).rejects.toMatchObject({ code: 'out-of-memory' });
    expect((await run(2n))['y']!.shape).toEqual([1]);
  });

  it('programs, buffers and runtimes after their disposal', async () => {
    const own = openOnnxRuntime({ threads: 2 });
    const program = await own.compile(polynomial(), { name: 'gone' });
    const buffer = own.allocate('f32', 2);
    buffer[Symbol.dispose]();
    buffer[Symbol.dispose]();
    expect(buffer.disposed).toBe(true);
    expect(() => buffer.data).toThrow(/2 elements \(f32\) was used after/);
    await expect(program.run({ x: { buffer, shape: [2] } })).rejects.toThrow(/used after/);
    program[Symbol.dispose]();
    program[Symbol.dispose]();
    await expect(program.run({ x: host([2]) })).rejects.toThrow(/gone was run after/);
    await own[Symbol.asyncDispose]();
    await own[Symbol.asyncDispose]();
    expect(() => own.allocate('f32', 1)).toThrow(/runtime was used after/);
    await expect(own.compile(polynomial())).rejects.toThrow(/runtime was used after/);
  });
});

describe('constants', () => {
  const weighted = () =>
    graphFunction({
      y: matmul(input('x', 'f32', ['n', 3]), input('w', 'f32', [2, 3]), { transposeB: true }),
    });

  it('are read once, from where they are', async () => {
    const before = runtime.live;
    const weights = { ...bind(8), offset: 2, shape: [2, 3] };
    (weights.buffer.data as Float32Array).set([1, 2, 3, 4, 5, 6], 2);
    using constants = runtime.constants({ w: weights });
    using program = await runtime.compile(weighted(), { constants });
    expect([...program.inputs]).toEqual(['x']);
    const x = { shape: [2, 3], data: Float32Array.of(1, 0, 0, 0, 10, 1) };
    expect((await program.run({ x }))['y']!.data).toEqual(Float32Array.of(1, 4, 23, 56));
    await expect(program.run({ x, w: weights })).rejects.toThrow(/no input of this name.*found w/);
    program[Symbol.dispose]();
    free(weights);
    expect(runtime.live).toEqual(before);
  });

  it.each([
    ['in panels', 32, 8],
    ['as they are', 30, 7],
  ])('are taken over again %s, once for all programs that have them', async (_, outputs, inner) => {
    const before = runtime.live;
    const weights = bind(outputs * inner);
    const bias = bind(outputs);
    const w = { buffer: weights.buffer, shape: [outputs, inner] };
    const fn = () => {
      const [x, b] = [input('x', 'f32', ['n', inner]), input('b', 'f32', [outputs])];
      const product = matmul(x, input('w', 'f32', w.shape), { transposeB: true });
      return graphFunction({ y: add(product, b) });
    };
    const fill = (value: number) => {
      (weights.buffer.data as Float32Array).fill(value);
      (bias.buffer.data as Float32Array).fill(value / 4);
    };
    using constants = runtime.constants({ w, b: bias, unused: bias });
    fill(1);
    const programs = await Promise.all([1, 2].map(() => runtime.compile(fn(), { constants })));
    const x = { shape: [3, inner], data: new Float32Array(3 * inner).fill(1) };
    const follow = inner === 8 && kernelObstacle() === undefined;
    // The weights, the bias, and one copy for both.
    expect(runtime.live.buffers - before.buffers).toBe(follow ? 3 : 2);
    const result = async (program: Program) => (await program.run({ x }))['y']!.data[0];
    expect(await result(programs[0]!)).toBe(inner + 0.25);
    fill(2);
    await constants.refresh();
    expect(programs.map(({ followsConstants }) => followsConstants)).toEqual([follow, follow]);
    const later = await runtime.compile(fn(), { constants });
    for (const program of [later, ...(follow ? programs : [])]) {
      expect(await result(program)).toBe(2 * inner + 0.5);
    }
    for (const program of [later, ...programs]) program[Symbol.dispose]();
    constants[Symbol.dispose]();
    free(weights);
    free(bias);
    expect(runtime.live).toEqual(before);
  });

  it('must be there, fit, and be of this runtime', async () => {
    const weights = bind(6);
    const compile = (values: Record<string, TensorBinding>) =>
      runtime.compile(weighted(), { constants: runtime.constants(values) });
    await expect(compile({ w: weights })).rejects.toThrow(/input w .*\[6\].*\[2, 3\]/);
    await using other = openOnnxRuntime();
    const foreign = other.constants({});
    await expect(runtime.compile(weighted(), { constants: foreign })).rejects.toThrow(/another runtime/);
    free(weights);
    await expect(compile({ w: { ...weights, shape: [2, 3] } })).rejects.toThrow(/after it had been disposed/);
  });

  it('cannot be freed or overwritten by the program that has them', async () => {
    const weights = { ...bind(6, 1), shape: [2, 3] };
    using constants = runtime.constants({ w: weights });
    const program = await runtime.compile(weighted(), { constants });
    expect(() => weights.buffer[Symbol.dispose]()).toThrow(/freed while a run uses it/);
    const over = { buffer: weights.buffer, shape: [1, 2] };
    await expect(program.run({ x: host([1, 3]) }, { y: over })).rejects.toThrow(/memory of a constant/);
    program[Symbol.dispose]();
    weights.buffer[Symbol.dispose]();
  });
});

describe('memory', () => {
  it('is aligned, zero, and counted', () => {
    const before = runtime.live;
    const buffers = [1, 3, 1000, 0].map((length) => runtime.allocate('i64', length));
    for (const buffer of buffers) {
      expect(buffer.tensor([buffer.length], 0).start % 64n).toBe(0n);
      expect(buffer.data.every((value) => value === 0n)).toBe(true);
    }
    expect(runtime.live).toEqual({
      ...before,
      bytes: before.bytes + 8 * 1004,
      buffers: before.buffers + 4,
      tensors: before.tensors + 4,
    });
    for (const buffer of buffers) buffer[Symbol.dispose]();
    expect(runtime.live).toEqual(before);
  });

  it('comes back after successful and failed runs', async () => {
    const before = runtime.live;
    {
      using program = await runtime.compile(polynomial());
      const { buffer } = bind(5000);
      for (let length = 1; length <= 1500; length++) {
        await program.run(
          { x: { buffer, shape: [length], offset: length } },
          { y: { buffer, shape: [length], offset: length } },
        );
      }
      // Descriptions of shapes that a loop goes through do not pile up.
      expect(runtime.live.tensors).toBeLessThanOrEqual(before.tensors + 1025);
      for (const bad of [
        {},
        { x: { shape: [3], data: new Int32Array(3) } },
        { x: host([2]), y: host([2]) },
      ]) {
        await expect(program.run(bad as Record<string, HostTensor>)).rejects.toThrow(/input/);
      }
      await program.run({ x: host([7]) });
      buffer[Symbol.dispose]();
    }
    expect(runtime.live).toEqual(before);
  });

  it('refuses lengths that are none, and more than there is', () => {
    for (const length of [-1, 0.5, NaN, Infinity]) {
      expect(() => runtime.allocate('f32', length)).toThrow(/cannot have this length/);
    }
    expect(() => runtime.allocate('f32', 2 ** 48)).toThrow(/not enough memory/);
  });

  it('is all given back when the runtime is disposed while a program is made', async () => {
    const own = openOnnxRuntime({ threads: 2 });
    const compiling = own.compile(slowProduct());
    await own[Symbol.asyncDispose]();
    expect(own.live).toEqual({ bytes: 0, buffers: 0, programs: 0, tensors: 0 });
    await expect((await compiling).run({ a: host([1, 1]) })).rejects.toThrow(/after it had been disposed/);
  });

  it('is all given back when the runtime is disposed, even in flight', async () => {
    const own = openOnnxRuntime({ threads: 2 });
    const program = await own.compile(slowProduct());
    const buffer = own.allocate('f32', 200 * 200);
    const running = program.run({ a: { buffer, shape: [200, 200] } });
    await own[Symbol.asyncDispose]();
    expect(own.live).toEqual({ bytes: 0, buffers: 0, programs: 0, tensors: 0 });
    await running;
  });
});

describe('threads', () => {
  it('are as many as asked for, the same for all open runtimes, and can change when none is open', async () => {
    const own = openOnnxRuntime({ threads: 2 });
    expect(() => openOnnxRuntime({ threads: 3 })).toThrow(/another thread pool.*3 threads.*2 threads/);
    await own[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
    const three = openOnnxRuntime({ threads: 3 });
    expect(three.threads).toBe(3);
    using program = await three.compile(polynomial());
    expect((await program.run({ x: host([1], 2) }))['y']!.data[0]).toBe(6);
    program[Symbol.dispose]();
    await three[Symbol.asyncDispose]();
    runtime = openOnnxRuntime({ threads: 2 });
  });

  it.each([0, -1, 1.5, NaN, 5000])('cannot be %s', (threads) => {
    expect(() => openOnnxRuntime({ threads })).toThrow(/number of threads is invalid/);
  });
});
