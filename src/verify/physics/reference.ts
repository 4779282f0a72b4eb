/**
 * The exact motion of a ball in a convex polygon, from event to event: parabolas between bounces, and at a bounce
 * the impulse of a rigid disk against a wall of infinite mass.
 *
 *     u   relative velocity of the points that touch: v + spin × (−r n) − velocity of the wall there
 *     vₙ' = −e vₙ                                      restitution, relative to the wall
 *     jₜ  = −clamp(uₜ m/3, ±μ jₙ),  jₙ = (1 + e)|vₙ| m   Coulomb friction; m/3 is the disk's mass at its rim,
 *     v  += jₙ n/m + jₜ t/m,  spin −= jₜ r/(½ m r²)      with the moment of inertia ½ m r²
 *
 * The time of a bounce is found by steps that provably do not pass it (a bound on the second derivative of the gap),
 * to 1e-12 s. Not for balls that come to rest: where bounces follow each other faster than 1e-7 s, it stops and says
 * so.
 */
import { gap, startOf, wallsAt, type Scenario, type State, type Wall } from './scenario.ts';

export interface Bounce {
  readonly time: number;
  readonly wall: Wall;
  /** Velocity of the wall where the ball touches it. */
  readonly wallVelocity: readonly [number, number];
  readonly before: State;
  readonly after: State;
}

export interface Motion {
  readonly state: State;
  readonly bounces: readonly Bounce[];
  /** Bounces followed each other without end; `state` is that of the time when they did. */
  readonly stuck: boolean;
}

/** What a caller allows: without a bound, a state from outside could ask for any number of steps. */
export interface Effort {
  /** Steps of the search for bounces that are left; counted down. */
  steps: number;
  /** More than these in one motion count as stuck. */
  readonly bounces: number;
}

/** The state after `duration` from a state at `time`. */
export function move(
  scenario: Scenario,
  from: State,
  time: number,
  duration: number,
  effort: Effort = { steps: 1_000_000, bounces: 200 },
): Motion {
  const bounces: Bounce[] = [];
  const end = time + duration;
  let now = time;
  let state = from;
  for (;;) {
    const hit = nextHit(scenario, state, now, end, effort);
    if (hit === 'no end in sight') return { state, bounces, stuck: true };
    if (hit === undefined) return { state: fly(scenario, state, end - now), bounces, stuck: false };
    const before = fly(scenario, state, hit.time - now);
    const sinceLast = hit.time - (bounces.at(-1)?.time ?? Number.NEGATIVE_INFINITY);
    // In a corner two walls may be hit at one moment, but not again and again.
    const atOnce = bounces.length >= 4 && sinceLast < 1e-7;
    if (bounces.length >= effort.bounces || atOnce) return { state: before, bounces, stuck: true };
    const bounce = reflect(scenario, before, hit.wall, hit.time);
    bounces.push(bounce);
    state = bounce.after;
    now = hit.time;
  }
}

/** The states at 0, step, 2·step, …, count·step. */
export function simulate(scenario: Scenario, step: number, count: number): State[] {
  const states = [startOf(scenario)];
  for (let i = 0; i < count; i++) states.push(move(scenario, states[i]!, i * step, step).state);
  return states;
}

export function fly({ gravity }: Scenario, { x, y, vx, vy, spin }: State, time: number): State {
  const [gx, gy] = gravity;
  return {
    x: x + vx * time + (gx * time * time) / 2,
    y: y + vy * time + (gy * time * time) / 2,
    vx: vx + gx * time,
    vy: vy + gy * time,
    spin,
  };
}

/** The state after a bounce off a wall. */
export function reflect(scenario: Scenario, before: State, wall: Wall, time: number): Bounce {
  const { radius, restitution, friction, center, angularVelocity } = scenario;
  const [nx, ny] = wall.normal;
  const [tx, ty] = [-ny, nx];
  // Where they touch, seen from the centre of the polygon.
  const touchX = before.x - radius * nx - center[0];
  const touchY = before.y - radius * ny - center[1];
  const wallVelocity = [-angularVelocity * touchY, angularVelocity * touchX] as const;
  const [rvx, rvy] = [before.vx - wallVelocity[0], before.vy - wallVelocity[1]];
  const normal = rvx * nx + rvy * ny;
  // The point of the ball at −r n moves with spin × (−r n) = spin · r t'.
  const sliding = rvx * tx + rvy * ty - before.spin * radius;
  const push = -(1 + restitution) * normal;
  const most = friction * Math.abs(push);
  const drag = -Math.max(-most, Math.min(most, sliding / 3));
  return {
    time,
    wall,
    wallVelocity,
    before,
    after: {
      x: before.x,
      y: before.y,
      vx: before.vx + push * nx + drag * tx,
      vy: before.vy + push * ny + drag * ty,
      spin: before.spin - (2 * drag) / radius,
    },
  };
}

interface Hit {
  readonly time: number;
  readonly wall: Wall;
}

/** The first moment until `end` at which the ball touches a wall that it approaches. */
function nextHit(
  scenario: Scenario,
  state: State,
  now: number,
  end: number,
  effort: Effort,
): Hit | 'no end in sight' | undefined {
  const { gravity, angularVelocity, radius, center } = scenario;
  const acceleration = Math.hypot(...gravity);
  const turning = Math.abs(angularVelocity);
  let time = now;
  for (;;) {
    if (effort.steps <= 0) return 'no end in sight';
    effort.steps -= 1;
    const at = fly(scenario, state, time - now);
    // |second derivative of a gap| ≤ g + 2|ω| speed + ω² distance, as long as this stretch may last.
    const left = end - time;
    const speed = Math.hypot(at.vx, at.vy) + acceleration * left;
    const distance = Math.hypot(at.x - center[0], at.y - center[1]) + speed * left;
    const bound = acceleration + 2 * turning * speed + turning * turning * distance;
    let safe = left;
    let reached: Wall | undefined;
    for (const wall of wallsAt(scenario, time)) {
      const distanceToWall = gap(wall, at.x, at.y, radius);
      const rate = gapRate(scenario, at, wall);
      if (distanceToWall <= 1e-12) {
        if (rate < 0) reached = wall;
        // In the wall and leaving: it is not touched again before the rate turns.
        else safe = Math.min(safe, Math.max(1e-9, bound === 0 ? left : rate / bound));
        continue;
      }
      safe = Math.min(safe, timeToClose(distanceToWall, rate, bound));
    }
    if (reached !== undefined) return { time, wall: reached };
    if (safe >= left) return undefined;
    time += Math.max(safe, 1e-13);
  }
}

/** How fast a gap grows. */
function gapRate({ center, angularVelocity }: Scenario, at: State, { normal }: Wall): number {
  const [nx, ny] = normal;
  // The gap's normal turns with the polygon: d/dt n·(p − a) = n·v − ω n·(p − c)⊥.
  const [dx, dy] = [at.x - center[0], at.y - center[1]];
  return nx * at.vx + ny * at.vy - angularVelocity * (-nx * dy + ny * dx);
}

/** The time at which gap + rate·t − bound·t²/2 reaches 0: the gap stays open until then. */
function timeToClose(distance: number, rate: number, bound: number): number {
  if (bound === 0) return rate >= 0 ? Number.POSITIVE_INFINITY : distance / -rate;
  const root = Math.sqrt(rate * rate + 2 * bound * distance);
  return rate < 0 ? (2 * distance) / (root - rate) : (rate + root) / bound;
}
