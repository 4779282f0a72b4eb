/**
 * What lies between our JavaScript and ONNX Runtime: the time in native calls as the runtime counts it, from the
 * call to its callback, contains the way to the thread that computes and back. That part is measured with a graph
 * that computes next to nothing, and charged to us.
 */
import { graphFunction } from '../src/graph/function.ts';
import { neg } from '../src/graph/ops/elementwise.ts';
import { input } from '../src/graph/tensor.ts';
import type { OnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';

/** Seconds of one round trip: the median of many. */
export async function handover(runtime: OnnxRuntime): Promise<number> {
  using program = await runtime.compile(graphFunction({ y: neg(input('x', 'f32', [1])) }), {
    name: 'handover',
  });
  using x = runtime.allocate('f32', 1);
  using y = runtime.allocate('f32', 1);
  const inputs = { x: { buffer: x, shape: [1] } };
  const outputs = { y: { buffer: y, shape: [1] } };
  const times: number[] = [];
  for (let run = 0; run < 500; run++) {
    const before = runtime.runs.milliseconds;
    await program.run(inputs, outputs);
    times.push((runtime.runs.milliseconds - before) / 1000);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

/** The share of the time of `work` that was not spent inside ONNX Runtime. */
export async function shareOutside(
  runtime: OnnxRuntime,
  roundTrip: number,
  work: () => Promise<void>,
): Promise<number> {
  const { count, milliseconds } = runtime.runs;
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const calls = runtime.runs.count - count;
  const inside = (runtime.runs.milliseconds - milliseconds) / 1000 - calls * roundTrip;
  return 1 - inside / seconds;
}
