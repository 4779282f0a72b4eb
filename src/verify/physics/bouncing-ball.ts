/**
 * Verifies a program that simulates a ball in a convex polygon. The program runs in a sandbox, once, on scenarios
 * that it cannot know; it returns states; everything is judged out here (`laws.ts`). Whatever it prints is only its
 * own claim of where the ball is, so that there is no verdict in it to forge.
 *
 *     score = flight × containment × mean of all laws
 *
 * so that a ball that does not move earns nothing for staying inside, nor one that leaves for flying well. Each law is a part, logged by name; a law of
 * which a program shows nothing (no bounce, no restitution) scores 0.
 */
import { randomStream } from '../../util/random.ts';
import { runInTurn, type RunSettings } from '../code/run-program.ts';
import { scored, type Scored } from '../verdict.ts';
import { drawScenario, growthOf, sampling, type ScenarioShape } from './draw-scenario.ts';
import { judgeAgreement, judgeTrajectory, newTallies, type Habits, type Tally } from './laws.ts';
import {
  mirror,
  rotation,
  transformScenario,
  transformState,
  translation,
  type Scenario,
  type State,
  type Transformation,
} from './scenario.ts';

export type Law =
  'containment' | 'flight' | 'restitution' | 'friction' | 'walls' | 'energy' | 'stability' | 'symmetry';

export interface BallCheck {
  /** Names the scenarios: the same seed, the same scenarios. */
  readonly seed: string;
  readonly shape: ScenarioShape;
  /** Scenarios of this shape, and as many at rest where the shape rotates. Default 3. */
  readonly scenarios?: number;
}

/** One call of the program's function. */
interface Call {
  readonly scenario: Scenario;
  readonly step: number;
  readonly count: number;
}

interface Plan {
  readonly scenario: Scenario;
  readonly growth: readonly number[];
  readonly transformations: readonly Transformation[];
}

/** All scenarios together. */
const limits = { wallMs: 30_000, cpuMs: 30_000, outputBytes: 8 * 1024 * 1024 };

/** Where the program runs. */
export type BallSettings = Omit<RunSettings, 'limits'>;

export async function verifyBallProgram(
  source: string,
  check: BallCheck,
  settings: BallSettings,
): Promise<Scored> {
  const plans = planOf(check);
  const calls = plans.flatMap(({ scenario, transformations }): Call[] => [
    { scenario, ...sampling },
    { scenario, step: sampling.step / 2, count: 2 * sampling.count },
    ...transformations.map((by) => ({ scenario: transformScenario(scenario, by), ...sampling })),
  ]);
  const answers = await runProgram(source, calls, settings);
  if (typeof answers === 'string') return scored(0, { evidence: { problem: answers } });

  const laws = lawsOf(check.shape);
  const tallies = newTallies();
  const habits: Habits = {
    restitutions: [],
    expected: [],
    rubs: () => tallies.friction.kept >= 0.95 * tallies.friction.judged,
  };
  const whole: Record<'stability' | 'symmetry', Tally> = {
    stability: { kept: 0, judged: 0 },
    symmetry: { kept: 0, judged: 0 },
  };
  let at = 0;
  for (const { scenario, growth, transformations } of plans) {
    const [base, fine, ...images] = answers.slice(at, at + 2 + transformations.length);
    at += 2 + transformations.length;
    judgeTrajectory(scenario, base!, sampling.step, tallies, habits);
    merge(whole.stability, judgeAgreement(base!, everySecond(fine!), growth));
    for (const [i, by] of transformations.entries()) {
      const expected = base!.map((state) => transformState(state, by));
      merge(whole.symmetry, judgeAgreement(expected, images[i]!, growth));
    }
  }
  const parts: Record<string, number> = {};
  const all = { ...tallies, ...whole };
  for (const law of laws) parts[law] = all[law].judged === 0 ? 0 : all[law].kept / all[law].judged;
  const mean = laws.reduce((sum, law) => sum + parts[law]!, 0) / laws.length;
  const unseen = laws.filter((law) => all[law].judged === 0);
  return scored(parts['flight']! * parts['containment']! * mean, {
    parts,
    evidence: { laws: parts, ...(unseen.length === 0 ? {} : { unseen }) },
  });
}

/** The laws that a shape is judged by: all, but for walls where none moves. */
export function lawsOf(shape: ScenarioShape): readonly Law[] {
  const laws: Law[] = ['containment', 'flight', 'restitution', 'friction', 'energy', 'stability', 'symmetry'];
  return shape.rotating ? [...laws, 'walls'] : laws;
}

/** Polygons at rest first, since moving walls are judged by what a program does at those. */
function planOf({ seed, shape, scenarios = 3 }: BallCheck): Plan[] {
  const shapes = Array.from({ length: scenarios }, () => ({ ...shape, rotating: false }));
  if (shape.rotating) shapes.push(...Array.from({ length: scenarios }, () => shape));
  return shapes.map((one, i) => {
    const random = randomStream(seed, 'bouncing-ball', i);
    const scenario = drawScenario(random, one);
    const between = (low: number, high: number) => low + (high - low) * random.next();
    const transformations = [
      mirror,
      translation([between(-5, 5), between(-5, 5)]),
      rotation(between(0.3, Math.PI)),
    ];
    return { scenario, growth: growthOf(scenario)!, transformations: [transformations[i % 3]!] };
  });
}

/** The states of every call, or what is wrong. */
async function runProgram(
  source: string,
  calls: readonly Call[],
  settings: BallSettings,
): Promise<State[][] | string> {
  const files = { 'main.ts': harness(source, calls) };
  const result = await runInTurn({ language: 'typescript', files }, '', limits, { ...settings, limits });
  const line = result.stdout.split('\n').findLast((text) => text.startsWith(marker));
  if (line === undefined) {
    const lines = result.stderr.trim().split('\n');
    const last = (lines.findLast((text) => /\berror\b|Error/.test(text)) ?? lines.at(-1) ?? '').slice(0, 300);
    return result.limit === null
      ? `the program gives no states: ${last}`
      : `the program hit its limit: ${result.limit}`;
  }
  let answers: unknown;
  try {
    answers = JSON.parse(line.slice(marker.length));
  } catch {
    return 'the states are no JSON';
  }
  if (!Array.isArray(answers) || answers.length !== calls.length) return 'the states are incomplete';
  const read: State[][] = [];
  for (const [i, { count }] of calls.entries()) {
    const states: unknown = answers[i];
    if (!Array.isArray(states) || states.length !== count + 1) {
      return `simulate gives ${Array.isArray(states) ? states.length : 'no'} states, not ${count + 1}`;
    }
    const parsed = states.map(readState);
    if (!parsed.every((state) => state !== undefined))
      return 'a state is not of the form { x, y, vx, vy, spin }';
    read.push(parsed);
  }
  return read;
}

function readState(value: unknown): State | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { x, y, vx, vy, spin = 0 } = value as Record<string, unknown>;
  const numbers = [x, y, vx, vy, spin];
  if (!numbers.every((one) => typeof one === 'number' && Number.isFinite(one) && Math.abs(one) < 1e9)) {
    return undefined;
  }
  const [a, b, c, d, e] = numbers as [number, number, number, number, number];
  return { x: a, y: b, vx: c, vy: d, spin: e };
}

const marker = '@states ';

/** The program, then the calls. Each call gets scenarios of its own, so that none can be changed for the next. */
function harness(source: string, calls: readonly Call[]): string {
  return `${source}
;{
  const calls_ = ${JSON.stringify(JSON.stringify(calls))};
  const states_ = JSON.parse(calls_).map((call) => simulate(call.scenario, call.step, call.count));
  console.log(${JSON.stringify(`\n${marker}`)} + JSON.stringify(states_));
}
`;
}

function everySecond(states: readonly State[]): State[] {
  return states.filter((_, i) => i % 2 === 0);
}

function merge(into: Tally, from: Tally): void {
  into.kept += from.kept;
  into.judged += from.judged;
}
