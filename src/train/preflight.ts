/**
 * What is checked before the first step, because a run that fails any of it learns nothing or the wrong thing, often
 * without a sign. Each failure is one error that says what to do.
 */
import type { Completion } from '../engine/policy.ts';
import { AhaError } from '../errors.ts';
import { checkTask } from '../task/check.ts';
import { checkCurriculum } from '../task/curriculum.ts';
import type { GrpoConfig } from './config.ts';
import type { GrpoContext } from './grpo-context.ts';
import { startOfData } from './problem-order.ts';
import { type PosedProblem, sampleAndScore } from './rollout.ts';
import { checkVerdicts, drawProblems, judgeRollout } from './sample-step.ts';

/** The most completions that are sampled to find one group whose rewards differ. */
const mostCompletions = 512;
/** On-policy, p(token) when learning over p(token) when sampled is 1 within this. */
const ratioTolerance = 1e-4;

type Context = Omit<GrpoContext, 'folder'>;

/** Throws `AhaError` (preflight-*, or what the task's own check finds) for the first check that fails. */
export async function preflight(context: Context): Promise<void> {
  const { config, policy, task, emit } = context;
  const passed = (check: string, detail: string) =>
    emit({ type: 'preflight', check, status: 'passed', detail });
  checkCapabilities(context);
  passed('capabilities', `${policy.description.architecture} can do what the configuration asks for`);
  checkCurriculum(config.curriculum, task.levels);
  passed('turn end', checkTurnEnd(context));
  const { references, withoutReference } = await checkTask(task, { clock: context.clock });
  const without = withoutReference === 0 ? '' : `; ${withoutReference} problems have none`;
  passed('references', `${references} reference answers score 1${without}`);
  const samples = await checkVariance(context);
  passed('variance', samples.detail);
  const truncated = truncates(config);
  if (truncated) {
    const detail = 'samples come from a truncated distribution, for which importance.correction corrects';
    emit({ type: 'preflight', check: 'on-policy ratio', status: 'skipped', detail });
  } else {
    passed('on-policy ratio', await checkRatio(context, samples.problems, samples.completions));
  }
}

/** Refuses a configuration that the policy does not honour, with the reason. */
export function checkCapabilities({
  config,
  policy,
  task,
}: Pick<Context, 'config' | 'policy' | 'task'>): void {
  const { capabilities } = policy;
  const refuse = (what: string, fix: string): never => {
    throw new AhaError({ code: 'preflight-capabilities', boundary: 'engine', what, fix });
  };
  if (!capabilities.training)
    refuse('This policy cannot be trained', 'Use one that can: the local engine does.');
  if (!capabilities.customLoss) {
    refuse(
      'This policy accepts no loss of ours',
      'Use one that takes losses as graphs: the local engine does.',
    );
  }
  if (config.kl.beta > 0 && !capabilities.referenceModel) {
    refuse('This policy has no reference model, which kl.beta needs', 'Set kl.beta to 0.');
  }
  if (truncates(config)) {
    if (!capabilities.truncatedSampling) {
      refuse('This policy cannot sample with top-k, top-p or min-p', 'Remove them from sampling.');
    }
    if (config.importance.correction === 'none') {
      refuse(
        'Samples drawn with top-k, top-p or min-p come from another distribution than the one that is trained',
        'Remove them from sampling, or set importance.correction to token or sequence.',
      );
    }
  }
  if (config.maxCompletionTokens >= capabilities.contextLength) {
    throw new AhaError({
      code: 'preflight-context',
      boundary: 'configuration',
      what: 'maxCompletionTokens leaves no room for a prompt in the context of this policy',
      found: config.maxCompletionTokens,
      expected: `less than ${capabilities.contextLength}`,
    });
  }
  if (config.overlong !== undefined && config.overlong.window > config.maxCompletionTokens) {
    throw new AhaError({
      code: 'preflight-overlong',
      boundary: 'configuration',
      what: `overlong.window is longer than a completion (task ${task.name})`,
      found: config.overlong.window,
      expected: `at most ${config.maxCompletionTokens}, the value of maxCompletionTokens`,
    });
  }
}

/** A model whose turns never end only ever gives truncated completions. */
function checkTurnEnd({ codec, task }: Context): string {
  const { turnEnd, stopTokens, stopStrings } = codec;
  if (turnEnd !== undefined && !stopTokens.includes(turnEnd.token)) {
    throw new AhaError({
      code: 'preflight-turn-end',
      boundary: 'text',
      what: 'The chat template ends a turn with a token that does not stop sampling',
      found: `${turnEnd.text} (${turnEnd.token})`,
      expected: `one of the stop tokens: ${stopTokens.join(', ') || '(there are none)'}`,
      fix: 'Add it to the stop tokens, or repair eos_token_id in generation_config.json.',
    });
  }
  if (task.presentation.form === 'chat' && turnEnd === undefined) {
    throw new AhaError({
      code: 'preflight-turn-end',
      boundary: 'text',
      what: `Task ${task.name} speaks in chat messages, and this model has no chat template that ends a turn`,
      fix: 'Use a model with such a template, or another form of the task: r1-zero or raw.',
    });
  }
  if (stopTokens.length === 0 && stopStrings.length === 0) {
    throw new AhaError({
      code: 'preflight-turn-end',
      boundary: 'text',
      what: 'Nothing ends a response: there are no stop tokens and no stop strings',
      fix: 'Give one: the end-of-text token of the tokenizer, or </answer>.',
    });
  }
  return turnEnd === undefined
    ? `${stopTokens.length + stopStrings.length} stops end a response`
    : `${turnEnd.text} ends a turn and is a stop token`;
}

async function checkVariance(context: Context) {
  const { config, policy, codec, task } = context;
  let data = startOfData(config.curriculum);
  let completions = 0;
  let total = 0;
  let first: { problems: PosedProblem[]; completions: Completion[][] } | undefined;
  const perWave = Math.min(config.problemsPerStep, Math.max(1, Math.ceil(64 / config.groupSize)));
  for (let wave = 0; completions < mostCompletions; wave++) {
    const drawn = drawProblems(context, 0, data, perWave);
    data = drawn.data;
    const groups = await sampleAndScore(policy, task, codec, drawn.problems, {
      size: config.groupSize,
      sampling: { ...config.sampling, maxTokens: config.maxCompletionTokens },
      seed: config.seed,
      stream: (problem) => ['preflight', wave, problem],
      failures: config.failedVerdicts,
    });
    checkVerdicts(config, context.shape, groups);
    first ??= { problems: drawn.problems, completions: groups.map((group) => [...group.completions]) };
    const { rewards, zeroVariance } = judgeRollout(config, context.shape, groups).advantages;
    completions += rewards.length;
    total += rewards.reduce((sum, reward) => sum + (Number.isNaN(reward) ? 0 : reward), 0);
    const varied = zeroVariance.filter((zero) => !zero).length;
    if (varied > 0) {
      const detail = `${varied} of ${zeroVariance.length} groups have rewards that differ`;
      return { detail, ...first };
    }
  }
  const average = total / completions;
  throw new AhaError({
    code: 'preflight-variance',
    boundary: 'task',
    what: `All completions of every group of task ${task.name} earn the same reward, so that there is nothing to learn from`,
    found: `${completions} completions with a mean reward of ${average.toFixed(3)}`,
    expected: 'at least one group with different rewards',
    fix:
      average > 0.5
        ? 'The task is too easy for this model: take harder problems.'
        : 'The task is too hard for this model, or its answers are not recognised: take easier problems, ' +
          'larger groups or longer completions, or teach it the format first (aha sample shows responses).',
  });
}

async function checkRatio(
  { config, policy }: Context,
  problems: readonly PosedProblem[],
  completions: readonly (readonly Completion[])[],
): Promise<string> {
  const sequences = problems.flatMap(({ prompt }, p) =>
    completions[p]!.map((completion) => {
      const tokens = Int32Array.from([...prompt.tokens, ...completion.tokens]);
      const weights = new Float32Array(tokens.length).fill(1, prompt.tokens.length);
      return { tokens, weights, start: prompt.tokens.length, sampled: completion.logprobs };
    }),
  );
  const { logprobs } = await policy.forward(sequences, { temperature: config.sampling.temperature });
  let worst = 0;
  let tokens = 0;
  for (const [index, { start, sampled }] of sequences.entries()) {
    for (const [t, value] of sampled.entries()) {
      const difference = Math.abs(Math.exp(logprobs[index]![start + t]! - value) - 1);
      // NaN is the worst of all, and compares as nothing.
      worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
      tokens++;
    }
  }
  if (worst > ratioTolerance) {
    throw new AhaError({
      code: 'preflight-ratio',
      boundary: 'engine',
      what: 'Sampling and learning disagree about the probability of the same tokens',
      found: `a ratio that is off by ${worst.toExponential(2)} among ${tokens} tokens`,
      expected: `at most ${ratioTolerance}`,
      fix: 'This is an error of the engine, or of the sampling options that it was given: please report it.',
    });
  }
  return `ratios are 1 within ${worst.toExponential(1)} over ${tokens} tokens`;
}

function truncates({ sampling: { topK, topP, minP } }: GrpoConfig): boolean {
  return topK > 0 || topP < 1 || minP > 0;
}
