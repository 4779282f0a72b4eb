/**
 * A ball in a convex polygon, as the program under test is given it, and the answer that it gives. Plain JSON.
 * Lengths in metres, times in seconds, angles in radians; counter-clockwise is positive.
 */

export type Vector = readonly [x: number, y: number];

export interface Scenario {
  /** At time 0, counter-clockwise, convex. */
  readonly vertices: readonly Vector[];
  /** What the polygon turns about. */
  readonly center: Vector;
  /** Radians per second; 0 for a polygon that stands still. */
  readonly angularVelocity: number;
  readonly gravity: Vector;
  readonly radius: number;
  /** Of the ball's centre. */
  readonly position: Vector;
  readonly velocity: Vector;
  /** The ball's own rotation, radians per second. */
  readonly spin: number;
  /** Ratio of normal speeds, relative to the wall, after and before a bounce. */
  readonly restitution: number;
  /** Coulomb's coefficient: the tangential impulse is at most this times the normal one. */
  readonly friction: number;
}

export interface State {
  readonly x: number;
  readonly y: number;
  readonly vx: number;
  readonly vy: number;
  readonly spin: number;
}

export function startOf(scenario: Scenario): State {
  const { position, velocity, spin } = scenario;
  return { x: position[0], y: position[1], vx: velocity[0], vy: velocity[1], spin };
}

/** A wall at a time: a point on it, and the unit normal into the polygon. */
export interface Wall {
  readonly point: Vector;
  readonly normal: Vector;
}

export function rotate([x, y]: Vector, angle: number): Vector {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [cos * x - sin * y, sin * x + cos * y];
}

/** The walls at a time. */
export function wallsAt({ vertices, center, angularVelocity }: Scenario, time: number): Wall[] {
  const angle = angularVelocity * time;
  const turned = vertices.map(([x, y]): Vector => {
    if (angularVelocity === 0) return [x, y];
    const [dx, dy] = rotate([x - center[0], y - center[1]], angle);
    return [center[0] + dx, center[1] + dy];
  });
  return turned.map((point, i) => {
    const next = turned[(i + 1) % turned.length]!;
    const [ex, ey] = [next[0] - point[0], next[1] - point[1]];
    const length = Math.hypot(ex, ey);
    return { point, normal: [-ey / length, ex / length] };
  });
}

/** From the surface of the ball to a wall: negative when the ball is in the wall. */
export function gap(wall: Wall, x: number, y: number, radius: number): number {
  return wall.normal[0] * (x - wall.point[0]) + wall.normal[1] * (y - wall.point[1]) - radius;
}

/** The smallest gap to any wall at a time. */
export function smallestGap(scenario: Scenario, time: number, x: number, y: number): number {
  return Math.min(...wallsAt(scenario, time).map((wall) => gap(wall, x, y, scenario.radius)));
}

/** The same scenario, moved, turned about the origin, or mirrored at the y axis; and its states likewise. */
export interface Transformation {
  readonly name: 'translation' | 'rotation' | 'mirror';
  point(at: Vector): Vector;
  direction(of: Vector): Vector;
  /** 1, or −1 where left and right are exchanged. */
  readonly handedness: 1 | -1;
}

export function translation(by: Vector): Transformation {
  return {
    name: 'translation',
    point: ([x, y]) => [x + by[0], y + by[1]],
    direction: (of) => of,
    handedness: 1,
  };
}

export function rotation(angle: number): Transformation {
  const turn = (of: Vector) => rotate(of, angle);
  return { name: 'rotation', point: turn, direction: turn, handedness: 1 };
}

export const mirror: Transformation = {
  name: 'mirror',
  point: ([x, y]) => [-x, y],
  direction: ([x, y]) => [-x, y],
  handedness: -1,
};

export function transformScenario(scenario: Scenario, by: Transformation): Scenario {
  const vertices = scenario.vertices.map((vertex) => by.point(vertex));
  return {
    ...scenario,
    vertices: by.handedness === 1 ? vertices : vertices.toReversed(),
    center: by.point(scenario.center),
    angularVelocity: by.handedness * scenario.angularVelocity,
    gravity: by.direction(scenario.gravity),
    position: by.point(scenario.position),
    velocity: by.direction(scenario.velocity),
    spin: by.handedness * scenario.spin,
  };
}

export function transformState(state: State, by: Transformation): State {
  const [x, y] = by.point([state.x, state.y]);
  const [vx, vy] = by.direction([state.vx, state.vy]);
  return { x, y, vx, vy, spin: by.handedness * state.spin };
}
