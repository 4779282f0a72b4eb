/**
 * Repeated, interleaved timing. What is compared runs in turns (A, B, C, A, B, C, …), so that a slow minute of the
 * machine slows all of it; and a turn during which other programs used the processor is marked and, if there is
 * patience left, repeated.
 */
import { availableParallelism } from 'node:os';
import { processorTime } from './machine.ts';

export interface Contestant {
  readonly name: string;
  /** Runs once; returns how long it took if it ran in another process. */
  run(): Promise<Elapsed | void>;
}

export interface Elapsed {
  readonly seconds: number;
  /** Seconds of processor time, of all threads together. */
  readonly processor: number;
}

export interface Timing {
  /** Seconds. */
  readonly best: number;
  readonly median: number;
  readonly runs: number;
  /** Whether the numbers come from runs that had the machine to themselves. */
  readonly quiet: boolean;
  /** Least processor time of a run, all turns counted: hardly disturbed by others, if there is one thread. */
  readonly processor: number;
}

export interface RoundOptions {
  /** Undisturbed turns wanted of each. */
  readonly rounds: number;
  /** Most turns of each. */
  readonly patience: number;
  /** Processes beside this one that belong to the measurement. */
  readonly processes?: readonly number[];
  readonly onTurn?: (name: string, elapsed: Elapsed, foreign: number | undefined) => void;
}

interface Turn extends Elapsed {
  readonly quiet: boolean;
}

/** Other programs may use this share of the machine before a turn counts as disturbed. */
const toleratedShare = 0.05;

/** The first runs of a process compile, and make room; a training run has hundreds of steps after them. */
const warmUp = { runs: 3, seconds: 10 };

/** Runs each contestant a few times to warm up, then in turns. */
export async function inRounds(
  contestants: readonly Contestant[],
  options: RoundOptions,
): Promise<Map<string, Timing>> {
  const turns = new Map<string, Turn[]>(contestants.map(({ name }) => [name, []]));
  for (const contestant of contestants) {
    const start = performance.now();
    const late = () => performance.now() - start > warmUp.seconds * 1000;
    for (let run = 0; run < warmUp.runs && !late(); run++) await contestant.run();
  }
  const done = (list: readonly Turn[]) => list.filter(({ quiet }) => quiet).length >= options.rounds;
  for (let turn = 0; turn < options.patience; turn++) {
    for (const contestant of contestants) {
      const { name } = contestant;
      const list = turns.get(name)!;
      if (done(list)) continue;
      const before = processorTime(options.processes);
      const usage = process.cpuUsage();
      const start = performance.now();
      const told = await contestant.run();
      const seconds = (performance.now() - start) / 1000;
      const { user, system } = process.cpuUsage(usage);
      const foreign = foreignShare(before, processorTime(options.processes), seconds);
      const elapsed = told ?? { seconds, processor: (user + system) / 1e6 };
      list.push({ ...elapsed, quiet: foreign === undefined || foreign <= toleratedShare });
      options.onTurn?.(name, elapsed, foreign);
    }
    if ([...turns.values()].every(done)) break;
  }
  return new Map([...turns].map(([name, list]) => [name, summarise(list)]));
}

/** The share of the machine's processor time that went to other programs. */
function foreignShare(
  before: ReturnType<typeof processorTime>,
  after: ReturnType<typeof processorTime>,
  seconds: number,
): number | undefined {
  if (before === undefined || after === undefined) return undefined;
  const others = after.all - before.all - (after.own - before.own);
  return Math.max(0, others) / (seconds * availableParallelism());
}

/** From the undisturbed turns if there are at least two, else from all. */
function summarise(turns: readonly Turn[]): Timing {
  const undisturbed = turns.filter(({ quiet }) => quiet);
  const quiet = undisturbed.length >= 2;
  const seconds = (quiet ? undisturbed : turns).map((turn) => turn.seconds).sort((a, b) => a - b);
  const middle = seconds.length >> 1;
  const median = seconds.length % 2 === 1 ? seconds[middle]! : (seconds[middle - 1]! + seconds[middle]!) / 2;
  const processor = Math.min(...turns.map((turn) => turn.processor));
  return { best: seconds[0]!, median, runs: seconds.length, quiet, processor };
}
