/** One product of matrices through the whole path: graph, lowering, ONNX Runtime. Right, and how fast? */
import { graphFunction } from '../../graph/function.ts';
import { matmul } from '../../graph/ops/matmul.ts';
import { input } from '../../graph/tensor.ts';
import { openOnnxRuntime } from '../../runtime/onnx/onnx-runtime.ts';
import type { TensorData } from '../../runtime/runtime.ts';
import { randomStream } from '../../util/random.ts';
import { systemClock, type Clock } from '../../util/clock.ts';

export interface ProductTrial {
  readonly threads: number;
  /** Billions of floating-point operations a second, best of several products. */
  readonly gigaflops: number;
  /** Largest difference from the same product in float64, relative to the largest element. */
  readonly largestError: number;
}

const size = 768;
const attempts = 8;
/** Rows that are checked: all would take JavaScript longer than the whole trial. */
const checkedRows = 4;

export async function multiplyOnce(clock: Clock = systemClock): Promise<ProductTrial> {
  await using runtime = openOnnxRuntime();
  const a = input('a', 'f32', [size, size]);
  const b = input('b', 'f32', [size, size]);
  using program = await runtime.compile(graphFunction({ c: matmul(a, b) }), { name: 'doctor' });
  using left = runtime.allocate('f32', size * size);
  using right = runtime.allocate('f32', size * size);
  using product = runtime.allocate('f32', size * size);
  const stream = randomStream(0, 'doctor');
  for (let i = 0; i < size * size; i++) {
    left.data[i] = stream.next() - 0.5;
    right.data[i] = stream.next() - 0.5;
  }
  const shape = [size, size];
  const inputs = { a: { buffer: left, shape }, b: { buffer: right, shape } };
  const outputs = { c: { buffer: product, shape } };
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < attempts; i++) {
    const start = clock.monotonic();
    await program.run(inputs, outputs);
    best = Math.min(best, clock.monotonic() - start);
  }
  return {
    threads: runtime.threads,
    gigaflops: (2 * size ** 3) / (best / 1000) / 1e9,
    largestError: largestError(left.data, right.data, product.data),
  };
}

function largestError(left: TensorData, right: TensorData, product: TensorData): number {
  let error = 0;
  let largest = 0;
  for (let row = 0; row < checkedRows; row++) {
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += Number(left[row * size + k]) * Number(right[k * size + column]);
      largest = Math.max(largest, Math.abs(sum));
      error = Math.max(error, Math.abs(sum - Number(product[row * size + column])));
    }
  }
  return error / largest;
}
