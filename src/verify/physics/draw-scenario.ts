/**
 * Scenarios to judge programs by, drawn from a stream. Each is one that shows the laws: at least two clear bounces,
 * no bounce in a corner, no rest, and no motion that magnifies small differences too much to be compared.
 */
import { AhaError } from '../../errors.ts';
import type { RandomStream } from '../../util/random.ts';
import { fly, move } from './reference.ts';
import { rotate, smallestGap, startOf, type Scenario, type State, type Vector } from './scenario.ts';

export interface ScenarioShape {
  /** `square` with horizontal walls; `regular` turned anyhow; `irregular` convex. */
  readonly polygon: 'square' | 'regular' | 'irregular';
  readonly rotating: boolean;
  readonly friction: boolean;
  /** Whether gravity points anywhere instead of down. */
  readonly tilted: boolean;
}

export const sampling = { step: 0.02, count: 100 };

/** How much a difference at the start has grown at each sample. */
export function growthOf(scenario: Scenario): number[] | undefined {
  const { step, count } = sampling;
  const run = (dx: number, dy: number): State[] | undefined => {
    const start = startOf(scenario);
    let state: State = { ...start, x: start.x + dx, y: start.y + dy };
    const states = [state];
    for (let i = 0; i < count; i++) {
      const motion = move(scenario, state, i * step, step);
      if (motion.stuck || motion.bounces.length > 2) return undefined;
      state = motion.state;
      states.push(state);
    }
    return states;
  };
  const shift = 1e-6;
  const [base, right, up] = [run(0, 0), run(shift, 0), run(0, shift)];
  if (base === undefined || right === undefined || up === undefined) return undefined;
  let largest = 0;
  return base.map((state, i) => {
    for (const other of [right[i]!, up[i]!]) {
      largest = Math.max(largest, Math.hypot(other.x - state.x, other.y - state.y) / shift);
    }
    return largest;
  });
}

/** Throws `AhaError` when none is found, which no shape gives. */
export function drawScenario(random: RandomStream, shape: ScenarioShape): Scenario {
  for (let attempt = 0; attempt < 2000; attempt++) {
    const scenario = drawCandidate(random, shape);
    if (scenario !== undefined && isTelling(scenario)) return scenario;
  }
  throw new AhaError({
    code: 'no-scenario',
    boundary: 'verifier',
    what: 'No bouncing ball shows the laws in this kind of polygon',
    found: JSON.stringify(shape),
  });
}

function drawCandidate(random: RandomStream, shape: ScenarioShape): Scenario | undefined {
  const between = (low: number, high: number) => rounded(low + (high - low) * random.next());
  const center: Vector = [between(-2, 2), between(-2, 2)];
  const sides = shape.polygon === 'square' ? 4 : 3 + random.integer(6);
  const size = between(0.9, 1.5);
  const angle = shape.polygon === 'square' ? Math.PI / 4 : between(0, 2 * Math.PI);
  const angles = Array.from({ length: sides }, (_, i) => {
    const jitter = shape.polygon === 'irregular' ? between(-0.3, 0.3) : 0;
    return angle + ((i + jitter) * 2 * Math.PI) / sides;
  });
  // Points of a circle in order are convex.
  const vertices = angles.map((at): Vector => {
    const [dx, dy] = rotate([size, 0], at);
    return [rounded(center[0] + dx), rounded(center[1] + dy)];
  });
  const gravity = rotate([0, -between(3, 10)], shape.tilted ? between(0, 2 * Math.PI) : 0);
  const speed = between(1, 4);
  const heading = between(0, 2 * Math.PI);
  const scenario: Scenario = {
    vertices,
    center,
    angularVelocity: shape.rotating ? between(0.5, 2) * random.pick([-1, 1]) : 0,
    gravity: [rounded(gravity[0]), rounded(gravity[1])],
    radius: between(0.08, 0.2),
    position: [rounded(center[0] + between(-0.2, 0.2)), rounded(center[1] + between(-0.2, 0.2))],
    velocity: [rounded(speed * Math.cos(heading)), rounded(speed * Math.sin(heading))],
    spin: shape.friction ? between(-8, 8) : 0,
    restitution: between(0.65, 0.95),
    friction: shape.friction ? between(0.1, 0.5) : 0,
  };
  return smallestGap(scenario, 0, ...scenario.position) < 0.05 ? undefined : scenario;
}

function isTelling(scenario: Scenario): boolean {
  const { step, count } = sampling;
  const motion = move(scenario, startOf(scenario), 0, step * count);
  if (motion.stuck || motion.bounces.length < 2 || motion.bounces.length > 10) return false;
  let last = -1;
  for (const { time, wall, wallVelocity, before } of motion.bounces) {
    const [nx, ny] = wall.normal;
    const speed = -(nx * (before.vx - wallVelocity[0]) + ny * (before.vy - wallVelocity[1]));
    if (speed < 0.6 || time - last < 5 * step) return false;
    // It must leave the wall by more than what counts as near to it.
    if ((scenario.restitution * speed) ** 2 < 0.07 * Math.hypot(...scenario.gravity)) return false;
    last = time;
    // In a corner another wall is near, too.
    const away = fly(scenario, { ...before, vx: 0, vy: 0, spin: 0 }, 0);
    const others = smallestGap(scenario, time, away.x + 0.08 * nx, away.y + 0.08 * ny);
    if (others < 0.05) return false;
  }
  const growth = growthOf(scenario);
  return growth !== undefined && growth.at(-1)! < 25;
}

/** To 4 digits, as the program is given it. */
function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000 + 0;
}
