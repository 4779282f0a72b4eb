/** Learning rates over the steps of a run: a linear warm-up, then constant, linear or cosine. */

export interface Schedule {
  /** The peak. */
  readonly learningRate: number;
  readonly schedule: 'constant' | 'linear' | 'cosine';
  readonly warmupSteps: number;
}

/**
 * The learning rate of update `update` (from 0) of `updates`. The warm-up rises so that update number `warmupSteps`
 * (from 0) is the first at the peak, as in transformers, except that it starts at peak / (warmupSteps + 1) and not at
 * 0, which would waste an update. After it, `linear` and `cosine` (Loshchilov & Hutter 2017) fall towards 0, which
 * they would reach at update number `updates`.
 */
export function learningRateAt(update: number, updates: number, options: Schedule): number {
  const { learningRate, schedule, warmupSteps } = options;
  if (update < warmupSteps) return (learningRate * (update + 1)) / (warmupSteps + 1);
  const done = Math.min(1, (update - warmupSteps) / Math.max(1, updates - warmupSteps));
  switch (schedule) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * (1 - done);
    case 'cosine':
      return learningRate * 0.5 * (1 + Math.cos(Math.PI * done));
  }
}
