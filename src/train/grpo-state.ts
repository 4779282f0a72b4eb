/** Where a GRPO run stands: everything beside the policy itself that it needs to go on as if nothing had happened. */
import { z } from 'zod';
import { parseCurriculumState } from '../task/curriculum.ts';
import { parseWithSchema } from '../util/schema.ts';
import type { RunHistory } from './events.ts';
import { type DataPosition, startOfData } from './problem-order.ts';
import type { GrpoConfig } from './config.ts';
import { emptyLossTotals } from './loss-metrics.ts';
import type { UpdateTotals } from './step-metrics.ts';

export interface GrpoState {
  readonly version: 1;
  /** Steps that are finished: the number of the step that comes next, or is under way. */
  readonly step: number;
  /** Optimizer steps of the step under way that are done. With any, its rollout is saved beside the state. */
  readonly updatesDone: number;
  /** What those updates measured. */
  readonly totals: UpdateTotals;
  /** Where the data goes on after the finished steps. */
  readonly data: DataPosition;
  readonly history: RunHistory;
  /** The best held-out accuracy so far. */
  readonly bestAccuracy: number | null;
}

export function startState(config: GrpoConfig): GrpoState {
  return {
    version: 1,
    step: 0,
    updatesDone: 0,
    totals: emptyTotals(),
    data: startOfData(config.curriculum),
    history: { steps: [], evaluations: [] },
    bestAccuracy: null,
  };
}

export function emptyTotals(): UpdateTotals {
  return {
    loss: 0,
    gradientNorm: 0,
    updates: 0,
    skipped: 0,
    trainedTokens: 0,
    seconds: {},
    tokens: emptyLossTotals(),
  };
}

const count = z.int().min(0);
const step = z.object({ step: count, metrics: z.record(z.string(), z.unknown()) });

const stateSchema = z.strictObject({
  version: z.literal(1),
  step: count,
  updatesDone: count,
  totals: z.record(z.string(), z.unknown()),
  data: z.strictObject({ drawn: z.record(z.string(), count), curriculum: z.unknown() }),
  history: z.strictObject({ steps: z.array(step), evaluations: z.array(step) }),
  bestAccuracy: z.number().nullable(),
});

/** Reads a stored state. Metrics are taken as they are: the checkpoint's digest covers them. */
export function parseState(value: unknown): GrpoState {
  const state = parseWithSchema(stateSchema, value, { what: 'The stored state', boundary: 'storage' });
  const data = { ...state.data, curriculum: parseCurriculumState(state.data.curriculum) };
  return { ...state, data } as unknown as GrpoState;
}
