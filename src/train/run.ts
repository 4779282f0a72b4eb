/** What a training run is given and what it gives back, shared by `trainGrpo` and `pretrain`. */
import type { Policy } from '../engine/policy.ts';
import type { Clock } from '../util/clock.ts';

export interface RunOptions<Event> {
  readonly policy: Policy;
  /**
   * Where checkpoints are kept. A folder that already holds a run of the same configuration is resumed from its
   * latest good checkpoint; one of another configuration is refused.
   */
  readonly folder: string;
  readonly onEvent?: (event: Event) => void;
  /** Aborted: the run finishes what it cannot repeat cheaply, saves, and returns with reason `interrupted`. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface RunResult {
  readonly reason: 'completed' | 'interrupted';
  /** Steps done in all, those of earlier processes included. */
  readonly steps: number;
  /** The checkpoint that the run ended with. */
  readonly checkpoint: string;
}
