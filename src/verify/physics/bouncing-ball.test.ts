/** What each law sees: a right program keeps all of them, and a wrong one fails exactly those that it breaks. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDenoSandbox } from '../../sandbox/deno/deno-sandbox.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { randomStream } from '../../util/random.ts';
import { lawsOf, verifyBallProgram, type Law } from './bouncing-ball.ts';
import { drawScenario, sampling, type ScenarioShape } from './draw-scenario.ts';
import { ballProgram, type Flaw } from './reference-program.ts';
import { simulate } from './reference.ts';

const square: ScenarioShape = { polygon: 'square', rotating: false, friction: false, tilted: false };
const rough: ScenarioShape = { polygon: 'irregular', rotating: false, friction: true, tilted: true };
const rotating: ScenarioShape = { polygon: 'regular', rotating: true, friction: true, tilted: true };

const stepped = readFileSync(
  new URL('../../../test/fixtures/verify/stepped-ball.txt', import.meta.url),
  'utf8',
);

let sandbox: Sandbox;
const settings = () => ({ sandbox, signal: undefined, pause: undefined });
beforeAll(async () => {
  sandbox = await openDenoSandbox({ concurrency: 2 });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

/** The laws of which less than 97 % is kept. */
async function brokenLaws(source: string, shape: ScenarioShape, seed = 'laws'): Promise<Law[]> {
  const { parts } = await verifyBallProgram(source, { seed, shape }, settings());
  return lawsOf(shape).filter((law) => (parts[law] ?? 0) < 0.97);
}

describe('verifyBallProgram', () => {
  it.each([
    ['square', square],
    ['rough', rough],
    ['rotating', rotating],
  ] as const)('a right program scores 1 in every scenario (%s)', async (_name, shape) => {
    for (let seed = 0; seed < 2; seed++) {
      const verdict = await verifyBallProgram(ballProgram(), { seed: `${seed}`, shape }, settings());
      expect(verdict).toMatchObject({ score: 1 });
      // The usual program of small fixed steps, which lets the ball in by a little and pushes it back out.
      expect(await verifyBallProgram(stepped, { seed: `${seed}`, shape }, settings())).toMatchObject({
        score: 1,
      });
      expect(Object.keys(verdict.parts).sort()).toEqual([...lawsOf(shape)].sort());
    }
  });

  it.each<[Flaw, ScenarioShape, Law[], string?]>([
    // Its bounces lie outside of the polygon, so that nothing is seen of the laws of bounces.
    ['no radius', square, ['containment', 'restitution', 'friction']],
    ['no restitution', square, ['restitution']],
    ['no restitution', rotating, ['restitution']],
    ['energy gain', square, ['restitution', 'energy']],
    ['no friction', rough, ['friction']],
    ['no friction', rotating, ['friction']],
    // Without a bound on what it gains, the energy runs away in longer runs of bounces.
    ['wrong friction sign', rough, ['friction'], 'c'],
    ['tunnelling', square, ['containment']],
    ['tunnelling', rough, ['containment']],
    ['walls at rest', square, []],
    ['walls at rest', rotating, ['walls']],
    ['walls without drag', rotating, ['walls']],
    ['frozen', square, ['flight', 'restitution', 'friction']],
  ])('%s (%j) fails exactly %j', async (flaw, shape, laws, seed = 'laws') => {
    expect(await brokenLaws(ballProgram(flaw), shape, seed)).toEqual(laws);
    const { score } = await verifyBallProgram(ballProgram(flaw), { seed, shape }, settings());
    expect(score === 1).toBe(laws.length === 0);
  });

  it('sees a teleport in flight, and in runs that should agree', async () => {
    const { parts, score } = await verifyBallProgram(
      ballProgram('teleport'),
      { seed: 'laws', shape: square },
      settings(),
    );
    expect(parts['flight']).toBeLessThan(1);
    expect(parts['stability']).toBeLessThan(0.9);
    expect(score).toBeLessThan(1);
  });

  it('gives little to a ball that sticks to the wall it meets, and ends on states that ask for endless bounces', async () => {
    const sticky = ballProgram()
      .replace('now = { ...now, vx:', 'now = { ...now, vx: 0, vy: 0 }; if (0) now = { ...now, vx:')
      .replace('left > 0; k++', 'left > 0 && bounces === 0; k++');
    const { parts, score } = await verifyBallProgram(sticky, { seed: 'laws', shape: square }, settings());
    expect(parts['restitution']).toBeLessThan(0.1);
    expect(score).toBeLessThan(0.9);
    const wild = `export function simulate(s: any, step: number, count: number) {
  const [a, b] = s.vertices, l = Math.hypot(b[0] - a[0], b[1] - a[1]);
  const n = [-(b[1] - a[1]) / l, (b[0] - a[0]) / l];
  const d = s.radius + 1e-11;
  const at = { x: (a[0] + b[0]) / 2 + d * n[0], y: (a[1] + b[1]) / 2 + d * n[1], vx: -99 * n[0], vy: -99 * n[1], spin: 9999 };
  return Array.from({ length: count + 1 }, (_, i) => (i === 0 ? { x: s.position[0], y: s.position[1], vx: s.velocity[0], vy: s.velocity[1], spin: s.spin } : at));
}`;
    for (const shape of [square, rotating]) {
      expect((await verifyBallProgram(wild, { seed: 'laws', shape }, settings())).score).toBeLessThan(0.1);
    }
  });

  it('a trajectory learnt by heart is worth nothing elsewhere', async () => {
    const scenario = drawScenario(randomStream('laws', 'bouncing-ball', 0), square);
    const states = simulate(scenario, sampling.step, sampling.count);
    const source = `const states = ${JSON.stringify(states)};
export function simulate(s: any, step: number, count: number) { return Array.from({ length: count + 1 }, (_, i) => states[i % states.length]); }`;
    const same = await verifyBallProgram(source, { seed: 'laws', shape: square }, settings());
    expect(same.score).toBeLessThan(0.5);
    const other = await verifyBallProgram(source, { seed: 'another', shape: square }, settings());
    expect(other.score).toBeLessThan(0.1);
  });

  it.each([
    ['', /gives no states/],
    ['export const simulate = 3;', /gives no states/],
    ['export function simulate() { throw new Error("no idea"); }', /no idea/],
    ['export function simulate() { return []; }', /gives 0 states, not 101/],
    [
      'export function simulate(s: any, h: number, n: number) { return Array(n + 1).fill({ x: NaN }); }',
      /not of the form/,
    ],
    ['export function simulate() { for (;;); }', /limit: (?:cpu|wall)/],
    ['console.log("@states []"); Deno.exit(0);', /gives no states|incomplete/],
    [
      'console.log("@states [[1]]"); export function simulate() { Deno.exit(0); }',
      /gives no states|incomplete/,
    ],
  ])('scores 0 and says why: %j', async (source, problem) => {
    const verdict = await verifyBallProgram(source, { seed: 'laws', shape: square }, settings());
    expect(verdict).toMatchObject({
      score: 0,
      evidence: { problem: expect.stringMatching(problem) as string },
    });
  });
});
