/** Gates: whether a pipeline goes on behind a stage, by a held-out measure of its model. */
import type { StageMeasures } from './status.ts';
import type { gateSchema } from './recipe.ts';
import type { z } from 'zod';

export type Gate = z.output<typeof gateSchema>;

export interface GateResult {
  readonly passed: boolean;
  /** One sentence: what was asked and what was found. */
  readonly reason: string;
}

/** `earlier` are the measures of the stage that `notWorseThan` names. */
export function passGate(gate: Gate, own: StageMeasures, earlier: StageMeasures | undefined): GateResult {
  const found = `accuracy ${percent(own.accuracy)}`;
  if (gate.atLeast !== undefined && own.accuracy < gate.atLeast) {
    return { passed: false, reason: `${found}, expected at least ${percent(gate.atLeast)}` };
  }
  if (gate.formatAtLeast !== undefined && own.format !== null && own.format < gate.formatAtLeast) {
    return {
      passed: false,
      reason: `${percent(own.format)} of the responses keep the format, expected at least ${percent(gate.formatAtLeast)}`,
    };
  }
  if (gate.notWorseThan !== undefined && earlier !== undefined) {
    const least = earlier.accuracy - gate.tolerance;
    if (own.accuracy < least) {
      return {
        passed: false,
        reason: `${found}, expected at least ${percent(least)}, as stage ${gate.notWorseThan} has`,
      };
    }
  }
  return { passed: true, reason: found };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
