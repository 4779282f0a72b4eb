/** The fastest matrix product that the runtime computes on this machine: what everything else is measured against. */
import { graphFunction } from '../src/graph/function.ts';
import { matmul } from '../src/graph/ops/matmul.ts';
import { input } from '../src/graph/tensor.ts';
import type { Runtime } from '../src/runtime/runtime.ts';

/** x [m, k] · wᵀ with w [n, k]: square ones, and those of a training step of the 3.4M model. */
const sizes = [
  [512, 512, 512],
  [1024, 1024, 1024],
  [2048, 2048, 2048],
  [2048, 704, 256],
] as const;

/** Operations per second, the best of several sizes and runs. */
export async function matrixPeak(runtime: Runtime, rounds = 8): Promise<number> {
  const product = matmul(input('x', 'f32', ['M', 'K']), input('w', 'f32', ['N', 'K']), { transposeB: true });
  using program = await runtime.compile(graphFunction({ y: product }), { name: 'product' });
  let peak = 0;
  for (const [m, n, k] of sizes) {
    using x = runtime.allocate('f32', m * k);
    using w = runtime.allocate('f32', n * k);
    using y = runtime.allocate('f32', m * n);
    x.data.fill(0.5);
    w.data.fill(0.25);
    const inputs = { x: { buffer: x, shape: [m, k] }, w: { buffer: w, shape: [n, k] } };
    const outputs = { y: { buffer: y, shape: [m, n] } };
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      await program.run(inputs, outputs);
      peak = Math.max(peak, (2 * m * n * k) / ((performance.now() - start) / 1000));
    }
  }
  return peak;
}
