/**
 * Write a TypeScript function that simulates a ball in a convex polygon, at rest or rotating. Judged law by law on
 * hidden scenarios (`verify/physics/bouncing-ball.ts`): containment, free flight, restitution, friction, energy,
 * stability under halving the step, symmetry and, where the polygon rotates, the motion of the walls.
 *
 * The scenarios are drawn from a seed that belongs to the problem and is never shown. The program runs in the
 * sandbox of this machine.
 */
import { z } from 'zod';
import { parseWithSchema } from '../util/schema.ts';
import { extractProgram, fenceNames } from '../verify/code/extract-program.ts';
import { sharedSandbox } from '../verify/code/shared-sandbox.ts';
import { verifyBallProgram } from '../verify/physics/bouncing-ball.ts';
import { drawScenario, sampling, type ScenarioShape } from '../verify/physics/draw-scenario.ts';
import { ballProgram, type Flaw } from '../verify/physics/reference-program.ts';
import { randomStream } from '../util/random.ts';
import { codeDeadline } from './humaneval.ts';
import type { Problem } from './problem.ts';
import { defineTask, type Task } from './task.ts';

export const bouncingBallSchema = z.strictObject({
  /** Which levels there are; see `bouncingBallLevels`. */
  levels: z.array(z.int().min(1).max(5)).min(1).default([1, 2, 3, 4, 5]),
  /** Scenarios at rest, and as many that rotate where the level does. */
  scenarios: z.int().min(1).max(10).default(3),
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
});

export type BouncingBallOptions = z.input<typeof bouncingBallSchema>;

/** Level 1 is the first: more polygons, friction, rotation, all together. */
export const bouncingBallLevels: readonly ScenarioShape[] = [
  { polygon: 'square', rotating: false, friction: false, tilted: false },
  { polygon: 'regular', rotating: false, friction: false, tilted: false },
  { polygon: 'irregular', rotating: false, friction: true, tilted: true },
  { polygon: 'regular', rotating: true, friction: false, tilted: false },
  { polygon: 'irregular', rotating: true, friction: true, tilted: true },
];

export interface BouncingBallProblem extends Problem {
  readonly answer: string;
  readonly level: number;
  /** Names the hidden scenarios. */
  readonly seed: string;
}

/** Throws `AhaError` for options that do not fit the schema; a missing sandbox shows when the first program is run. */
export function bouncingBallTask(options: BouncingBallOptions = {}): Task<BouncingBallProblem> {
  const { levels, scenarios, heldOutShare } = parseWithSchema(bouncingBallSchema, options, {
    what: 'The options of task bouncing-ball',
    boundary: 'task',
  });
  const fenced = (source: string) => `\`\`\`typescript\n${source}\`\`\``;
  return defineTask<BouncingBallProblem>({
    name: 'bouncing-ball',
    description: 'Write a TypeScript function that simulates a ball in a convex polygon, judged law by law.',
    levels,
    heldOutShare,
    deadline: codeDeadline,
    prompts(random, level) {
      const seed = random.next().toString(16).slice(2);
      const shown = drawScenario(
        randomStream(seed, 'bouncing-ball', 'example'),
        bouncingBallLevels[level - 1]!,
      );
      return {
        prompt: describe(bouncingBallLevels[level - 1]!, shown),
        answer: fenced(ballProgram()),
        level,
        seed,
      };
    },
    reasoning: () =>
      'Between bounces the motion is a parabola. I look for the first wall that the ball reaches in small steps, find ' +
      'the moment by bisection, and apply the impulse there, relative to the moving wall.',
    verify: async ({ seed, level }, answer, { signal, pause }) => {
      const { source } = extractProgram(answer, fenceNames['typescript']!);
      const check = { seed, shape: bouncingBallLevels[level - 1]!, scenarios };
      return verifyBallProgram(source, check, { sandbox: await sharedSandbox(), signal, pause });
    },
    corrupt: (_problem, _form, random) => fenced(ballProgram(random.pick(corruptions))),
  });
}

/** Wrong at every level. */
const corruptions: readonly Flaw[] = [
  'no radius',
  'no restitution',
  'energy gain',
  'tunnelling',
  'frozen',
  'teleport',
];

function describe(shape: ScenarioShape, example: ReturnType<typeof drawScenario>): string {
  const polygon = shape.rotating
    ? 'a convex polygon that rotates about its center (or stands still, with angularVelocity 0)'
    : 'a convex polygon that stands still (angularVelocity is 0)';
  const friction = shape.friction
    ? 'Friction is Coulomb friction at the rim: the tangential impulse ends the slip of the touching points if it can, ' +
      'and is at most friction times the normal impulse; it changes velocity and spin, the ball being a solid disk ' +
      '(moment of inertia m r² / 2).'
    : 'There is no friction: spin and tangential velocity stay as they are.';
  return `Write a TypeScript function that simulates a ball in ${polygon}.

export function simulate(scenario: Scenario, step: number, count: number): State[]

interface Scenario {
  vertices: [number, number][]; // at time 0, counter-clockwise
  center: [number, number]; // of rotation
  angularVelocity: number; // of the polygon, radians per second, counter-clockwise
  gravity: [number, number]; // acceleration, any direction
  radius: number; // of the ball
  position: [number, number]; // of its centre at time 0
  velocity: [number, number];
  spin: number; // of the ball, radians per second, counter-clockwise
  restitution: number; // normal speed relative to the wall after a bounce, over that before
  friction: number;
}
interface State { x: number; y: number; vx: number; vy: number; spin: number }

Return the count + 1 states of the ball at the times 0, step, 2 * step, ... count * step. The whole ball stays inside: it bounces when its rim touches a wall. There is no air drag. ${friction}
Find bounces much more finely than step: states may be off by a few millimetres and centimetres per second. The function is called with many scenarios, with step ${sampling.step} and less, for ${sampling.step * sampling.count} seconds each. One of them could be:
${JSON.stringify(example)}
Answer with the program alone, in one fenced block of TypeScript, without imports.`;
}
