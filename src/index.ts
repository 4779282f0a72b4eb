/** The public surface of aha: what a task file or a program of one's own imports. */
export { AhaError, isAhaError } from './errors.ts';
export { createLocalModel, openLocalModel } from './engine/local-model.ts';
export type { LocalModel } from './engine/local-model.ts';
export type { Completion, Policy, SampleRequest, TokenLoss, TokenSequence } from './engine/policy.ts';
export { openOnnxRuntime } from './runtime/onnx/onnx-runtime.ts';
export { defineTask } from './task/task.ts';
export type { Task, TaskDefinition } from './task/task.ts';
export { readRows } from './task/rows.ts';
export { trainGrpo } from './train/grpo.ts';
export { pretrain } from './train/pretrain.ts';
export { createPromptCodec } from './train/prompt-codec.ts';
export { math } from './verify/math/math.ts';
export { failed, scored } from './verify/verdict.ts';
export type { Verdict } from './verify/verdict.ts';
