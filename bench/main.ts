/**
 * Measures this machine: `npm run bench -- --help`.
 *
 * For each model: decoding, forward and backward, the optimizer, a GRPO step; best and median time, tokens per
 * second, the share of the fastest matrix product of this machine, and the share of time outside ONNX Runtime.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { openOnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';
import { handover, shareOutside } from './handover.ts';
import { machine, machineName } from './machine.ts';
import { matrixPeak } from './peak.ts';
import { duration, percent, significant, table, whole } from './report.ts';
import { inRounds } from './rounds.ts';
import { type Shape, shapes } from './shapes.ts';
import {
  decodeBatches,
  decoding,
  forwardBackward,
  grpoStep,
  openPolicy,
  optimizerStep,
  trainingBatches,
  type Workload,
} from './workloads.ts';

const help = `Usage: npm run bench -- [options]

  --shape NAME     3.4M or 30M (default: both)
  --only TEXT      only what has TEXT in its name: decode, train, optimizer, grpo, "decode 64"
  --threads N      threads of ONNX Runtime (default: all cores)
  --rounds N       undisturbed runs wanted of each (default 5)
  --patience N     most runs of each, disturbed ones included (default 20)
  --save           write the results to bench/baselines/MACHINE.json
  --json           print one JSON object instead of tables
  --help

A run is disturbed if other programs use more than 5 % of the processor meanwhile; results from disturbed runs are
marked with ~.`;

const { values } = parseArgs({
  options: {
    shape: { type: 'string' },
    only: { type: 'string' },
    threads: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    patience: { type: 'string', default: '20' },
    save: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

interface Result {
  readonly name: string;
  /** Seconds. */
  readonly best: number;
  readonly median: number;
  readonly runs: number;
  readonly quiet: boolean;
  readonly processor: number;
  /** From the best run. */
  readonly tokensPerSecond?: number;
  readonly shareOfPeak?: number;
  readonly shareOutsideOnnxRuntime: number;
  readonly padding?: number;
}

async function measure(shape: Shape): Promise<{ readonly peak: number; readonly results: Result[] }> {
  const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
  await using runtime = openOnnxRuntime(threads);
  await using policy = await openPolicy(runtime, shape);
  const workloads: Workload[] = [
    ...decodeBatches.map((batch) => decoding(policy, shape, batch)),
    ...Object.entries(trainingBatches).map(([name, lengths]) =>
      forwardBackward(policy, shape, name, lengths),
    ),
    optimizerStep(policy),
    grpoStep(policy, shape),
  ].filter(({ name }) => values.only === undefined || name.includes(values.only));

  let peak = await matrixPeak(runtime);
  const timings = await inRounds(workloads, {
    rounds: Number(values.rounds),
    patience: Number(values.patience),
    onTurn: (name, { seconds }, foreign) => {
      const others = foreign === undefined ? '' : `, ${percent(foreign)} used by others`;
      console.error(`${shape.name} ${name}: ${duration(seconds)}${others}`);
    },
  });
  peak = Math.max(peak, await matrixPeak(runtime));

  const roundTrip = await handover(runtime);
  const results: Result[] = [];
  for (const workload of workloads) {
    const { name, tokens, operations } = workload;
    const timing = timings.get(name)!;
    // The least of three: a disturbance can only add to it.
    const outside: number[] = [];
    for (let run = 0; run < 3; run++)
      outside.push(await shareOutside(runtime, roundTrip, () => workload.run()));
    results.push({
      ...timing,
      name,
      ...(tokens === undefined ? {} : { tokensPerSecond: tokens / timing.best }),
      ...(operations === undefined ? {} : { shareOfPeak: operations / timing.best / peak }),
      shareOutsideOnnxRuntime: Math.min(...outside),
      ...(workload.padding === undefined ? {} : { padding: workload.padding }),
    });
  }
  return { peak, results };
}

function print(shape: Shape, peak: number, results: readonly Result[]): void {
  console.log(`\n${shape.name} parameters; matrix products reach ${(peak / 1e9).toFixed(0)} GFLOP/s\n`);
  const head = ['', 'best', 'median', 'processor', 'tokens/s', 'of peak', 'outside', 'padding'];
  const rows = results.map((result) => [
    result.name,
    `${result.quiet ? '' : '~'}${duration(result.best)}`,
    duration(result.median),
    duration(result.processor),
    whole(result.tokensPerSecond),
    percent(result.shareOfPeak),
    percent(result.shareOutsideOnnxRuntime),
    percent(result.padding),
  ]);
  console.log(table(head, rows));
}

if (values.help) {
  console.log(help);
} else {
  const chosen = shapes.filter(({ name }) => values.shape === undefined || name === values.shape);
  if (chosen.length === 0)
    throw new Error(`Unknown shape ${values.shape}: use ${shapes.map((s) => s.name).join(', ')}`);
  const here = machine();
  const report: Record<string, unknown> = { machine: here, threads: Number(values.threads ?? here.cores) };
  for (const shape of chosen) {
    const { peak, results } = await measure(shape);
    if (!values.json) print(shape, peak, results);
    report[shape.name] = {
      peakGigaflops: significant(peak / 1e9),
      results: results.map((result) =>
        Object.fromEntries(
          Object.entries(result).map(([key, value]) => [
            key,
            typeof value === 'number' ? significant(value) : value,
          ]),
        ),
      ),
    };
  }
  if (values.json) console.log(JSON.stringify(report));
  if (values.save) {
    const path = `bench/baselines/${machineName(here)}.json`;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
    console.error(`Wrote ${path}`);
  }
}
