/**
 * What `aha demo` trains: sizes and hyper-parameters, and nothing else. Chosen so that on two cores the whole takes
 * less than six minutes, that the base model answers less than 45 % of the held-out problems, and that the trained
 * one answers more than 90 %.
 */
import type { GrpoConfigInput, PretrainConfigInput } from '../train/config.ts';
import type { ArithmeticOptions } from '../task/arithmetic.ts';

/**
 * Six numbers are more than a small model adds up in its head, and results up to 19 make steps that it learns by heart
 * soon. Worked examples without steps are often wrong, as guesses are.
 */
export const demoTaskOptions: ArithmeticOptions = {
  levels: [5],
  limit: 19,
  wrongDirect: 0.6,
};

export const demoModel = {
  hiddenSize: 128,
  layers: 3,
  heads: 4,
  contextLength: 128,
} as const;

/**
 * Most examples guess; the others work the answer out. Reinforcement has to find out which is better. Prompts are not
 * learned: their numbers are random, and predicting them teaches nothing.
 */
export const demoPretraining: PretrainConfigInput = {
  steps: 900,
  examplesPerStep: 64,
  mixture: { direct: 2, steps: 1 },
  learnPrompts: false,
  optimizer: { learningRate: 3e-3, schedule: 'cosine', warmupSteps: 30, beta2: 0.95, weightDecay: 0.01 },
};

export const demoTraining: GrpoConfigInput = {
  seed: 1,
  steps: 30,
  problemsPerStep: 16,
  groupSize: 16,
  maxCompletionTokens: 64,
  optimizer: { learningRate: 3e-4, schedule: 'linear', warmupSteps: 2, beta2: 0.95 },
  evaluation: { every: 10, problems: 200 },
  checkpoints: { every: 10, keepLast: 2 },
};
