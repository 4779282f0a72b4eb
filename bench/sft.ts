/**
 * What micro-batches by length are worth in fine-tuning, against padding every example to the longest of its step:
 * `npm run bench:sft -- [options]`. Both learn the same from the same 64 examples of mixed lengths, in turns.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { openOnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';
import { duration, percent, table, whole } from './report.ts';
import { inRounds } from './rounds.ts';
import { shapes } from './shapes.ts';
import { exampleLengths, openPolicy, sftStep } from './workloads.ts';

const { values } = parseArgs({
  options: {
    shape: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Usage: npm run bench:sft -- [options]

  --shape NAME   3.4M or 30M (default: both)
  --rounds N     steps of each (default 5)
  --help`);
  process.exit(0);
}
const rounds = Number(values.rounds);
await using runtime = openOnnxRuntime();
const sorted = exampleLengths.toSorted((a, b) => a - b);
console.log(
  `64 examples of ${sorted[0]} to ${sorted.at(-1)} tokens, half of them below ${sorted[32]}; ` +
    `load of the machine ${loadavg()[0]!.toFixed(1)}\n`,
);
const rows: string[][] = [];
for (const shape of shapes.filter(({ name }) => values.shape === undefined || name === values.shape)) {
  await using policy = await openPolicy(runtime, shape);
  const workloads = [sftStep(policy, shape), sftStep(policy, shape, false)];
  const timings = await inRounds(workloads, { rounds, patience: rounds });
  const [packed, padded] = workloads.map(({ name }) => timings.get(name)!);
  for (const workload of workloads) {
    const { best, median, quiet } = timings.get(workload.name)!;
    rows.push([
      `${shape.name} ${workload.name}`,
      `${quiet ? '' : '~'}${duration(best)}`,
      duration(median),
      whole(workload.tokens! / median),
      percent(workload.padding),
      workload === workloads[0] ? `${(padded!.median / packed!.median).toFixed(2)}×` : '',
    ]);
  }
}
console.log(table(['', 'best', 'median', 'tokens/s', 'padding', 'to padded'], rows));
