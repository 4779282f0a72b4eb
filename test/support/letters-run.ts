/** Runs of GRPO on the letters task, with everything that they report. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Task } from '../../src/task/task.ts';
import type { GrpoConfigInput } from '../../src/train/config.ts';
import type { GrpoEvent, StepMetrics } from '../../src/train/events.ts';
import { type GrpoOptions, trainGrpo } from '../../src/train/grpo.ts';
import { lettersCodec, lettersPolicy, lettersTask } from './letters.ts';
import type { TabularPolicy } from './tabular-policy.ts';

const base: GrpoConfigInput = {
  seed: 1,
  steps: 6,
  problemsPerStep: 4,
  groupSize: 6,
  maxCompletionTokens: 3,
  optimizer: { learningRate: 0.1 },
  evaluation: { problems: 4, every: 3 },
  checkpoints: { every: 2 },
};

export interface Setup {
  readonly config?: GrpoConfigInput;
  readonly policy?: TabularPolicy;
  readonly task?: Task;
  readonly folder: string;
  readonly options?: Partial<GrpoOptions>;
}

/** A folder for the runs of one test; removed by `remove`. */
export async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'aha-grpo-'));
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/** A short run in `setup.folder`. */
export async function trainLetters(setup: Setup) {
  const events: GrpoEvent[] = [];
  const policy = setup.policy ?? lettersPolicy();
  const result = await trainGrpo({
    policy,
    task: setup.task ?? lettersTask(),
    codec: lettersCodec,
    config: { ...base, ...setup.config },
    folder: setup.folder,
    ...setup.options,
    onEvent(event) {
      events.push(event);
      setup.options?.onEvent?.(event);
    },
  });
  const of = <T extends GrpoEvent['type']>(type: T) =>
    events.filter((event): event is Extract<GrpoEvent, { type: T }> => event.type === type);
  const steps: StepMetrics[] = of('step').map(({ metrics }) => metrics);
  return { result, policy, events, of, steps, warnings: of('warning').map(({ code }) => code) };
}
