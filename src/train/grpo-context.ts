/** What every part of a GRPO run works with. */
import type { Policy } from '../engine/policy.ts';
import type { Task } from '../task/task.ts';
import type { Clock } from '../util/clock.ts';
import type { GrpoConfig } from './config.ts';
import type { GrpoEvent } from './events.ts';
import type { PromptCodec } from './prompt-codec.ts';
import type { RewardShape } from './rewards.ts';
import type { RunFolder } from './run-folder.ts';

export interface GrpoContext {
  readonly config: GrpoConfig;
  readonly policy: Policy;
  readonly task: Task;
  readonly codec: PromptCodec;
  readonly folder: RunFolder;
  readonly shape: RewardShape;
  readonly emit: (event: GrpoEvent) => void;
  readonly clock: Clock;
}
