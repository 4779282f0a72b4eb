/** What each law sees: a right program keeps all of them, and a wrong one fails exactly those that it breaks. */
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

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openDenoSandbox({ concurrency: 2 });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

/** The laws of which less than 97 % is kept. */
async function brokenLaws(source: string, shape: ScenarioShape, seed = 'laws'): Promise<Law[]> {
  const { parts } = await verifyBallProgram(source, { seed, shape }, sandbox);
  return lawsOf(shape).filter((law) => (parts[law] ?? 0) < 0.97);
}

describe('verifyBallProgram', () => {
  it.each([
    ['square', square],
    ['rough', rough],
    ['rotating', rotating],
  ] as const)('a right program scores 1 in every scenario (%s)', async (_name, shape) => {
    for (let seed = 0; seed < 2; seed++) {
      const verdict = await verifyBallProgram(ballProgram(), { seed: `${seed}`, shape }, sandbox);
      expect(verdict).toMatchObject({ score: 1 });
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
    ['frozen', square, ['flight', 'restitution', 'friction']],
  ])('%s (%j) fails exactly %j', async (flaw, shape, laws, seed = 'laws') => {
    expect(await brokenLaws(ballProgram(flaw), shape, seed)).toEqual(laws);
    const { score } = await verifyBallProgram(ballProgram(flaw), { seed, shape }, sandbox);
    expect(score === 1).toBe(laws.length === 0);
  });

  it('sees a teleport in flight, and in runs that should agree', async () => {
    const { parts, score } = await verifyBallProgram(
      ballProgram('teleport'),
      { seed: 'laws', shape: square },
      sandbox,
    );
    expect(parts['flight']).toBeLessThan(1);
    expect(parts['stability']).toBeLessThan(0.9);
    expect(score).toBeLessThan(1);
  });

  it('a trajectory learnt by heart is worth nothing elsewhere', async () => {
    const scenario = drawScenario(randomStream('laws', 'bouncing-ball', 0), square);
    const states = simulate(scenario, sampling.step, sampling.count);
    const source = `const states = ${JSON.stringify(states)};
export function simulate(s: any, step: number, count: number) { return Array.from({ length: count + 1 }, (_, i) => states[i % states.length]); }`;
    const same = await verifyBallProgram(source, { seed: 'laws', shape: square }, sandbox);
    expect(same.score).toBeLessThan(0.5);
    const other = await verifyBallProgram(source, { seed: 'another', shape: square }, sandbox);
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
    const verdict = await verifyBallProgram(source, { seed: 'laws', shape: square }, sandbox);
    expect(verdict).toMatchObject({
      score: 0,
      evidence: { problem: expect.stringMatching(problem) as string },
    });
  });
});
