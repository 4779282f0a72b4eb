import { expect, it } from 'vitest';
import { passGate } from './gate.ts';
import type { StageMeasures } from './status.ts';

const measures = (accuracy: number, format: number | null = null): StageMeasures => ({
  problems: 100,
  accuracy,
  low: 0,
  high: 1,
  length: 10,
  truncated: 0,
  format,
});

it.each<[Parameters<typeof passGate>[0], StageMeasures, StageMeasures | undefined, boolean]>([
  [{ atLeast: 0.5, tolerance: 0 }, measures(0.5), undefined, true],
  [{ atLeast: 0.5, tolerance: 0 }, measures(0.49), undefined, false],
  [{ notWorseThan: 'rl', tolerance: 0 }, measures(0.6), measures(0.6), true],
  [{ notWorseThan: 'rl', tolerance: 0 }, measures(0.59), measures(0.6), false],
  [{ notWorseThan: 'rl', tolerance: 0.05 }, measures(0.56), measures(0.6), true],
  [{ notWorseThan: 'rl', tolerance: 0.05 }, measures(0.54), measures(0.6), false],
  [{ formatAtLeast: 0.9, tolerance: 0 }, measures(0.1, 0.95), undefined, true],
  [{ formatAtLeast: 0.9, tolerance: 0 }, measures(0.9, 0.5), undefined, false],
  // A task that checks no format has none to fail.
  [{ formatAtLeast: 0.9, tolerance: 0 }, measures(0.9), undefined, true],
])('gate %#', (gate, own, earlier, passed) => {
  const result = passGate(gate, own, earlier);
  expect(result.passed).toBe(passed);
  expect(result.reason).toMatch(/%/);
});
