/**
 * How well a program's trajectory keeps the laws of motion, a score for each, so that two programs can be compared.
 * Each step is judged from the program's own state before it, so that one mistake is not counted again in all that
 * follows, and each law only where the others do not hide it:
 *
 * - containment: the ball, with its radius, stays in the polygon. Steps that leave it are judged by nothing else.
 * - flight: between bounces the centre follows the parabola, and the first state is the given one.
 * - restitution, friction: at a bounce off a wall at rest, what happens to the normal velocity, and to the
 *   tangential velocity and the spin.
 * - walls: at a bounce off a moving wall the same, relative to the wall; judged with the restitution that the
 *   program shows at walls at rest, and the drag only if friction is right there, so that nothing is counted twice.
 * - energy: in a polygon at rest it never grows, and between bounces it stays.
 *
 * `stability` and `symmetry` compare whole runs (`judgeAgreement`).
 *
 * Tolerances are for programs that find bounces by small steps of their own: they allow for penetrations of 1 cm in
 * polygons of about 2 m.
 */
import { fly, move, type Bounce } from './reference.ts';
import { smallestGap, startOf, type Scenario, type State } from './scenario.ts';

export type StepLaw = 'containment' | 'flight' | 'restitution' | 'friction' | 'walls' | 'energy';

/** Metres, metres per second, joules per kilogram. */
export const tolerances = {
  penetration: 0.012,
  position: 0.004,
  velocity: 0.03,
  bouncePosition: 0.025,
  bounceVelocity: 0.12,
  energy: 0.15,
  agreement: 0.02,
};

/** How many steps or bounces kept a law, of how many that show it. */
export interface Tally {
  kept: number;
  judged: number;
}

export type Tallies = Record<StepLaw, Tally>;

export function newTallies(): Tallies {
  const tally = (): Tally => ({ kept: 0, judged: 0 });
  return {
    containment: tally(),
    flight: tally(),
    restitution: tally(),
    friction: tally(),
    walls: tally(),
    energy: tally(),
  };
}

/** What a program did at walls at rest, for judging it at moving ones. */
export interface Habits {
  /** Ratios of normal speed after and before. */
  readonly restitutions: number[];
  /** What the scenario asked for each time. */
  readonly expected: number[];
  /** Whether friction is right at walls at rest. */
  readonly rubs: () => boolean;
}

/** Adds a trajectory of states at 0, step, 2·step, … to the tallies. */
export function judgeTrajectory(
  scenario: Scenario,
  states: readonly State[],
  step: number,
  tallies: Tallies,
  habits: Habits,
): void {
  const count = (law: StepLaw, kept: boolean) => {
    tallies[law].judged++;
    if (kept) tallies[law].kept++;
  };
  const start = startOf(scenario);
  if (!near(states[0]!, start, 1e-6, 1e-6)) {
    // A trajectory from elsewhere shows nothing about this scenario.
    tallies.flight.judged += states.length;
  }
  const inside = states.map(
    ({ x, y }, i) => smallestGap(scenario, i * step, x, y) >= -tolerances.penetration,
  );
  for (const [i, kept] of inside.entries()) if (i > 0) count('containment', kept);
  if (scenario.angularVelocity === 0) judgeEnergy(scenario, states, step, count);

  // Scenarios are drawn so that no ball comes to rest: one that does has lost its speed at a wall.
  const loses = scenario.angularVelocity === 0 ? 'restitution' : 'walls';
  const effort = { steps: 50_000 };
  for (let from = 0; from + 1 < states.length;) {
    if (!inside[from]!) {
      from++;
      continue;
    }
    if (!isPlausible(states[from]!)) {
      count('flight', false);
      from++;
      continue;
    }
    const window = openWindow(scenario, states, step, from, effort);
    if (window === 'at rest') {
      count(loses, false);
      from++;
      continue;
    }
    if (window === undefined) {
      from++;
      continue;
    }
    const { to, bounces } = window;
    const usable = states.slice(from, to + 1).every((_, i) => inside[from + i]!);
    if (usable) {
      const duration = (to - from) * step;
      if (bounces.length === 0) {
        const expected = fly(scenario, states[from]!, duration);
        count('flight', near(states[to]!, expected, tolerances.position, tolerances.velocity));
      } else if (bounces.length === 1) {
        judgeBounce(scenario, states[to]!, bounces[0]!, to * step, count, habits);
      }
    }
    from = to;
  }
}

/** Faster balls are nowhere near the scenarios. */
function isPlausible({ vx, vy, spin }: State): boolean {
  return Math.hypot(vx, vy) < 100 && Math.abs(spin) < 1e4;
}

/**
 * A stretch of steps at whose end no wall is near, so that a bounce lies wholly inside or outside of it. Undefined
 * where there is none that can be judged.
 */
function openWindow(
  scenario: Scenario,
  states: readonly State[],
  step: number,
  from: number,
  effort: { steps: number },
): { readonly to: number; readonly bounces: readonly Bounce[] } | 'at rest' | undefined {
  for (let to = from + 1; to < states.length && to <= from + 5; to++) {
    const allowed = { steps: Math.min(effort.steps, 5000), bounces: 6 };
    const before = allowed.steps;
    const motion = move(scenario, states[from]!, from * step, (to - from) * step, allowed);
    effort.steps -= before - Math.max(0, allowed.steps);
    if (motion.stuck) return 'at rest';
    if (motion.bounces.length > 1) return undefined;
    const { x, y } = motion.state;
    if (smallestGap(scenario, to * step, x, y) > 2 * tolerances.penetration) {
      return { to, bounces: motion.bounces };
    }
  }
  return undefined;
}

function judgeBounce(
  scenario: Scenario,
  end: State,
  bounce: Bounce,
  endTime: number,
  count: (law: StepLaw, kept: boolean) => void,
  habits: Habits,
): void {
  const { wall, wallVelocity, before, after } = bounce;
  const rest = endTime - bounce.time;
  const [nx, ny] = wall.normal;
  const [gx, gy] = scenario.gravity;
  // The velocity right after the bounce that leads to the state at the end of the window.
  const vx = end.vx - gx * rest;
  const vy = end.vy - gy * rest;
  const path = fly(scenario, { ...before, vx, vy }, rest);
  count('flight', Math.hypot(path.x - end.x, path.y - end.y) <= tolerances.bouncePosition);

  const normal = (x: number, y: number) => nx * x + ny * y;
  const tangent = (x: number, y: number) => -ny * x + nx * y;
  const wallNormal = normal(...wallVelocity);
  const speedBefore = wallNormal - normal(before.vx, before.vy);
  // Slow bounces say little about a ratio.
  if (speedBefore < 0.3) return;
  const allowed = tolerances.bounceVelocity;
  const normalAfter = normal(vx, vy);
  const slips =
    Math.abs(tangent(vx, vy) - tangent(after.vx, after.vy)) <= allowed &&
    Math.abs((end.spin - after.spin) * scenario.radius) <= 2 * allowed;
  if (scenario.angularVelocity === 0) {
    habits.restitutions.push(normalAfter / speedBefore);
    habits.expected.push(scenario.restitution);
    count('restitution', Math.abs(normalAfter - normal(after.vx, after.vy)) <= allowed);
    count('friction', slips);
  } else {
    const { factor, offset } = habitOf(habits);
    const restitution = offset + factor * scenario.restitution;
    const pushed = Math.abs(normalAfter - wallNormal - restitution * speedBefore) <= allowed;
    // Drag is judged only where restitution and friction are right at walls at rest.
    const dragged = slips || offset !== 0 || !habits.rubs();
    count('walls', pushed && dragged);
  }
}

/** The restitution that a program shows as a line over the one asked for; the right one is factor 1, offset 0. */
function habitOf({ restitutions, expected }: Habits): { readonly factor: number; readonly offset: number } {
  const ratios = restitutions.map((shown, i) => shown - expected[i]!).toSorted((a, b) => a - b);
  const middle = ratios[Math.floor(ratios.length / 2)] ?? 0;
  if (Math.abs(middle) < 0.05) return { factor: 1, offset: 0 };
  // Always the same, whatever is asked for; or off by about the same.
  const spread = (values: readonly number[]) => Math.max(...values) - Math.min(...values);
  const shown = restitutions.toSorted((a, b) => a - b)[Math.floor(restitutions.length / 2)]!;
  return spread(restitutions) <= spread(ratios)
    ? { factor: 0, offset: shown }
    : { factor: 1, offset: middle };
}

function judgeEnergy(
  scenario: Scenario,
  states: readonly State[],
  step: number,
  count: (law: StepLaw, kept: boolean) => void,
): void {
  const energies = states.map((state) => energyOf(scenario, state));
  for (let i = 1; i < states.length; i++) {
    const before = states[i - 1]!;
    const gained = energies[i]! - energies[i - 1]!;
    const allowed =
      tolerances.energy +
      0.01 * Math.abs(energies[i]! - energyOf(scenario, { ...states[i]!, vx: 0, vy: 0, spin: 0 }));
    const speed = Math.hypot(before.vx, before.vy);
    const far = smallestGap(scenario, (i - 1) * step, before.x, before.y) > 1.5 * speed * step + 0.05;
    count('energy', gained <= allowed && (!far || gained >= -allowed));
  }
}

/** Per kilogram: of motion, of the disk's rotation (½ · ½ r² spin²), and of height. */
export function energyOf({ gravity, radius }: Scenario, { x, y, vx, vy, spin }: State): number {
  return (vx * vx + vy * vy) / 2 + (radius * radius * spin * spin) / 4 - gravity[0] * x - gravity[1] * y;
}

/** Whether two runs that should be the same motion are, as long as the motion itself does not magnify differences. */
export function judgeAgreement(
  states: readonly State[],
  others: readonly State[],
  growth: readonly number[],
): Tally {
  const tally: Tally = { kept: 0, judged: 0 };
  for (const [i, state] of states.entries()) {
    const allowed = tolerances.agreement * (1 + growth[i]!);
    const other = others[i]!;
    tally.judged++;
    if (Math.hypot(state.x - other.x, state.y - other.y) <= allowed) tally.kept++;
  }
  return tally;
}

function near(a: State, b: State, position: number, velocity: number): boolean {
  return (
    Math.hypot(a.x - b.x, a.y - b.y) <= position &&
    Math.hypot(a.vx - b.vx, a.vy - b.vy) <= velocity &&
    Math.abs(a.spin - b.spin) <= velocity * 3
  );
}
