/**
 * Kernels in machine code at the edges: numbers that are none, memory that is not shared, sizes beyond the usual. Where
 * the machine does not run them, ONNX Runtime's must do the same.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphFunction } from '../../src/graph/function.ts';
import { interpret } from '../../src/graph/interpreter.ts';
import { categoricalDraw } from '../../src/graph/ops/draw.ts';
import { rmsNormGradient, swiglu, swigluGradient } from '../../src/graph/ops/fused.ts';
import { indexAdd } from '../../src/graph/ops/indexing.ts';
import { cachedAttention } from '../../src/graph/ops/transformer.ts';
import { input, type Value } from '../../src/graph/tensor.ts';
import { kernelObstacle } from '../../src/runtime/native/support.ts';
import { type OnnxRuntime, openOnnxRuntime } from '../../src/runtime/onnx/onnx-runtime.ts';
import { randomStream } from '../../src/util/random.ts';

let runtime: OnnxRuntime;
beforeAll(() => {
  runtime = openOnnxRuntime();
});
afterAll(async () => runtime[Symbol.asyncDispose]());

const vector = (values: readonly number[], shape: readonly number[] = [values.length]) => ({
  data: Float32Array.from(values),
  shape,
});

function normal(name: string, length: number): Float32Array {
  const random = randomStream('own kernels', name);
  return Float32Array.from({ length }, () => random.normal());
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe('categoricalDraw', () => {
  const width = 16;
  const fn = graphFunction(
    categoricalDraw(
      input('logits', 'f32', ['B', width]),
      input('inverse', 'f32', ['B']),
      input('uniform', 'f32', ['B']),
    ),
  );

  async function draw(rows: readonly (readonly number[])[], uniform: readonly number[]) {
    using program = await runtime.compile(fn);
    const { token, logprob } = await program.run({
      logits: vector(rows.flat(), [rows.length, width]),
      inverse: vector(rows.map(() => 1)),
      uniform: vector(uniform),
    });
    return { token: Array.from(token!.data, Number), logprob: Array.from(logprob!.data, Number) };
  }
  const flat = Array<number>(width).fill(0);
  const forbidding = (...tokens: readonly number[]) =>
    flat.map((logit, t) => (tokens.includes(t) ? -Infinity : logit));

  it('never draws what has no probability, at either end', async () => {
    const rows = [forbidding(0, 1), forbidding(0, 1), forbidding(14, 15), forbidding(14, 15)];
    const top = 1 - 2 ** -24;
    const { token, logprob } = await draw(rows, [0, top, 0, top]);
    expect(token).toEqual([2, 15, 0, 13]);
    for (const value of logprob) expect(value).toBeCloseTo(-Math.log(14), 6);
  });

  it('draws the only token that is left, whatever the number', async () => {
    const only = flat.map((_, t) => (t === 9 ? -300 : -Infinity));
    const { token, logprob } = await draw([only, only, only], [0, 0.5, 1 - 2 ** -24]);
    expect(token).toEqual([9, 9, 9]);
    expect(logprob).toEqual([0, 0, 0]);
  });

  it('says that logits are not numbers, and leaves the other rows alone', async () => {
    const rows = [flat.with(3, Number.NaN), flat, flat.with(15, Number.NaN), flat.with(0, Infinity)];
    const { logprob } = await draw(rows, [0.5, 0.5, 0.5, 0.5]);
    expect(logprob.map(Number.isFinite)).toEqual([false, true, false, false]);
  });

  it('walks a large vocabulary to its end', async () => {
    const size = 150_000;
    const large = graphFunction(
      categoricalDraw(
        input('logits', 'f32', ['B', size]),
        input('inverse', 'f32', ['B']),
        input('uniform', 'f32', ['B']),
      ),
    );
    using program = await runtime.compile(large);
    const uniform = [0, 0.25, 0.5, 0.75, 1 - 2 ** -20];
    const { token } = await program.run({
      logits: vector(Array<number>(size * uniform.length).fill(0), [uniform.length, size]),
      inverse: vector(uniform.map(() => 1)),
      uniform: vector(uniform),
    });
    for (const [row, u] of uniform.entries())
      expect(Math.abs(Number(token!.data[row]) - u * size)).toBeLessThan(2);
  });
});

describe('swiglu', () => {
  const gate = input('gate', 'f32', ['B', 8]);
  const up = input('up', 'f32', ['B', 8]);
  const [ofGate, ofUp] = swigluGradient(gate, up, input('given', 'f32', ['B', 8]));
  const fn = graphFunction({ y: swiglu(gate, up), ofGate, ofUp });

  it('saturates, and passes on what is not a number', async () => {
    using program = await runtime.compile(fn);
    const run = async (gates: readonly number[]) => {
      const ones = vector(
        gates.map(() => 1),
        [1, 8],
      );
      const found = await program.run({ gate: vector(gates, [1, 8]), up: ones, given: ones });
      return Object.fromEntries(
        Object.entries(found).map(([name, { data }]) => [name, Array.from(data, Number)]),
      );
    };
    const { y, ofGate: slope } = await run([-1000, -90, -20, 0, 20, 90, 1000, 1e30]);
    expect(largestDifference(y!.slice(0, 7), [0, 0, -20 * Math.exp(-20), 0, 20, 90, 1000])).toBeLessThan(
      1e-4,
    );
    expect(y![7]).toBeCloseTo(1e30, -25);
    expect(largestDifference(slope!, [0, 0, 0, 0.5, 1, 1, 1, 1])).toBeLessThan(1e-5);
    const odd = await run([Number.NaN, 1, 1, 1, 1, 1, 1, 1]);
    for (const name of ['y', 'ofGate', 'ofUp']) {
      expect(odd[name]!.map(Number.isNaN), name).toEqual([true, ...Array<boolean>(7).fill(false)]);
    }
  });
});

describe('rmsNormGradient', () => {
  it('passes on what is not a number to its row alone', async () => {
    const [width, rows] = [16, 3];
    const x = input('x', 'f32', ['B', width]);
    const inverse = input('inverse', 'f32', ['B', 1]);
    const [ofX, product] = rmsNormGradient(
      x,
      input('w', 'f32', [width]),
      inverse,
      input('g', 'f32', ['B', width]),
    );
    using program = await runtime.compile(graphFunction({ ofX, product }));
    const g = normal('g', rows * width);
    g[width + 5] = Number.NaN;
    const found = await program.run({
      x: { data: normal('x', rows * width), shape: [rows, width] },
      w: { data: normal('w', width), shape: [width] },
      inverse: vector([1, 1, 1], [rows, 1]),
      g: { data: g, shape: [rows, width] },
    });
    const isRow = (data: ArrayLike<number | bigint>) =>
      Array.from(data, (value) => Number.isNaN(Number(value)));
    expect(isRow(found['ofX']!.data)).toEqual(
      Array.from({ length: rows * width }, (_, i) => Math.floor(i / width) === 1),
    );
    expect(isRow(found['product']!.data)).toEqual(
      Array.from({ length: rows * width }, (_, i) => i === width + 5),
    );
  });
});

describe('indexAdd', () => {
  it.each([8, 16, 24, 96, 64, 192])(
    'adds rows of %i to a table elsewhere in memory and leaves that alone',
    async (width) => {
      const [height, count] = [5, 40];
      const fn = graphFunction({
        y: indexAdd(
          input('table', 'f32', ['M', width]),
          input('at', 'i64', ['N']),
          input('rows', 'f32', ['N', width]),
        ),
      });
      using program = await runtime.compile(fn);
      using table = runtime.allocate('f32', height * width);
      const before = normal('table', height * width);
      table.data.set(before);
      const random = randomStream('own kernels', 'at');
      const at = Array.from({ length: count }, () => random.integer(height));
      const rows = normal('rows', count * width);
      const { y } = await program.run({
        table: { buffer: table, shape: [height, width] },
        at: { data: BigInt64Array.from(at, BigInt), shape: [count] },
        rows: { data: rows, shape: [count, width] },
      });
      const expected = Float64Array.from(before);
      for (const [row, to] of at.entries()) {
        for (let i = 0; i < width; i++) expected[to * width + i]! += rows[row * width + i]!;
      }
      expect(largestDifference(y!.data as Float32Array, expected)).toBeLessThan(1e-5);
      expect(table.data).toEqual(before);
    },
  );
});

it('makes new kernels while sessions with others are being made', async () => {
  const widths = Array.from({ length: 24 }, (_, index) => 8 * (index + 30));
  const programs = await Promise.all(
    widths.map((width) => {
      const rows = input('rows', 'f32', ['N', width]);
      return runtime.compile(graphFunction({ y: swiglu(rows, rows) }));
    }),
  );
  for (const [index, program] of programs.entries()) {
    const width = widths[index]!;
    const { y } = await program.run({
      rows: { data: new Float32Array(2 * width).fill(1), shape: [2, width] },
    });
    expect(y!.data[2 * width - 1], `${width}`).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    program[Symbol.dispose]();
  }
});

describe('cachedAttention of one token', () => {
  // ONNX Runtime's own kernel checks lengths for itself, and refuses all of them.
  it.skipIf(kernelObstacle() !== undefined)('touches nothing beyond the cache or the tables', async () => {
    const [heads, size, capacity] = [2, 16, 8];
    const vectorOf = (name: string) => input(name, 'f32', ['B', 1, heads * size]);
    const cacheOf = (name: string) => input(name, 'f32', ['B', heads, capacity, size]);
    const table = (name: string) => input(name, 'f32', [6, size / 2]);
    const fn = graphFunction(
      cachedAttention(
        {
          query: vectorOf('query'),
          key: vectorOf('key'),
          value: vectorOf('value'),
          pastKey: cacheOf('pastKey'),
          pastValue: cacheOf('pastValue'),
          lengths: input('lengths', 'i32', ['B']),
          total: input('total', 'i32', []),
          cos: table('cos'),
          sin: table('sin'),
        },
        { heads, keyValueHeads: heads },
      ),
    );
    using program = await runtime.compile(fn);
    const rows = (name: string, batch: number) => ({
      data: normal(name, batch * heads * size),
      shape: [batch, 1, heads * size],
    });
    const caches = (name: string, batch: number) => ({
      data: normal(name, batch * heads * capacity * size),
      shape: [batch, heads, capacity, size],
    });
    const run = (lengths: readonly number[]) =>
      program.run({
        ...Object.fromEntries(['query', 'key', 'value'].map((name) => [name, rows(name, lengths.length)])),
        ...Object.fromEntries(['pastKey', 'pastValue'].map((name) => [name, caches(name, lengths.length)])),
        cos: { data: normal('cos', 3 * size), shape: [6, size / 2] },
        sin: { data: normal('sin', 3 * size), shape: [6, size / 2] },
        lengths: { data: Int32Array.from(lengths), shape: [lengths.length] },
        total: { data: Int32Array.of(capacity), shape: [] },
      });
    const good = await run([5]);
    // Beyond the tables, beyond the cache, negative.
    const found = await run([5, 6, 8, 2 ** 31 - 1, -1]);
    const part = (tensor: { data: ArrayLike<number | bigint> }, count: number) =>
      Array.from(tensor.data, Number).slice(0, count);
    expect(part(found['output']!, heads * size)).toEqual(part(good['output']!, heads * size));
  });

  it.each([
    { heads: 4, keyValueHeads: 4, size: 16, capacity: 9, lengths: [0, 8, 3] },
    { heads: 6, keyValueHeads: 2, size: 48, capacity: 40, lengths: [39, 7] },
    { heads: 4, keyValueHeads: 1, size: 128, capacity: 70, lengths: [64, 65, 66, 67] },
    { heads: 2, keyValueHeads: 2, size: 256, capacity: 20, lengths: [19] },
    { heads: 2, keyValueHeads: 1, size: 64, capacity: 3000, lengths: [2999, 1] },
  ])(
    'of $heads heads of $size on $keyValueHeads, at $lengths of $capacity, with caches elsewhere in memory',
    async ({ heads, keyValueHeads, size, capacity, lengths }) => {
      const batch = lengths.length;
      const shapes = {
        query: [batch, 1, heads * size],
        key: [batch, 1, keyValueHeads * size],
        value: [batch, 1, keyValueHeads * size],
        pastKey: [batch, keyValueHeads, capacity, size],
        pastValue: [batch, keyValueHeads, capacity, size],
        cos: [capacity, size / 2],
        sin: [capacity, size / 2],
      };
      const tensors = Object.fromEntries(
        Object.entries(shapes).map(([name, [first, ...rest]]) => {
          return [name, input(name, 'f32', [name === 'cos' || name === 'sin' ? first! : 'B', ...rest])];
        }),
      ) as Record<keyof typeof shapes, ReturnType<typeof input>>;
      const fn = graphFunction(
        cachedAttention(
          { ...tensors, lengths: input('lengths', 'i32', ['B']), total: input('total', 'i32', []) },
          { heads, keyValueHeads },
        ),
      );
      const given = Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => {
          return [
            name,
            {
              shape,
              data: normal(
                name,
                shape.reduce((a, b) => a * b),
              ),
            },
          ];
        }),
      );
      using program = await runtime.compile(fn);
      // The caches as buffers of the caller, which it wants back as they were.
      const caches = ['pastKey', 'pastValue'].map((name) => {
        const buffer = runtime.allocate('f32', given[name]!.data.length);
        buffer.data.set(given[name]!.data);
        return [name, { buffer, shape: given[name]!.shape }] as const;
      });
      const found = await program.run({
        ...given,
        ...Object.fromEntries(caches),
        lengths: { data: Int32Array.from(lengths), shape: [batch] },
        total: { data: Int32Array.of(Math.max(...lengths) + 1), shape: [] },
      });
      const values: Record<string, Value> = Object.fromEntries(
        Object.entries(given).map(([name, { shape, data }]) => [
          name,
          { shape, data: Float64Array.from(data) },
        ]),
      );
      const expected = interpret(fn, {
        ...values,
        lengths: { shape: [batch], data: Float64Array.from(lengths) },
        total: { shape: [], data: Float64Array.of(Math.max(...lengths) + 1) },
      });
      // What lies behind a sequence's last token is nobody's: ONNX Runtime's kernel does not copy it.
      const held = (name: string, data: ArrayLike<number>) => {
        const whole = Array.from(data);
        if (name === 'output') return whole;
        const slot = capacity * size;
        return lengths.flatMap((length, sequence) =>
          Array.from({ length: keyValueHeads }, (_, head) => {
            const start = (sequence * keyValueHeads + head) * slot;
            return whole.slice(start, start + (length + 1) * size);
          }).flat(),
        );
      };
      for (const [name, value] of Object.entries(expected)) {
        const [mine, right] = [held(name, found[name]!.data as Float32Array), held(name, value.data)];
        expect(largestDifference(mine, right), name).toBeLessThan(5e-6);
      }
      for (const [name, { buffer }] of caches) {
        expect(buffer.data).toEqual(given[name]!.data);
        buffer[Symbol.dispose]();
      }
    },
  );
});

it('runs machine code on processors that can', () => {
  // Elsewhere this file tests ONNX Runtime's kernels: that must have a reason, and not be that memory is refused.
  expect(kernelObstacle() ?? 'the processor lacks nothing').toMatch(
    /^(the processor lacks|they are for|AHA_KERNELS)/,
  );
});
