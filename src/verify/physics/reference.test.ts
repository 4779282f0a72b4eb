/**
 * The reference simulator against planck (Box2D in JavaScript), an engine that we did not write, and against facts
 * that need no simulator.
 */
import * as planck from 'planck';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../util/random.ts';
import { drawScenario, growthOf, sampling, type ScenarioShape } from './draw-scenario.ts';
import { energyOf } from './laws.ts';
import { move, simulate } from './reference.ts';
import { smallestGap, startOf, type Scenario, type State } from './scenario.ts';

const shapes: Record<string, ScenarioShape> = {
  'square at rest': { polygon: 'square', rotating: false, friction: false, tilted: false },
  'irregular polygon with friction': { polygon: 'irregular', rotating: false, friction: true, tilted: true },
  'rotating polygon': { polygon: 'regular', rotating: true, friction: false, tilted: false },
  'rotating polygon with friction': { polygon: 'irregular', rotating: true, friction: true, tilted: true },
};

/** The same motion by planck, in steps so small that the order of its integrator does not matter. */
function simulateWithPlanck(scenario: Scenario, substeps: number): State[] {
  const settings = planck.Settings as unknown as Record<string, number>;
  const kept = { ...settings };
  // Bounces at every speed, and a skin around shapes that is thin against the tolerances.
  Object.assign(settings, { velocityThreshold: 0, linearSlop: 1e-5 });
  try {
    const world = new planck.World({
      gravity: planck.Vec2(...scenario.gravity),
      allowSleep: false,
      continuousPhysics: true,
    });
    const { center, vertices } = scenario;
    const box = world.createBody({
      type: 'kinematic',
      position: planck.Vec2(...center),
      angularVelocity: scenario.angularVelocity,
    });
    const local = vertices.map(([x, y]) => planck.Vec2(x - center[0], y - center[1]));
    const material = { restitution: scenario.restitution, friction: scenario.friction };
    for (const [i, from] of local.entries()) {
      box.createFixture({ shape: new planck.Edge(from, local[(i + 1) % local.length]), ...material });
    }
    const ball = world.createBody({
      type: 'dynamic',
      bullet: true,
      position: planck.Vec2(...scenario.position),
      linearVelocity: planck.Vec2(...scenario.velocity),
      angularVelocity: scenario.spin,
    });
    ball.createFixture({ shape: new planck.Circle(scenario.radius), density: 1, ...material });
    const read = (): State => {
      const [at, velocity] = [ball.getPosition(), ball.getLinearVelocity()];
      return { x: at.x, y: at.y, vx: velocity.x, vy: velocity.y, spin: ball.getAngularVelocity() };
    };
    const states = [read()];
    for (let i = 0; i < sampling.count; i++) {
      for (let k = 0; k < substeps; k++) world.step(sampling.step / substeps, 30, 10);
      states.push(read());
    }
    return states;
  } finally {
    Object.assign(settings, kept);
  }
}

describe('the reference simulator', () => {
  it.each(Object.entries(shapes))('%s: agrees with planck', (name, shape) => {
    const largest: number[] = [];
    for (let seed = 0; seed < 3; seed++) {
      const scenario = drawScenario(randomStream(seed, 'planck', name), shape);
      const growth = growthOf(scenario)!;
      const ours = simulate(scenario, sampling.step, sampling.count);
      const theirs = simulateWithPlanck(scenario, 100);
      // Relative to how much the motion itself has magnified the error of a step by then.
      largest.push(
        Math.max(
          ...ours.map((state, i) => {
            return Math.hypot(state.x - theirs[i]!.x, state.y - theirs[i]!.y) / (1 + growth[i]!);
          }),
        ),
      );
    }
    // Planck's error of a step of 0.2 ms: a fall of g t h / 2 over 2 s, and bounces up to one step late.
    expect(Math.max(...largest)).toBeLessThan(0.004);
  });

  it.each(Object.entries(shapes))('%s: stays inside, and steps do not matter', (name, shape) => {
    for (let seed = 0; seed < 5; seed++) {
      const scenario = drawScenario(randomStream(seed, 'inside', name), shape);
      const coarse = simulate(scenario, 0.02, 100);
      const fine = simulate(scenario, 0.005, 400);
      const growth = growthOf(scenario)!;
      for (const [i, state] of coarse.entries()) {
        const other = fine[4 * i]!;
        expect(Math.hypot(state.x - other.x, state.y - other.y)).toBeLessThan(1e-9 * (1 + growth[i]!));
        expect(smallestGap(scenario, i * 0.02, state.x, state.y)).toBeGreaterThan(-1e-9);
      }
    }
  });

  it('keeps energy without losses, and loses (1 − e²) vₙ²/2 a bounce without friction', () => {
    const scenario = drawScenario(randomStream(1, 'energy'), shapes['square at rest']!);
    const lossless = { ...scenario, restitution: 1 };
    const motion = move(lossless, startOf(lossless), 0, 5);
    expect(motion.bounces.length).toBeGreaterThan(3);
    expect(energyOf(lossless, motion.state)).toBeCloseTo(energyOf(lossless, startOf(lossless)), 9);
    for (const { before, after, wall } of move(scenario, startOf(scenario), 0, 2).bounces) {
      const speed = wall.normal[0] * before.vx + wall.normal[1] * before.vy;
      const lost = ((1 - scenario.restitution ** 2) * speed * speed) / 2;
      expect(energyOf(scenario, before) - energyOf(scenario, after)).toBeCloseTo(lost, 9);
    }
  });

  it('drops a ball as Galileo did: heights fall by e² from bounce to bounce', () => {
    const floor: Scenario = {
      vertices: [
        [-5, 0],
        [5, 0],
        [5, 50],
        [-5, 50],
      ],
      center: [0, 25],
      angularVelocity: 0,
      gravity: [0, -9.81],
      radius: 0.5,
      position: [0, 10.5],
      velocity: [0, 0],
      spin: 0,
      restitution: 0.8,
      friction: 0.3,
    };
    const { bounces } = move(floor, startOf(floor), 0, 6);
    const fall = Math.sqrt((2 * 10) / 9.81);
    expect(bounces[0]!.time).toBeCloseTo(fall, 10);
    expect(bounces[1]!.time).toBeCloseTo(fall + 2 * 0.8 * fall, 10);
    expect(bounces[2]!.time).toBeCloseTo(fall + 2 * 0.8 * fall + 2 * 0.64 * fall, 10);
    // A ball that comes to rest is said to be stuck, and does not hang.
    expect(move({ ...floor, restitution: 0 }, startOf(floor), 0, 100).stuck).toBe(true);
  });

  it('gives a spinning ball the speed that makes it roll when friction is large', () => {
    // A disk dropped with spin ω: the impulse at the rim ends the slip, v = −ω r / 3 and ω' = ω / 3.
    const scenario: Scenario = {
      vertices: [
        [-9, 0],
        [9, 0],
        [9, 20],
        [-9, 20],
      ],
      center: [0, 10],
      angularVelocity: 0,
      gravity: [0, -10],
      radius: 0.3,
      position: [0, 2],
      velocity: [0, 0],
      spin: 6,
      restitution: 0.5,
      friction: 100,
    };
    const { after } = move(scenario, startOf(scenario), 0, 0.7).bounces[0]!;
    expect(after.vx).toBeCloseTo((-6 * 0.3) / 3, 12);
    expect(after.spin).toBeCloseTo(2, 12);
    expect(after.vx + after.spin * 0.3).toBeCloseTo(0, 12);
  });
});
