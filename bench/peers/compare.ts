/**
 * aha against the usual Python stack on the same shapes and batches, in turns: `npm run bench:peers -- --help`.
 * Every peer runs in several ways (attention kernel, cache, rows at once): it counts by its fastest, which takes
 * finding, and beside it as it comes, with its own defaults.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { openOnnxRuntime } from '../../src/runtime/onnx/onnx-runtime.ts';
import { machine } from '../machine.ts';
import { duration, percent, significant, table } from '../report.ts';
import { type Contestant, type Elapsed, inRounds, type Timing } from '../rounds.ts';
import { type Shape, shapes } from '../shapes.ts';
import {
  completions,
  decodeBatches,
  decoding,
  exampleLengths,
  forwardBackward,
  grpoStep,
  newTokens,
  openPolicy,
  optimizerStep,
  prompts,
  promptShare,
  promptTokens,
  sftStep,
  trainingBatches,
} from '../workloads.ts';
import { Peer } from './peer.ts';

const script = 'bench/peers/peers.py';
const help = `Usage: AHA_PYTHON=PYTHON npm run bench:peers -- [options]

  --shape NAME     3.4M or 30M (default: both)
  --only TEXT      only what has TEXT in its name: decode, train, optimizer, sft, grpo, "decode 64"
  --threads N      threads of each side (default: all cores)
  --rounds N       undisturbed turns wanted of each (default 5)
  --patience N     most turns of each, disturbed ones included (default 20)
  --json           print one JSON object instead of tables

PYTHON is a Python with the packages of bench/peers/requirements.txt (default: python3).`;

const { values } = parseArgs({
  options: {
    shape: { type: 'string' },
    only: { type: 'string' },
    threads: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    patience: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const threads = values.threads === undefined ? availableParallelism() : Number(values.threads);

/** The same work done by us and by a peer in several ways. */
interface Match {
  readonly name: string;
  readonly ours: { run(): Promise<void> };
  /** By the way in which it is done. */
  readonly theirs: Readonly<Record<string, () => Promise<Elapsed>>>;
  /** The way of `theirs` that its defaults choose. */
  readonly asItComes?: string;
  /** Runs around the whole match. */
  readonly open?: () => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** Their time divided by ours. */
interface Ratios {
  readonly ratioOfBests: number;
  readonly ratioOfMedians: number;
}

interface Outcome extends Ratios {
  readonly name: string;
  readonly ours: Timing;
  /** In their fastest way. */
  readonly theirs: Timing;
  readonly way: string;
  readonly asItComes?: Ratios & { readonly theirs: Timing; readonly way: string };
  /** Of processor times: what is left to compare on a machine that others use, with one thread each. */
  readonly ratioOfProcessors: number;
  /** Share of their time that is generation. */
  readonly generation?: number;
}

/** Rows of a device at once, unless a trainer is told otherwise. */
const defaultRows = 8;

function matches(peer: Peer, shape: Shape, policy: Awaited<ReturnType<typeof openPolicy>>): Match[] {
  const ask = (command: Record<string, unknown>) => () => peer.ask({ shape, ...command });
  return [
    ...decodeBatches.map((batch): Match => {
      const way = (attention: string, cache: string) =>
        ask({ do: 'generate', batch, prompt: promptTokens, tokens: newTokens, attention, cache });
      return {
        name: `decode ${batch}`,
        ours: decoding(policy, shape, batch),
        theirs: {
          'sdpa, dynamic cache': way('sdpa', 'dynamic'),
          'eager, dynamic cache': way('eager', 'dynamic'),
          'sdpa, static cache': way('sdpa', 'static'),
          'eager, static cache': way('eager', 'static'),
        },
        asItComes: 'sdpa, dynamic cache',
      };
    }),
    ...Object.entries(trainingBatches).map(([name, lengths]): Match => {
      const way = (attention: string, rows: number) =>
        ask({ do: 'forwardBackward', lengths, attention, rows });
      return {
        name: `train ${name}`,
        ours: forwardBackward(policy, shape, name, lengths),
        theirs: {
          'sdpa, all rows': way('sdpa', lengths.length),
          'sdpa, quarters': way('sdpa', lengths.length / 4),
          'eager, quarters': way('eager', lengths.length / 4),
        },
        asItComes: 'sdpa, all rows',
      };
    }),
    {
      name: 'optimizer',
      ours: optimizerStep(policy),
      theirs: { fused: ask({ do: 'optimizerStep' }) },
      asItComes: 'fused',
    },
  ];
}

/** TRL's trainer, opened in one way. */
async function grpoMatch(
  peer: Peer,
  shape: Shape,
  policy: Awaited<ReturnType<typeof openPolicy>>,
  way: {
    readonly attention: string;
    readonly cache: string;
    readonly rows: number;
    readonly checkpointing: boolean;
  },
) {
  const shares: number[] = [];
  const checkpointing = way.checkpointing ? ', checkpointing' : '';
  const name = `${way.attention}, ${way.cache} cache, ${way.rows} rows${checkpointing}`;
  const match: Match = {
    name: 'grpo step',
    ours: grpoStep(policy, shape),
    ...(way.checkpointing ? { asItComes: name } : {}),
    theirs: {
      [name]: async () => {
        const elapsed = await peer.ask({ do: 'step' });
        shares.push(elapsed.generation! / elapsed.seconds);
        return elapsed;
      },
    },
    open: async () => {
      const work = { prompts, completions, prompt: promptTokens, tokens: newTokens, loss: 'grpo' };
      await peer.ask({ do: 'grpo', shape, ...work, ...way });
    },
    close: async () => {
      await peer.ask({ do: 'close' });
    },
  };
  return { match, shares };
}

/** Hugging Face's Trainer, opened in one way. Its examples are sorted by length, which is the best for it. */
function sftMatch(
  peer: Peer,
  shape: Shape,
  policy: Awaited<ReturnType<typeof openPolicy>>,
  way: { readonly attention: string; readonly rows: number },
): Match {
  const name = `Trainer, ${way.attention}, ${way.rows} rows`;
  return {
    name: 'sft step',
    ours: sftStep(policy, shape),
    theirs: { [name]: () => peer.ask({ do: 'step' }) },
    ...(way.rows === defaultRows ? { asItComes: name } : {}),
    open: async () => {
      await peer.ask({ do: 'sft', shape, lengths: exampleLengths, promptShare, ...way });
    },
    close: async () => {
      await peer.ask({ do: 'close' });
    },
  };
}

async function play(match: Match, peer: Peer): Promise<Outcome> {
  await match.open?.();
  const contestants: Contestant[] = [
    { name: 'aha', run: () => match.ours.run() },
    ...Object.entries(match.theirs).map(([name, run]) => ({ name, run })),
  ];
  const timings = await inRounds(contestants, {
    rounds: Number(values.rounds),
    patience: Number(values.patience),
    processes: peer.processId === undefined ? [] : [peer.processId],
    onTurn: (name, { seconds }, foreign) => {
      const others = foreign === undefined ? '' : `, ${percent(foreign)} used by others`;
      console.error(`${match.name}: ${name}: ${duration(seconds)}${others}`);
    },
  });
  await match.close?.();
  const ours = timings.get('aha')!;
  const [way, theirs] = [...timings]
    .filter(([name]) => name !== 'aha')
    .reduce((a, b) => (b[1].best < a[1].best ? b : a));
  const usual = match.asItComes === undefined ? undefined : timings.get(match.asItComes)!;
  return {
    name: match.name,
    ours,
    theirs,
    way,
    ...ratios(ours, theirs),
    ratioOfProcessors: significant(theirs.processor / ours.processor, 3),
    ...(usual === undefined
      ? {}
      : { asItComes: { theirs: usual, way: match.asItComes!, ...ratios(ours, usual) } }),
  };
}

function ratios(ours: Timing, theirs: Timing): Ratios {
  return {
    ratioOfBests: significant(theirs.best / ours.best, 3),
    ratioOfMedians: significant(theirs.median / ours.median, 3),
  };
}

/** Of a peer that was opened in several ways: the fastest, with what it is as it comes. */
function fastestOf(outcomes: readonly Outcome[]): Outcome {
  const asItComes = outcomes.find((outcome) => outcome.asItComes !== undefined)?.asItComes;
  const fastest = outcomes.reduce((a, b) => (b.theirs.best < a.theirs.best ? b : a));
  return { ...fastest, ...(asItComes === undefined ? {} : { asItComes }) };
}

async function compare(peer: Peer, shape: Shape): Promise<Outcome[]> {
  await using runtime = openOnnxRuntime({ threads });
  await using policy = await openPolicy(runtime, shape);
  const wanted = (name: string) => values.only === undefined || name.includes(values.only);
  const outcomes: Outcome[] = [];
  /** What a peer cannot do, for want of a package, must not cost what was measured. */
  const measure = async (name: string, run: () => Promise<Outcome>) => {
    if (!wanted(name)) return;
    try {
      outcomes.push(await run());
    } catch (error) {
      console.error(`${name}: not compared: ${(error as Error).message}`);
    }
  };
  for (const match of matches(peer, shape, policy)) await measure(match.name, () => play(match, peer));
  await measure('sft step', async () => {
    const played: Outcome[] = [];
    for (const rows of [16, 8, 4]) {
      played.push(await play(sftMatch(peer, shape, policy, { attention: 'sdpa', rows }), peer));
    }
    return fastestOf(played);
  });
  await measure('grpo step', async () => {
    const played: Outcome[] = [];
    for (const way of [
      { attention: 'sdpa', cache: 'dynamic', rows: 64, checkpointing: false },
      { attention: 'eager', cache: 'dynamic', rows: 16, checkpointing: false },
      { attention: 'sdpa', cache: 'dynamic', rows: defaultRows, checkpointing: true },
    ]) {
      const { match, shares } = await grpoMatch(peer, shape, policy, way);
      const outcome = await play(match, peer);
      played.push({ ...outcome, generation: shares.reduce((a, b) => a + b) / shares.length });
    }
    return fastestOf(played);
  });
  return outcomes;
}

const head = [
  '',
  'aha best',
  'median',
  'peer best',
  'median',
  'ratio',
  'median',
  'its way',
  'as it comes',
  'ratio',
  'median',
];

function row(outcome: Outcome): string[] {
  const { name, ours, theirs, way, asItComes, generation } = outcome;
  const times = ({ quiet, best, median }: Timing) => [
    `${quiet ? '' : '~'}${duration(best)}`,
    duration(median),
  ];
  const numbers = ({ ratioOfBests, ratioOfMedians }: Ratios) =>
    [ratioOfBests, ratioOfMedians].map((ratio) => `${ratio.toFixed(2)}×`);
  const peer = generation === undefined ? way : `${way}; ${percent(generation)} generation`;
  const usual =
    asItComes === undefined ? ['', '', ''] : [duration(asItComes.theirs.best), ...numbers(asItComes)];
  return [name, ...times(ours), ...times(theirs), ...numbers(outcome), peer, ...usual];
}

async function openPeer(): Promise<{ peer: Peer; packages: Readonly<Record<string, string>> } | undefined> {
  const python = process.env['AHA_PYTHON'] ?? 'python3';
  const peer = new Peer(python, script, threads);
  try {
    const { packages } = await peer.ask({ do: 'describe' });
    return { peer, packages: packages! };
  } catch (error) {
    peer[Symbol.dispose]();
    console.error(
      `${python} cannot run ${script}: ${(error as Error).message.split('\n').at(-1)}\n` +
        'Install what it needs (python3 -m venv peers && peers/bin/pip install -r bench/peers/requirements.txt) and set AHA_PYTHON=peers/bin/python.',
    );
    return undefined;
  }
}

if (values.help) console.log(help);
else if (!existsSync(script))
  throw new Error(`Run this in the repository's root folder: ${script} is not here.`);
else {
  const opened = await openPeer();
  if (opened !== undefined) {
    const { peer, packages } = opened;
    using _ = peer;
    const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
    const report: Record<string, unknown> = { machine: machine(), threads, packages };
    for (const shape of shapes.filter(({ name }) => values.shape === undefined || name === values.shape)) {
      const outcomes = await compare(peer, shape);
      report[shape.name] = outcomes;
      if (values.json) continue;
      console.log(`\n${shape.name} parameters, ${threads} threads; ${versions.join(', ')}\n`);
      console.log(table(head, outcomes.map(row)));
    }
    if (values.json) console.log(JSON.stringify(report));
  }
}
