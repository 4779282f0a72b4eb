import { expect, it } from 'vitest';
import { main } from '../../examples/minimal-grpo.ts';

it('the minimal loop learns', async () => {
  const lines: string[] = [];
  const rewards = await main(60, (line) => lines.push(line));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(rewards.slice(0, 5))).toBeLessThan(0.2);
  expect(mean(rewards.slice(-5))).toBeGreaterThan(0.4);
  expect(lines).toHaveLength(60);
});
