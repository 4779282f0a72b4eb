/**
 * What a training run reports while it runs, as one union of plain, JSON-serialisable objects. Terminal views, logs
 * and stores are built on these alone. Every listener error is the run's error: a listener that must not stop the
 * run catches its own.
 */

/** Where the time of a step goes. */
export type Phase = 'sample' | 'verify' | 'reference' | 'train' | 'evaluate' | 'save';

/** One completion of a problem, as it was scored. */
export interface RolloutRecord {
  /** Identifies the problem within the task. */
  readonly problem: string;
  readonly prompt: string;
  readonly response: string;
  /** Total reward; null when no verdict was reached. */
  readonly reward: number | null;
  /** Why no verdict was reached. */
  readonly failure?: string;
  /** Components of the reward by name, before weights. */
  readonly components: Readonly<Record<string, number | null>>;
  readonly advantage: number;
  readonly tokens: number;
  readonly finish: 'stop' | 'length';
}

/** Metrics of one step. Means are over all completions that the step sampled unless said otherwise. */
export interface StepMetrics {
  /** Total reward of the scored completions. */
  readonly rewardMean: number;
  /** Standard deviation (n − 1) over all scored completions of the step. */
  readonly rewardStd: number;
  /** Means of the components of the reward, by name. */
  readonly rewardComponents: Readonly<Record<string, number>>;
  /** Mean of the part `accuracy` of the verdicts, or of their score where there is none. */
  readonly accuracy: number;
  /** Tokens per completion. */
  readonly lengthMean: number;
  readonly lengthMax: number;
  /** Share of completions that reached the token limit. */
  readonly truncatedShare: number;
  /** Share of the sampled groups whose rewards were all equal. */
  readonly zeroVarianceShare: number;
  /** Groups that were sampled in place of such groups (dynamic sampling). */
  readonly refilledGroups: number;
  /** Share of checks that failed: neither right nor wrong. */
  readonly failedVerdictShare: number;
  /** Entropy (nats) per sampled token, estimated without bias by the mean of −log p over all of them. */
  readonly entropy: number;
  /** Exact mean entropy at the tokens that were learned from; null when there were none. */
  readonly learnedEntropy: number | null;
  /** Mean KL estimate per token against the reference; null without one. */
  readonly kl: number | null;
  /** Share of tokens (sequences, for sequence ratios) whose ratio was clipped. */
  readonly clipShare: number;
  readonly clipLowShare: number;
  readonly clipHighShare: number;
  readonly ratioMean: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /** The loss, averaged over the mini-batches. */
  readonly loss: number;
  /** Global norm before clipping, averaged over the mini-batches. */
  readonly gradientNorm: number;
  /** Mini-batches whose gradient was not finite and changed nothing. */
  readonly skippedUpdates: number;
  readonly learningRate: number;
  /** Sequences and tokens that the loss was computed on in one pass over the rollout. */
  readonly learnedSequences: number;
  readonly learnedTokens: number;
  readonly sampledTokensPerSecond: number;
  readonly trainedTokensPerSecond: number;
  readonly seconds: number;
  /** Share of the step's time by phase; the rest is bookkeeping. */
  readonly timeShares: Readonly<Partial<Record<Phase, number>>>;
}

export interface EvaluationMetrics {
  readonly problems: number;
  /** Completions whose check reached a verdict. */
  readonly scored: number;
  readonly failed: number;
  /** Mean accuracy with its 95 % confidence interval over problems. */
  readonly accuracy: number;
  readonly accuracyLow: number;
  readonly accuracyHigh: number;
  readonly reward: number;
  readonly lengthMean: number;
  readonly truncatedShare: number;
  readonly seconds: number;
}

/** What a run has measured so far; stored in its checkpoints. */
export interface RunHistory {
  readonly steps: readonly { readonly step: number; readonly metrics: StepMetrics }[];
  readonly evaluations: readonly { readonly step: number; readonly metrics: EvaluationMetrics }[];
}

export type GrpoEvent =
  | {
      readonly type: 'run-start';
      readonly steps: number;
      /** The step that comes next: 0, or where the run was resumed. */
      readonly step: number;
      readonly resumed: boolean;
      /** The steps and evaluations of earlier processes. */
      readonly history: RunHistory;
    }
  | {
      readonly type: 'preflight';
      readonly check: string;
      readonly status: 'passed' | 'skipped';
      /** What was measured, or why the check was skipped. */
      readonly detail: string;
    }
  | { readonly type: 'phase'; readonly step: number; readonly phase: Phase }
  | {
      /** Sampling progress within a step. */
      readonly type: 'sampling';
      readonly step: number;
      readonly completions: number;
      readonly of: number;
      readonly tokens: number;
    }
  | {
      /** One optimizer step. */
      readonly type: 'update';
      readonly step: number;
      readonly update: number;
      readonly of: number;
      readonly loss: number;
      readonly gradientNorm: number;
      /** False when the gradient was not finite and the weights were left as they were. */
      readonly applied: boolean;
    }
  | { readonly type: 'rollouts'; readonly step: number; readonly rollouts: readonly RolloutRecord[] }
  | { readonly type: 'step'; readonly step: number; readonly of: number; readonly metrics: StepMetrics }
  | {
      readonly type: 'evaluation';
      /** Steps done so far. */
      readonly step: number;
      readonly metrics: EvaluationMetrics;
      readonly rollouts: readonly RolloutRecord[];
    }
  | { readonly type: 'checkpoint'; readonly step: number; readonly folder: string; readonly best: boolean }
  | {
      readonly type: 'warning';
      readonly step: number;
      /** Stable and kebab-case. */
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly type: 'run-end';
      readonly step: number;
      /** `interrupted`: the signal was aborted; the run was saved and can be resumed. */
      readonly reason: 'completed' | 'interrupted';
      readonly folder: string;
    };

export type PretrainEvent =
  | { readonly type: 'run-start'; readonly steps: number; readonly step: number; readonly resumed: boolean }
  | {
      readonly type: 'pretrain-step';
      readonly step: number;
      readonly of: number;
      /** Mean −log p per learned token, in nats. */
      readonly loss: number;
      readonly gradientNorm: number;
      readonly learningRate: number;
      readonly tokens: number;
      readonly tokensPerSecond: number;
      readonly seconds: number;
    }
  | {
      readonly type: 'warning';
      readonly step: number;
      /** Stable and kebab-case. */
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'checkpoint'; readonly step: number; readonly folder: string; readonly best: boolean }
  | {
      readonly type: 'run-end';
      readonly step: number;
      readonly reason: 'completed' | 'interrupted';
      readonly folder: string;
    };

/** What a run of supervised steps measures of its policy. */
export interface LearnEvaluation {
  /** Mean −log p per learned token of the held-out examples, in nats; null without examples. */
  readonly loss: number | null;
  /** Tokens that the loss was measured on. */
  readonly tokens: number;
  /** Accuracy on held-out problems; null without a task. */
  readonly task: EvaluationMetrics | null;
  readonly seconds: number;
}

/** Of supervised fine-tuning and of distillation. */
export type LearnEvent =
  | {
      readonly type: 'run-start';
      readonly steps: number;
      readonly step: number;
      readonly resumed: boolean;
      /** Those of earlier processes. */
      readonly evaluations: readonly { readonly step: number; readonly metrics: LearnEvaluation }[];
    }
  | {
      readonly type: 'learn-step';
      readonly step: number;
      readonly of: number;
      readonly loss: number;
      /** Global norm before clipping. */
      readonly gradientNorm: number;
      readonly learningRate: number;
      /** Tokens that the loss was taken over. */
      readonly learnedTokens: number;
      /** Tokens that went through the model that learns, padding not counted. */
      readonly computedTokens: number;
      /** `computedTokens` in the time of the whole step. */
      readonly tokensPerSecond: number;
      /** Further numbers by name: divergence, cross-entropy, accuracy of samples. */
      readonly measures: Readonly<Record<string, number>>;
      readonly seconds: number;
    }
  | { readonly type: 'learn-evaluation'; readonly step: number; readonly metrics: LearnEvaluation }
  | {
      readonly type: 'warning';
      readonly step: number;
      /** Stable and kebab-case. */
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'checkpoint'; readonly step: number; readonly folder: string; readonly best: boolean }
  | {
      readonly type: 'run-end';
      readonly step: number;
      readonly reason: 'completed' | 'interrupted';
      readonly folder: string;
    };

export type TrainEvent = GrpoEvent | PretrainEvent | LearnEvent;
